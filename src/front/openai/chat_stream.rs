//! A run shown as chat completion chunks.

use super::turn_end::{Failed, Tokens, TurnEnd};
use crate::{
    domain::{ApprovalRequest, Code, Event, Logged, Millis, RunId, Seq, ToolCall, Toolset},
    front::{
        reader,
        sse::{self, Presenter},
    },
};
use actix_web::web::{BufMut, BytesMut};
use serde::Serialize;
use std::{ops::ControlFlow, sync::Arc};

/// Longest content of one chunk, in characters: some clients limit the length of a line.
const MAX_DELTA: usize = 32_000;
const DONE: &[u8] = b"data: [DONE]\n\n";
const EMPTY_CHOICE: &[u8] = br#""choices":[{"index":0,"delta":{},"finish_reason":null}],"#;

/// The id of the answer that a run gives.
pub fn completion_id(run: RunId) -> String {
    ["chatcmpl-", &run.hex()].concat()
}

/// Renders chunks. What they have in common is written once, so that a token costs a copy and its escaping.
pub struct ChatStream {
    /// `{"id":…,"object":…,"created":…,"model":…,`
    head: BytesMut,
    tools: Arc<Toolset>,
    /// The reader has seen the beginning before.
    resumed: bool,
    done: bool,
}

#[derive(Serialize)]
struct Head<'a> {
    id: String,
    object: &'static str,
    created: Millis,
    model: &'a str,
}

#[derive(Serialize)]
struct Role {
    role: &'static str,
}

#[derive(Serialize)]
struct Text<'a> {
    content: &'a str,
}

/// `content` stands beside it for loops that read nothing else.
#[derive(Serialize)]
struct Reasoning<'a> {
    content: Option<&'a str>,
    reasoning_content: &'a str,
}

#[derive(Serialize)]
struct Calls<'a> {
    tool_calls: [Call<'a>; 1],
}

#[derive(Serialize)]
struct Call<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: CallFunction<'a>,
}

#[derive(Serialize)]
struct CallFunction<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Progress<'a> {
    tool: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    emoji: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(rename = "toolCallId")]
    call_id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<Question<'a>>,
}

#[derive(Serialize)]
struct Question<'a> {
    id: crate::domain::ApprovalId,
    description: &'a str,
}

impl ChatStream {
    /// `tools` give the emojis; `resumed` leaves out what came before the first event.
    pub fn new(run: RunId, created_at: Millis, model: &str, tools: Arc<Toolset>, resumed: bool) -> Self {
        let mut head = BytesMut::new();
        let members = Head {
            id: completion_id(run),
            object: "chat.completion.chunk",
            created: created_at / 1000,
            model,
        };
        sse::json(&mut head, &members);
        // Left open: every frame goes on with members of its own.
        head.truncate(head.len().saturating_sub(1));
        head.put_u8(b',');
        Self { head, tools, resumed, done: false }
    }

    fn begin(&self, seq: Option<Seq>, out: &mut BytesMut) {
        if let Some(seq) = seq {
            sse::id(out, seq);
        }
        out.put_slice(b"data: ");
        out.put_slice(&self.head);
    }

