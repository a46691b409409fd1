//! Running the calls of one answer, in order.

use super::{
    clarify,
    drive::{Break, Driver},
    finish::note_stop,
    port::{self, Bench, CallPort},
    refusal::{blocked, refused},
    steer::{Amid, take_in},
};
use crate::{
    actors::Tenant,
    agent::{self, Ask, Reach, Verdict},
    domain::{
        ApprovalStatus, Choice, Code, Event, Failure, RunSpec, ToolCall, ToolOutput, Toolset, Unattended,
    },
    redact::Redactor,
    tools::{self, Behalf, CallContext},
};
use futures_util::future::join_all;
use serde_json::Value;
use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// A tool that has not ended this long after a stop is left to its fate; its process tree has been killed by then.
const TOOL_STOP_LIMIT: Duration = Duration::from_secs(5);
const NOT_ALLOWED: &str = "go on without it; if it is needed, tell the user";

/// What is known of a call before anybody is asked.
enum Judged {
    Settled(Plan),
    /// It needs a person's word.
    Open(Value, Ask),
}

impl From<Plan> for Judged {
    fn from(plan: Plan) -> Self {
        Self::Settled(plan)
    }
}

/// What is to become of a call.
pub(super) enum Plan {
    Run(Value),
    /// The result that the model reads instead.
    Refused(ToolOutput),
    /// Decided by a person: looked up once all questions are settled.
    Asked(Value),
}

impl Driver {
    /// Asks for what has to be asked, then runs what may run. Results keep the order of the calls.
    pub(super) async fn call_all(&mut self, calls: &[ToolCall]) -> Result<(), Break> {
        if self.control.stop.is_cancelled() {
            return Err(self.stopped());
        }
        self.pile = 0;
        self.store_unheard();
        self.withdraw_unkept(calls).await;
        let mut plans = Vec::with_capacity(calls.len());
        for (at, call) in calls.iter().enumerate() {
            let plan = match self.plan(call, &calls[..at])? {
                Judged::Settled(plan) => plan,
                Judged::Open(arguments, ask) => self.reviewed(call, arguments, ask).await?,
            };
            plans.push(plan);
        }
        self.settle_all().await?;
        let mut at = 0;
        while at < calls.len() {
            let side_by_side = self.run_length(&calls[at..], &plans[at..]);
            self.call_some(&calls[at..at + side_by_side], &plans[at..at + side_by_side]).await?;
            at += side_by_side;
        }
        Ok(())
    }

    /// How many of the next calls may run beside each other.
    fn run_length(&self, calls: &[ToolCall], plans: &[Plan]) -> usize {
        let toolset = self.kit.toolbox.toolset();
        let reach = |(call, plan): (&ToolCall, &Plan)| match plan {
            Plan::Run(arguments) => Reach::of(&call.name, arguments, toolset.only_reads(&call.name)),
            Plan::Refused(_) | Plan::Asked(_) => Reach::Alone,
        };
        let reaches: Vec<Reach> = calls.iter().zip(plans).map(reach).collect();
        agent::beside(&reaches)
    }

    /// The agent's tools that this turn may use, by what its key may do now; `None`: all.
    pub(super) fn allowed_tools(&self, toolset: &Toolset) -> Option<Arc<[String]>> {
        let keys = self.keys_tools();
        if self.spec.tools.is_all() {
            return keys;
        }
        let chosen = toolset.specs().iter().filter(|spec| self.spec.tools.takes(spec));
        let names = chosen.map(|spec| spec.name.to_string());
        Some(names.filter(|name| keys.as_ref().is_none_or(|keys| keys.contains(name))).collect())
    }

    fn keys_tools(&self) -> Option<Arc<[String]>> {
        keys_tools(&self.tenant, &self.spec)
    }

    /// Asked twice: before anybody is asked for an approval, and again when the call's turn has come.
    fn permitted(&self, call: &ToolCall) -> Result<(), ToolOutput> {
        permitted(&self.tenant, &self.kit.toolbox.toolset(), &self.spec, &call.name)
    }

    /// What another gateway's agent uses over there nobody here can bound.
    pub(super) fn refuse_unbounded_agent(&self) -> Result<(), Break> {
        if self.keys_tools().is_none() && self.spec.tools.is_all() {
            return Ok(());
        }
        let text = "This turn may use some tools only, and its upstream is another gateway's agent, whose tools cannot be \
                    bounded from here. Choose a model, or let the turn use all tools, with a key that may.";
        Err(Break::Failed(Failure::new(Code::InsufficientScope, text)))
    }

