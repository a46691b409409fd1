//! The turn, step by step.

use super::{
    mishap::Nudge,
    turn::{Answered, Asking, Bounds, Step, Turn},
};
use crate::domain::{ClientTools, Finish, Message, ToolCall, ToolChoice};

fn call(id: &str) -> ToolCall {
    ToolCall { id: id.to_owned(), name: "terminal".to_owned(), arguments: "{}".to_owned() }
}

fn calls(ids: &[&str]) -> Answered {
    Answered { calls: ids.iter().map(|id| call(id)).collect(), ..Answered::default() }
}

fn text(text: &str, finish: &str) -> Answered {
    Answered { text: text.to_owned(), finish_reason: Some(finish.to_owned()), ..Answered::default() }
}

const ASK: Step = Step::Ask(Asking { tools: true, limits: true, nudge: None });

fn begun(calls: u32, messages: Vec<Message>) -> Turn {
    Turn::new(Bounds { calls, limited: false }, ClientTools::default(), messages)
}

/// The nudge that the turn asks with.
fn nudge(turn: &Turn) -> Option<Nudge> {
    match turn.next() {
        Step::Ask(asking) => asking.nudge,
        other @ (Step::Call(_) | Step::HandOver(_) | Step::Done(_) | Step::Fail { .. }) => {
            panic!("{other:?}")
        }
    }
}

#[test]
fn a_turn_goes_from_calls_to_results_to_an_answer() {
    let mut turn = begun(90, vec![]);
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
    let mut before = begun(90, vec![]);
    before.answered(calls(&["a", "b"]));
    before.result(&call("a"), "1".to_owned());
    let after = begun(90, before.take_messages());
    assert_eq!(after.next(), Step::Call(vec![call("b")]));
}

#[test]
fn what_was_said_while_tools_ran_comes_behind_their_results() {
    let result =
        |id: &str| Message::Tool { tool_call_id: id.to_owned(), name: None, content: "ok".to_owned() };
    let called = Message::calling("", vec![call("a"), call("b")]);
    let said = || Message::user("stop at ten");
    let stored = vec![called.clone(), result("a"), said(), result("b")];
    let turn = begun(90, stored);
    assert_eq!(turn.messages(), [called, result("a"), result("b"), said()]);
    assert_eq!(turn.next(), ASK);
}

#[test]
fn the_cap_asks_once_more_without_tools_and_ends_with_length() {
    let mut turn = begun(1, vec![]);
    turn.answered(calls(&["a"]));
    turn.result(&call("a"), "1".to_owned());
    assert!(matches!(turn.next(), Step::Ask(Asking { tools: false, nudge: Some(Nudge::WrapUp), .. })));
    turn.answered(text("summary", "stop"));
    assert_eq!(turn.next(), Step::Done(Finish::Length));
}

#[test]
fn at_the_cap_calls_are_not_run_any_more() {
    let mut turn = begun(1, vec![]);
    turn.answered(calls(&["a"]));
    turn.result(&call("a"), "1".to_owned());
    turn.answered(calls(&["b"]));
    assert_eq!(nudge(&turn), Some(Nudge::WrapUp), "it is told once more");
    turn.answered(calls(&["b"]));
    assert!(matches!(turn.next(), Step::Fail { .. }));
}

#[test]
fn an_empty_answer_is_asked_for_again_and_then_fails() {
    let mut turn = begun(90, vec![]);
    for _ in 0..3 {
        turn.answered(text("", "stop"));
        assert_eq!(turn.next(), ASK);
    }
    turn.answered(text("", "stop"));
    assert!(matches!(turn.next(), Step::Fail { failure, .. } if failure.retryable));
}

#[test]
fn calls_that_share_an_id_are_told_apart() {
    let mut turn = begun(90, vec![]);
    turn.answered(calls(&["a", "a"]));
    assert_eq!(turn.next(), Step::Call(vec![call("a"), call("a_1")]));
}

#[test]
fn a_text_that_the_models_limit_cut_is_gone_on_with_and_joined() {
    let mut turn = begun(90, vec![]);
    for (part, so_far) in [("one ", "one "), ("two ", "one two ")] {
        assert!(turn.answered(text(part, "length")).is_none());
        assert_eq!((turn.part(), nudge(&turn)), (so_far, Some(Nudge::GoOn)));
    }
    assert_eq!(turn.answered(text("three", "stop")), Some(&Message::assistant("one two three")));
    assert_eq!(turn.next(), Step::Done(Finish::Stop));
}