    fn chunk(&self, seq: Option<Seq>, delta: &impl Serialize, out: &mut BytesMut) {
        self.begin(seq, out);
        out.put_slice(br#""choices":[{"index":0,"delta":"#);
        sse::json(out, delta);
        out.put_slice(b",\"finish_reason\":null}]}\n\n");
    }

    fn pieces<'a, D: Serialize>(
        &self,
        seq: Seq,
        text: &'a str,
        delta: impl Fn(&'a str) -> D,
        out: &mut BytesMut,
    ) {
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, tail) = split(rest);
            self.chunk(tail.is_empty().then_some(seq), &delta(piece), out);
            rest = tail;
        }
    }

    fn progress(&self, seq: Seq, progress: &Progress<'_>, out: &mut BytesMut) {
        // Names that begin so are the agent's own affairs.
        if progress.tool.starts_with('_') {
            return;
        }
        out.put_slice(b"event: hermes.tool.progress\n");
        self.begin(Some(seq), out);
        out.put_slice(EMPTY_CHOICE);
        let open = out.len();
        sse::json(out, progress);
        // Its opening brace gives way: the members belong to the envelope's object.
        remove_at(out, open);
        out.put_slice(b"\n\n");
    }

    /// The client's calls, as OpenAI streams them: what a call is, then its arguments.
    fn calls(&self, calls: &[ToolCall], out: &mut BytesMut) {
        for (index, call) in calls.iter().enumerate() {
            let delta = |call| Calls { tool_calls: [call] };
            let function = CallFunction { name: Some(&call.name), arguments: "" };
            let kind = Some("function");
            self.chunk(None, &delta(Call { index, id: Some(&call.id), kind, function }), out);
            let mut rest = call.arguments.as_str();
            while !rest.is_empty() {
                let (arguments, tail) = split(rest);
                let function = CallFunction { name: None, arguments };
                self.chunk(None, &delta(Call { index, id: None, kind: None, function }), out);
                rest = tail;
            }
        }
    }

    fn emoji(&self, tool: &str) -> Option<&'static str> {
        self.tools.get(tool).map(|spec| spec.emoji)
    }

    fn asked(&self, seq: Seq, request: &ApprovalRequest, out: &mut BytesMut) {
        let progress = Progress {
            tool: &request.tool,
            emoji: self.emoji(&request.tool),
            label: Some(&request.command),
            call_id: &request.call_id,
            status: "running",
            approval: Some(Question { id: request.approval_id, description: &request.description }),
        };
        self.progress(seq, &progress, out);
    }

    fn finish(
        &mut self,
        seq: Option<Seq>,
        reason: &str,
        usage: Tokens,
        failed: Option<&Failed<'_>>,
        out: &mut BytesMut,
    ) {
        self.begin(None, out);
        out.put_slice(br#""choices":[{"index":0,"delta":{},"finish_reason":"#);
        sse::json(out, &reason);
        out.put_slice(br#"}],"usage":"#);
        sse::json(out, &usage);
        if let Some(failed) = failed {
            out.put_slice(br#","error":"#);
            sse::json(out, &failed.members());
            out.put_slice(br#","hermes":"#);
            sse::json(out, &failed.outcome());
        }
        out.put_slice(b"}\n\n");
        if let Some(seq) = seq {
            sse::id(out, seq);
        }
        out.put_slice(DONE);
        self.done = true;
    }

    fn end(&mut self, seq: Option<Seq>, end: TurnEnd<'_>, out: &mut BytesMut) {
        match end {
            TurnEnd::Answered { finish, usage, text: _, calls } => {
                self.calls(calls, out);
                self.finish(seq, finish, usage, None, out);
            }
            TurnEnd::Failed(failed) => self.finish(seq, "error", failed.usage, Some(&failed), out),
        }
    }
}

impl Presenter for ChatStream {
    fn open(&mut self, out: &mut BytesMut) {
        if self.resumed {
            out.put_slice(b": resumed\n");
        } else {
            self.chunk(None, &Role { role: "assistant" }, out);
        }
    }

    fn event(&mut self, logged: &Logged, out: &mut BytesMut) -> ControlFlow<()> {
        let seq = logged.seq;
        match &logged.event {
            Event::MessageDelta { delta } => self.pieces(seq, delta, |content| Text { content }, out),
            Event::ReasoningDelta { delta } => {
                let reasoning = |reasoning_content| Reasoning { content: None, reasoning_content };
                self.pieces(seq, delta, reasoning, out);
            }
            Event::ToolStarted { tool, preview, call_id, .. } => {
                let progress = Progress {
                    tool,
                    emoji: self.emoji(tool),
                    label: Some(preview.as_deref().unwrap_or(tool)),
                    call_id,
                    status: "running",
                    approval: None,
                };
                self.progress(seq, &progress, out);
            }
            Event::ToolCompleted { tool, call_id, .. } => {
                let progress =
                    Progress { tool, emoji: None, label: None, call_id, status: "completed", approval: None };
                self.progress(seq, &progress, out);
            }
            Event::ApprovalRequest(request) => self.asked(seq, request, out),
            Event::ClarifyRequest(request) => {
                let progress = Progress {
                    tool: "clarify",
                    emoji: self.emoji("clarify"),
                    label: Some(&request.question),
                    call_id: &request.call_id,
                    status: "running",
                    approval: None,
                };
                self.progress(seq, &progress, out);
            }
            Event::Gap { .. } => {
                self.broken(Code::Interrupted, reader::GAP, out);
                return ControlFlow::Break(());
            }
            Event::RunCompleted { .. } | Event::RunFailed { .. } | Event::RunCancelled { .. } => {
                if let Some(end) = TurnEnd::of(&logged.event) {
                    self.end(Some(seq), end, out);
                }
            }
            Event::RunStarted { .. }
            | Event::ApprovalResponded { .. }
            | Event::ContextCompressed(_)
            | Event::ClarifyResponded { .. }
            | Event::SubagentStart(_)
            | Event::SubagentComplete(_)
            | Event::RunRetrying(_)
            | Event::RunSteered { .. }
            | Event::RunStopping {} => {}
        }
        ControlFlow::Continue(())
    }

    fn close(&mut self, out: &mut BytesMut) {
        // A reader that comes back after the very end still gets an end.
        if !self.done {
            out.put_slice(DONE);
        }
    }

    fn broken(&mut self, code: Code, message: &str, out: &mut BytesMut) {
        self.end(None, TurnEnd::Failed(Failed::outside(code, message)), out);
    }
}

/// The first piece of a text, and the rest.
fn split(text: &str) -> (&str, &str) {
    // Bytes are at least as many as characters: most texts are told by their length alone.
    if text.len() <= MAX_DELTA {
        return (text, "");
    }
    match text.char_indices().nth(MAX_DELTA) {
        Some((at, _)) => text.split_at(at),
        None => (text, ""),
    }
}

fn remove_at(out: &mut BytesMut, at: usize) {
    let tail = out.split_off(at);
    out.put_slice(tail.get(1..).unwrap_or_default());
}

#[cfg(test)]
#[path = "chat_stream_tests.rs"]
mod tests;
