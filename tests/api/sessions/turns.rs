//! Gone on with, in one piece and as a stream.

use super::{create, patch, said, say, transcript};
use crate::support::{Client, Frame, Frames, House, Plan, ask};
use awc::http::Method;
use serde_json::{Value, json};

/// The texts of the system messages that the upstream was sent last.
fn systems(house: &House) -> Vec<String> {
    let request = house.upstream.requests().pop().unwrap();
    let system = |message: &&Value| message["role"] == "system";
    let messages = request["messages"].as_array().unwrap();
    messages.iter().filter(system).map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

async fn stream(client: &Client, session: &str, headers: &[(&str, &str)], text: &str) -> Frames {
    let path = format!("/api/sessions/{session}/chat/stream");
    client.stream(Method::POST, &path, headers, Some(json!({"message": text}))).await
}

fn names(frames: &[Frame]) -> Vec<&str> {
    frames.iter().map(|frame| frame.event.as_deref().unwrap()).collect()
}

/// API.md 14: 9 and 11.
#[actix_web::test]
async fn fault_09_the_sessions_system_prompt_is_used_in_every_turn_of_every_surface() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({"system_prompt": "Speak like a pirate."})).await;
    let has = |house: &House| systems(house).iter().any(|text| text.contains("like a pirate"));

    let body = json!({"message": "one", "instructions": "Only now."});
    alice.post(&format!("/api/sessions/{id}/chat"), body).await;
    assert!(has(&house) && systems(&house).iter().any(|text| text.contains("Only now.")));
    say(&alice, &id, "two").await;
    assert!(has(&house) && !systems(&house).iter().any(|text| text.contains("Only now.")));
    let run = alice.run_with(json!({"input": "three", "session_id": id})).await;
    alice.finished(&run).await;
    assert!(has(&house));
    let header = [("X-Hermes-Session-Id", id.as_str())];
    alice.post_with("/v1/chat/completions", &header, ask("four", false)).await;
    assert!(has(&house));
    let users: Vec<String> = transcript(&alice, &id)
        .await
        .into_iter()
        .filter(|(role, _)| role == "user")
        .map(|(_, text)| text)
        .collect();
    assert_eq!(users, ["one", "two", "three", "four"], "one transcript for all");

    patch(&alice, &id, json!({"system_prompt": null})).await;
    say(&alice, &id, "five").await;
    assert!(!has(&house));
    house.close().await;
}

