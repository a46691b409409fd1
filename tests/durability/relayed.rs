//! A gateway is killed while another one does the work of its run: the work is not left running there.

use crate::support::{Client, Process, Site};
use serde_json::{Value, json};
use std::fs;

/// A far gateway, and a near one whose alice uses the far alice.
async fn chain() -> (Site, Process, Site) {
    let far = Site::new().await;
    let there = far.start().await;
    let near = Site::new().await;
    let key = there.alice().key.unwrap();
    let model =
        format!("model:\n  provider: hermes\n  base_url: {}\n  api_key: {key}\n", there.base("alice"));
    fs::write(near.profile_dir("alice").join("config.yaml"), model).unwrap();
    (far, there, near)
}

/// The only run of a profile, read to its end.
async fn only_run(client: &Client) -> Value {
    let list = client.get("/v1/runs").await.body;
    let runs = list["data"].as_array().unwrap();
    assert_eq!(runs.len(), 1, "{list}");
    client.finished(runs[0]["run_id"].as_str().unwrap()).await
}

#[actix_web::test]
async fn what_was_running_there_is_stopped_and_not_done_again() {
    let (far, there, near) = chain().await;
    let here = near.start().await;
    let alice = here.alice();
    let run = alice.run("@@gate hold").await;
    alice.events(&run, None).await.until("message.delta").await;
    here.kill().await;

    let here = near.start().await;
    let record = here.alice().get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!((&record["status"], &record["error_code"]), (&json!("failed"), &json!("interrupted")));
    assert_eq!(only_run(&there.alice()).await["status"], "cancelled");
    far.upstream.hung_up(1).await;
}

#[actix_web::test]
async fn what_waits_there_for_an_answer_still_waits_and_is_answered_here() {
    let (_far, there, near) = chain().await;
    let here = near.start().await;
    let alice = here.alice();
    let run = alice.run(r#"@@tool terminal {"command":"rm -rf ./none"}"#).await;
    let mut events = alice.events(&run, None).await;
    let request = events.until("approval.request").await.json();
    here.kill().await;

    let here = near.start().await;
    let alice = here.alice();
    let path = format!("/v1/approvals/{}", request["approval_id"].as_str().unwrap());
    let answer = alice.post(&path, json!({"choice": "once"})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let record = alice.finished(&run).await;
    assert_eq!(record["status"], "completed", "{record}");
    assert_eq!(record["tools"].as_array().unwrap().len(), 1);
    assert_eq!(only_run(&there.alice()).await["status"], "completed");
}
