//! What a chat completion promises, sentence by sentence.

use crate::support::{Client, Frame, House, Plan, ask};
use awc::http::Method;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const LONGEST: usize = 32_000;

async fn streamed(client: &Client, headers: &[(&str, &str)], body: Value) -> Vec<Frame> {
    client.stream(Method::POST, CHAT, headers, Some(body)).await.rest().await
}

/// The chunks of a stream that ended with `[DONE]`.
fn chunks(frames: &[Frame]) -> Vec<Value> {
    let (done, chunks) = frames.split_last().unwrap();
    assert_eq!(done.data.as_deref(), Some("[DONE]"));
    assert!(chunks.iter().all(|frame| frame.data.as_deref() != Some("[DONE]")), "the end comes once");
    chunks.iter().map(Frame::json).collect()
}

fn delta(chunk: &Value) -> &Value {
    &chunk["choices"][0]["delta"]
}

fn said(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|chunk| delta(chunk)["content"].as_str()).collect()
}

/// Role, pieces, end: whatever the turn was.
fn hold_to_the_rules(case: &str, frames: &[Frame]) {
    let chunks = chunks(frames);
    let (last, before) = chunks.split_last().unwrap();
    for chunk in &chunks {
        assert_eq!(chunk["choices"].as_array().map(Vec::len), Some(1), "{case}: {chunk}");
        assert_eq!(chunk["object"], "chat.completion.chunk", "{case}");
        for member in ["id", "created", "model"] {
            assert_eq!(chunk[member], chunks[0][member], "{case}: {chunk}");
        }
    }
    for (at, chunk) in before.iter().enumerate() {
        assert_eq!(chunk["choices"][0]["finish_reason"], Value::Null, "{case}: {chunk}");
        assert!(chunk.get("usage").is_none(), "{case}: {chunk}");
        assert_eq!(delta(chunk).get("role").is_some(), at == 0, "{case}: {chunk}");
        for text in ["content", "reasoning_content"].map(|name| delta(chunk)[name].as_str()) {
            let letters = text.map(|text| text.chars().count());
            assert!(letters.is_none_or(|letters| (1..=LONGEST).contains(&letters)), "{case}: {letters:?}");
        }
    }
    assert_eq!(delta(before.first().unwrap()), &json!({"role": "assistant"}), "{case}");
    assert!(last["choices"][0]["finish_reason"].is_string(), "{case}: {last}");
    assert_eq!(delta(last), &json!({}), "{case}");
    assert!(last["usage"]["total_tokens"].is_u64(), "{case}: {last}");
    let ids: Vec<u64> = frames.iter().filter_map(|frame| frame.id.as_deref()?.parse().ok()).collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "{case}: {ids:?}");
    assert!(frames.last().unwrap().id.is_some(), "{case}: the end is numbered");
}

#[actix_web::test]
async fn every_stream_is_role_first_then_pieces_then_one_end_with_usage() {
    let house = House::with(Plan::config("display:\n  show_reasoning: true\n")).await;
    let alice = house.alice().await;
    let long = "ä\n".repeat(40_000);
    let cases = [
        "hello",
        "@@stream 20 0",
        "@@burst 50",
        "@@json",
        "@@reason hm",
        "@@length",
        "@@leave-out-done",
        r#"@@loop 2 terminal {"command":"echo hi"}"#,
        "@@drop 3",
        "@@empty",
        "@@status 400",
        &long,
    ];
    for case in cases {
        let frames = streamed(&alice, &[], ask(case, true)).await;
        hold_to_the_rules(case.get(..40).unwrap_or(case), &frames);
    }
    let whole = said(&chunks(&streamed(&alice, &[], ask(&long, true)).await));
    assert_eq!(whole, format!("You said: {long}"), "what is cut into pieces is whole again");
    let mut body = ask("@@tool weather {}", true);
    body["tools"] = json!([{"type": "function", "function": {"name": "weather"}}]);
    body["stream_options"] = json!({"include_usage": true});
    hold_to_the_rules("a call of the client's tool", &streamed(&alice, &[], body).await);
    house.close().await;
}

