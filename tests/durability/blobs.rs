//! sled moves large values to files that no flush covers. None of ours is large, whatever comes in.

use crate::support::{Site, outlives_a_kill, sled_blobs};
use rustix::process::Signal;
use serde_json::json;
use std::path::PathBuf;

#[actix_web::test]
async fn big_messages_arguments_and_results_make_no_blobs_and_outlive_a_kill() {
    let site = Site::with("tool_output:\n  max_bytes: 4000000\n").await;
    let process = site.start().await;
    let alice = process.alice();
    // The upstream answers in events, and one of those has at most a mebibyte.
    let (long, longer) = ("long words ".repeat(80_000), "long words ".repeat(200_000));
    let write = json!({ "path": "big.txt", "content": long });
    let print = json!({ "command": "cat big.txt big.txt big.txt big.txt | head -c 3000000" });
    let inputs = [
        long.clone(),
        format!("{longer}\n@@stream 2"),
        format!("@@tool write_file {write}"),
        format!("@@tool terminal {print}"),
    ];
    let mut kept = Vec::new();
    for input in inputs {
        let run = alice.run_with(json!({ "input": input, "session_id": "big" })).await;
        let seen = alice.events(&run, None).await.rest().await;
        let last = seen.last().unwrap();
        assert_eq!(last.kind(), "run.completed", "{}", last.json()["error"]);
        let record = alice.get(&format!("/v1/runs/{run}")).await.body;
        kept.push((run, seen, record));
    }
    assert!(kept[0].2["output"].as_str().unwrap().ends_with(&long), "the long text came through");
    process.kill().await;
    let state = site.profile_dir("alice").join("state");
    assert!(state.join("db/blobs").is_dir(), "sled keeps its blobs elsewhere: this test looks at nothing");
    assert!(std::fs::read_dir(state.join("payloads")).unwrap().count() > 0, "nothing here was large");
    assert_eq!(sled_blobs(&site.home), Vec::<PathBuf>::new());

    let mut process = site.start().await;
    let alice = process.alice();
    for (run, seen, record) in &kept {
        let after = alice.events(run, None).await.rest().await;
        outlives_a_kill(seen, &after);
        assert_eq!(&after, seen);
        assert_eq!(&alice.get(&format!("/v1/runs/{run}")).await.body, record);
    }
    // An end in order writes sled's last pages.
    process.signal(Signal::TERM);
    process.ended().await;
    assert_eq!(sled_blobs(&site.home), Vec::<PathBuf>::new());
}
