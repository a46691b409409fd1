//! The end of a key: what it opened ends within a second, on every surface.

use super::{KEYS, id, patch, with_token};
use crate::support::{Client, Frames, House, Plan, ask, within};
use awc::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Longest that anything of a revoked key may go on. The promise is a second; this machine has other tests to run.
const AT_ONCE: Duration = Duration::from_secs(8);
const GATE: &str = "@@gate closed";

/// A client with a new key that may do all, and that key's id.
async fn holder(alice: &Client) -> (Client, String) {
    let all = json!(["chat", "runs", "approve", "sessions", "jobs", "memory", "read"]);
    let made = alice.post(KEYS, json!({ "scopes": all })).await;
    (with_token(alice, &made), id(&made).to_owned())
}

/// Every kind of stream, each begun and waiting for what does not come.
async fn streams(of: &Client) -> Vec<(&'static str, Frames)> {
    let session = of.post("/api/sessions", json!({})).await.body["session"]["id"].clone();
    let chat = format!("/api/sessions/{}/chat/stream", session.as_str().unwrap());
    let run = of.run(GATE).await;
    let kept = of.post("/v1/responses", json!({"input": GATE, "background": true})).await.body;
    let kept = format!("/v1/responses/{}?stream=true", kept["id"].as_str().unwrap());
    let post = |path, body| async move { of.stream(Method::POST, path, &[], Some(body)).await };
    let mut streams = vec![
        ("chat", post("/v1/chat/completions", ask(GATE, true)).await),
        ("response", post("/v1/responses", json!({"input": GATE, "stream": true})).await),
        ("stored response", of.stream(Method::GET, &kept, &[], None).await),
        ("session chat", post(&chat, json!({"message": GATE})).await),
        ("run", of.events(&run, None).await),
    ];
    for (name, stream) in &mut streams {
        assert!(stream.data().await.is_some(), "{name}");
    }
    streams
}

