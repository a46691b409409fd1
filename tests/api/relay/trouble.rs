//! What can go wrong between the two, and at the far end.

use super::{Chain, text};
use crate::{
    faults::Panic,
    support::{ask, house::key},
};
use hermes_gateway::domain::RunId;
use serde_json::{Value, json};
use std::time::Duration;

#[actix_web::test]
async fn a_cut_line_loses_and_doubles_nothing() {
    let chain = Chain::new().await;
    let alice = chain.alice().await;
    let run = alice.run("@@gate hold").await;
    let mut events = alice.events(&run, None).await;
    events.until("message.delta").await;
    chain.cable.cut();
    chain.far.upstream.open("hold");
    assert_eq!(events.rest().await.last().unwrap().json()["output"], "tok0 tok1 ");
    assert_eq!(text(&alice.events(&run, None).await.rest().await), "tok0 tok1 ");
    assert_eq!(chain.far_runs().await.len(), 1, "nothing was started twice");
    chain.close().await;
}

#[actix_web::test]
async fn a_far_gateway_that_is_gone_is_a_failed_turn_with_what_was_said() {
    let chain = Chain::with("agent:\n  api_max_retries: 1\n", &key("alice")).await;
    let alice = chain.alice().await;
    let run = alice.run("@@gate hold").await;
    alice.events(&run, None).await.until("message.delta").await;
    chain.cable.unplug();
    let record = alice.finished(&run).await;
    assert_eq!(
        (&record["status"], &record["error_code"]),
        (&json!("failed"), &json!("upstream_error")),
        "{record}"
    );
    assert_eq!(record["partial_output"], "tok0 ");
    let refused = alice.chat("hello").await;
    assert_eq!((refused.status, refused.code()), (502, "upstream_error"), "{}", refused.text);
    chain.close().await;
}

#[actix_web::test]
async fn how_the_far_turn_failed_is_how_this_one_did() {
    let mut chain = Chain::new().await;
    let alice = chain.alice().await;
    for (said, code, retry_after) in [
        ("@@status 400", "upstream_error", json!(null)),
        ("@@status 429 61", "upstream_rate_limited", json!(61)),
    ] {
        let run = alice.run(said).await;
        let record = alice.finished(&run).await;
        assert_eq!((&record["error_code"], &record["retry_after"]), (&json!(code), &retry_after), "{record}");
    }
    let run = alice.run("@@gate hold").await;
    let events = alice.events(&run, None).await;
    chain.far.upstream.reached("hold").await;
    chain.far.stop(Duration::ZERO).await;
    let last = events.rest().await.pop().unwrap().json();
    // A gateway that ends at once may be gone before its last word is out; then it is an upstream that was lost.
    let told = ["interrupted", "upstream_error"].map(Value::from).contains(&last["error_code"]);
    assert!(last["event"] == "run.failed" && told, "{last}");
    chain.close().await;
}

#[actix_web::test]
async fn a_wrong_key_is_said_plainly_and_tried_once() {
    let chain = Chain::with("", "hk_wrong").await;
    let alice = chain.alice().await;
    let run = alice.run("hello").await;
    let record = alice.finished(&run).await;
    assert_eq!(record["error_code"], "upstream_error", "{record}");
    let error = record["error"].as_str().unwrap();
    assert!(error.contains("401") && error.contains("model.api_key"), "{error}");
    assert!(!record.to_string().contains("hk_wrong"));
    assert_eq!(chain.far_runs().await.len(), 0);
    chain.close().await;
}

#[actix_web::test]
async fn a_chat_whose_reader_goes_away_ends_there_too() {
    let chain = Chain::new().await;
    let mut frames = chain.alice().await.chat_stream("@@gate hold").await;
    frames.data().await.unwrap();
    chain.far.upstream.reached("hold").await;
    drop(frames);
    chain.far.upstream.hung_up(1).await;
    assert_eq!(chain.far_end().await["status"], "cancelled");
    chain.close().await;
}

#[actix_web::test]
async fn the_clients_own_tools_are_refused_rather_than_forgotten() {
    let chain = Chain::new().await;
    let mut body = ask("hello", false);
    body["tools"] =
        json!([{"type": "function", "function": {"name": "own", "parameters": {"type": "object"}}}]);
    let reply = chain.alice().await.post("/v1/chat/completions", body).await;
    assert_eq!((reply.status, reply.code()), (400, "unsupported_parameter"), "{}", reply.text);
    assert_eq!(chain.far_runs().await.len(), 0);
    chain.close().await;
}

#[actix_web::test]
async fn a_run_that_panics_here_does_not_go_on_there() {
    let chain = Chain::new().await;
    let alice = chain.alice().await;
    let run = alice.run("@@gate hold").await;
    let mut events = alice.events(&run, None).await;
    events.until("message.delta").await;
    let tenant = chain.near.tenant("alice").await;
    let actor = tenant.board().live(RunId::parse(&run).unwrap()).unwrap();
    assert!(actor.send(Panic).await.is_err());
    assert_eq!(events.rest().await.pop().unwrap().kind(), "run.failed");
    chain.far.upstream.hung_up(1).await;
    assert_eq!(chain.far_end().await["status"], "cancelled");
    chain.close().await;
}

#[actix_web::test]
async fn a_stop_shows_before_the_far_gateway_has_answered_the_start() {
    let chain = Chain::new().await;
    let alice = chain.alice().await;
    chain.cable.hold();
    let run = alice.run("@@gate hold").await;
    alice.events(&run, None).await.until("run.started").await;
    chain.cable.held().await;
    let stopped = alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    assert_eq!((stopped.status, &stopped.body["status"]), (200, &json!("stopping")), "{}", stopped.text);
    let status = alice.get(&format!("/v1/runs/{run}")).await.body["status"].clone();
    assert_eq!(status, "stopping", "at once, not when the other side has been heard of");
    chain.cable.release();
    assert_eq!(alice.finished(&run).await["status"], "cancelled");
    assert_eq!(chain.far_end().await["status"], "cancelled", "what was started over there is stopped");
    chain.close().await;
}
