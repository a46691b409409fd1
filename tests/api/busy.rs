//! A turn that finds another one of its session at work: `on_busy`.

use crate::support::{Client, Frames, House, Plan, ask};
use serde_json::json;

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

#[actix_web::test]
async fn steer_says_the_words_to_the_turn_at_work_and_gets_its_answer() {
    let house = House::open().await;
    let alice = house.alice().await;
    let (run, events) = busy(&alice, "steered").await;
    let body = json!({"input": "and be brief", "session_id": "s1", "on_busy": "steer"});
    let joined = alice.post("/v1/runs", body).await;
    assert_eq!((joined.status, &joined.body["run_id"]), (202, &json!(run)), "{}", joined.text);
    house.upstream.open("steered");
    let frames = events.rest().await;
    assert!(frames.iter().any(|frame| frame.kind() == "run.steered"), "{frames:?}");
    let runs = alice.get("/v1/runs?session_id=s1").await.body;
    assert_eq!(runs["data"].as_array().unwrap().len(), 1, "it became part of the turn: {runs}");

    let alone = json!({"input": "x", "session_id": "s1", "on_busy": "steer"});
    let own = alice.run_with(alone).await;
    assert_ne!(own, run, "a session at rest gets a turn");
    alice.finished(&own).await;
    house.close().await;
}
