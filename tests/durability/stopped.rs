//! SIGTERM: what runs may finish, streams get their end, the exit code is 0. A second signal does not wait.

use crate::support::{Client, Site, key, within};
use rustix::process::Signal;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Waits until the profile takes on no more.
async fn draining(client: &Client) {
    within(async {
        while client.get("/ready").await.status == 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A stream of events as it stands on the wire.
async fn raw_events(base: String, run: String) -> String {
    let host = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!(
        "GET /v1/runs/{run}/events HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\r\n",
        key("alice")
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[actix_web::test]
async fn a_running_turn_may_finish_and_new_ones_are_turned_away() {
    let site = Site::new().await.home_config("agent:\n  restart_drain_timeout: 600\n");
    let mut process = site.start().await;
    let alice = process.alice();
    let run = alice.run("@@gate hold").await;
    let mut events = alice.events(&run, None).await;
    events.until("message.delta").await;
    process.signal(Signal::TERM);
    draining(&alice).await;
    let refused = alice.post("/v1/runs", json!({"input": "too late"})).await;
    assert_eq!((refused.status, refused.code()), (503, "gateway_draining"), "{}", refused.text);
    assert!(refused.header("Retry-After").is_some());

    // So does one that has nothing to finish, and whoever operates the gateway is answered.
    let bob = process.bob();
    draining(&bob).await;
    assert_eq!(bob.get("/health").await.status, 200);
    let refused = bob.chat("too late").await;
    assert_eq!((refused.status, refused.code()), (503, "gateway_draining"), "{}", refused.text);
    for words in [["-p", "alice", "key", "list"], ["-p", "bob", "approvals", "list"]] {
        site.hermes(&words);
    }

    site.upstream.open("hold");
    assert_eq!(events.rest().await.pop().unwrap().kind(), "run.completed");
    let (status, _) = process.ended().await;
    assert_eq!(status.code(), Some(0));
}

#[actix_web::test]
async fn a_turn_that_outlasts_the_drain_is_interrupted_with_a_last_event() {
    let site = Site::new().await.home_config("agent:\n  restart_drain_timeout: 0\n");
    let mut process = site.start().await;
    let alice = process.alice();
    let chat = alice.chat_stream("@@gate chat").await;
    site.upstream.reached("chat").await;
    let run = alice.run("@@gate hold").await;
    let mut events = alice.events(&run, None).await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|frame: &crate::support::Frame| frame.kind() != "message.delta") {
        seen.push(events.data().await.unwrap());
    }
    process.signal(Signal::TERM);
    seen.extend(events.rest().await);
    let last = seen.last().unwrap().json();
    assert_eq!((&last["event"], &last["error_code"]), (&json!("run.failed"), &json!("interrupted")));
    let chat = chat.rest().await;
    assert_eq!(chat.last().unwrap().data.as_deref(), Some("[DONE]"));
    assert_eq!(chat[chat.len() - 2].json()["error"]["code"], "interrupted");
    let (status, _) = process.ended().await;
    assert_eq!(status.code(), Some(0));

    let process = site.start().await;
    assert_eq!(process.alice().events(&run, None).await.rest().await, seen, "what readers saw is stored");
}

#[actix_web::test]
async fn waiting_and_queued_runs_are_put_aside_and_go_on_in_the_next_process() {
    let config = "gateway:\n  api_server:\n    max_concurrent_runs: 2\n    queue: 4\n";
    let site = Site::with(config).await.home_config("agent:\n  restart_drain_timeout: 600\n");
    let mut process = site.start().await;
    let alice = process.alice();
    let waiting = alice.run(r#"@@tool terminal {"command":"rm -rf ./none && echo went-1"}"#).await;
    let mut waiting_events = alice.events(&waiting, None).await;
    waiting_events.until("approval.request").await;
    let raw = tokio::spawn(raw_events(process.base("alice"), waiting.clone()));
    let running = alice.run("@@gate hold").await;
    alice.events(&running, None).await.until("message.delta").await;
    let queued = alice.run("queued").await;
    assert_eq!(alice.get(&format!("/v1/runs/{queued}")).await.body["status"], "queued");
    process.signal(Signal::TERM);
    draining(&alice).await;
    // Its next process takes the answer.
    let late = alice.post(&format!("/v1/runs/{waiting}/approval"), json!({"choice": "once"})).await;
    assert_eq!((late.status, late.code()), (503, "gateway_draining"), "{}", late.text);
    site.upstream.open("hold");
    let (status, _) = process.ended().await;
    assert_eq!(status.code(), Some(0), "nobody waits 600 s for an answer");
    assert_eq!(waiting_events.rest().await, [], "a run that goes on later has no last event now");
    let raw = within(raw).await.unwrap();
    assert!(raw.contains("approval.request") && raw.ends_with("\r\n0\r\n\r\n"), "the stream was cut: {raw}");

    let process = site.start().await;
    let alice = process.alice();
    assert_eq!(alice.finished(&running).await["status"], "completed");
    assert_eq!(alice.finished(&queued).await["output"], "You said: queued");
    let answer = alice.post(&format!("/v1/runs/{waiting}/approval"), json!({"choice": "once"})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let record = alice.finished(&waiting).await;
    assert!(record["output"].as_str().unwrap().contains("went-1"), "{record}");
}

#[actix_web::test]
async fn a_second_signal_ends_at_once() {
    let site = Site::new().await.home_config("agent:\n  restart_drain_timeout: 600\n");
    let mut process = site.start().await;
    let alice = process.alice();
    let run = alice.run("@@gate hold").await;
    alice.events(&run, None).await.until("message.delta").await;
    process.signal(Signal::TERM);
    draining(&alice).await;
    process.signal(Signal::INT);
    let (status, _) = process.ended().await;
    assert_eq!(status.code(), Some(1), "it was not the end in order");

    let process = site.start().await;
    assert_eq!(process.alice().finished(&run).await["error_code"], "interrupted");
}

#[actix_web::test]
async fn a_chat_that_waits_for_an_approval_gets_its_end() {
    let config = "approvals:\n  unattended: wait\n";
    let site = Site::with(config).await.home_config("agent:\n  restart_drain_timeout: 600\n");
    let mut process = site.start().await;
    let alice = process.alice();
    let mut chat = alice.chat_stream(r#"@@tool terminal {"command":"rm -rf ./none"}"#).await;
    while chat.data().await.unwrap().event.as_deref() != Some("hermes.tool.progress") {}
    process.signal(Signal::TERM);
    let rest = chat.rest().await;
    let (status, _) = process.ended().await;
    assert_eq!(status.code(), Some(0));
    assert_eq!(rest.last().and_then(|frame| frame.data.as_deref()), Some("[DONE]"), "{rest:?}");
    assert_eq!(rest[rest.len() - 2].json()["error"]["code"], "interrupted");

    let process = site.start().await;
    let pending = process.alice().get("/v1/approvals?status=pending").await.body;
    assert_eq!(pending["data"], json!([]), "nobody would read the answer");
}
