//! What a model call has cost is on disk before the turn goes on.

use crate::support::{Fifo, Site};
use serde_json::json;

#[actix_web::test]
async fn a_call_that_was_paid_for_is_in_the_ledger_after_a_kill() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    let mut fifo = Fifo::make(&site.profile_dir("alice").join("workspace/pipe"));
    let command = json!({"command": "exec 3>pipe; echo go >&3; sleep 600"});
    let run = alice.run(&format!("@@tool terminal {command}")).await;
    fifo.reads("go\n").await;
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    let total = alice.get("/api/usage").await.body["total"].clone();
    assert_eq!((&total["calls"], &total["input_tokens"]), (&json!(1), &json!(50)), "{total}");
    let record = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!(record["usage"]["input_tokens"], 50, "{record}");
}