    /// `earlier`: the calls before it in the same answer.
    fn plan(&mut self, call: &ToolCall, earlier: &[ToolCall]) -> Result<Judged, Break> {
        if let Err(refused) = self.permitted(call) {
            return Ok(Plan::Refused(refused).into());
        }
        let arguments = match tools::parse_arguments(&call.arguments) {
            Ok(arguments) => arguments,
            Err(why) => {
                return Ok(Plan::Refused(refused("invalid_arguments", &why, "make the call again")).into());
            }
        };
        if self.is_unkept(call) {
            let why =
                "the arguments of this call held a secret, which is not kept over a restart; nothing was run";
            let hint = "make the call again if it is still wanted";
            return Ok(Plan::Refused(refused("arguments_not_kept", why, hint)).into());
        }
        if call.name == clarify::NAME && self.kit.toolbox.toolset().get(clarify::NAME).is_some() {
            return self.plan_question(call, arguments).map(Judged::from);
        }
        let Some(verdict) = self.judge(call, &arguments, earlier) else {
            let why = "another call of the same answer types into this process";
            return Ok(
                Plan::Refused(refused("one_at_a_time", why, "make this call when that one is done")).into()
            );
        };
        let mut ask = match self.unless_to_be_remembered(verdict, call, &arguments) {
            Verdict::Run => return Ok(Plan::Run(arguments).into()),
            Verdict::Refuse(why) => {
                let hint = "do not try it in another form; tell the user, who can do it themselves";
                let output = blocked(&format!("BLOCKED: {why}. Nobody can allow this."), hint);
                return Ok(Plan::Refused(output).into());
            }
            Verdict::Ask(ask) => ask,
        };
        // Shown and kept without secrets; a permission that is kept so has to be looked for so.
        clean(self.tenant.redactor(), &mut ask);
        if self.tenant.permissions().allow(self.spec.asks_in(), &ask.scopes) {
            return Ok(Plan::Run(arguments).into());
        }
        if let Some(known) = self.known_approval(call).cloned() {
            if known.status == ApprovalStatus::Pending {
                self.keep_posed(&known);
            }
            return Ok(Plan::Asked(arguments).into());
        }
        Ok(Judged::Open(arguments, ask))
    }

    /// Puts the question to a person, if there is one.
    pub(super) fn ask_somebody(
        &mut self,
        call: &ToolCall,
        arguments: Value,
        ask: Ask,
    ) -> Result<Plan, Break> {
        if self.spec.unattended == Some(Unattended::Deny) {
            let text = format!(
                "BLOCKED: this needs a person's approval ({}), and this connection cannot ask for one. Nothing was \
                 run.",
                ask.description
            );
            let hint = "tell the user, who can repeat the request through /v1/runs, or set \
                        `approvals.unattended: wait`";
            return Ok(Plan::Refused(blocked(&text, hint)));
        }
        self.request(call, ask, None)?;
        Ok(Plan::Asked(arguments))
    }

