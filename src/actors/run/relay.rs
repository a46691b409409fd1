//! A turn that another gateway's agent does.
//!
//! Its run over there is started once, followed event by event, and told here as the events of this run: text, tools,
//! questions, usage and the way it ends. An answer or a stop given here is passed on; one given over there shows here.
//! No tool of ours is offered, and none runs.

use super::{
    StopReason,
    approvals::{ParkedRun, SLOT_GRACE},
    drive::Break,
    drive::Driver,
    finish::{End, note_stop},
    question_there::There,
    steer::{Amid, Manner, Said, take_in},
};
use crate::{
    agent::Answered,
    domain::{Choice, Code, Content, Event, Failure, Finish, Message, RunId, Seq, UpstreamRun},
    model::{Asked, HermesClient, Mind, RemoteTurn},
    store::Change,
};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// How long the other side may take to hear of a stop, and then to end.
const STOPPING: Duration = Duration::from_secs(3);

pub(super) type Agent = Asked<HermesClient>;

impl Driver {
    /// Has `agent` do the turn.
    pub(super) async fn relay(&mut self, agent: &Agent) -> Result<End, Break> {
        let end = self.follow(agent).await;
        // Nobody is to be asked any more, unless the run goes on asking after a restart.
        if !matches!(end, Err(Break::Parked)) {
            self.withdraw_pending();
        }
        end
    }

    async fn follow(&mut self, agent: &Agent) -> Result<End, Break> {
        let mut run = match self.log.see(|record| record.upstream.clone()) {
            Some(run) => run,
            None => self.begin_there(agent).await?,
        };
        let mut events = agent.client.events(&run);
        let (stop, parking) = (self.control.stop.clone(), self.tenant.parking().clone());
        let mut give_up: Option<Instant> = None;
        let mut waiting: Option<Waiting> = None;
        loop {
            let waits = self.pending().next().is_some();
            if waits {
                waiting.get_or_insert_with(Waiting::begin);
            } else {
                waiting = None;
                if let Err(broke) = self.regain_slot().await {
                    self.stop_there(agent, &run.id).await;
                    return Err(broke);
                }
            }
            tokio::select! {
                biased;
                () = parking.cancelled(), if waits && give_up.is_none() => {
                    if self.lives_for_its_reader() {
                        self.stop_there(agent, &run.id).await;
                    }
                    return Err(Break::Parked);
                }
                () = stop.cancelled(), if give_up.is_none() => {
                    note_stop(&mut self.log, &mut self.changes);
                    self.stop_there(agent, &run.id).await;
                    give_up = Some(Instant::now() + STOPPING);
                }
                () = sleep_until(give_up.unwrap_or_else(Instant::now)), if give_up.is_some() => {
                    return Err(self.stopped());
                }
                () = Waiting::is_long(waiting.as_ref()), if self.slot.is_some() => {
                    if let Some(waiting) = &mut waiting {
                        waiting.parked = Some(ParkedRun::enter(self));
                    }
                }
                Some(answer) = self.inbox.answered.recv() => self.pass_on(agent, &run.id, answer).await,
                Some(said) = self.inbox.said.recv() => self.say_there(agent, &run.id, said).await,
                told = events.next() => {
                    let (seq, event) = match told {
                        Ok(told) => told,
                        Err(_) if give_up.is_some() => return Err(self.stopped()),
                        Err(error) => {
                            self.stop_there(agent, &run.id).await;
                            return Err(self.model_failed(&error));
                        }
                    };
                    run.seen = seq;
                    if let Some(end) = self.tell(agent, &run, event).await? {
                        return if give_up.is_some() { Err(self.stopped()) } else { Ok(end) };
                    }
                }
            }
        }
    }

    /// Stops the run over there whose turn here is abandoned. Nobody is left to wait for it.
    pub(super) fn end_there(&self) {
        if let (Some(run), Ok(Mind::Agent(agent))) =
            (self.log.see(|record| record.upstream.clone()), self.mind())
        {
            let here = self.spec.run_id;
            actix::spawn(async move { stop(&agent, &run.id, here).await });
        }
    }

