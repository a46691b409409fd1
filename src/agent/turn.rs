//! The turn: a loop of model calls and tool calls until an answer without calls.
//!
//! ```text
//!           answer with calls
//!   Ask ───────────────────────► Call ── the client's are left ──► HandOver
//!    ▲  │                          │
//!    │  └── answer without ──► Done│
//!    └───────── results ───────────┘
//! ```
//!
//! Calls of the client's tools end the turn, once the agent's own calls of the same answer have run. An answer that is no
//! answer (cut, empty, thoughts alone, calls of nothing) is asked for again, a few times each.
//!
//! A turn can be built again from its messages alone, so one that waited for an approval goes on after a restart.

use super::mishap::{Mishap, Mishaps, Nudge};
use crate::domain::{ClientTools, Code, Failure, Finish, Message, ToolCall, ToolChoice};

/// How an upstream says that its content filter stepped in.
const FILTERED: &str = "content_filter";

/// What has to happen next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Ask(Asking),
    /// Run these calls, in order; those that have a result already are left out.
    Call(Vec<ToolCall>),
    /// Only calls are open that the client has to run: the turn ends with them.
    HandOver(Vec<ToolCall>),
    Done(Finish),
    Fail {
        failure: Failure,
        /// This model has no answer; another one may have.
        ask_another: bool,
    },
}

/// How the model is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asking {
    pub tools: bool,
    /// Whether the client's limits hold: they bound the answer, not a call of a tool.
    pub limits: bool,
    /// Added to this one call.
    pub nudge: Option<Nudge>,
}

/// What bounds a turn.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Model calls.
    pub calls: u32,
    /// The client gave a limit of its own: a text that reaches it is the answer.
    pub limited: bool,
}

/// The model's answer, as far as the turn cares.
#[derive(Debug, Clone, Default)]
pub struct Answered {
    pub text: String,
    pub calls: Vec<ToolCall>,
    /// What the model thought before it.
    pub reasoning: String,
    pub finish_reason: Option<String>,
    /// There are calls, and no tool has the name of any of them.
    pub unknown_only: bool,
}

/// One turn: its messages after history and input, and where it stands.
#[derive(Debug, Clone)]
pub struct Turn {
    bounds: Bounds,
    client: ClientTools,
    asked: u32,
    mishaps: Mishaps,
    /// Text that the model's own limit cut, while the model is asked to go on with it.
    part: String,
    messages: Vec<Message>,
    end: Option<Step>,
}

impl Turn {
    /// `messages`: what a former process stored of this turn, else empty.
    #[must_use]
    pub fn new(bounds: Bounds, client: ClientTools, messages: Vec<Message>) -> Self {
        let asked = messages.iter().filter(|message| matches!(message, Message::Assistant { .. })).count();
        Self {
            bounds: Bounds { calls: bounds.calls.max(1), ..bounds },
            client,
            asked: u32::try_from(asked).unwrap_or(u32::MAX),
            mishaps: Mishaps::default(),
            part: String::new(),
            messages: in_order(messages),
            end: None,
        }
    }

    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The text that the next answer goes on with; mostly empty.
    #[must_use]
    pub fn part(&self) -> &str {
        &self.part
    }

