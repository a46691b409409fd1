//! What an upstream is sent: the same bytes again in front of what is new, and nothing that it would refuse.

use crate::support::{Client, House};
use serde_json::{Value, json};
use std::time::Duration;

async fn turn(alice: &Client, input: &str) -> Value {
    let run = alice.run_with(json!({"input": input, "session_id": "s"})).await;
    alice.finished(&run).await
}

fn messages(body: &Value) -> &Vec<Value> {
    body["messages"].as_array().unwrap()
}

#[actix_web::test]
async fn each_call_begins_with_all_that_the_one_before_it_sent() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let call = r#"terminal { "timeout": 9,"command":"echo ü" , "workdir" : "." }"#;
    turn(&alice, &format!("@@say first @@tool {call}")).await;
    turn(&alice, &format!("@@tools {call} ;; {call} ;; teleport {{}}")).await;
    turn(&alice, " hello ").await;
    house.stop(Duration::ZERO).await;
    house.start().await;
    turn(&house.alice().await, "and now?").await;
    let asked = house.upstream.requests();
    assert_eq!(asked.len(), 6);
    for pair in asked.windows(2) {
        let (before, after) = (messages(&pair[0]), messages(&pair[1]));
        assert_eq!(before[..], after[..before.len()], "an upstream's cache of the prefix would be lost");
        assert_eq!(pair[0]["tools"], pair[1]["tools"]);
    }
    house.close().await;
}

#[actix_web::test]
async fn a_half_of_a_letter_costs_itself_alone() {
    let house = House::open().await;
    let alice = house.alice().await;
    let record = turn(&alice, "@@half-letters").await;
    assert_eq!(record["status"], "completed", "{record}");
    let output = &record["output"];
    assert_eq!(output, "abc");
    turn(&alice, "hello").await;
    let asked = house.upstream.requests();
    let sent = &messages(asked.last().unwrap())[2];
    assert_eq!(&sent["content"], output, "and it can be sent again");
    house.close().await;
}

#[actix_web::test]
async fn a_turn_that_was_stopped_between_its_calls_leaves_a_history_that_is_whole() {
    let house = House::open().await;
    let alice = house.alice().await;
    let input = r#"@@tools terminal {"command":"echo done > first"} ;; terminal {"command":"sleep 600"} ;; terminal {"command":"touch never"}"#;
    let run = alice.run_with(json!({"input": input, "session_id": "s"})).await;
    let mut events = alice.events(&run, None).await;
    events.until("tool.completed").await;
    events.until("tool.started").await;
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    let record = alice.finished(&run).await;
    assert_eq!(record["status"], "cancelled", "stopped is not done: {record}");
    turn(&alice, "hello").await;
    let asked = house.upstream.requests();
    let sent = messages(asked.last().unwrap());
    let called: Vec<&Value> =
        sent[2]["tool_calls"].as_array().unwrap().iter().map(|call| &call["id"]).collect();
    let answered: Vec<&Value> = sent[3..6].iter().map(|result| &result["tool_call_id"]).collect();
    assert_eq!(called, answered, "{sent:?}");
    let last: Value = serde_json::from_str(sent[5]["content"].as_str().unwrap()).unwrap();
    assert_eq!(last["code"], "interrupted", "{last}");
    assert_eq!((&sent[6]["role"], &sent[6]["content"]), (&json!("user"), &json!("hello")));
    assert!(!house.profile_dir("alice").join("workspace/never").exists());
    house.close().await;
}

#[actix_web::test]
async fn a_stop_ends_the_wait_between_two_attempts() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run("@@status 503 50").await;
    alice.events(&run, None).await.until("run.retrying").await;
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    assert_eq!(alice.finished(&run).await["status"], "cancelled");
    assert_eq!(house.upstream.requests().len(), 1, "nobody waited for the second one");
    house.close().await;
}
