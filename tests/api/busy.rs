//! A turn that finds another one of its session at work: `on_busy`.

use crate::support::{Client, Frames, House, Plan, ask};
use serde_json::{Value, json};

const SESSION: [(&str, &str); 1] = [("X-Hermes-Session-Id", "s1")];

/// Begins a turn of the session `s1` that writes and then waits for the gate.
async fn busy(alice: &Client, gate: &str) -> (String, Frames) {
    let run = alice.run_with(json!({"input": format!("@@gate {gate}"), "session_id": "s1"})).await;
    let mut events = alice.events(&run, None).await;
    events.until("message.delta").await;
    (run, events)
}

#[actix_web::test]
async fn reject_refuses_the_second_turn_on_every_surface_and_leaves_the_first_alone() {
    let house = House::open().await;
    let alice = house.alice().await;
    let (run, events) = busy(&alice, "one").await;

    let body = json!({"input": "second", "session_id": "s1", "on_busy": "reject"});
    let refused = alice.post("/v1/runs", body).await;
    assert_eq!((refused.status, refused.code()), (409, "session_busy"), "{}", refused.text);
    let headers = [SESSION[0], ("X-Hermes-On-Busy", "reject")];
    let refused = alice.post_with("/v1/chat/completions", &headers, ask("second", false)).await;
    assert_eq!((refused.status, refused.code()), (409, "session_busy"), "{}", refused.text);
    let runs = alice.get("/v1/runs?session_id=s1").await.body;
    assert_eq!(runs["data"].as_array().unwrap().len(), 1, "nothing was taken on: {runs}");

    house.upstream.open("one");
    events.rest().await;
    assert_eq!(alice.get(&format!("/v1/runs/{run}")).await.body["status"], "completed");
    let free = alice.post("/v1/runs", json!({"input": "x", "session_id": "s1", "on_busy": "reject"})).await;
    assert_eq!(free.status, 202, "a free session refuses nobody: {}", free.text);
    house.close().await;
}

#[actix_web::test]
async fn interrupt_stops_the_turn_at_work_and_comes_next() {
    let house = House::with(Plan::config("gateway:\n  api_server:\n    on_busy: interrupt\n")).await;
    let alice = house.alice().await;
    let (first, events) = busy(&alice, "never").await;

    let second = alice.post_with("/v1/chat/completions", &SESSION, ask("second", false)).await;
    assert_eq!(second.body["choices"][0]["message"]["content"], "You said: second", "{}", second.text);
    assert_eq!(events.rest().await.pop().unwrap().kind(), "run.cancelled");
    assert_eq!(alice.get(&format!("/v1/runs/{first}")).await.body["status"], "cancelled");
    house.close().await;
}

#[actix_web::test]
async fn of_many_turns_at_once_one_has_the_session_and_the_rest_is_refused() {
    let house = House::open().await;
    let alice = house.alice().await;
    let body = json!({"input": "@@gate all", "session_id": "s1", "on_busy": "reject"});
    let replies = futures_util::future::join_all((0..8).map(|_| alice.post("/v1/runs", body.clone()))).await;
    let taken: Vec<&str> = replies
        .iter()
        .filter(|reply| reply.status == 202)
        .filter_map(|reply| reply.body["run_id"].as_str())
        .collect();
    assert_eq!(taken.len(), 1);
    assert!(replies.iter().all(|reply| reply.status == 202 || reply.code() == "session_busy"));
    house.upstream.open("all");
    alice.finished(taken[0]).await;
    house.close().await;
}

#[actix_web::test]
async fn a_header_names_the_session_of_a_run_and_two_names_are_one_too_many() {
    let house = House::open().await;
    let alice = house.alice().await;
    let reply = alice.post_with("/v1/runs", &SESSION, json!({"input": "x"})).await;
    assert_eq!(reply.body["session_id"], "s1", "{}", reply.text);
    let two = alice.post_with("/v1/runs", &SESSION, json!({"input": "x", "session_id": "s2"})).await;
    assert_eq!((two.status, two.code()), (400, "invalid_session_id"), "{}", two.text);
    house.close().await;
}

/// The texts that the upstream was sent of a conversation, without the system's.
fn said(request: &Value) -> Vec<String> {
    let messages = request["messages"].as_array().unwrap().iter();
    let spoken = messages.filter(|message| message["role"] != "system");
    spoken.map(|message| message["content"].as_str().unwrap_or_default().to_owned()).collect()
}

#[actix_web::test]
async fn steer_says_the_words_to_the_turn_at_work_and_gets_its_answer() {
    let house = House::open().await;
    let alice = house.alice().await;
    let call = r#"@@tool terminal {"command":"until [ -e go ]; do sleep 0.01; done"}"#;
    let run = alice.run_with(json!({"input": call, "session_id": "s1"})).await;
    let mut events = alice.events(&run, None).await;
    events.until("tool.started").await;
    let body = json!({"input": "and be brief", "session_id": "s1", "on_busy": "steer"});
    let joined = alice.post("/v1/runs", body).await;
    assert_eq!((joined.status, &joined.body["run_id"]), (202, &json!(run)), "{}", joined.text);
    assert_eq!((&joined.body["steered"], joined.header("X-Hermes-Steered")), (&json!(true), Some("true")));
    std::fs::write(house.profile_dir("alice").join("workspace/go"), "").unwrap();
    let frames = events.rest().await;
    assert!(frames.iter().any(|frame| frame.kind() == "run.steered"), "{frames:?}");
    let runs = alice.get("/v1/runs?session_id=s1").await.body;
    assert_eq!(runs["data"].as_array().unwrap().len(), 1, "it became part of the turn: {runs}");
    assert_eq!(
        house.upstream.requests().len(),
        2,
        "the call after the tool heard it, and no other was needed"
    );

    let alone = alice.post("/v1/runs", json!({"input": "x", "session_id": "s1", "on_busy": "steer"})).await;
    assert_ne!(alone.body["run_id"], json!(run), "a session at rest gets a turn");
    assert_eq!((&alone.body["steered"], alone.header("X-Hermes-Steered")), (&json!(false), None));
    alice.finished(alone.body["run_id"].as_str().unwrap()).await;
    house.close().await;
}

