//! A disk that is full, and has space again.

use crate::support::{Disk, PATIENCE, Site};
use rustix::process::Signal;
use serde_json::json;
use std::time::Instant;

/// Lets the others go on, for as long as anybody may wait.
async fn wait(since: Instant) {
    assert!(since.elapsed() < PATIENCE, "it does not come");
    tokio::task::yield_now().await;
}

#[actix_web::test]
#[allow(clippy::print_stdout)]
async fn a_run_that_ends_on_a_full_disk_has_ended_for_good_once_there_is_space() {
    let site = Site::new().await;
    let Some(disk) = Disk::of(&site, 400) else {
        println!("not run: a disk can be mounted by root alone");
        return;
    };
    let mut process = disk.start(&site).await;
    let alice = process.alice();
    let run = alice.run_with(json!({"input": "@@gate hold", "session_id": "talk"})).await;
    let mut events = alice.events(&run, None).await;
    events.until("message.delta").await;
    let ready = alice.get("/ready").await;
    assert_eq!(ready.status, 200, "{}", ready.text);

    disk.fill();
    let since = Instant::now();
    // How much is free is looked up once a second.
    loop {
        let refused = alice.post("/v1/runs", json!({"input": "no room"})).await;
        if refused.status == 507 {
            assert_eq!(refused.code(), "storage_low", "{}", refused.text);
            break;
        }
        wait(since).await;
    }
    let ready = alice.get("/ready").await;
    assert_eq!((ready.status, ready.code()), (507, "storage_low"), "{}", ready.text);
    site.upstream.open("hold");
    let end = events.rest().await.pop().unwrap();
    // From memory. It failed, if its text was to be written before its end.
    let status = match end.kind().as_str() {
        "run.completed" => "completed",
        "run.failed" => "failed",
        other => panic!("{other}: {end:?}"),
    };

    disk.free();
    let since = Instant::now();
    while alice.get("/ready").await.status != 200 {
        wait(since).await;
    }
    // As soon as the disk takes commits.
    let next = loop {
        let answer = alice.post("/v1/runs", json!({"input": "again", "session_id": "talk"})).await;
        if answer.status == 202 {
            break answer.body["run_id"].as_str().unwrap().to_owned();
        }
        assert!(matches!(answer.status, 503 | 507), "{}", answer.text);
        wait(since).await;
    };
    assert_eq!(alice.finished(&next).await["status"], "completed");
    let said = alice.get("/api/sessions/talk/messages").await;
    let place = |text: &str| said.text.find(text).unwrap_or_else(|| panic!("{text}: {}", said.text));
    assert!(place("@@gate hold") < place("again"), "the turn before comes first: {}", said.text);
    process.signal(Signal::TERM);
    assert_eq!(process.ended().await.0.code(), Some(0));

    let process = disk.start(&site).await;
    let alice = process.alice();
    let stored = alice.get(&format!("/v1/runs/{run}")).await;
    assert_eq!(stored.body["status"], status, "{}", stored.text);
    assert_ne!(stored.body["error_code"], "interrupted", "{}", stored.text);
    let again = alice.events(&run, None).await.rest().await;
    assert_eq!(again.last(), Some(&end), "what its readers saw");
}
