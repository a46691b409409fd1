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
//! Calls of the client's tools end the turn, once the agent's own calls of the same answer have run.
//!
//! A turn can be built again from its messages alone, so one that waited for an approval goes on after a restart.

use crate::domain::{ClientTools, Code, Failure, Finish, Message, ToolCall, ToolChoice};

/// Said to the model, and never stored, when the cap on model calls is reached.
const WRAP_UP: &str = "You have used all the model calls of this turn. Without calling any tool, sum up for the user what was done, \
     what was found and what is still open.";

/// An empty answer is asked for again this many times.
const EMPTY_TRIES: u32 = 2;

/// What has to happen next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Ask the model. `nudge` is a message to add to this one call.
    Ask {
        tools: bool,
        nudge: Option<&'static str>,
    },
    /// Run these calls, in order; those that have a result already are left out.
    Call(Vec<ToolCall>),
    /// Only calls are open that the client has to run: the turn ends with them.
    HandOver(Vec<ToolCall>),
    Done(Finish),
    Fail(Failure),
}

/// The model's answer, as far as the turn cares.
#[derive(Debug, Clone, Default)]
pub struct Answered {
    pub text: String,
    pub calls: Vec<ToolCall>,
    /// What the model thought before it.
    pub reasoning: String,
    pub finish_reason: Option<String>,
}

/// One turn: its messages after history and input, and where it stands.
#[derive(Debug, Clone)]
pub struct Turn {
    max_calls: u32,
    client: ClientTools,
    asked: u32,
    empty: u32,
    messages: Vec<Message>,
    end: Option<Step>,
}

impl Turn {
    /// `messages`: what a former process stored of this turn, else empty.
    #[must_use]
    pub fn new(max_calls: u32, client: ClientTools, messages: Vec<Message>) -> Self {
        let asked = messages.iter().filter(|message| matches!(message, Message::Assistant { .. })).count();
        Self {
            max_calls: max_calls.max(1),
            client,
            asked: u32::try_from(asked).unwrap_or(u32::MAX),
            empty: 0,
            messages: in_order(messages),
            end: None,
        }
    }

    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// All messages of the ended turn.
    #[must_use]
    pub fn into_messages(self) -> Vec<Message> {
        self.messages
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
        if self.asked >= self.max_calls {
            return Step::Ask { tools: false, nudge: Some(WRAP_UP) };
        }
        Step::Ask { tools: self.may_call(), nudge: None }
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
        let capped = self.asked >= self.max_calls;
        self.asked = self.asked.saturating_add(1);
        let Answered { text, mut calls, reasoning, finish_reason } = answer;
        let reasoning = (!reasoning.is_empty()).then_some(reasoning);
        if !calls.is_empty() && !capped && self.may_call() {
            if self.client.parallel == Some(false) {
                calls.truncate(1);
            }
            let tool_calls = unique_ids(calls);
            self.messages.push(Message::Assistant { content: text, tool_calls, reasoning });
            return self.messages.last();
        }
        if text.is_empty() {
            self.on_empty(finish_reason.as_deref(), capped);
            return None;
        }
        let cut = capped || finish_reason.as_deref() == Some("length");
        self.end = Some(Step::Done(if cut { Finish::Length } else { Finish::Stop }));
        self.messages.push(Message::Assistant { content: text, tool_calls: Vec::new(), reasoning });
        self.messages.last()
    }

    fn on_empty(&mut self, finish_reason: Option<&str>, capped: bool) {
        let failure = match finish_reason {
            Some("content_filter") => "The upstream's content filter withheld the answer.",
            Some("length") => {
                "The model reached its token limit before it wrote any text; raise `max_tokens`."
            }
            _ if self.empty < EMPTY_TRIES && !capped => {
                self.empty += 1;
                return;
            }
            _ => "The model gave an empty answer, also when asked again.",
        };
        let retryable = finish_reason.is_none_or(|reason| reason == "stop");
        self.end = Some(Step::Fail(Failure { retryable, ..Failure::new(Code::UpstreamError, failure) }));
    }

    /// Takes in what somebody says to the running turn.
    pub fn said(&mut self, text: String) {
        self.messages.push(Message::user(text));
    }

    /// Takes an answered turn up again: there is more to be answered.
    pub fn go_on(&mut self) {
        self.end = None;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str) -> ToolCall {
        ToolCall { id: id.to_owned(), name: "terminal".to_owned(), arguments: "{}".to_owned() }
    }

    fn calls(ids: &[&str]) -> Answered {
        Answered { calls: ids.iter().map(|id| call(id)).collect(), ..Answered::default() }
    }

    fn text(text: &str, finish: &str) -> Answered {
        Answered { text: text.to_owned(), finish_reason: Some(finish.to_owned()), ..Answered::default() }
    }

    const ASK: Step = Step::Ask { tools: true, nudge: None };