#[actix_web::test]
async fn a_tool_is_told_twice_in_the_envelope_of_a_chunk_and_nothing_else_has_a_name() {
    let house = House::open().await;
    let calls = r#"@@tools terminal {"command":"echo hi"} ;; terminal {"command":"exit 3"} ;; nothing {}"#;
    let frames = streamed(&house.alice().await, &[], ask(calls, true)).await;
    hold_to_the_rules("tools", &frames);
    let named: Vec<&Frame> = frames.iter().filter(|frame| frame.event.is_some()).collect();
    let mut told = Vec::new();
    for frame in named {
        assert_eq!(frame.event.as_deref(), Some("hermes.tool.progress"));
        assert!(frame.id.is_some(), "each is an event of the log");
        let data = frame.json();
        assert_eq!(
            data["choices"],
            json!([{"index": 0, "delta": {}, "finish_reason": null}]),
            "a loop that reads nothing but chunks survives it"
        );
        let member = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        told.push((member("toolCallId"), member("tool"), member("status")));
    }
    let row = |id: &str, tool: &str, status: &str| (id.to_owned(), tool.to_owned(), status.to_owned());
    let (one, two, three) = ("call_0_0_terminal", "call_0_1_terminal", "call_0_2_nothing");
    let expected = [
        row(one, "terminal", "running"),
        row(one, "terminal", "completed"),
        row(two, "terminal", "running"),
        row(two, "terminal", "completed"),
        row(three, "nothing", "running"),
        row(three, "nothing", "completed"),
    ];
    assert_eq!(told, expected, "a tool that failed is `completed` too");
    house.close().await;
}

#[actix_web::test]
async fn reasoning_is_sent_only_where_it_is_asked_for() {
    for (config, shown) in [("", None), ("display:\n  show_reasoning: true\n", Some("hm so"))] {
        let house = House::with(Plan::config(config)).await;
        let alice = house.alice().await;
        let chunks = chunks(&streamed(&alice, &[], ask("@@reason hm so", true)).await);
        let thoughts: Vec<&Value> =
            chunks.iter().map(delta).filter(|delta| delta.get("reasoning_content").is_some()).collect();
        let told: String = thoughts.iter().filter_map(|delta| delta["reasoning_content"].as_str()).collect();
        assert_eq!(told, shown.unwrap_or_default());
        let beside = |delta: &&Value| delta.get("role").is_some() || delta.get("content").is_some();
        assert!(thoughts.iter().all(beside), "{thoughts:?}");
        assert_eq!(said(&chunks), "Thought about it.");
        let whole = alice.chat("@@reason hm so").await.body["choices"][0]["message"].clone();
        assert_eq!(whole.get("reasoning_content").and_then(Value::as_str), shown);
        house.close().await;
    }
}

