//! A turn of a session as a stream of named events.

use super::{model::RuntimeView, view::Said};
use crate::{
    actors::{GetRunMessages, Tenant},
    domain::{
        Code, Content, Event, Finish, Logged, Message, Retrying, RunId, Runtime, Seq, SessionId, Usage,
        seconds,
    },
    front::{
        ask::ask,
        error::Members,
        openai::turn_end::{Failed, Outcome, TurnEnd},
        reader::{self, Source},
        sse::{self, Presenter},
    },
    store::StoreError,
};
use actix_web::web::{BufMut, BytesMut};
use serde::Serialize;
use serde_json::{Value, json};
use std::{cell::RefCell, ops::ControlFlow, rc::Rc, sync::Arc};

/// The messages that came of a run; filled before its last event is shown.
pub type Told = Rc<RefCell<Vec<Message>>>;

/// A source that has the messages of the run ready when the run is completed.
pub struct WithMessages<S> {
    source: S,
    tenant: Arc<Tenant>,
    run: RunId,
    told: Told,
    /// Read, and not given yet: the messages are being fetched.
    held: Option<Vec<Arc<Logged>>>,
}

impl<S> WithMessages<S> {
    pub const fn new(source: S, tenant: Arc<Tenant>, run: RunId, told: Told) -> Self {
        Self { source, tenant, run, told, held: None }
    }
}

impl<S: Source> Source for WithMessages<S> {
    async fn next(&mut self) -> Option<Result<Vec<Arc<Logged>>, StoreError>> {
        if self.held.is_none() {
            match self.source.next().await? {
                Ok(events) => self.held = Some(events),
                Err(error) => return Some(Err(error)),
            }
        }
        let last = self.held.as_ref().and_then(|events| events.last());
        if last.is_some_and(|last| matches!(last.event, Event::RunCompleted { .. })) {
            match ask(&self.tenant, GetRunMessages(self.run)).await {
                Ok(run) => *self.told.borrow_mut() = run.messages,
                Err(error) => return Some(Err(StoreError::Io(error.to_string()))),
            }
        }
        self.held.take().map(Ok)
    }
}

/// Renders frames. They are numbered from 1 over the whole stream, so a resumed one is rendered from the beginning, and
/// only what the reader has not seen is written.
pub struct SessionStream {
    run: RunId,
    session: SessionId,
    message_id: String,
    input: Content,
    runtime: Option<Runtime>,
    seen: Seq,
    frames: u64,
    told: Told,
    /// Reasoning is shown.
    thoughts: bool,
}

#[derive(Serialize)]
struct Frame<'a, T> {
    #[serde(flatten)]
    own: &'a T,
    session_id: &'a SessionId,
    run_id: RunId,
    seq: u64,
    ts: f64,
}

#[derive(Serialize)]
struct Tool<'a> {
    message_id: &'a str,
    tool_name: &'a str,
    preview: Option<&'a str>,
    args: Option<&'a Value>,
    tool_call_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a str>,
}

#[derive(Serialize)]
struct OfTurn<'a, T> {
    message_id: &'a str,
    #[serde(flatten)]
    what: &'a T,
}

#[derive(Serialize)]
struct Spoken<'a> {
    message_id: &'a str,
    content: &'a str,
    completed: bool,
    partial: bool,
    interrupted: bool,
    finish_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<RuntimeView<'a>>,
}

#[derive(Serialize)]
struct Completed<'a> {
    message_id: &'a str,
    completed: bool,
    messages: Vec<Said<'a>>,
    usage: Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<RuntimeView<'a>>,
}

#[derive(Serialize)]
struct Failure<'a> {
    message_id: &'a str,
    message: &'a str,
    error: Members<'a>,
    hermes: Outcome<'a>,
}

impl SessionStream {
    pub fn new(
        run: RunId,
        session: SessionId,
        input: Content,
        runtime: Option<Runtime>,
        seen: Seq,
        told: Told,
        thoughts: bool,
    ) -> Self {
        let message_id = format!("msg_{}", run.hex());
        Self { run, session, message_id, input, runtime, seen, frames: 0, told, thoughts }
    }