#[actix_web::test]
async fn words_that_come_during_the_last_model_call_are_answered_all_the_same() {
    let house = House::open().await;
    let alice = house.alice().await;
    let (run, events) = busy(&alice, "last").await;
    let headers = [SESSION[0], ("X-Hermes-On-Busy", "steer")];
    let late = alice.post_with("/v1/chat/completions", &headers, ask("and then?", false));
    let opened = async {
        // The words are on disk before the model is through.
        let mut events = events;
        events.until("run.steered").await;
        house.upstream.open("last");
        events.rest().await
    };
    let (late, frames) = futures_util::join!(late, opened);
    assert_eq!((late.status, late.header("X-Hermes-Run-Id")), (200, Some(run.as_str())), "{}", late.text);
    assert_eq!(late.header("X-Hermes-Steered"), Some("true"));
    let whole = "tok0 tok1 \n\nYou said: and then?";
    assert_eq!(late.body["choices"][0]["message"]["content"], whole);
    let last = frames.last().unwrap().json();
    assert_eq!((&last["output"], &last["pending_steer"]), (&json!(whole), &Value::Null));

    let next = alice.run_with(json!({"input": "next", "session_id": "s1"})).await;
    alice.finished(&next).await;
    let heard = said(house.upstream.requests().last().unwrap());
    assert_eq!(heard, ["@@gate last", "tok0 tok1 ", "and then?", "You said: and then?", "next"]);
    house.close().await;
}

#[actix_web::test]
async fn a_key_stands_for_the_turn_that_its_words_joined() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let (run, events) = busy(&alice, "keyed").await;
    let headers = [("Idempotency-Key", "said-once")];
    let body = json!({"input": "once", "session_id": "s1", "on_busy": "steer"});
    let (one, two) = futures_util::join!(
        alice.post_with("/v1/runs", &headers, body.clone()),
        alice.post_with("/v1/runs", &headers, body.clone())
    );
    for reply in [&one, &two] {
        assert_eq!((reply.status, &reply.body["run_id"]), (202, &json!(run)), "{}", reply.text);
    }
    assert_ne!(one.body["replayed"], two.body["replayed"], "one of them was first");
    house.upstream.open("keyed");
    let frames = events.rest().await;
    assert_eq!(frames.iter().filter(|frame| frame.kind() == "run.steered").count(), 1, "{frames:?}");
    house.stop(std::time::Duration::ZERO).await;
    house.start().await;
    let later = house.alice().await.post_with("/v1/runs", &headers, body).await;
    assert_eq!(
        (&later.body["run_id"], &later.body["replayed"]),
        (&json!(run), &json!(true)),
        "{}",
        later.text
    );
    house.close().await;
}

#[actix_web::test]
async fn what_brings_more_than_words_waits_for_a_turn_of_its_own() {
    let house = House::open().await;
    let alice = house.alice().await;
    let (run, events) = busy(&alice, "first").await;
    let mut body = ask("with a tool", false);
    body["tools"] =
        json!([{"type": "function", "function": {"name": "own", "parameters": {"type": "object"}}}]);
    let headers = [SESSION[0], ("X-Hermes-On-Busy", "steer")];
    let kept = json!({"input": "to be kept", "background": true});
    let response = alice.post_with("/v1/responses", &headers, kept).await;
    assert_eq!(
        response.header("X-Hermes-Steered"),
        None,
        "a kept response is a turn's own: {}",
        response.text
    );
    let chat = alice.post_with("/v1/chat/completions", &headers, body);
    let opened = async {
        house.upstream.open("first");
        events.rest().await;
    };
    let (chat, ()) = futures_util::join!(chat, opened);
    assert_ne!(chat.header("X-Hermes-Run-Id"), Some(run.as_str()), "{}", chat.text);
    let id = response.body["id"].as_str().unwrap();
    assert_eq!(alice.get(&format!("/v1/responses/{id}")).await.status, 200);
    house.close().await;
}

#[actix_web::test]
async fn a_chat_that_is_stopped_is_a_conflict_and_no_fault_of_the_server() {
    let house = House::open().await;
    let alice = house.alice().await;
    for (session, gate) in [("s1", "one"), ("s2", "two")] {
        let headers = [("X-Hermes-Session-Id", session)];
        let chat = alice.post_with("/v1/chat/completions", &headers, ask(&format!("@@gate {gate}"), false));
        let stopped = async {
            house.upstream.reached(gate).await;
            if session == "s1" {
                let body = json!({"input": "second", "session_id": session, "on_busy": "interrupt"});
                let run = alice.run_with(body).await;
                alice.finished(&run).await;
            } else {
                assert_eq!(alice.delete(&format!("/api/sessions/{session}")).await.status, 200);
            }
        };
        let (chat, ()) = futures_util::join!(chat, stopped);
        assert_eq!((chat.status, chat.code()), (409, "run_cancelled"), "{session}: {}", chat.text);
        assert_eq!(chat.header("x-should-retry"), Some("false"));
    }
    house.close().await;
}
