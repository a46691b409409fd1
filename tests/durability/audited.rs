//! The audit log outlives `kill -9`, and secrets get into no file, log or backup of the real binary.

use crate::support::{Site, ask};
use serde_json::{Value, json};
use std::{fs, path::Path};

fn verified(site: &Site) -> Value {
    serde_json::from_str::<Value>(&site.hermes(&["-p", "alice", "audit", "verify", "--json"])).unwrap()["log"]
        .clone()
}

#[actix_web::test]
async fn a_log_that_was_written_during_a_kill_hangs_together() {
    let site = Site::new().await;
    let mut entries = 0;
    for _ in 0..3 {
        let process = site.start().await;
        let alice = process.alice();
        for turn in 0..5 {
            let call = json!({ "command": format!("echo {turn}") });
            alice.post("/v1/chat/completions", ask(&format!("@@tool terminal {call}"), false)).await;
        }
        // While it is being written, and after its writer was killed.
        verified(&site);
        process.kill().await;
        let now = verified(&site)["entries"].as_u64().unwrap();
        assert!(now > entries, "{now} entries after {entries}");
        entries = now;
    }
    let file = site.profile_dir("alice").join("state/audit/00000001.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"act\":\"tool.finished\"") && text.contains("\"exit_code\":0"), "{text}");
    fs::write(&file, text.replacen("\"exit_code\":0", "\"exit_code\":1", 1)).unwrap();
    let done = site.command().args(["-p", "alice", "audit", "verify"]).output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
}

fn files(at: &Path) -> String {
    let entries = fs::read_dir(at).unwrap().filter_map(Result::ok);
    let texts = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
        true => files(&entry.path()),
        // One that went meanwhile holds nothing any more.
        false => String::from_utf8_lossy(&fs::read(entry.path()).unwrap_or_default()).into_owned(),
    });
    texts.collect::<Vec<_>>().join("\n")
}

#[actix_web::test]
async fn a_call_whose_arguments_held_a_secret_is_given_back_after_a_kill() {
    let site = Site::new().await;
    let env = site.profile_dir("alice").join(".env");
    let entry = "PLANTED_TOKEN=cAn4ry-planted-77\n";
    fs::write(&env, fs::read_to_string(&env).unwrap() + entry).unwrap();
    let process = site.start().await;
    let call = json!({ "command": "rm -rf none && echo cAn4ry-planted-77 >> went" });
    let run = process.alice().run(&format!("@@tool terminal {call}")).await;
    let mut events = process.alice().events(&run, None).await;
    while events.data().await.unwrap().kind() != "approval.request" {}
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    let record = alice.finished(&run).await;
    assert_eq!(record["status"], "completed", "{record}");
    assert!(record["output"].as_str().unwrap().contains("held a secret"), "{record}");
    assert!(!site.profile_dir("alice").join("workspace/went").exists(), "nothing was run");
    assert_eq!(alice.get("/v1/approvals?status=pending").await.body["data"], json!([]));
    let refused = alice.run("@@refuse 400 c0ntr0l-5 cAn4ry-planted-77").await;
    alice.finished(&refused).await;
    process.kill().await;
    let backup = site.hermes(&["backup", "alice", "-"]);
    let log = fs::read_to_string(site.home.with_file_name("gateway.log")).unwrap();
    let kept = files(&site.profile_dir("alice").join("state"));
    for (place, text) in [("the store", &kept), ("the backup", &backup), ("the log", &log)] {
        assert!(text.contains("c0ntr0l-5"), "{place} can be searched: {text}");
        assert!(!text.contains("cAn4ry-planted"), "{place}: {text}");
        assert!(text.contains("[redacted:PLANTED_TOKEN]"), "{place}");
    }
}