#[test]
fn a_text_that_never_ends_is_given_as_it_is() {
    let mut turn = begun(90, vec![]);
    for _ in 0..4 {
        assert!(matches!(turn.next(), Step::Ask(_)));
        turn.answered(text("x", "length"));
    }
    assert_eq!(turn.next(), Step::Done(Finish::Length));
    assert_eq!(turn.messages(), [Message::assistant("xxxx")]);

    let mut turn = begun(90, vec![]);
    turn.answered(text("x", "length"));
    assert_eq!(turn.leave_cut("y"), Some(&Message::assistant("xy")), "the next call failed");
    assert_eq!(turn.next(), Step::Done(Finish::Length));
    assert_eq!(begun(90, vec![]).leave_cut("y"), None);
}

#[test]
fn the_clients_own_limit_is_the_end_of_the_text() {
    let mut turn = Turn::new(Bounds { calls: 90, limited: true }, ClientTools::default(), vec![]);
    turn.answered(text("so far", "length"));
    assert_eq!(turn.next(), Step::Done(Finish::Length));
}

#[test]
fn a_call_that_was_cut_is_made_again_without_limits_and_never_run() {
    let cut = || Answered {
        text: "look: ".to_owned(),
        calls: vec![ToolCall { arguments: r#"{"command": "rm -r x"#.to_owned(), ..call("a") }],
        finish_reason: Some("length".to_owned()),
        ..Answered::default()
    };
    let mut turn = begun(90, vec![]);
    turn.answered(cut());
    let again = Asking { tools: true, limits: false, nudge: Some(Nudge::CallAgain) };
    assert_eq!(turn.next(), Step::Ask(again));
    turn.answered(calls(&["a"]));
    assert_eq!(turn.messages(), [Message::calling("look: ", vec![call("a")])]);
    turn.result(&call("a"), "1".to_owned());
    assert_eq!(turn.next(), ASK, "limits hold again");

    let mut turn = begun(90, vec![]);
    for _ in 0..4 {
        assert!(matches!(turn.next(), Step::Ask(_)));
        turn.answered(Answered { text: String::new(), ..cut() });
    }
    assert_eq!((turn.next(), turn.messages()), (Step::Done(Finish::Length), &[][..]));
}

#[test]
fn whole_calls_before_a_cut_one_are_run() {
    let mut turn = begun(90, vec![]);
    let mut answer = calls(&["a", "b"]);
    answer.calls[1].arguments = "{".to_owned();
    turn.answered(answer);
    assert_eq!(turn.next(), Step::Call(vec![call("a")]));
}

#[test]
fn the_same_call_twice_in_one_answer_is_two_calls() {
    let mut turn = begun(90, vec![]);
    turn.answered(calls(&["a", "b"]));
    assert_eq!(turn.next(), Step::Call(vec![call("a"), call("b")]), "name and arguments are the same");
}

#[test]
fn thoughts_alone_are_asked_to_speak() {
    let mut turn = begun(90, vec![]);
    let thought = || Answered { reasoning: "hm".to_owned(), ..text("", "stop") };
    for expected in [Some(Nudge::Speak), Some(Nudge::Speak), None, None, None] {
        turn.answered(thought());
        assert_eq!(nudge(&turn), expected);
    }
    turn.answered(thought());
    assert!(matches!(turn.next(), Step::Fail { ask_another: true, .. }));
}

#[test]
fn three_answers_of_unknown_tools_alone_end_the_turn() {
    let unknown = || Answered { unknown_only: true, ..calls(&["a"]) };
    let mut turn = begun(90, vec![]);
    for _ in 0..2 {
        turn.answered(unknown());
        turn.result(&call("a"), "no such tool".to_owned());
        assert_eq!(turn.next(), ASK);
    }
    turn.answered(unknown());
    assert!(matches!(turn.next(), Step::Fail { failure, .. } if failure.message.contains("terminal")));

    let mut turn = begun(90, vec![]);
    for answer in [unknown(), unknown(), calls(&["a"]), unknown(), unknown()] {
        turn.answered(answer);
        turn.result(&call("a"), String::new());
        assert_eq!(turn.next(), ASK, "a known tool between them starts the count anew");
    }
}

fn with_client(choice: ToolChoice, parallel: Option<bool>) -> Turn {
    let definitions = vec![serde_json::json!({"type": "function", "function": {"name": "weather"}})];
    Turn::new(Bounds { calls: 90, limited: false }, ClientTools { definitions, choice, parallel }, vec![])
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
    assert_eq!(none.next(), Step::Ask(Asking { tools: false, limits: true, nudge: None }));
    none.answered(mixed().0);
    assert_eq!(
        none.next(),
        Step::Ask(Asking { tools: false, limits: true, nudge: None }),
        "the calls were not taken"
    );
}