    /// One frame of an event; the last of them carries its number.
    fn frame(&mut self, at: &Logged, last: bool, name: &str, own: &impl Serialize, out: &mut BytesMut) {
        self.frames += 1;
        if at.seq <= self.seen && at.seq > Seq::default() {
            return;
        }
        if last && at.seq > Seq::default() {
            sse::id(out, at.seq);
        }
        out.put_slice(b"event: ");
        out.put_slice(name.as_bytes());
        out.put_slice(b"\ndata: ");
        let frame =
            Frame { own, session_id: &self.session, run_id: self.run, seq: self.frames, ts: seconds(at.at) };
        sse::json(out, &frame);
        out.put_slice(b"\n\n");
    }

    fn begun(&mut self, at: &Logged, out: &mut BytesMut) {
        #[derive(Serialize)]
        struct Started<'a> {
            user_message: Value,
            #[serde(skip_serializing_if = "Option::is_none")]
            runtime: Option<RuntimeView<'a>>,
        }
        let runtime = self.runtime.clone();
        let started = Started {
            user_message: json!({"role": "user", "content": self.input}),
            runtime: runtime.as_ref().map(RuntimeView::from),
        };
        self.frame(at, false, "run.started", &started, out);
        let message = json!({"message": {"id": self.message_id, "role": "assistant"}});
        self.frame(at, true, "message.started", &message, out);
    }

    fn delta(&mut self, at: &Logged, name: &str, delta: &str, out: &mut BytesMut) {
        #[derive(Serialize)]
        struct Delta<'a> {
            message_id: &'a str,
            delta: &'a str,
        }
        let message_id = self.message_id.clone();
        self.frame(at, true, name, &Delta { message_id: &message_id, delta }, out);
    }

    fn completed(&mut self, at: &Logged, output: &str, finish: Finish, usage: Usage, out: &mut BytesMut) {
        let (message_id, runtime) = (self.message_id.clone(), self.runtime.clone());
        let runtime = || runtime.as_ref().map(RuntimeView::from);
        let spoken = Spoken {
            message_id: &message_id,
            content: output,
            completed: true,
            partial: false,
            interrupted: false,
            finish_reason: finish.wire(),
            runtime: runtime(),
        };
        self.frame(at, false, "assistant.completed", &spoken, out);
        let told = self.told.clone();
        let told = told.borrow();
        let thoughts = self.thoughts;
        let last = told.len().saturating_sub(1);
        let said = told.iter().enumerate();
        let messages =
            said.map(|(index, message)| Said::new(message, (index == last).then_some(finish), thoughts));
        let completed = Completed {
            message_id: &message_id,
            completed: true,
            messages: messages.collect(),
            usage,
            runtime: runtime(),
        };
        self.frame(at, false, "run.completed", &completed, out);
        self.frame(at, true, "done", &json!({}), out);
    }

    fn retrying(&mut self, at: &Logged, retrying: &Retrying, out: &mut BytesMut) {
        let Retrying { action, attempt, wait, error, error_code, provider, model } = retrying;
        // `error` is an object on this stream.
        let told = json!({
            "message_id": self.message_id, "action": action, "attempt": attempt, "wait": wait, "reason": error,
            "error_code": error_code, "provider": provider, "model": model,
        });
        self.frame(at, true, "run.retrying", &told, out);
    }

    fn failed(&mut self, at: &Logged, failed: &Failed<'_>, out: &mut BytesMut) {
        let message_id = self.message_id.clone();
        let failure = Failure {
            message_id: &message_id,
            message: failed.message,
            error: failed.members(),
            hermes: failed.outcome(),
        };
        self.frame(at, false, "error", &failure, out);
        self.frame(at, true, "done", &json!({}), out);
    }
}

impl Presenter for SessionStream {
    fn open(&mut self, out: &mut BytesMut) {
        out.put_slice(b": stream opened\n");
    }

