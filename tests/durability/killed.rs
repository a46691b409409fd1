//! `kill -9` in the middle of a turn: it is over, everybody can see how far it came, and nothing is done twice.

use crate::support::{Client, Fifo, Frame, Site, outlives_a_kill, seqs, text};
use futures_util::future::{join_all, select};
use serde_json::json;
use std::{cell::RefCell, pin::pin};
use tokio::sync::Notify;

#[actix_web::test]
async fn a_stream_that_was_killed_is_told_to_its_last_kept_token() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    let run = alice.run("@@stream 3000 2").await;
    let mut events = alice.events(&run, None).await;
    let mut seen = Vec::new();
    while seen.len() < 60 {
        seen.push(events.data().await.unwrap());
    }
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    // The end is written before the port opens.
    let record = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!((&record["status"], &record["error_code"]), (&json!("failed"), &json!("interrupted")));
    let after = alice.events(&run, None).await.rest().await;
    outlives_a_kill(&seen, &after);
    let last = after.last().unwrap().json();
    assert_eq!((&last["event"], &last["error_code"]), (&json!("run.failed"), &json!("interrupted")));
    assert!(last["seq"].as_u64() > seqs(&seen).last().copied(), "its number was given out before the kill");
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
    let calls = [json!({ "command": "echo first" }), json!({ "command": command })];
    let run = alice.run(&format!("@@tools terminal {} ;; terminal {}", calls[0], calls[1])).await;
    let mut events = alice.events(&run, None).await;
    let mut seen = Vec::new();
    while seen.iter().filter(|frame: &&Frame| frame.kind() == "tool.started").count() < 2 {
        seen.push(events.data().await.unwrap());
    }
    fifo.reads("go\n").await;
    process.kill().await;
    assert_eq!(fifo.closed().await, "", "its whole process tree ends with the gateway");

    let process = site.start().await;
    let alice = process.alice();
    // The end is written before the port opens.
    let record = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!((&record["status"], &record["error_code"]), (&json!("failed"), &json!("interrupted")));
    let after = alice.events(&run, None).await.rest().await;
    outlives_a_kill(&seen, &after);
    assert_eq!(after.last().unwrap().json()["error_code"], "interrupted");
    let tools: Vec<_> = record["tools"].as_array().unwrap().iter().map(|tool| &tool["status"]).collect();
    assert_eq!(tools, ["completed", "uncertain"], "{record}");
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

/// Inputs that write every kind of event, faster than any disk.
const BUSY: [&str; 4] = [
    r#"@@loop 50 terminal {"command":"echo again"}"#,
    "@@stream 3000 1",
    r#"@@tools terminal {"command":"echo before"} ;; terminal {"command":"rm -rf ./none"}"#,
    r#"@@loop 50 read_file {"path":"no such file"}"#,
];

/// Reads all runs at once until `count` events were seen together; gives what was seen of each.
async fn read_together(alice: &Client, runs: &[String], count: usize) -> Vec<Vec<Frame>> {
    let seen = RefCell::new(vec![Vec::new(); runs.len()]);
    let enough = Notify::new();
    let readers = runs.iter().enumerate().map(|(at, run)| {
        let (seen, enough) = (&seen, &enough);
        async move {
            let mut events = alice.events(run, None).await;
            while let Some(frame) = events.data().await {
                seen.borrow_mut()[at].push(frame);
                if seen.borrow().iter().map(Vec::len).sum::<usize>() >= count {
                    enough.notify_one();
                }
            }
        }
    });
    drop(select(pin!(enough.notified()), join_all(readers)).await);
    seen.into_inner()
}

#[actix_web::test]
async fn whenever_the_kill_comes_nothing_that_was_read_is_lost() {
    let site = Site::new().await;
    let mut earlier: Vec<(String, Vec<Frame>)> = Vec::new();
    for count in [1, 4, 9, 20, 60, 200] {
        let process = site.start().await;
        let alice = process.alice();
        let mut runs = Vec::new();
        for input in BUSY {
            runs.push(alice.run(input).await);
        }
        let seen = read_together(&alice, &runs, count).await;
        process.kill().await;

        let process = site.start().await;
        let alice = process.alice();
        for (run, seen) in runs.into_iter().zip(seen) {
            let record = alice.get(&format!("/v1/runs/{run}")).await.body;
            if record["status"] == "waiting_for_approval" {
                alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
            }
            let after = alice.events(&run, None).await.rest().await;
            outlives_a_kill(&seen, &after);
            let end = after.last().unwrap().kind();
            assert!(
                ["run.failed", "run.cancelled", "run.completed"].contains(&end.as_str()),
                "{count}: {end}"
            );
            earlier.push((run, after));
        }
        for (run, told) in &earlier {
            assert_eq!(&alice.events(run, None).await.rest().await, told, "{count}: another story now");
        }
        process.kill().await;
    }
}

#[actix_web::test]
async fn words_that_no_model_call_had_heard_are_given_back_after_a_kill() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    let workspace = site.profile_dir("alice").join("workspace");
    let mut fifo = Fifo::make(&workspace.join("pipe"));
    let writes = alice.run_with(json!({"input": "@@gate never", "session_id": "s1"})).await;
    alice.events(&writes, None).await.until("message.delta").await;
    let call = json!({"command": "exec 3>pipe; echo go >&3; sleep 600"});
    let acts = alice.run_with(json!({"input": format!("@@tool terminal {call}"), "session_id": "s2"})).await;
    fifo.reads("go\n").await;
    for run in [&writes, &acts] {
        let said = alice.post(&format!("/v1/runs/{run}/steer"), json!({"input": "and then?"})).await;
        assert_eq!(said.status, 200, "{}", said.text);
    }
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    assert_eq!(alice.finished(&writes).await["pending_steer"], "and then?");
    // Said while a tool ran, it would have come next: the session has it.
    assert_eq!(alice.finished(&acts).await["pending_steer"], serde_json::Value::Null);
    let rows = alice.get("/api/sessions/s2/messages").await.body["data"].clone();
    assert_eq!(rows.as_array().unwrap().last().unwrap()["content"], "and then?", "{rows}");
}
