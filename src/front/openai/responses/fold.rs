//! A run's log as the output of a response, and as the events that build it up.
//!
//! One fold serves the stream, the JSON answer and the stored response: the stream shows each step, the others only
//! what came of all of them. It depends on the log and the response's record alone.

use super::{
    frames::{Arguments, Broken, Delta, Nothing, PartOf, Placed, Sink, TextDelta, TextDone, Whole, Within},
    items::{Item, Piece, Status},
    object::{Object, State},
};
use crate::{
    domain::{Code, Event, Finish, Logged, Millis, ResponseRecord, ToolCall, ToolItems, Usage},
    store::StoreError,
};
use serde::Serialize;
use serde_json::Value;
use std::ops::ControlFlow;

/// The whole results of tool calls, by their number.
pub trait Results {
    /// # Errors
    ///
    /// The store's.
    fn result(&mut self, number: u64, call_id: &str) -> Result<Option<String>, StoreError>;
}

impl Results for crate::store::ToolResults {
    fn result(&mut self, number: u64, call_id: &str) -> Result<Option<String>, StoreError> {
        Self::result(self, number, call_id)
    }
}

/// The most frames that a delta becomes: the text before it ends, an item and its part begin, and the delta itself.
pub const MOST_OF_A_DELTA: u64 = 6;

pub struct Fold<R> {
    response: ResponseRecord,
    results: R,
    output: Vec<Item>,
    state: State,
    end: Option<(Usage, Millis)>,
    /// The kind of text that the last item takes, while it does.
    open: Option<Open>,
    /// Calls without a result, with the places of their items.
    calls: Vec<(String, usize)>,
    /// Calls with a result.
    completed: u64,
    wrote_text: bool,
    called_since_text: bool,
    began: bool,
    called: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Reasoning,
}

/// The names of a text's events.
struct Names {
    delta: &'static str,
    done: &'static str,
}

impl Open {
    const fn names(self) -> Names {
        match self {
            Self::Text => Names { delta: "response.output_text.delta", done: "response.output_text.done" },
            Self::Reasoning => {
                Names { delta: "response.reasoning_text.delta", done: "response.reasoning_text.done" }
            }
        }
    }

    const fn logprobs(self) -> Option<[(); 0]> {
        match self {
            Self::Text => Some([]),
            Self::Reasoning => None,
        }
    }
}

impl<R: Results> Fold<R> {
    pub fn new(response: ResponseRecord, results: R) -> Self {
        let state = if response.request.background { State::Queued } else { State::InProgress };
        Self {
            response,
            results,
            output: Vec::new(),
            state,
            end: None,
            open: None,
            calls: Vec::new(),
            completed: 0,
            wrote_text: false,
            called_since_text: false,
            began: false,
            called: false,
        }
    }

