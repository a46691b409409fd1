//! Two profiles that start many commands at once: no child holds a descriptor that it was not given.

use crate::support::{Client, Frame, Site};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

/// Prints each open descriptor above 2 that a shell can name.
const PROBE: &str = "for fd in 3 4 5 6 7 8 9; do (: <&$fd) 2>/dev/null && echo leaked $fd; \
                     (: >&$fd) 2>/dev/null && echo leaked $fd; done; echo looked";

/// One after the other in each run; 1,000 commands in all.
const CALLS: usize = 5;
const RUNS: usize = 100;
const AT_ONCE: usize = 5;

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
    let site = Site::new().await;
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
    let leaky = run(&process.alice(), &format!("exec 7</dev/null; {PROBE}")).await;
    assert!(leaky.iter().all(|result| result.contains("leaked 7")), "{leaky:?}");
}