    fn event(&mut self, logged: &Logged, out: &mut BytesMut) -> ControlFlow<()> {
        let message_id = self.message_id.clone();
        // Text that a crash took was numbered for those who saw it, a frame for each delta.
        self.frames += logged.lost();
        match &logged.event {
            Event::RunStarted { .. } => self.begun(logged, out),
            Event::MessageDelta { delta } => self.delta(logged, "assistant.delta", delta, out),
            Event::ReasoningDelta { delta } => self.delta(logged, "reasoning.delta", delta, out),
            Event::ToolStarted { tool, preview, call_id, arguments } => {
                let tool = Tool {
                    message_id: &message_id,
                    tool_name: tool,
                    preview: preview.as_deref(),
                    args: Some(arguments),
                    tool_call_id: call_id,
                    duration: None,
                    result: None,
                };
                self.frame(logged, true, "tool.started", &tool, out);
            }
            Event::ToolCompleted { tool, call_id, duration, error, result } => {
                let name = if *error { "tool.failed" } else { "tool.completed" };
                let tool = Tool {
                    message_id: &message_id,
                    tool_name: tool,
                    preview: None,
                    args: None,
                    tool_call_id: call_id,
                    duration: Some(*duration),
                    result: Some(result),
                };
                self.frame(logged, true, name, &tool, out);
            }
            Event::ApprovalRequest(request) => {
                let asked = OfTurn { message_id: &message_id, what: &**request };
                self.frame(logged, true, "approval.request", &asked, out);
            }
            Event::ApprovalResponded { approval_id, choice, .. } => {
                let answered =
                    json!({"message_id": message_id, "approval_id": approval_id, "choice": choice});
                self.frame(logged, true, "approval.responded", &answered, out);
            }
            Event::RunRetrying(retrying) => self.retrying(logged, retrying, out),
            Event::RunSteered { accepted, input } => {
                let steered = json!({"message_id": message_id, "accepted": accepted, "input": input});
                self.frame(logged, true, "run.steered", &steered, out);
            }
            Event::ContextCompressed(compressed) => {
                self.frame(logged, true, "context.compressed", compressed, out);
            }
            Event::RunCompleted { output, usage, finish_reason, .. } => {
                self.completed(logged, output, *finish_reason, *usage, out);
            }
            Event::RunFailed { .. } | Event::RunCancelled { .. } => {
                if let Some(TurnEnd::Failed(failed)) = TurnEnd::of(&logged.event) {
                    self.failed(logged, &failed, out);
                }
            }
            Event::Gap { .. } => {
                self.broken(Code::Interrupted, reader::GAP, out);
                return ControlFlow::Break(());
            }
            Event::ClarifyRequest(request) => {
                let asked = OfTurn { message_id: &message_id, what: &**request };
                self.frame(logged, true, "clarify.request", &asked, out);
            }
            Event::ClarifyResponded { clarify_id, response, .. } => {
                let answered =
                    json!({"message_id": message_id, "clarify_id": clarify_id, "response": response});
                self.frame(logged, true, "clarify.responded", &answered, out);
            }
            Event::SubagentStart(child) => {
                let told = OfTurn { message_id: &message_id, what: &**child };
                self.frame(logged, true, "subagent.start", &told, out);
            }
            Event::SubagentComplete(end) => {
                let told = OfTurn { message_id: &message_id, what: &**end };
                self.frame(logged, true, "subagent.complete", &told, out);
            }
            Event::RunStopping {} => {}
        }
        ControlFlow::Continue(())
    }

    fn close(&mut self, out: &mut BytesMut) {
        out.put_slice(b": stream closed\n");
    }

    fn broken(&mut self, code: Code, message: &str, out: &mut BytesMut) {
        // No event of the log, so without a number: the client comes back behind the last one that it saw.
        let outside = Logged { seq: Seq::default(), at: 0, lost_after: None, event: Event::RunStopping {} };
        self.failed(&outside, &Failed::outside(code, message), out);
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