#[actix_web::test]
async fn a_turn_is_answered_remembered_and_counted() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({})).await;
    let reply = say(&alice, &id, "hello").await;
    assert_eq!((reply.status, reply.header("X-Hermes-Session-Id")), (200, Some(id.as_str())));
    let run = reply.body["run_id"].as_str().unwrap();
    let expected = json!({
        "object": "hermes.session.chat.completion", "session_id": id, "run_id": run, "finish_reason": "stop",
        "message": {"role": "assistant", "content": "You said: hello"},
        "usage": {"input_tokens": 50, "output_tokens": 2, "total_tokens": 52},
        "runtime": {
            "provider": "custom", "model": "scripted", "route_source": "global",
            "requested": {"provider": null, "model": null}, "model_lock": "",
        },
    });
    assert_eq!(reply.body, expected);
    say(&alice, &id, r#"@@tool terminal {"command":"echo st-1"}"#).await;
    let sent = house.upstream.requests().pop().unwrap();
    let heard =
        sent["messages"].as_array().unwrap().iter().any(|message| message["content"] == "You said: hello");
    assert!(heard, "the second turn knows the first: {sent}");

    let page = alice.get(&format!("/api/sessions/{id}/messages")).await.body;
    let rows = page["data"].as_array().unwrap();
    let roles: Vec<&str> = rows.iter().map(|row| row["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant", "tool", "assistant"]);
    let ids: Vec<u64> = rows.iter().map(|row| row["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
    assert_eq!(rows[3]["tool_calls"][0]["function"]["name"], "terminal");
    assert_eq!(rows[3]["tool_calls"][0]["call_id"], rows[4]["tool_call_id"]);
    let ends: Vec<Option<&str>> = rows.iter().map(|row| row["finish_reason"].as_str()).collect();
    assert_eq!(ends, [None, Some("stop"), None, Some("tool_calls"), None, Some("stop")]);
    assert!(rows.iter().all(|row| row["timestamp"].as_f64().unwrap() > 1.0e9));
    let session = &alice.get(&format!("/api/sessions/{id}")).await.body["session"];
    assert_eq!((&session["message_count"], &session["tool_call_count"]), (&json!(6), &json!(1)));
    assert_eq!((&session["preview"], &session["model"]), (&json!("hello"), &json!("scripted")));
    assert_eq!((&session["input_tokens"], &session["api_call_count"]), (&json!(150), &json!(3)));
    alice.post(&format!("/api/sessions/{id}/chat"), json!({"message": "@@usage 40 3"})).await;
    let session = &alice.get(&format!("/api/sessions/{id}")).await.body["session"];
    assert_eq!((&session["cache_read_tokens"], &session["reasoning_tokens"]), (&json!(40), &json!(3)));
    house.close().await;
}

/// API.md 14: 4 and 7, and the run that nobody could find.
#[actix_web::test]
async fn a_stream_tells_the_turn_and_its_run_is_a_run_like_any_other() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({})).await;
    let frames = stream(&alice, &id, &[], r#"@@tool terminal {"command":"echo ss-11"}"#).await.rest().await;
    let kinds = names(&frames);
    assert_eq!(kinds[..4], ["run.started", "message.started", "tool.started", "tool.completed"]);
    assert_eq!(kinds[kinds.len() - 3..], ["assistant.completed", "run.completed", "done"]);
    let seqs: Vec<u64> = frames.iter().map(|frame| frame.json()["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    let of = |name: &str| frames.iter().find(|frame| frame.event.as_deref() == Some(name)).unwrap().json();
    let text: String = frames
        .iter()
        .filter(|frame| frame.event.as_deref() == Some("assistant.delta"))
        .map(|frame| frame.json()["delta"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(of("assistant.completed")["content"], json!(text));
    assert_eq!(of("tool.started")["args"], json!({"command": "echo ss-11"}));
    let told = of("run.completed")["messages"].clone();
    let roles: Vec<&str> = told.as_array().unwrap().iter().map(|row| row["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["assistant", "tool", "assistant"], "{told}");

    let run = of("done")["run_id"].as_str().unwrap().to_owned();
    let record = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!((&record["status"], &record["surface"]), (&json!("completed"), &json!("session_chat")));
    let resumed = |after: String| {
        let (alice, id, run) = (alice.clone(), id.clone(), run.clone());
        async move {
            let headers = [("X-Hermes-Run-Id", run.as_str()), ("Last-Event-ID", after.as_str())];
            stream(&alice, &id, &headers, "ignored").await.rest().await
        }
    };
    for (at, frame) in frames.iter().enumerate() {
        if let Some(seen) = &frame.id {
            assert_eq!(resumed(seen.clone()).await, frames[at + 1..], "after {seen}");
        }
    }
    assert_eq!(resumed("0".to_owned()).await, frames, "from the beginning, the user's words included");
    let other = create(&alice, json!({})).await;
    let foreign = alice
        .post_with(&format!("/api/sessions/{other}/chat"), &[("X-Hermes-Run-Id", &run)], json!({}))
        .await;
    assert_eq!((foreign.status, foreign.code()), (404, "run_not_found"), "a run of another session");
    house.close().await;
}

#[actix_web::test]
async fn a_tool_that_fails_is_told_as_failed() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({})).await;
    let frames = stream(&alice, &id, &[], r#"@@tool read_file {"path":"none.txt"}"#).await.rest().await;
    assert!(names(&frames).contains(&"tool.failed"), "{:?}", names(&frames));
    house.close().await;
}

/// API.md 14: 4.
#[actix_web::test]
async fn fault_04_a_failed_turn_is_an_error_and_no_answer() {
    let house = House::with(Plan::config("agent:\n  api_max_retries: 1\n")).await;
    let alice = house.alice().await;
    let id = create(&alice, json!({})).await;
    let reply = say(&alice, &id, "@@status 400").await;
    assert_eq!((reply.status, reply.code()), (502, "upstream_error"), "{}", reply.text);
    assert_eq!(reply.body["hermes"]["failed"], true);
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    let frames = stream(&alice, &id, &[], "@@status 400").await.rest().await;
    let kinds = names(&frames);
    assert_eq!(kinds[kinds.len() - 2..], ["error", "done"], "{kinds:?}");
    assert!(!kinds.contains(&"assistant.completed") && !kinds.contains(&"run.completed"));
    assert_eq!(transcript(&alice, &id).await, [], "nothing of it is remembered");
    house.close().await;
}

/// API.md 14: 29.
#[actix_web::test]
async fn fault_29_a_client_that_goes_away_does_not_end_the_turn_and_comes_back_to_it() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({})).await;
    let mut first = stream(&alice, &id, &[], "@@gate back").await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|frame: &Frame| frame.event.as_deref() != Some("assistant.delta")) {
        seen.push(first.data().await.unwrap());
    }
    drop(first);
    let run = seen[0].json()["run_id"].as_str().unwrap().to_owned();
    let last = seen.last().unwrap().id.clone().unwrap();
    let headers = [("X-Hermes-Run-Id", run.as_str()), ("Last-Event-ID", last.as_str())];
    let rest = stream(&alice, &id, &headers, "").await;
    house.upstream.open("back");
    seen.extend(rest.rest().await);
    let kinds = names(&seen);
    assert_eq!(kinds[kinds.len() - 3..], ["assistant.completed", "run.completed", "done"]);
    assert_eq!(transcript(&alice, &id).await.len(), 2);
    house.close().await;
}

#[actix_web::test]
async fn an_idempotency_key_makes_one_turn_of_two_requests_whichever_form_they_ask_for() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({})).await;
    let key = [("Idempotency-Key", "k-1")];
    let path = format!("/api/sessions/{id}/chat");
    let body = json!({"message": "once"});
    let one = alice.post_with(&path, &key, body.clone()).await;
    let two = alice.post_with(&path, &key, body.clone()).await;
    assert_eq!(one.body, two.body);
    assert_eq!(
        (one.header("Idempotency-Replayed"), two.header("Idempotency-Replayed")),
        (None, Some("true"))
    );
    let frames = stream(&alice, &id, &key, "once").await.rest().await;
    assert_eq!(frames[0].json()["run_id"], one.body["run_id"]);
    let other = alice.post_with(&path, &key, json!({"message": "twice"})).await;
    assert_eq!((other.status, other.code()), (409, "idempotency_key_conflict"));
    assert_eq!(transcript(&alice, &id).await.len(), 2);
    let made = alice.post_with("/api/sessions", &key, json!({"title": "K"})).await;
    let again = alice.post_with("/api/sessions", &key, json!({"title": "K"})).await;
    assert_eq!((again.status, &again.body), (201, &made.body), "a session is made once, too");
    house.close().await;
}

/// API.md 14: 47.
#[actix_web::test]
async fn fault_47_turns_of_one_session_never_interleave() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = create(&alice, json!({})).await;
    let texts: Vec<String> = (0..6).map(|number| format!("n{number}")).collect();
    let turns = texts.iter().map(|text| say(&alice, &id, text));
    for reply in futures_util::future::join_all(turns).await {
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    let got = transcript(&alice, &id).await;
    assert_eq!(got.len(), 12);
    for pair in got.chunks(2) {
        assert_eq!(pair[1], said("assistant", &format!("You said: {}", pair[0].1)));
    }
    house.close().await;
}