    /// The response as it stands.
    pub fn object(&self) -> Object<'_> {
        Object::new(&self.response, &self.state, &self.output, self.end)
    }

    /// Roughly how much text it holds.
    pub fn weight(&self) -> usize {
        self.output.iter().map(Item::weight).sum()
    }

    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Whether the turn left the queue.
    pub const fn began(&self) -> bool {
        self.began
    }

    /// Whether a tool was called.
    pub const fn called(&self) -> bool {
        self.called
    }

    /// What comes before the first event.
    pub fn open(&self, sink: &mut impl Sink) {
        self.whole("response.created", sink);
        if self.state == State::Queued {
            self.whole("response.queued", sink);
        }
    }

    /// Takes an event in. `Break`: part of the log is gone, nothing more can be shown.
    pub fn event(&mut self, logged: &Logged, sink: &mut impl Sink) -> ControlFlow<()> {
        match &logged.event {
            Event::RunStarted { .. } => {
                self.began = true;
                self.state = State::InProgress;
                self.whole("response.in_progress", sink);
            }
            Event::MessageDelta { delta } => self.text(delta, sink),
            Event::ReasoningDelta { delta } => self.append(Open::Reasoning, delta, sink),
            Event::ToolStarted { tool, call_id, arguments, .. } => {
                self.tool_started(tool, call_id, arguments, sink);
            }
            Event::ToolCompleted { call_id, error, result, .. } => {
                self.tool_completed(call_id, *error, result, sink);
            }
            Event::ApprovalRequest(_)
            | Event::ApprovalResponded { .. }
            | Event::ContextCompressed(_)
            | Event::ClarifyRequest(_)
            | Event::ClarifyResponded { .. }
            | Event::SubagentStart(_)
            | Event::SubagentComplete(_)
            | Event::RunRetrying(_)
            | Event::RunSteered { .. }
            | Event::RunStopping {} => {}
            Event::RunCompleted { usage, finish_reason, tool_calls, .. } => match finish_reason {
                Finish::ToolCalls => {
                    self.hand_over(tool_calls, sink);
                    self.finish(logged.at, *usage, State::Completed, sink);
                }
                Finish::Stop => self.finish(logged.at, *usage, State::Completed, sink),
                Finish::Length => self.finish(logged.at, *usage, State::Incomplete, sink),
            },
            Event::RunFailed { error, error_code, usage, .. } => {
                let state = State::Failed { code: *error_code, message: error.clone() };
                self.finish(logged.at, *usage, state, sink);
            }
            Event::RunCancelled { usage, .. } => {
                self.finish(logged.at, *usage, State::Cancelled, sink);
            }
            Event::Gap { .. } => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn whole(&self, name: &'static str, sink: &mut impl Sink) {
        sink.frame(name, &Whole { response: self.object() });
    }

    /// Derived from the run and the item's place: every reader gives it the same one.
    fn id(&self, prefix: &str) -> String {
        format!("{prefix}_{}{:04x}", self.response.run_id.hex(), self.output.len())
    }

    fn add(&mut self, item: Item, sink: &mut impl Sink) -> usize {
        let at = self.output.len();
        self.output.push(item);
        sink.frame("response.output_item.added", &Placed { output_index: at, item: &self.output[at] });
        at
    }

    fn done(&mut self, at: usize, status: Status, sink: &mut impl Sink) {
        self.output[at].set_status(status);
        sink.frame("response.output_item.done", &Placed { output_index: at, item: &self.output[at] });
    }

    fn within<M: Serialize>(&self, at: usize, name: &'static str, members: M, sink: &mut impl Sink) {
        sink.frame(name, &Within { item_id: self.output[at].id(), output_index: at, members });
    }

    /// Text of the answer. In the log a blank line parts what stands before and behind calls; here items part it.
    fn text(&mut self, delta: &str, sink: &mut impl Sink) {
        let parted = self.wrote_text && self.called_since_text && self.open != Some(Open::Text);
        let delta = if parted { delta.strip_prefix("\n\n").unwrap_or(delta) } else { delta };
        self.wrote_text = true;
        self.called_since_text = false;
        self.append(Open::Text, delta, sink);
    }

    fn append(&mut self, kind: Open, delta: &str, sink: &mut impl Sink) {
        if self.open != Some(kind) {
            self.close(Status::Completed, sink);
            self.begin(kind, sink);
        }
        let Some(at) = self.output.len().checked_sub(1) else { return };
        if let Some(text) = self.piece_mut(at).and_then(Piece::text_mut) {
            text.push_str(delta);
        }
        if !delta.is_empty() {
            let members = TextDelta { content_index: 0, delta, logprobs: kind.logprobs() };
            self.within(at, kind.names().delta, members, sink);
        }
    }

    fn begin(&mut self, kind: Open, sink: &mut impl Sink) {
        let (item, piece) = match kind {
            Open::Text => (Item::answer(self.id("msg")), Piece::output(String::new())),
            Open::Reasoning => (Item::reasoning(self.id("rs")), Piece::ReasoningText { text: String::new() }),
        };
        let at = self.add(item, sink);
        self.within(at, "response.content_part.added", PartOf { content_index: 0, part: &piece }, sink);
        if let Some(pieces) = self.pieces_mut(at) {
            pieces.push(piece);
        }
        self.open = Some(kind);
    }

    /// Ends the text that the last item takes.
    fn close(&mut self, status: Status, sink: &mut impl Sink) {
        let (Some(kind), Some(at)) = (self.open.take(), self.output.len().checked_sub(1)) else { return };
        // Out of its item for as long as both are looked at.
        let Some(mut piece) = self.pieces_mut(at).and_then(Vec::pop) else { return };
        let text = piece.text_mut().map(std::mem::take).unwrap_or_default();
        let members = TextDone { content_index: 0, text: &text, logprobs: kind.logprobs() };
        self.within(at, kind.names().done, members, sink);
        if let Some(place) = piece.text_mut() {
            *place = text;
        }
        self.within(at, "response.content_part.done", PartOf { content_index: 0, part: &piece }, sink);
        if let Some(pieces) = self.pieces_mut(at) {
            pieces.push(piece);
        }
        self.done(at, status, sink);
    }

    fn pieces_mut(&mut self, at: usize) -> Option<&mut Vec<Piece>> {
        match self.output.get_mut(at)? {
            Item::Message { content, .. } | Item::Reasoning { content, .. } => Some(content),
            Item::FunctionCall { .. } | Item::FunctionCallOutput { .. } | Item::McpCall { .. } => None,
        }
    }

    fn piece_mut(&mut self, at: usize) -> Option<&mut Piece> {
        self.pieces_mut(at)?.last_mut()
    }

    fn tool_started(&mut self, tool: &str, call_id: &str, arguments: &Value, sink: &mut impl Sink) {
        self.called = true;
        self.called_since_text = true;
        self.close(Status::Completed, sink);
        // A string is what the model wrote in place of JSON.
        let arguments = arguments.as_str().map_or_else(|| arguments.to_string(), str::to_owned);
        let at = match self.response.request.tool_items {
            ToolItems::FunctionCall => self.function_call(tool, call_id, arguments, sink),
            ToolItems::McpCall => self.mcp_call(tool, arguments, sink),
        };
        self.calls.push((call_id.to_owned(), at));
    }

    /// A call as a function's. As a call it is complete, whatever comes of it.
    fn function_call(&mut self, tool: &str, call_id: &str, arguments: String, sink: &mut impl Sink) -> usize {
        let item = Item::function_call(self.id("fc"), call_id.to_owned(), tool.to_owned());
        let at = self.add(item, sink);
        self.within(at, "response.function_call_arguments.delta", Delta { delta: &arguments }, sink);
        let whole = Arguments { name: tool, arguments: &arguments };
        self.within(at, "response.function_call_arguments.done", whole, sink);
        self.write_arguments(at, arguments);
        self.done(at, Status::Completed, sink);
        at
    }

    /// Calls that the client has to run: they end the response.
    fn hand_over(&mut self, calls: &[ToolCall], sink: &mut impl Sink) {
        self.close(Status::Completed, sink);
        for call in calls {
            self.function_call(&call.name, &call.id, call.arguments.clone(), sink);
        }
    }

    fn mcp_call(&mut self, tool: &str, arguments: String, sink: &mut impl Sink) -> usize {
        let at = self.add(Item::mcp_call(self.id("mcp"), tool.to_owned()), sink);
        self.within(at, "response.mcp_call.in_progress", Nothing {}, sink);
        self.within(at, "response.mcp_call_arguments.delta", Delta { delta: &arguments }, sink);
        let whole = Arguments { name: tool, arguments: &arguments };
        self.within(at, "response.mcp_call_arguments.done", whole, sink);
        self.write_arguments(at, arguments);
        at
    }

    fn write_arguments(&mut self, at: usize, text: String) {
        match &mut self.output[at] {
            Item::FunctionCall { arguments, .. } | Item::McpCall { arguments, .. } => *arguments = text,
            Item::Message { .. } | Item::Reasoning { .. } | Item::FunctionCallOutput { .. } => {}
        }
    }

    fn tool_completed(&mut self, call_id: &str, failed: bool, beginning: &str, sink: &mut impl Sink) {
        self.completed += 1;
        let text = self.whole_result(call_id, beginning);
        let Some(call) = self.calls.iter().rposition(|(id, _)| id == call_id) else { return };
        let (_, at) = self.calls.remove(call);
        match &mut self.output[at] {
            Item::McpCall { output, error, .. } => {
                *(if failed { error } else { output }) = Some(text);
                let (name, status) = if failed {
                    ("response.mcp_call.failed", Status::Failed)
                } else {
                    ("response.mcp_call.completed", Status::Completed)
                };
                self.within(at, name, Nothing {}, sink);
                self.done(at, status, sink);
            }
            Item::Message { .. }
            | Item::Reasoning { .. }
            | Item::FunctionCall { .. }
            | Item::FunctionCallOutput { .. } => {
                self.close(Status::Completed, sink);
                let item = Item::function_call_output(self.id("fco"), call_id.to_owned(), text);
                let at = self.add(item, sink);
                self.done(at, Status::Completed, sink);
            }
        }
    }

    /// What the model read. The event has only its beginning; when the store has no more, that has to do.
    fn whole_result(&mut self, call_id: &str, beginning: &str) -> String {
        match self.results.result(self.completed, call_id) {
            Ok(Some(text)) => text,
            Ok(None) => beginning.to_owned(),
            Err(error) => {
                tracing::warn!(run = %self.response.run_id, %error, "a tool's result cannot be read");
                beginning.to_owned()
            }
        }
    }

    fn finish(&mut self, at: Millis, usage: Usage, state: State, sink: &mut impl Sink) {
        let (name, status) = match &state {
            State::Completed => ("response.completed", Status::Completed),
            State::Failed { .. } => ("response.failed", Status::Incomplete),
            // The grammar has no event of its own for an answer that somebody stopped; its status tells.
            State::Incomplete | State::Cancelled | State::Queued | State::InProgress => {
                ("response.incomplete", Status::Incomplete)
            }
        };
        if self.open.is_some() {
            self.close(status, sink);
        } else if state == State::Incomplete
            && let Some(last @ Item::Message { .. }) = self.output.last_mut()
        {
            last.set_status(status);
        }
        for (_, at) in std::mem::take(&mut self.calls) {
            if matches!(self.output[at], Item::McpCall { .. }) {
                self.done(at, Status::Incomplete, sink);
            }
        }
        self.state = state;
        self.end = Some((usage, at));
        self.whole(name, sink);
    }

    /// What ends a stream for a reason outside the log.
    pub fn broken(code: Code, message: &str, sink: &mut impl Sink) {
        sink.frame("error", &Broken { code: code.wire(), message, param: None });
    }
}