    /// Starts the run over there and has its id on disk before it is followed: whatever becomes of us, it can be stopped.
    async fn begin_there(&mut self, agent: &Agent) -> Result<UpstreamRun, Break> {
        let id = self.start_there(agent).await?;
        let run = UpstreamRun { id, seen: Seq::default() };
        self.log.make_durable();
        self.log.set_upstream(run.clone());
        self.log.write(std::mem::take(&mut self.changes)).await?;
        Ok(run)
    }

    async fn start_there(&mut self, agent: &Agent) -> Result<String, Break> {
        let body = self.body(agent)?;
        // A retry, or this very turn after a restart, finds the run that it has started already.
        let key = self.spec.run_id.to_string();
        let started = agent.client.start(body, &key);
        tokio::pin!(started);
        tokio::select! {
            biased;
            () = self.control.stop.cancelled() => {}
            started = &mut started => return started.map_err(|error| self.model_failed(&error)),
        }
        note_stop(&mut self.log, &mut self.changes);
        // The request may have been heard: then there is a run to be stopped.
        if let Ok(Ok(id)) = timeout(STOPPING, started).await {
            self.stop_there(agent, &id).await;
        }
        Err(self.stopped())
    }

    /// The turn as the other side takes it.
    fn body(&self, agent: &Agent) -> Result<Vec<u8>, Break> {
        let (history, input) = self.asks()?;
        let session = self.spec.session.named.then(|| self.tenant.alias(self.spec.session.id.as_str()));
        let turn = RemoteTurn {
            model: &agent.model,
            instructions: self.spec.system.as_deref(),
            history: &history,
            input,
            session_id: session.as_deref(),
            sampling: &agent.sampling,
        };
        turn.body().map_err(|error| self.model_failed(&error))
    }

    /// What was said before, and what the agent is to answer.
    fn asks(&self) -> Result<([&[Message]; 3], &Content), Break> {
        let mut said = self.conversation();
        if self.spec.client_tools.definitions.is_empty()
            && let Some(last) = said.iter_mut().rev().find(|part| !part.is_empty())
            && let Some((Message::User { content }, before)) = last.split_last()
        {
            *last = before;
            return Ok((said, content));
        }
        Err(Break::Failed(no_client_tools()))
    }

    async fn stop_there(&self, agent: &Agent, run: &str) {
        stop(agent, run, self.spec.run_id).await;
    }

    /// Passes a person's answer on. What came of it is told here once the other side has it.
    async fn pass_on(&mut self, agent: &Agent, run: &str, answer: super::Decide) {
        if self.pending().all(|approval| approval.id != answer.approval) {
            return;
        }
        let id = answer.approval;
        match self.tell_there(agent, run, &answer).await {
            Ok(()) => self.answer(answer).await,
            Err(error) => {
                tracing::warn!(run = %self.spec.run_id, %error, "an answer was not taken over there");
                // Asked anew: whoever answered is told that it did not count, and the next answer can.
                if let Some(approval) = self.pending().find(|approval| approval.id == id) {
                    self.pose(approval);
                }
            }
        }
    }

    /// Passes words to the running turn on. Refused over there, they are refused here.
    async fn say_there(&mut self, agent: &Agent, run: &str, said: Said) {
        if let Manner::Joins { .. } = said.manner {
            // Over there it would be given back when it comes too late; as a turn of its own it is answered.
            return;
        }
        match agent.client.steer(run, &said.input).await {
            Ok(()) => {
                self.unheard.extend(take_in(&mut self.log, &mut self.changes, Amid::Other, said));
            }
            Err(error) => {
                tracing::info!(run = %self.spec.run_id, %error, "words to the turn were not taken over there");
            }
        }
    }

