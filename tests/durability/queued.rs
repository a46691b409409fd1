//! A run whose 202 was given runs, in this process or in the next one.

use crate::support::Site;
use serde_json::json;

#[actix_web::test]
async fn queued_runs_run_after_a_kill_in_their_order() {
    let site = Site::with("gateway:\n  api_server:\n    max_concurrent_runs: 1\n    queue: 4\n").await;
    let process = site.start().await;
    let alice = process.alice();
    let in_session = |input: &str| json!({ "input": input, "session_id": "s1" });
    let running = alice.run_with(in_session("@@gate hold")).await;
    alice.events(&running, None).await.until("message.delta").await;
    let second = alice.run_with(in_session("second")).await;
    let third = alice.run_with(in_session("third")).await;
    for run in [&second, &third] {
        assert_eq!(alice.get(&format!("/v1/runs/{run}")).await.body["status"], "queued");
    }
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    assert_eq!(alice.finished(&running).await["error_code"], "interrupted");
    for (run, output) in [(&second, "You said: second"), (&third, "You said: third")] {
        let record = alice.finished(run).await;
        assert_eq!((&record["status"], &record["output"]), (&json!("completed"), &json!(output)));
    }
    let asked: Vec<_> = site
        .upstream
        .requests()
        .iter()
        .map(|body| body["messages"].as_array().unwrap().last().cloned())
        .collect();
    let said: Vec<_> = asked.iter().map(|message| message.as_ref().unwrap()["content"].clone()).collect();
    assert_eq!(said, ["@@gate hold", "second", "third"], "one after the other, and each once");
}
