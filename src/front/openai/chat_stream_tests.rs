use super::*;
use crate::domain::{ApprovalId, Choice, Finish, ToolSpec, Usage};
use serde_json::{Value, json};

const RUN: RunId = RunId::from_bytes([7; 16]);

fn stream(resumed: bool) -> ChatStream {
    let terminal = ToolSpec {
        name: "terminal".into(),
        description: "".into(),
        parameters: "{}".into(),
        read_only: false,
        toolset: "terminal".into(),
        emoji: "💻",
    };
    let tools = Arc::new(Toolset::new(vec![terminal]));
    ChatStream::new(RUN, 1_795_299_162_345, "a \"model\"", tools, resumed)
}

fn logged(seq: u64, event: Event) -> Logged {
    Logged { seq: Seq(seq), at: 0, lost_after: None, event }
}

fn delta(text: &str) -> Event {
    Event::MessageDelta { delta: text.to_owned() }
}

fn usage() -> Usage {
    Usage { input_tokens: 50, output_tokens: 2, total_tokens: 52, ..Usage::default() }
}

/// One frame as a client's parser sees it.
#[derive(Debug, PartialEq)]
struct Frame {
    event: Option<String>,
    id: Option<u64>,
    data: Value,
}

/// Reads frames strictly: known fields only, JSON data or `[DONE]`.
fn frames(bytes: &[u8]) -> Vec<Frame> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.is_empty() || text.ends_with("\n\n"), "{text}");
    let blocks = text.split_terminator("\n\n").filter(|block| !block.starts_with(':'));
    let read = |block: &str| {
        let mut frame = Frame { event: None, id: None, data: Value::Null };
        for line in block.lines() {
            match line.split_once(": ").unwrap() {
                ("event", name) => frame.event = Some(name.to_owned()),
                ("id", id) => frame.id = Some(id.parse().unwrap()),
                ("data", "[DONE]") => frame.data = json!("[DONE]"),
                ("data", data) => frame.data = serde_json::from_str(data).unwrap(),
                (other, _) => panic!("field {other}"),
            }
        }
        frame
    };
    blocks.map(read).collect()
}

fn render(events: &[Logged]) -> Vec<Frame> {
    let mut out = BytesMut::new();
    let mut stream = stream(false);
    stream.open(&mut out);
    for event in events {
        let _ = stream.event(event, &mut out);
    }
    stream.close(&mut out);
    frames(&out)
}

fn envelope(choice: &Value) -> Value {
    json!({
        "id": format!("chatcmpl-{}", "07".repeat(16)),
        "object": "chat.completion.chunk",
        "created": 1_795_299_162,
        "model": "a \"model\"",
        "choices": [choice],
    })
}

fn chunk(delta: &Value) -> Value {
    envelope(&json!({"index": 0, "delta": delta, "finish_reason": null}))
}

fn with(mut base: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        base[name] = value.clone();
    }
    base
}

fn plain(id: impl Into<Option<u64>>, data: Value) -> Frame {
    Frame { event: None, id: id.into(), data }
}

fn progress(id: u64, members: &Value) -> Frame {
    Frame {
        event: Some("hermes.tool.progress".to_owned()),
        id: Some(id),
        data: with(chunk(&json!({})), members),
    }
}

fn tokens() -> Value {
    json!({"prompt_tokens": 50, "completion_tokens": 2, "total_tokens": 52})
}

#[test]
fn an_answer_is_role_text_finish_done() {
    let got = render(&[
        logged(1, delta("tok\n0 ")),
        logged(2, Event::ReasoningDelta { delta: "hm".to_owned() }),
        logged(
            3,
            Event::RunCompleted {
                output: "tok\n0 ".to_owned(),
                usage: usage(),
                finish_reason: Finish::Length,
                tool_calls: Vec::new(),
                pending_steer: None,
            },
        ),
    ]);
    let finish = envelope(&json!({"index": 0, "delta": {}, "finish_reason": "length"}));
    let expected = [
        plain(None, chunk(&json!({"role": "assistant"}))),
        plain(1, chunk(&json!({"content": "tok\n0 "}))),
        plain(2, chunk(&json!({"content": null, "reasoning_content": "hm"}))),
        plain(None, with(finish, &json!({"usage": tokens()}))),
        plain(3, json!("[DONE]")),
    ];
    assert_eq!(got, expected);
}

