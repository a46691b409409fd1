//! A store that lost half of itself is refused, and a backup brings it back while the others serve.

use crate::support::{PATIENCE, Site};
use serde_json::json;
use std::{
    fs::{self, OpenOptions},
    time::Duration,
};

#[actix_web::test]
async fn a_store_cut_to_half_is_refused_and_restored_from_a_backup() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    // Enough that half of the file is not just the room that sled takes in advance.
    let filling = alice.run(&"filling ".repeat(100_000)).await;
    assert_eq!(alice.finished(&filling).await["status"], "completed");
    let run = alice.run(r#"@@tool terminal {"command":"echo kept-7"}"#).await;
    let seen = alice.events(&run, None).await.rest().await;
    site.hermes(&["backup", "alice", "alice.jsonl", "--stop"]);
    process.kill().await;
    let database = site.profile_dir("alice").join("state/db/db");
    let file = OpenOptions::new().write(true).open(&database).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length / 2).unwrap();
    let left = fs::read(&database).unwrap();

    let process = site.start().await;
    let (alice, bob) = (process.alice(), process.bob());
    let refused = alice.get(&format!("/v1/runs/{run}")).await;
    assert_eq!((refused.status, refused.code()), (503, "profile_unavailable"), "{}", refused.text);
    assert_eq!(bob.chat("hello").await.status, 200, "bob does not mind");
    let status = failed(&site).await;
    assert!(status.contains(" restore alice FILE"), "{status}");
    assert!(fs::read(&database).unwrap() == left, "what is left was not touched");

    site.hermes(&["restore", "alice", "alice.jsonl"]);
    let port = site.status("alice")["address"].as_str().unwrap().to_owned();
    let alice = crate::support::Client::new(format!("http://{port}"), alice.key);
    assert_eq!(alice.events(&run, None).await.rest().await, seen, "the log is whole again");
    assert_eq!(alice.chat("hello").await.status, 200);
    assert_eq!(bob.chat("hello").await.status, 200);
}

#[actix_web::test]
async fn wherever_a_store_is_cut_it_is_whole_or_refused() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    let mut told = Vec::new();
    for turn in 0..12 {
        let run = alice.run(&format!("turn {turn}: {}", "filling ".repeat(10_000))).await;
        let frames = alice.events(&run, None).await.rest().await;
        told.push((run, frames));
    }
    process.kill().await;
    let database = site.profile_dir("alice").join("state/db/db");
    let whole = fs::read(&database).unwrap();

    let mut refused = 0;
    for tenth in (1..10).rev() {
        fs::write(&database, &whole[..whole.len() * tenth / 10]).unwrap();
        let process = site.start().await;
        let alice = process.alice();
        let answer = alice.get("/v1/runs").await;
        if answer.status == 200 {
            for (run, frames) in &told {
                assert_eq!(&alice.events(run, None).await.rest().await, frames, "{tenth} tenths");
            }
        } else {
            assert_eq!((answer.status, answer.code()), (503, "profile_unavailable"), "{}", answer.text);
            assert_eq!(alice.post("/v1/runs", json!({"input": "new"})).await.status, 503);
            refused += 1;
        }
        process.kill().await;
    }
    assert!(refused > 0, "nothing was cut off");
}

/// The reason of alice's state, once the roster has heard of it.
async fn failed(site: &Site) -> String {
    let heard = async {
        loop {
            let status = site.status("alice");
            if status["state"] == "failed" {
                return status["reason"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.expect("alice is not `failed`")
}
