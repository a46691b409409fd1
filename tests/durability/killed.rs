//! `kill -9` in the middle of a turn: it is over, everybody can see how far it came, and nothing is done twice.

use crate::support::{Fifo, Site, outlives_a_kill, seqs, text};
use serde_json::json;

#[actix_web::test]
async fn a_stream_that_was_killed_is_told_to_its_last_kept_token() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    let run = alice.run("@@stream 100000 2").await;
    let mut events = alice.events(&run, None).await;
    let mut seen = Vec::new();
    while seen.len() < 60 {
        seen.push(events.data().await.unwrap());
    }
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    let after = alice.events(&run, None).await.rest().await;
    outlives_a_kill(&seen, &after);
    let last = after.last().unwrap().json();
    assert_eq!((&last["event"], &last["error_code"]), (&json!("run.failed"), &json!("interrupted")));
    assert!(last["seq"].as_u64() > seqs(&seen).last().copied(), "its number was given out before the kill");
    let record = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!((&record["status"], &record["error_code"]), (&json!("failed"), &json!("interrupted")));
    assert_eq!(record["partial_output"], json!(text(&after)), "the record and the log tell the same");
    assert!(text(&after).starts_with("tok0 "), "nothing at all was kept");

    let resumed = alice.events(&run, seen.last().unwrap().id.as_deref()).await.rest().await;
    let behind = seqs(&seen).last().copied().unwrap();
    let wanted: Vec<_> =
        after.iter().filter(|frame| frame.json()["seq"].as_u64() > Some(behind)).cloned().collect();
    assert_eq!(resumed, wanted, "who comes back gets what follows, and only that");

    // The end is written once: another kill changes nothing.
    process.kill().await;
    let process = site.start().await;
    assert_eq!(process.alice().events(&run, None).await.rest().await, after);
    assert_eq!(site.upstream.requests().len(), 1, "the model was not asked again");
}

#[actix_web::test]
async fn a_tool_that_was_killed_is_uncertain_and_is_not_run_again() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    let workspace = site.profile_dir("alice").join("workspace");
    let mut fifo = Fifo::make(&workspace.join("pipe"));
    let command = "exec 3>pipe; echo ran >> times; echo go >&3; (setsid sleep 600 &); sleep 600";
    let run = alice.run(&format!("@@tool terminal {}", json!({ "command": command }))).await;
    let mut events = alice.events(&run, None).await;
    let mut seen = vec![events.data().await.unwrap()];
    while seen.last().unwrap().kind() != "tool.started" {
        seen.push(events.data().await.unwrap());
    }
    fifo.reads("go\n").await;
    process.kill().await;
    assert_eq!(fifo.closed().await, "", "its whole process tree ends with the gateway");

    let process = site.start().await;
    let alice = process.alice();
    let after = alice.events(&run, None).await.rest().await;
    outlives_a_kill(&seen, &after);
    assert_eq!(after.last().unwrap().json()["error_code"], "interrupted");
    let record = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!((&record["status"], &record["error_code"]), (&json!("failed"), &json!("interrupted")));
    assert_eq!(record["tools"][0]["status"], "uncertain", "{record}");
    assert_eq!(std::fs::read_to_string(workspace.join("times")).unwrap(), "ran\n");
    assert_eq!(site.upstream.requests().len(), 1, "the model was not asked again");
}

#[actix_web::test]
async fn what_had_ended_reads_the_same_after_a_kill() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    let run = alice.run(r#"@@tool terminal {"command":"echo kept-7"}"#).await;
    let seen = alice.events(&run, None).await.rest().await;
    let record = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!(record["status"], "completed", "{record}");
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    assert_eq!(alice.events(&run, None).await.rest().await, seen, "a late reader gets the whole log");
    assert_eq!(alice.get(&format!("/v1/runs/{run}")).await.body, record);
}
