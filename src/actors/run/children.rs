//! Children of a turn: runs of their own that do a piece of its work.
//!
//! A child works in its parent's place: it takes no slot, so that a parent never waits for what it holds itself. Its
//! questions are asked in the parent's log, too. It ends with its parent, however that ends.

use super::{Entry, RunActor, Work, port::Bench};
use crate::{
    actors::Board,
    domain::{
        ApprovalId, ApprovalRequest, Choice, ClientTools, Content, Declined, Ended, Event, Finish, Message,
        OnDisconnect, Outcome, Parent, Report, RunId, RunRecord, RunSpec, Seq, SessionId, SessionRef,
        Subagent, SubagentEnd, Surface, Task, now,
    },
    store::{EventCursor, Store, StoreError},
};
use std::{sync::Arc, time::Instant};

/// What a child does not get: more children, people, and what it would leave behind.
const WITHOUT: [&str; 6] = ["clarify", "delegate_task", "execute_code", "memory", "skill_manage", "todo"];

/// Characters of a child's words that the parent's log shows.
const SHOWN: usize = 1_000;

const CHARGE: &str = "You do one piece of work for another agent, which sees nothing but your last answer. Nobody can answer \
     questions: decide what is open yourself, and say so. When you are done, sum up what you did, what you found, which \
     files you changed, and what is left.";

/// Has a child do the work and waits for its end.
pub(super) async fn work(bench: &Bench, call_id: &str, task: Task) -> Result<Report, Declined> {
    let spec = Arc::new(child_of(&bench.spec, &task));
    let (run, board) = (spec.run_id, bench.tenant.board().clone());
    let begun = Instant::now();
    let (log, committed) = bench.store.begin_with(spec.clone(), Vec::new());
    committed.await?;
    let events = bench.store.tail(run, Seq::default())?;
    let events = events.ok_or_else(|| declined("the child's log is missing"))?;
    let told = Subagent {
        subagent_id: run,
        parent_id: bench.spec.run_id,
        delegation_id: call_id.to_owned(),
        child_session_id: spec.session.id.clone(),
        goal: task.goal,
        task_index: task.index,
        task_count: task.count,
        depth: 1,
        model: spec.model.clone(),
    };
    bench.tell(Event::SubagentStart(Box::new(told.clone())), None);
    let child = Live { board: board.clone(), run };
    let session = spec.session.id.clone();
    RunActor::launch(Work {
        tenant: bench.tenant.clone(),
        store: bench.store.clone(),
        kit: bench.kit.clone(),
        spec,
        log,
        entry: Entry::Within,
        messages: Vec::new(),
        approvals: Vec::new(),
    });
    let record = follow(bench, call_id, events, run).await?;
    drop(child);
    // Nobody could look after what goes on in its background.
    bench.kit.toolbox.forget_session(&session, &bench.store).await?;
    let api_calls = calls(bench.store.clone(), run).await;
    let report = report(record, told.model.clone(), api_calls, begun.elapsed().as_secs_f64());
    bench.tell(Event::SubagentComplete(Box::new(end(told, &report))), Some((report.usage, report.cost)));
    Ok(report)
}

/// A child that is stopped when nobody waits for it any more. One that has ended does not mind.
struct Live {
    board: Arc<Board>,
    run: RunId,
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(actor) = self.board.live(self.run) {
            actor.do_send(super::Stop(super::StopReason::Asked));
        }
    }
}