    /// The arguments of a call whose turn has come, or why it does not run.
    fn let_through<'a>(&self, call: &ToolCall, plan: &'a Plan) -> Result<&'a Value, ToolOutput> {
        let decided = match plan {
            Plan::Run(arguments) => Ok(arguments),
            Plan::Refused(output) => Err(output.clone()),
            Plan::Asked(arguments) => self.decided(call).map(|()| arguments),
        };
        let decided = self.permitted(call).and(decided);
        if let Ok(arguments) = &decided {
            self.note_typing(call, arguments);
        }
        decided
    }

    async fn call_some(&mut self, calls: &[ToolCall], plans: &[Plan]) -> Result<(), Break> {
        if self.control.stop.is_cancelled() {
            return Err(self.stopped());
        }
        let begun = Instant::now();
        let mut waits = Vec::with_capacity(calls.len());
        for (call, plan) in calls.iter().zip(plans) {
            let decided = self.let_through(call, plan);
            let folders = decided.as_ref().map(|arguments| tools::folders_of(&call.name, arguments));
            let folders = folders.unwrap_or_default();
            let shown = decided.as_ref().ok().copied().cloned();
            let shown = shown.unwrap_or_else(|| as_written(&call.arguments));
            let started = Event::ToolStarted {
                tool: call.name.clone(),
                preview: tools::preview(&call.name, &shown),
                call_id: call.id.clone(),
                arguments: shown,
            };
            let committed = self.log.append(started, std::mem::take(&mut self.changes))?;
            waits.push((call, folders, decided, committed));
        }
        let untrusted = self.has_read_strangers();
        let (bench, mut told) = Bench::of(self);
        let done = {
            let bench = &bench;
            let (kit, spec, control, store) = (&self.kit, &self.spec, &self.control, &self.store);
            let running = waits.into_iter().map(|(call, folders, decided, committed)| async move {
                let output = match decided {
                    Ok(arguments) => {
                        // The tool acts only when the disk knows that it was about to.
                        let cleared = Box::pin(async move { committed.await.is_ok() });
                        let port = CallPort { bench: bench.clone(), call_id: call.id.clone() };
                        let context = CallContext {
                            session: &spec.session.id,
                            run: spec.run_id,
                            stop: &control.stop,
                            cleared,
                            behalf: Some(Behalf {
                                store,
                                key: &spec.key_id,
                                session_key: spec.session_key.as_deref(),
                                untrusted,
                                port: &port,
                            }),
                        };
                        bounded(&control.stop, kit.toolbox.call(context, &call.name, arguments)).await
                    }
                    Err(output) => output,
                };
                (call, folders, output, begun.elapsed())
            });
            let mut running = pin!(join_all(running));
            let mut noted = false;
            loop {
                tokio::select! {
                    biased;
                    done = &mut running => break done,
                    Some(told) = told.recv() => port::write(&mut self.log, &mut self.changes, told),
                    () = control.stop.cancelled(), if !noted => {
                        note_stop(&mut self.log, &mut self.changes);
                        noted = true;
                    }
                    Some(said) = self.inbox.said.recv() => {
                        self.unheard.extend(take_in(&mut self.log, &mut self.changes, Amid::Other, said));
                    }
                }
            }
        };
        while let Ok(told) = told.try_recv() {
            port::write(&mut self.log, &mut self.changes, told);
        }
        for (call, folders, output, took) in done {
            self.finished(call, output, took, folders).await?;
        }
        if self.control.stop.is_cancelled() { Err(self.stopped()) } else { Ok(()) }
    }

    /// A call that was asked about: what came of the question; an answer to the agent's own is the result itself.
    fn decided(&self, call: &ToolCall) -> Result<(), ToolOutput> {
        if let Some(result) = self.clarified(call) {
            return Err(result);
        }
        let known = self.known_approval(call);
        if known.and_then(|approval| approval.decision).is_some_and(Choice::allows) {
            return Ok(());
        }
        let expired = known.is_some_and(|approval| approval.status == ApprovalStatus::Expired);
        let reason = known.and_then(|approval| approval.reason.as_deref());
        let mut text = if expired {
            "BLOCKED: nobody answered the request for approval in time.".to_owned()
        } else {
            "BLOCKED: the user denied this.".to_owned()
        };
        if let Some(reason) = reason {
            text.push_str(" Their reason: ");
            text.push_str(reason.trim().trim_end_matches('.'));
            text.push('.');
        }
        text.push_str(" Nothing was run.");
        Err(blocked(&text, "do not retry it or look for another way to the same end; say what was denied"))
    }
}

fn keys_tools(tenant: &Tenant, spec: &RunSpec) -> Option<Arc<[String]>> {
    match tenant.rights_of_key(&spec.key_id) {
        Some(rights) => rights.tools,
        None => Some(Arc::default()),
    }
}

/// Whether a turn may use a tool, by what its key may do now.
pub(super) fn permitted(
    tenant: &Tenant,
    toolset: &Toolset,
    spec: &RunSpec,
    tool: &str,
) -> Result<(), ToolOutput> {
    if keys_tools(tenant, spec).is_some_and(|allowed| allowed.iter().all(|name| name != tool)) {
        let why = format!("the key of this request may not use the tool `{tool}`");
        return Err(refused("tool_not_allowed", &why, NOT_ALLOWED));
    }
    if toolset.get(tool).is_some_and(|found| !spec.tools.takes(found)) {
        let why = format!("this turn was begun without the tool `{tool}`");
        return Err(refused("tool_not_allowed", &why, NOT_ALLOWED));
    }
    Ok(())
}

pub(super) fn clean(redactor: &Redactor, ask: &mut Ask) {
    let Ask { command, findings, scopes, description, once_only: _ } = ask;
    redactor.clean_text(command);
    redactor.clean_text(description);
    findings.iter_mut().for_each(|finding| redactor.clean_text(&mut finding.description));
    scopes.iter_mut().for_each(|scope| redactor.clean_scope(scope));
}

async fn bounded(stop: &CancellationToken, call: impl Future<Output = ToolOutput>) -> ToolOutput {
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(TOOL_STOP_LIMIT).await;
    };
    tokio::select! {
        output = call => output,
        () = late => refused("stopped", "the tool did not end in time after a stop", "it may still have an effect"),
    }
}

/// The arguments of a call that does not run: their value, or the text itself where it is no JSON. A value that is a
/// string would look like such a text, so it stays text too.
fn as_written(arguments: &str) -> Value {
    match serde_json::from_str(arguments) {
        Ok(Value::String(_)) | Err(_) => Value::String(arguments.to_owned()),
        Ok(value) => value,
    }
}