/// Every request that waits for its answer in one piece.
fn waiting() -> [(&'static str, Value); 3] {
    [
        ("/v1/chat/completions", ask(GATE, false)),
        ("/v1/responses", json!({"input": GATE})),
        ("/api/sessions/talk/chat", json!({"message": GATE})),
    ]
}

async fn until_all_stopped(alice: &Client) {
    let runs = alice.get("/v1/runs?limit=200").await.body;
    for run in runs["data"].as_array().unwrap() {
        let ended = alice.finished(run["run_id"].as_str().unwrap()).await;
        assert_eq!(ended["status"], "cancelled", "{ended}");
    }
}

#[actix_web::test]
async fn revoking_a_key_ends_every_stream_and_every_wait_of_it_and_stops_its_runs() {
    for shared in [false, true] {
        let home_env = "API_SERVER_KEY=home-key-0123456789abcdef\nAPI_SERVER_PORT=0\n".to_owned();
        let house = House::with(Plan { home_env, more_workers: 2, ..Plan::default() }).await;
        let alice = house.alice().await;
        let (mut theirs, key) = holder(&alice).await;
        if shared {
            theirs.base = format!("{}/p/alice", house.base("default").await);
        }
        theirs.post("/api/sessions", json!({"id": "talk"})).await;
        let streams = streams(&theirs).await;
        let asked = house.upstream.requests().len();
        let waits = waiting().into_iter().map(|(path, body)| {
            let client = theirs.clone();
            actix_web::rt::spawn(async move { (path, client.post(path, body).await, Instant::now()) })
        });
        let waits: Vec<_> = waits.collect();
        house.upstream.asked(asked + 3).await;

        let begun = Instant::now();
        assert_eq!(alice.delete(&format!("{KEYS}/{key}")).await.status, 200);
        let ended = join_all(streams.into_iter().map(async |(name, stream)| {
            let rest = stream.rest().await;
            (name, rest, Instant::now())
        }));
        for (name, rest, at) in ended.await {
            assert!(at - begun < AT_ONCE, "{name} through the home's port ({shared}): {:?}", at - begun);
            let text = format!("{rest:?}");
            assert!(!text.contains("tok1") && !text.contains("run.completed"), "{name}: {text}");
        }
        for wait in waits {
            let (path, reply, at) = wait.await.unwrap();
            assert_eq!((reply.status, reply.code()), (401, "key_revoked"), "{path}: {}", reply.text);
            assert!(at - begun < AT_ONCE, "{path}: {:?}", at - begun);
        }
        until_all_stopped(&alice).await;
        house.close().await;
    }
}

#[actix_web::test]
async fn a_request_that_waits_in_the_queue_ends_with_its_key() {
    let house =
        House::with(Plan::config("gateway:\n  api_server:\n    max_concurrent_runs: 1\n    queue: 9\n"))
            .await;
    let alice = house.alice().await;
    let (theirs, key) = holder(&alice).await;
    let first = alice.run(GATE).await;
    alice.events(&first, None).await.until("message.delta").await;
    let queued = theirs.run("hello").await;
    let mut chats = Vec::new();
    for stream in [false, true] {
        let client = theirs.clone();
        chats.push(actix_web::rt::spawn(async move {
            client.post("/v1/chat/completions", ask("hello", stream)).await
        }));
    }
    within(async {
        let queued = async || {
            let health = alice.get("/health/detailed").await.body;
            health["readiness"]["checks"]["background_queues"]["queued"].as_u64().unwrap()
        };
        while queued().await < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let begun = Instant::now();
    alice.delete(&format!("{KEYS}/{key}")).await;
    for chat in chats {
        let reply = chat.await.unwrap();
        assert_eq!((reply.status, reply.code()), (401, "key_revoked"), "{}", reply.text);
        assert!(begun.elapsed() < AT_ONCE);
    }
    assert_eq!(alice.finished(&queued).await["status"], "cancelled");
    house.upstream.open("closed");
    assert_eq!(alice.finished(&first).await["status"], "completed", "another key's run goes on");
    assert_eq!(house.upstream.requests().len(), 1, "nothing of the revoked key reached the model");
    house.close().await;
}

#[actix_web::test]
async fn a_run_that_waits_for_an_approval_ends_with_its_key() {
    let house = House::open().await;
    let alice = house.alice().await;
    let (theirs, key) = holder(&alice).await;
    let run = theirs.run(r#"@@tool terminal {"command":"rm -rf ./none; echo went > went"}"#).await;
    let asked = theirs.events(&run, None).await.until("approval.request").await.json();
    alice.delete(&format!("{KEYS}/{key}")).await;
    assert_eq!(alice.finished(&run).await["status"], "cancelled");
    let late = format!("/v1/approvals/{}", asked["approval_id"].as_str().unwrap());
    assert_eq!(alice.post(&late, json!({"choice": "once"})).await.status, 409);
    assert!(!house.profile_dir("alice").join("workspace/went").exists());
    house.close().await;
}

#[actix_web::test]
async fn a_key_that_ends_by_itself_takes_its_streams_and_leaves_its_runs() {
    let house = House::open().await;
    let alice = house.alice().await;
    let made = alice.post(KEYS, json!({"expires_in": 4})).await;
    let theirs = with_token(&alice, &made);
    let run = theirs.run(GATE).await;
    let frames = theirs.events(&run, None).await.rest().await;
    assert!(frames.iter().all(|frame| frame.kind() != "run.completed"), "{frames:?}");
    assert_eq!(theirs.get("/v1/models").await.code(), "invalid_api_key");
    assert_eq!(alice.get(&format!("{KEYS}/{}", id(&made))).await.body["status"], "expired");
    house.upstream.open("closed");
    assert_eq!(alice.finished(&run).await["status"], "completed");
    // A new end brings it back: it was never revoked.
    let again = patch(&alice, id(&made), json!({"expires_at": null})).await;
    assert_eq!(again.body["status"], "active", "{}", again.text);
    assert_eq!(theirs.get("/v1/models").await.status, 200);
    house.close().await;
}

#[actix_web::test]
async fn a_right_that_is_taken_away_ends_what_it_opened() {
    let house = House::open().await;
    let alice = house.alice().await;
    let (theirs, key) = holder(&alice).await;
    let run = theirs.run(GATE).await;
    let mut events = theirs.events(&run, None).await;
    events.until("message.delta").await;
    let begun = Instant::now();
    patch(&alice, &key, json!({"scopes": ["chat"]})).await;
    events.rest().await;
    assert!(begun.elapsed() < AT_ONCE);
    assert_eq!(theirs.get(&format!("/v1/runs/{run}")).await.code(), "insufficient_scope");
    house.upstream.open("closed");
    assert_eq!(alice.finished(&run).await["status"], "completed", "the run is not the stream");
    house.close().await;
}
