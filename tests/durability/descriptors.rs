//! Two profiles that start many commands at once: no child holds a descriptor that it was not given.

use crate::support::{Client, Frame, Site};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

/// Prints each open descriptor above 2.
/// The shell lists the folder by a descriptor that is closed by the time that it looks at each; bash keeps 255.
const PROBE: &str = "for fd in /proc/$$/fd/*; do n=${fd##*/}; \
                     [ $n -gt 2 ] && [ $n != 255 ] && [ -e $fd ] && echo leaked $n; done; echo looked";

/// One after the other in each run; 1,000 commands of each profile.
const CALLS: usize = 10;
const RUNS: usize = 100;
/// Of each profile.
const AT_ONCE: usize = 50;

async fn run(client: &Client, command: &str) -> Vec<String> {
    let call = format!("terminal {}", json!({ "command": command }));
    let run = client.run(&format!("@@tools {}", vec![call; CALLS].join(" ;; "))).await;
    let frames = client.events(&run, None).await.rest().await;
    let results = frames.iter().map(Frame::json).filter(|event| event["event"] == "tool.completed");
    results.map(|event| event["result"].as_str().unwrap().to_owned()).collect()
}

async fn storm(client: Client) -> Vec<String> {
    let runs = stream::iter(0..RUNS).map(|_| run(&client, PROBE)).buffer_unordered(AT_ONCE);
    runs.collect::<Vec<_>>().await.concat()
}

#[actix_web::test]
async fn no_command_sees_a_descriptor_above_two() {
    let site = Site::with("gateway:\n  api_server:\n    max_concurrent_runs: 0\n").await;
    let process = site.start().await;
    let (alice, bob) = futures_util::join!(storm(process.alice()), storm(process.bob()));
    for (profile, results) in [("alice", alice), ("bob", bob)] {
        assert_eq!(results.len(), RUNS * CALLS, "{profile}");
        for result in results {
            let result: Value = serde_json::from_str(&result).unwrap();
            assert_eq!(result["output"], "looked", "{profile}: {result}");
        }
    }
    // The probe can see one: else it proves nothing.
    let leaky = run(&process.alice(), &format!("exec 7</dev/null 300</dev/null; {PROBE}")).await;
    assert!(
        leaky.iter().all(|result| result.contains("leaked 7") && result.contains("leaked 300")),
        "{leaky:?}"
    );
}