/// Reads the child's log to its end; what it asks people is told in the parent's.
async fn follow(
    bench: &Bench,
    call_id: &str,
    mut events: EventCursor,
    run: RunId,
) -> Result<RunRecord, StoreError> {
    let mut open: Vec<ApprovalId> = Vec::new();
    let mut stopped = false;
    loop {
        let batch = tokio::select! {
            biased;
            () = bench.stop.cancelled(), if !stopped => {
                bench.tenant.board().stop(run);
                stopped = true;
                continue;
            }
            batch = events.next() => batch,
        };
        let Some(batch) = batch else { break };
        for logged in batch? {
            match &logged.event {
                Event::ApprovalRequest(request) => {
                    open.push(request.approval_id);
                    let request = ApprovalRequest { call_id: call_id.to_owned(), ..(**request).clone() };
                    bench.tell(Event::ApprovalRequest(Box::new(request)), None);
                }
                Event::ApprovalResponded { approval_id, .. } => {
                    open.retain(|id| id != approval_id);
                    bench.tell(logged.event.clone(), None);
                }
                Event::RunStarted { .. }
                | Event::MessageDelta { .. }
                | Event::ReasoningDelta { .. }
                | Event::ToolStarted { .. }
                | Event::ToolCompleted { .. }
                | Event::SubagentStart(_)
                | Event::SubagentComplete(_)
                | Event::ContextCompressed(_)
                | Event::ClarifyRequest(_)
                | Event::ClarifyResponded { .. }
                | Event::RunRetrying(_)
                | Event::RunSteered { .. }
                | Event::RunStopping {}
                | Event::RunCompleted { .. }
                | Event::RunFailed { .. }
                | Event::RunCancelled { .. }
                | Event::Gap { .. } => {}
            }
        }
    }
    // What was not answered before the child ended will not be.
    for approval_id in open {
        let choice = Choice::Deny;
        bench.tell(Event::ApprovalResponded { approval_id, choice, resolved: 1, expired: false }, None);
    }
    events.record()
}

fn child_of(parent: &RunSpec, task: &Task) -> RunSpec {
    let run_id = RunId::new();
    let mut tools = parent.tools.clone();
    tools.disabled.extend(WITHOUT.map(str::to_owned));
    let context = task.context.as_ref().map(|context| format!("\n\nWhat is known:\n{context}"));
    RunSpec {
        run_id,
        surface: Surface::Runs,
        created_at: now(),
        session: SessionRef { id: SessionId::from(run_id), named: false },
        key_id: parent.key_id.clone(),
        session_key: parent.session_key.clone(),
        model: parent.model.clone(),
        system: Some(CHARGE.to_owned()),
        history: Vec::new(),
        load_history: false,
        after: None,
        history_limit: None,
        results: Vec::new(),
        input: Content::Text(format!("{}{}", task.goal, context.unwrap_or_default())),
        client_tools: ClientTools::default(),
        tools,
        parent: Some(Parent { run: parent.run_id, session: parent.asks_in().clone() }),
        upstream: parent.upstream.clone(),
        runtime: None,
        sampling: parent.sampling.without_limits(),
        durable: true,
        on_disconnect: OnDisconnect::Continue,
        unattended: parent.unattended,
    }
}

/// Model calls that were answered.
async fn calls(store: Store, run: RunId) -> usize {
    let read = move || {
        let messages = store.stored_run(run).ok().flatten().map(|stored| stored.messages).unwrap_or_default();
        messages.iter().filter(|message| matches!(message, Message::Assistant { .. })).count()
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

fn report(record: RunRecord, model: String, api_calls: usize, seconds: f64) -> Report {
    let (ended, error) = match record.outcome {
        Some(Outcome::Completed { finish: Finish::Stop | Finish::ToolCalls }) => (Ended::Completed, None),
        Some(Outcome::Completed { finish: Finish::Length }) => (Ended::Cut, None),
        Some(Outcome::Failed(failure)) => (Ended::Failed, Some(failure.message)),
        Some(Outcome::Cancelled) | None => (Ended::Cancelled, Some("the child was stopped".to_owned())),
    };
    Report {
        run: record.run_id,
        ended,
        summary: record.text,
        error,
        model,
        api_calls,
        tools: record.tools,
        usage: record.usage,
        cost: record.cost,
        seconds: (seconds * 1_000.0).round() / 1_000.0,
    }
}

fn end(subagent: Subagent, report: &Report) -> SubagentEnd {
    let words = report.error.as_ref().filter(|_| report.summary.is_empty()).unwrap_or(&report.summary);
    SubagentEnd {
        subagent,
        status: report.ended,
        summary: words.chars().take(SHOWN).collect(),
        duration_seconds: report.seconds,
        api_calls: report.api_calls,
        tool_count: report.tools.len(),
        input_tokens: report.usage.input_tokens,
        output_tokens: report.usage.output_tokens,
        reasoning_tokens: report.usage.reasoning_tokens,
    }
}

fn declined(message: &str) -> Declined {
    Declined { code: "delegation_failed", message: message.to_owned() }
}

impl From<StoreError> for Declined {
    fn from(error: StoreError) -> Self {
        declined(&format!("the child could not be recorded: {error}"))
    }
}
