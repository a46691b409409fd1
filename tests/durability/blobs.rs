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
    let long = "long words ".repeat(200_000);
    let write = json!({ "path": "big.txt", "content": long });
    let print = json!({ "command": "cat big.txt big.txt | head -c 3000000" });
    let inputs =
        [long.clone(), format!("@@tool write_file {write}"), format!("@@tool terminal {print}")];
    let mut kept = Vec::new();
    for input in inputs {
        let run = alice.run_with(json!({ "input": input, "session_id": "big" })).await;
        let seen = alice.events(&run, None).await.rest().await;
        assert_eq!(seen.last().unwrap().kind(), "run.completed", "{run}");
        let record = alice.get(&format!("/v1/runs/{run}")).await.body;
        kept.push((run, seen, record));
    }
    assert!(kept[0].2["output"].as_str().unwrap().ends_with(&long), "the long text came through");
    process.kill().await;
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