    #[test]
    fn a_turn_goes_from_calls_to_results_to_an_answer() {
        let mut turn = Turn::new(90, ClientTools::default(), vec![]);
        assert_eq!(turn.next(), ASK);
        turn.answered(calls(&["a", "b"]));
        assert_eq!(turn.next(), Step::Call(vec![call("a"), call("b")]));
        turn.result(&call("a"), "1".to_owned());
        assert_eq!(turn.next(), Step::Call(vec![call("b")]));
        turn.result(&call("b"), "2".to_owned());
        assert_eq!(turn.next(), ASK);
        turn.answered(text("done", "stop"));
        assert_eq!(turn.next(), Step::Done(Finish::Stop));
    }

    #[test]
    fn a_turn_goes_on_from_what_was_stored_of_it() {
        let mut before = Turn::new(90, ClientTools::default(), vec![]);
        before.answered(calls(&["a", "b"]));
        before.result(&call("a"), "1".to_owned());
        let after = Turn::new(90, ClientTools::default(), before.into_messages());
        assert_eq!(after.next(), Step::Call(vec![call("b")]));
    }

    #[test]
    fn what_was_said_while_tools_ran_comes_behind_their_results() {
        let result =
            |id: &str| Message::Tool { tool_call_id: id.to_owned(), name: None, content: "ok".to_owned() };
        let called = Message::calling("", vec![call("a"), call("b")]);
        let said = || Message::user("stop at ten");
        let stored = vec![called.clone(), result("a"), said(), result("b")];
        let turn = Turn::new(90, ClientTools::default(), stored);
        assert_eq!(turn.messages(), [called, result("a"), result("b"), said()]);
        assert_eq!(turn.next(), ASK);
    }

    #[test]
    fn the_cap_asks_once_more_without_tools_and_ends_with_length() {
        let mut turn = Turn::new(1, ClientTools::default(), vec![]);
        turn.answered(calls(&["a"]));
        turn.result(&call("a"), "1".to_owned());
        assert!(matches!(turn.next(), Step::Ask { tools: false, nudge: Some(_) }));
        turn.answered(text("summary", "stop"));
        assert_eq!(turn.next(), Step::Done(Finish::Length));
    }

    #[test]
    fn at_the_cap_calls_are_not_run_any_more() {
        let mut turn = Turn::new(1, ClientTools::default(), vec![]);
        turn.answered(calls(&["a"]));
        turn.result(&call("a"), "1".to_owned());
        turn.answered(calls(&["b"]));
        assert!(matches!(turn.next(), Step::Fail(_)));
    }

    #[test]
    fn an_empty_answer_is_asked_for_again_and_then_fails() {
        let mut turn = Turn::new(90, ClientTools::default(), vec![]);
        for _ in 0..EMPTY_TRIES {
            turn.answered(text("", "stop"));
            assert_eq!(turn.next(), ASK);
        }
        turn.answered(text("", "stop"));
        assert!(matches!(turn.next(), Step::Fail(failure) if failure.retryable));
    }

    #[test]
    fn calls_that_share_an_id_are_told_apart() {
        let mut turn = Turn::new(90, ClientTools::default(), vec![]);
        turn.answered(calls(&["a", "a"]));
        assert_eq!(turn.next(), Step::Call(vec![call("a"), call("a_1")]));
    }

    #[test]
    fn a_length_stop_keeps_the_text_and_says_so() {
        let mut turn = Turn::new(90, ClientTools::default(), vec![]);
        turn.answered(text("so far", "length"));
        assert_eq!(turn.next(), Step::Done(Finish::Length));
    }

    fn with_client(choice: ToolChoice, parallel: Option<bool>) -> Turn {
        let definitions = vec![serde_json::json!({"type": "function", "function": {"name": "weather"}})];
        Turn::new(90, ClientTools { definitions, choice, parallel }, vec![])
    }

    fn mixed() -> (Answered, ToolCall) {
        let weather = ToolCall { name: "weather".to_owned(), ..call("w") };
        let calls = vec![weather.clone(), call("a")];
        (Answered { calls, ..Answered::default() }, weather)
    }

    #[test]
    fn the_agents_calls_run_before_the_clients_end_the_turn() {
        let mut turn = with_client(ToolChoice::Auto, None);
        let (answer, weather) = mixed();
        turn.answered(answer);
        assert_eq!(turn.next(), Step::Call(vec![call("a")]));
        turn.result(&call("a"), "1".to_owned());
        assert_eq!(turn.next(), Step::HandOver(vec![weather]));
    }

    #[test]
    fn one_call_at_a_time_and_none_at_all_are_honoured() {
        let mut one = with_client(ToolChoice::Auto, Some(false));
        let (answer, weather) = mixed();
        one.answered(answer);
        assert_eq!(one.next(), Step::HandOver(vec![weather]));

        let mut none = with_client(ToolChoice::None, None);
        assert_eq!(none.next(), Step::Ask { tools: false, nudge: None });
        none.answered(mixed().0);
        assert_eq!(none.next(), Step::Ask { tools: false, nudge: None }, "the calls were not taken");
    }
}