#[actix_web::test]
async fn a_reader_comes_back_at_any_number_and_there_is_one_turn() {
    let house = House::open().await;
    let alice = house.alice().await;
    let body = ask(r#"@@tool terminal {"command":"echo hi"}"#, true);
    let stream = alice.stream(Method::POST, CHAT, &[], Some(body.clone())).await;
    let run = stream.headers.get("X-Hermes-Run-Id").unwrap().to_str().unwrap().to_owned();
    let frames = stream.rest().await;
    let asked = house.upstream.requests().len();
    let numbers = frames.iter().enumerate().filter_map(|(at, frame)| Some((at, frame.id.clone()?)));
    for (at, id) in numbers {
        let headers = [("X-Hermes-Run-Id", run.as_str()), ("Last-Event-ID", id.as_str())];
        let rest = streamed(&alice, &headers, body.clone()).await;
        // Behind the very end there is still an end.
        let expected = if at + 1 == frames.len() {
            vec![Frame { data: Some("[DONE]".to_owned()), ..Frame::default() }]
        } else {
            frames[at + 1..].to_vec()
        };
        assert_eq!(rest, expected, "after {id}");
    }
    let run_alone = [("X-Hermes-Run-Id", run.as_str())];
    assert_eq!(streamed(&alice, &run_alone, body).await, frames, "from the beginning");
    let whole = alice.post_with(CHAT, &run_alone, ask("something else", false)).await;
    assert_eq!(whole.body["choices"][0]["message"]["content"], said(&chunks(&frames)));
    assert_eq!(house.upstream.requests().len(), asked);

    let bob = house.bob().await.post_with(CHAT, &run_alone, ask("mine?", false)).await;
    assert_eq!((bob.status, bob.code()), (404, "run_not_found"), "another's run");
    let nonsense = [("X-Hermes-Run-Id", run.as_str()), ("Last-Event-ID", "x")];
    assert_eq!(alice.post_with(CHAT, &nonsense, ask("x", true)).await.status, 400);
    let gone = alice.post_with(CHAT, &[("X-Hermes-Run-Id", "nope")], ask("x", true)).await;
    assert_eq!((gone.status, gone.code()), (404, "run_not_found"));
    assert_eq!(house.upstream.requests().len(), asked, "none of these was a turn");
    house.close().await;
}

#[actix_web::test]
async fn every_sampling_member_reaches_every_call_of_the_turn() {
    let house = House::open().await;
    let sampling = json!({
        "temperature": 0.25, "top_p": 0.5, "max_tokens": 700, "max_completion_tokens": 800, "stop": ["END", "FIN"],
        "seed": -7, "presence_penalty": 0.5, "frequency_penalty": -0.5,
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
        "reasoning_effort": "high", "user": "u-1",
    });
    let mut body = ask(r#"@@tool terminal {"command":"true"}"#, false);
    body.as_object_mut().unwrap().extend(sampling.as_object().unwrap().clone());
    // Members that nobody knows are nobody's fault.
    body["store"] = json!(true);
    body["x-unknown"] = json!({"a": [1]});
    assert_eq!(house.alice().await.post(CHAT, body).await.status, 200);
    let requests = house.upstream.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        for (name, value) in sampling.as_object().unwrap() {
            assert_eq!(&request[name], value, "{name}");
        }
        assert!(request.get("x-unknown").is_none() && request.get("store").is_none());
    }
    house.close().await;
}

#[actix_web::test]
async fn a_limit_bounds_the_answer_and_not_the_calls_before_it() {
    let house = House::open().await;
    let alice = house.alice().await;
    let mut body = ask(r#"@@cut-call terminal {"command":"echo out"}"#, false);
    body["max_tokens"] = json!(5);
    let reply = alice.post(CHAT, body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.body["choices"][0]["finish_reason"], "length", "{}", reply.text);
    assert!(reply.text.contains("out"), "{}", reply.text);
    let limits: Vec<bool> =
        house.upstream.requests().iter().map(|request| request.get("max_tokens").is_some()).collect();
    assert_eq!(limits, [true, false, true], "the call that it cut is made once more without it");

    let mut body = ask("@@length", false);
    body["max_tokens"] = json!(5);
    let reply = alice.post(CHAT, body).await;
    let choice = &reply.body["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("length"), &json!("Cut off"))
    );
    assert_eq!(house.upstream.requests().len(), 4, "no continuation of what the client limited");
    house.close().await;
}

#[actix_web::test]
async fn what_would_be_missed_is_refused_by_name_and_nothing_is_asked() {
    let house = House::open().await;
    let alice = house.alice().await;
    let cases = [
        ("n", json!(2)),
        ("audio", json!({"voice": "alloy", "format": "mp3"})),
        ("modalities", json!(["text", "audio"])),
        ("logprobs", json!(true)),
        ("top_logprobs", json!(5)),
        ("logit_bias", json!({"50256": -100})),
    ];
    for stream in [false, true] {
        for (name, value) in &cases {
            let mut body = ask("hello", stream);
            body[name] = value.clone();
            let reply = alice.post(CHAT, body).await;
            assert_eq!((reply.status, reply.code()), (400, "unsupported_parameter"), "{}", reply.text);
            assert_eq!(reply.body["error"]["param"], *name);
        }
    }
    for (name, value) in &cases {
        let mut body = json!({"input": "hello"});
        body[name] = value.clone();
        let reply = alice.post("/v1/runs", body).await;
        assert_eq!((reply.status, reply.code()), (400, "unsupported_parameter"), "{}", reply.text);
    }
    assert!(house.upstream.requests().is_empty());
    let mut one = ask("hello", false);
    let nothing = [
        ("n", json!(1)),
        ("modalities", json!(["text"])),
        ("logprobs", json!(false)),
        ("top_logprobs", json!(null)),
        ("logit_bias", json!({})),
        ("stream_options", json!(null)),
    ];
    for (name, value) in nothing {
        one[name] = value;
    }
    assert_eq!(alice.post(CHAT, one).await.status, 200);
    house.close().await;
}

#[actix_web::test]
async fn what_is_over_a_limit_is_told_the_limit() {
    let house = House::open().await;
    let alice = house.alice().await;
    let talk = |count: usize| json!({"messages": vec![json!({"role": "user", "content": "x"}); count]});
    let parts = |count: usize| json!({"messages": [{"role": "user", "content": vec![json!({"type": "text", "text": "x"}); count]}]});
    let deep = |levels: usize| {
        // The body and its list are two levels, and a member that nobody knows is ignored however it looks.
        let nested = "[".repeat(levels - 1) + &"]".repeat(levels - 1);
        serde_json::from_str::<Value>(&format!(
            r#"{{"odd":{nested},"messages":[{{"role":"user","content":"x"}}]}}"#
        ))
        .unwrap()
    };
    let over = [
        ("10000", talk(10_001), Some("messages")),
        ("1000", parts(1_001), Some("messages[0].content")),
        ("64", deep(65), None),
    ];
    for (limit, body, param) in over {
        let reply = alice.post(CHAT, body).await;
        assert_eq!(reply.status, 400, "{limit}: {}", reply.text);
        assert!(reply.body["error"]["message"].as_str().unwrap().contains(limit), "{}", reply.text);
        assert_eq!(reply.body["error"]["param"].as_str(), param, "{}", reply.text);
    }
    assert!(house.upstream.requests().is_empty());
    for (limit, body) in [("messages", talk(10_000)), ("parts", parts(1_000)), ("depth", deep(64))] {
        let reply = alice.post(CHAT, body).await;
        assert_eq!(reply.status, 200, "{limit} at the limit: {}", reply.text);
    }
    house.close().await;
}

#[actix_web::test]
async fn a_model_that_turns_out_blind_is_said_to_be_blind() {
    let house = House::open().await;
    let alice = house.alice().await;
    let body = |text: &str, stream: bool| {
        let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
        let content = json!([{"type": "text", "text": text}, image]);
        json!({"stream": stream, "messages": [{"role": "user", "content": content}]})
    };
    let refusals = [
        "@@refuse 400 This model does not support image inputs.",
        "@@refuse 404 No endpoints found that support image input",
        "@@refuse 500 image input is not supported - hint: you may need to provide the mmproj",
    ];
    for refusal in refusals {
        let asked = house.upstream.requests().len();
        let reply = alice.post(CHAT, body(refusal, false)).await;
        assert_eq!((reply.status, reply.code()), (400, "vision_unsupported"), "{}", reply.text);
        assert_eq!(reply.header("x-should-retry"), Some("false"));
        assert_eq!(house.upstream.requests().len(), asked + 1, "asking again would not help");
        let frames = streamed(&alice, &[], body(refusal, true)).await;
        hold_to_the_rules(refusal, &frames);
        let last = chunks(&frames).pop().unwrap();
        assert_eq!(last["error"]["code"], "vision_unsupported");
        assert_eq!(last["choices"][0]["finish_reason"], "error");
    }
    let broken = alice.post(CHAT, body("@@refuse 400 Invalid image format.", false)).await;
    assert_eq!(broken.code(), "upstream_error", "a broken image is no blindness: {}", broken.text);
    house.close().await;
}
