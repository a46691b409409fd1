//! A command in the background when its gateway dies.

use crate::support::Site;
use serde_json::{Value, json};

#[actix_web::test]
async fn a_kill_takes_it_along_and_the_next_start_tells_of_it_as_lost() {
    let site = Site::with("").await;
    let process = site.start().await;
    let alice = process.alice();
    let call = |tool: &str, arguments: Value| json!({ "input": format!("@@tool {tool} {arguments}"), "session_id": "s1" });
    let command = "while :; do date > alive; sleep 0.05; done";
    let run = alice.run_with(call("terminal", json!({ "command": command, "background": true }))).await;
    let started = alice.finished(&run).await;
    assert!(started["output"].as_str().unwrap().contains("proc_"), "{started}");
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    let run = alice.run_with(call("process", json!({ "action": "list" }))).await;
    let listed = alice.finished(&run).await;
    let output = listed["output"].as_str().unwrap();
    assert!(output.contains(r#""status":"lost""#) && output.contains("its output is gone"), "{output}");
    let check = "rm -f alive; sleep 0.3; ls";
    let run = alice.run_with(call("terminal", json!({ "command": check }))).await;
    let output = alice.finished(&run).await;
    assert!(!output["output"].as_str().unwrap().contains("alive"), "it still writes: {output}");
}
