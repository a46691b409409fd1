//! The frames of a session's turn, from a log written by hand.

use super::*;

fn run() -> RunId {
    RunId::from_bytes([7; 16])
}

fn log(events: Vec<Event>) -> Vec<Logged> {
    let numbered = (1..).zip(events);
    numbered.map(|(seq, event)| Logged { seq: Seq(seq), at: 1_500, lost_after: None, event }).collect()
}

fn tool(error: bool) -> Event {
    Event::ToolCompleted {
        tool: "terminal".to_owned(),
        call_id: "c".to_owned(),
        duration: 0.5,
        error,
        result: "r".to_owned(),
    }
}

fn turn() -> Vec<Logged> {
    log(vec![
        Event::RunStarted { session_id: SessionId::parse("s").unwrap(), model: "m".to_owned() },
        Event::ToolStarted {
            tool: "terminal".to_owned(),
            preview: Some("ls".to_owned()),
            call_id: "c".to_owned(),
            arguments: json!({"command": "ls"}),
        },
        tool(true),
        tool(false),
        Event::MessageDelta { delta: "a".to_owned() },
        Event::RunCompleted {
            output: "a".to_owned(),
            usage: Usage::default(),
            finish_reason: Finish::Stop,
            tool_calls: Vec::new(),
            pending_steer: None,
        },
    ])
}

/// Each frame as its `id:`, its name and its data.
fn frames(log: &[Logged], seen: u64) -> Vec<(Option<String>, String, Value)> {
    let told = Told::default();
    *told.borrow_mut() = vec![Message::assistant("a")];
    let session = SessionId::parse("s").unwrap();
    let mut stream =
        SessionStream::new(run(), session, Content::Text("hi".to_owned()), None, Seq(seen), told, false);
    let mut out = BytesMut::new();
    for logged in log {
        let _ = stream.event(logged, &mut out);
    }
    let text = String::from_utf8(out.to_vec()).unwrap();
    let parse = |frame: &str| {
        let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        (field("id: "), field("event: ").unwrap(), serde_json::from_str(&field("data: ").unwrap()).unwrap())
    };
    text.split_terminator("\n\n").map(parse).collect()
}

#[test]
fn a_turn_is_told_in_the_references_events_and_order() {
    let frames = frames(&turn(), 0);
    let names: Vec<(Option<&str>, &str)> =
        frames.iter().map(|(id, name, _)| (id.as_deref(), name.as_str())).collect();
    let expected = [
        (None, "run.started"),
        (Some("1"), "message.started"),
        (Some("2"), "tool.started"),
        (Some("3"), "tool.failed"),
        (Some("4"), "tool.completed"),
        (Some("5"), "assistant.delta"),
        (None, "assistant.completed"),
        (None, "run.completed"),
        (Some("6"), "done"),
    ];
    assert_eq!(names, expected);
    let id = format!("msg_{}", "07".repeat(16));
    let common = |own: Value, seq: u64| {
        let mut whole = json!({"session_id": "s", "run_id": run(), "seq": seq, "ts": 1.5});
        for (name, value) in own.as_object().unwrap() {
            whole[name] = value.clone();
        }
        whole
    };
    assert_eq!(frames[0].2, common(json!({"user_message": {"role": "user", "content": "hi"}}), 1));
    assert_eq!(frames[1].2, common(json!({"message": {"id": id, "role": "assistant"}}), 2));
    let failed = json!({"message_id": id, "tool_name": "terminal", "preview": null, "args": null,
                        "tool_call_id": "c", "duration": 0.5, "result": "r"});
    assert_eq!(frames[3].2, common(failed, 4));
    let spoken = json!({"message_id": id, "content": "a", "completed": true, "partial": false, "interrupted": false,
                        "finish_reason": "stop"});
    assert_eq!(frames[6].2, common(spoken, 7));
    assert_eq!(
        frames[7].2["messages"],
        json!([{"role": "assistant", "content": "a", "tool_call_id": null,
        "tool_calls": null, "tool_name": null, "finish_reason": "stop", "reasoning": null, "reasoning_content": null}])
    );
    assert_eq!(frames[8].2, common(json!({}), 9));
}

#[test]
fn a_reader_that_comes_back_gets_the_rest_byte_for_byte() {
    let whole = frames(&turn(), 0);
    for (at, (id, _, _)) in whole.iter().enumerate() {
        if let Some(id) = id {
            assert_eq!(frames(&turn(), id.parse().unwrap()), whole[at + 1..], "after {id}");
        }
    }
}

#[test]
fn a_turn_that_failed_ends_with_error_and_done_and_no_answer() {
    let failed = Event::RunFailed {
        error: "no".to_owned(),
        error_code: Code::UpstreamError,
        retryable: false,
        retry_after: None,
        partial_output: "so f".to_owned(),
        usage: Usage::default(),
        pending_steer: None,
    };
    let frames = frames(&log(vec![failed]), 0);
    let names: Vec<&str> = frames.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(names, ["error", "done"]);
    assert_eq!(frames[0].2["message"], "no");
    assert_eq!(frames[0].2["error"]["code"], "upstream_error");
    assert_eq!(frames[0].2["hermes"]["partial"], true);
}