    /// All messages of the ended turn.
    pub fn take_messages(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.messages)
    }

    #[must_use]
    pub fn next(&self) -> Step {
        if let Some(end) = &self.end {
            return end.clone();
        }
        let open = self.open_calls();
        if !open.is_empty() {
            let (client, agent): (Vec<_>, Vec<_>) =
                open.into_iter().partition(|call| self.client.runs(&call.name));
            return if agent.is_empty() { Step::HandOver(client) } else { Step::Call(agent) };
        }
        let (tools, nudge) = if self.is_capped() {
            (false, Some(Nudge::WrapUp))
        } else {
            (self.may_call(), self.mishaps.nudge())
        };
        Step::Ask(Asking { tools, limits: !self.mishaps.cut_a_call(), nudge })
    }

    const fn is_capped(&self) -> bool {
        self.asked >= self.bounds.calls
    }

    fn may_call(&self) -> bool {
        self.client.choice != ToolChoice::None
    }

    /// Calls of the last assistant message that have no result yet.
    fn open_calls(&self) -> Vec<ToolCall> {
        let last = self.messages.iter().rposition(|message| matches!(message, Message::Assistant { .. }));
        let Some((Message::Assistant { tool_calls, .. }, results)) =
            last.and_then(|at| Some((self.messages.get(at)?, self.messages.get(at + 1..)?)))
        else {
            return Vec::new();
        };
        let done = |call: &ToolCall| {
            results.iter().any(
                |message| matches!(message, Message::Tool { tool_call_id, .. } if *tool_call_id == call.id),
            )
        };
        tool_calls.iter().filter(|call| !done(call)).cloned().collect()
    }

    /// Takes the model's answer in. Returns the message that it became, if it became one.
    pub fn answered(&mut self, answer: Answered) -> Option<&Message> {
        let capped = self.is_capped();
        self.asked = self.asked.saturating_add(1);
        let Answered { text, calls, reasoning, finish_reason, unknown_only } = answer;
        let thought = !reasoning.is_empty();
        let reasoning = thought.then_some(reasoning);
        let length = finish_reason.as_deref() == Some("length");
        let more = !text.is_empty();
        let text = std::mem::take(&mut self.part) + &text;
        if !calls.is_empty() && !capped && self.may_call() {
            return self.called(text, calls, reasoning, length, unknown_only);
        }
        if text.is_empty() {
            self.on_nothing(finish_reason.as_deref(), thought, capped);
            return None;
        }
        if length && more && !self.bounds.limited && !self.is_capped() && self.again(Mishap::CutText) {
            self.part = text;
            return None;
        }
        if finish_reason.as_deref() == Some(FILTERED) {
            // What was said before it has been handed out, so nobody else is asked.
            self.fail("The upstream's content filter broke the answer off.".to_owned(), false, false);
            return None;
        }
        let whole = !capped && !length && more;
        self.end = Some(Step::Done(if whole { Finish::Stop } else { Finish::Length }));
        self.push(Message::Assistant { content: text, tool_calls: Vec::new(), reasoning })
    }

    fn called(
        &mut self,
        text: String,
        mut calls: Vec<ToolCall>,
        reasoning: Option<String>,
        length: bool,
        unknown_only: bool,
    ) -> Option<&Message> {
        if self.client.parallel == Some(false) {
            calls.truncate(1);
        }
        // Nothing is run that the model did not finish; what stands before it in the answer is whole.
        let cut = calls.last().is_some_and(is_cut);
        // The client's limit is meant for the answer: what it may have cut is asked for again without it.
        let doubtful = length && self.bounds.limited && !self.mishaps.cut_a_call();
        if cut || doubtful {
            if calls.len() > 1 && !doubtful {
                calls.pop();
            } else if self.again(Mishap::CutCall) {
                self.part = text;
                return None;
            } else if cut && length {
                self.end = Some(Step::Done(Finish::Length));
                return if text.is_empty() { None } else { self.push(Message::assistant(text)) };
            }
        }
        if unknown_only && !self.again(Mishap::UnknownTools) {
            let name = calls.first().map(|call| call.name.clone()).unwrap_or_default();
            let what = format!("The model called only tools that do not exist, again and again: `{name}`.");
            self.fail(what, false, true);
            return None;
        }
        self.mishaps.over(unknown_only);
        self.push(Message::Assistant { content: text, tool_calls: unique_ids(calls), reasoning })
    }

    fn push(&mut self, message: Message) -> Option<&Message> {
        self.messages.push(message);
        self.messages.last()
    }

    fn on_nothing(&mut self, finish_reason: Option<&str>, thought: bool, capped: bool) {
        match finish_reason {
            Some(FILTERED) => {
                self.fail("The upstream's content filter withheld the answer.".to_owned(), false, true);
            }
            Some("length") => {
                let what = "The model reached its token limit before it wrote any text; raise `max_tokens`.";
                self.fail(what.to_owned(), false, true);
            }
            _ if !capped && thought && self.again(Mishap::ThoughtsAlone) => {}
            _ if !capped && self.again(Mishap::Empty) => {}
            // A model that was told to sum up may call a tool all the same; it is told once more.
            _ if capped && self.asked == self.bounds.calls + 1 => {}
            reason => {
                let what = "The model gave an empty answer, also when asked again.";
                self.fail(what.to_owned(), reason.is_none_or(|reason| reason == "stop"), true);
            }
        }
    }

    fn again(&mut self, mishap: Mishap) -> bool {
        self.mishaps.again(mishap)
    }

    fn fail(&mut self, what: String, retryable: bool, ask_another: bool) {
        let failure = Failure { retryable, ..Failure::new(Code::UpstreamError, what) };
        self.end = Some(Step::Fail { failure, ask_another });
    }

    /// The call that was to go on with a cut text failed: what there is of it, with what came of that call, stands as it is.
    /// `None` when nothing was cut.
    pub fn leave_cut(&mut self, more: &str) -> Option<&Message> {
        if self.part.is_empty() {
            return None;
        }
        let text = std::mem::take(&mut self.part) + more;
        self.end = Some(Step::Done(Finish::Length));
        self.push(Message::assistant(text))
    }

    /// No more calls of tools: the next answer sums up.
    pub const fn wrap_up(&mut self) {
        self.asked = self.bounds.calls;
    }

    /// Takes in what somebody says to the running turn.
    pub fn said(&mut self, text: String) {
        self.messages.push(Message::user(text));
    }

    /// Takes an ended turn up again: there is more to be answered, or somebody else to be asked.
    pub fn go_on(&mut self) {
        self.end = None;
        self.mishaps = Mishaps::default();
    }

    /// A call that the client has to run.
    #[must_use]
    pub fn is_clients(&self, call: &ToolCall) -> bool {
        self.client.runs(&call.name)
    }

    /// Takes a tool's result in. Returns the message that it became.
    pub fn result(&mut self, call: &ToolCall, text: String) -> &Message {
        let message =
            Message::Tool { tool_call_id: call.id.clone(), name: Some(call.name.clone()), content: text };
        let at = self.messages.len();
        self.messages.push(message);
        &self.messages[at]
    }
}