#[test]
fn tools_are_shown_as_progress_with_the_whole_envelope() {
    let started = |tool: &str, preview: Option<&str>| Event::ToolStarted {
        tool: tool.to_owned(),
        preview: preview.map(str::to_owned),
        call_id: "c1".to_owned(),
        arguments: json!({"command": "secret"}),
    };
    let approval_id = ApprovalId::from_bytes([1; 16]);
    let request = ApprovalRequest {
        approval_id,
        call_id: "c1".to_owned(),
        tool: "terminal".to_owned(),
        command: "rm -rf x".to_owned(),
        arguments_digest: String::new(),
        pattern_key: String::new(),
        pattern_keys: Vec::new(),
        description: "recursive delete".to_owned(),
        allow_permanent: true,
        choices: Choice::ALL.to_vec(),
        expires_at: None,
    };
    let completed = Event::ToolCompleted {
        tool: "terminal".to_owned(),
        call_id: "c1".to_owned(),
        duration: 0.1,
        error: true,
        result: "{}".to_owned(),
    };
    let mut got = render(&[
        logged(1, started("terminal", Some("echo hi"))),
        logged(2, Event::ApprovalRequest(Box::new(request))),
        logged(3, completed),
        logged(4, started("unknown", None)),
        logged(5, started("_thinking", None)),
    ]);
    got.remove(0);
    let label = |label: &str| json!({"tool": "terminal", "emoji": "💻", "label": label, "toolCallId": "c1", "status": "running"});
    let question = json!({"approval": {"id": approval_id, "description": "recursive delete"}});
    let expected = [
        progress(1, &label("echo hi")),
        progress(2, &with(label("rm -rf x"), &question)),
        progress(3, &json!({"tool": "terminal", "toolCallId": "c1", "status": "completed"})),
        progress(4, &json!({"tool": "unknown", "label": "unknown", "toolCallId": "c1", "status": "running"})),
        plain(None, json!("[DONE]")),
    ];
    assert_eq!(got, expected);
}

#[test]
fn a_failure_has_the_error_and_the_outcome_and_no_text() {
    let failed = Event::RunFailed {
        error: "The model's server cut the connection.".to_owned(),
        error_code: Code::UpstreamError,
        retryable: true,
        retry_after: None,
        partial_output: "tok".to_owned(),
        usage: usage(),
        pending_steer: None,
    };
    let cancelled =
        Event::RunCancelled { partial_output: String::new(), usage: usage(), pending_steer: None };
    let stopped = "The run was stopped before it was done.";
    let cases = [
        (failed, "server_error", "upstream_error", "The model's server cut the connection.", true),
        (cancelled, "invalid_request_error", "run_cancelled", stopped, false),
    ];
    for (event, kind, code, message, partial) in cases {
        let got = render(&[logged(9, event)]);
        let finish = envelope(&json!({"index": 0, "delta": {}, "finish_reason": "error"}));
        let members = json!({
            "usage": tokens(),
            "error": {"message": message, "type": kind, "param": null, "code": code},
            "hermes": {"completed": false, "partial": partial, "failed": true, "error": message, "error_code": code},
        });
        assert_eq!(got[1..], [plain(None, with(finish, &members)), plain(9, json!("[DONE]"))], "{code}");
    }
}

#[test]
fn a_long_delta_is_split_and_only_its_last_frame_is_numbered() {
    let text = "ä".repeat(2 * MAX_DELTA + 1);
    let got = render(&[logged(4, delta(&text)), logged(5, delta(""))]);
    let parts = &got[1..got.len() - 1];
    let ids: Vec<_> = parts.iter().map(|frame| frame.id).collect();
    assert_eq!(ids, [None, None, Some(4)]);
    let texts: Vec<&str> =
        parts.iter().map(|frame| frame.data["choices"][0]["delta"]["content"].as_str().unwrap()).collect();
    assert!(texts.iter().all(|piece| (1..=MAX_DELTA).contains(&piece.chars().count())));
    assert_eq!(texts.concat(), text);
}

#[test]
fn two_readers_and_a_resumed_one_get_the_same_bytes() {
    let events = [logged(1, delta("a")), logged(2, delta("b"))];
    let bytes = |skip: usize| {
        let mut out = BytesMut::new();
        let mut stream = stream(skip > 0);
        stream.open(&mut out);
        let opened = out.len();
        for event in &events[skip..] {
            let _ = stream.event(event, &mut out);
        }
        (opened, out)
    };
    let (_, whole) = bytes(0);
    assert_eq!(bytes(0).1, whole);
    let (opened, resumed) = bytes(1);
    assert!(whole.ends_with(&resumed[opened..]) && resumed.starts_with(b": "));
}

#[test]
fn a_gap_ends_the_stream_as_a_failure() {
    let mut out = BytesMut::new();
    let mut stream = stream(true);
    let gap = Event::Gap { from: Seq(1), snapshot: json!({}) };
    assert!(stream.event(&logged(3, gap), &mut out).is_break());
    let got = frames(&out);
    assert_eq!(got[0].data["choices"][0]["finish_reason"], "error");
    assert_eq!(got[1], plain(None, json!("[DONE]")));
}