    /// Tells an event of the run over there as one of this run. Gives the end, when it is that.
    async fn tell(&mut self, agent: &Agent, run: &UpstreamRun, event: Event) -> Result<Option<End>, Break> {
        // Written together with what the event becomes.
        self.log.set_upstream(run.clone());
        match event {
            Event::MessageDelta { .. } => self.log.delta(event)?,
            Event::ReasoningDelta { .. } => {
                if self.tenant.config().api.show_reasoning {
                    self.log.delta(event)?;
                }
            }
            Event::ToolStarted { .. } | Event::ToolCompleted { .. } | Event::RunRetrying(_) => {
                drop(self.log.append(event, Vec::new())?);
            }
            Event::ApprovalRequest(request) => {
                self.asked_there(agent, &run.id, There::Approval(request)).await?;
            }
            Event::ClarifyRequest(request) => {
                self.asked_there(agent, &run.id, There::Question(request)).await?;
            }
            Event::ApprovalResponded { approval_id, choice, resolved: _, expired } => {
                let decision = (!expired).then_some(choice);
                self.answered_there(approval_id, choice, decision, None).await;
            }
            Event::ClarifyResponded { clarify_id, response, expired } => {
                let decision = (!expired).then_some(Choice::Once);
                self.answered_there(clarify_id, Choice::Once, decision, response).await;
            }
            Event::RunCompleted { output, usage, finish_reason, tool_calls: _, pending_steer } => {
                self.heard_there(pending_steer);
                self.called_there(agent, None, usage);
                return self.completed_there(&output, finish_reason).map(Some);
            }
            Event::RunFailed {
                error,
                error_code,
                retryable,
                retry_after,
                partial_output: _,
                usage,
                pending_steer,
            } => {
                self.heard_there(pending_steer);
                self.called_there(agent, Some(error_code), usage);
                let failure = Failure { code: error_code, message: error, retryable, retry_after };
                return Err(Break::Failed(failure));
            }
            Event::RunCancelled { partial_output: _, usage, pending_steer } => {
                self.heard_there(pending_steer);
                self.called_there(agent, Some(Code::RunCancelled), usage);
                return Err(Break::Stopped(self.control.reason.get().unwrap_or(StopReason::Asked)));
            }
            Event::Gap { .. } => {
                let lost = "The upstream no longer keeps a part of this answer.";
                return Err(Break::Failed(Failure::new(Code::UpstreamError, lost)));
            }
            // Of children over there nothing can be answered here.
            Event::SubagentStart(_)
            | Event::SubagentComplete(_)
            | Event::RunStarted { .. }
            | Event::ContextCompressed(_)
            | Event::RunSteered { .. }
            | Event::RunStopping {} => {}
        }
        Ok(None)
    }

    /// The run over there has ended; these words were all that came too late for it.
    fn heard_there(&mut self, pending_steer: Option<String>) {
        match pending_steer {
            Some(unheard) => self.given_back(unheard),
            None => self.hear(),
        }
    }

    fn completed_there(&mut self, output: &str, finish: Finish) -> Result<End, Break> {
        self.asked_model(None);
        self.log.end_text()?;
        let output = self.tenant.redactor().clean(output).into_owned();
        let rest = self.log.see(|record| output.strip_prefix(&record.text).map(str::to_owned));
        if let Some(delta) = rest.filter(|rest| !rest.is_empty()) {
            self.log.delta(Event::MessageDelta { delta })?;
            self.log.end_text()?;
        }
        // However it ended there, nobody here is asked to go on with it.
        let answer = Answered { text: output, ..Answered::default() };
        if let Some(message) = self.turn.answered(answer) {
            self.changes.push(Change::Message(message.clone()));
        }
        Ok(End::Completed(finish))
    }
}

/// Stops the run over there that does the work of `here`.
async fn stop(agent: &Agent, run: &str, here: RunId) {
    let told = match timeout(STOPPING, agent.client.stop(run)).await {
        Ok(told) => told.map_err(|error| error.to_string()),
        Err(_elapsed) => Err("no answer in time".to_owned()),
    };
    if let Err(error) = told {
        tracing::warn!(run = %here, upstream_run = run, error, "the run over there could not be stopped");
    }
}

/// Since when a question waits; a run that waits for long gives its slot to others.
struct Waiting {
    since: Instant,
    parked: Option<ParkedRun>,
}

impl Waiting {
    fn begin() -> Self {
        Self { since: Instant::now(), parked: None }
    }

    /// Resolves once the slot is to be given back; never when it has been.
    async fn is_long(waiting: Option<&Self>) {
        match waiting {
            Some(Self { since, parked: None }) => sleep_until(*since + SLOT_GRACE).await,
            Some(Self { parked: Some(_), .. }) | None => std::future::pending().await,
        }
    }
}

fn no_client_tools() -> Failure {
    let text = "This profile's upstream is another gateway's agent, which cannot call the client's tools; leave `tools` out.";
    Failure::new(Code::UnsupportedParameter, text)
}