/// What was said while tools ran was stored before their results, and comes behind them.
fn in_order(messages: Vec<Message>) -> Vec<Message> {
    let mut ordered: Vec<Message> = Vec::with_capacity(messages.len());
    let mut said = 0;
    for message in messages {
        match message {
            Message::Tool { .. } => ordered.insert(ordered.len() - said, message),
            Message::User { .. } => {
                said += 1;
                ordered.push(message);
            }
            Message::Assistant { .. } | Message::System { .. } => {
                said = 0;
                ordered.push(message);
            }
        }
    }
    ordered
}

/// Whether the arguments end before they are whole.
fn is_cut(call: &ToolCall) -> bool {
    let arguments = call.arguments.trim();
    let parsed = serde_json::from_str::<serde::de::IgnoredAny>(arguments);
    !arguments.is_empty() && parsed.is_err_and(|error| error.is_eof())
}

/// Results are matched to calls by id, so two calls of one answer must not share one.
fn unique_ids(mut calls: Vec<ToolCall>) -> Vec<ToolCall> {
    for at in 1..calls.len() {
        let (before, rest) = calls.split_at_mut(at);
        let call = &mut rest[0];
        if before.iter().any(|other| other.id == call.id) {
            call.id = format!("{}_{at}", call.id);
        }
    }
    calls
}
