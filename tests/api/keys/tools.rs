//! Keys that may use some of the agent's tools only.

use super::{KEYS, id, patch, with_token, with_tools};
use crate::support::{Client, House, Plan, ask, house::key};
use hermes_gateway::actors::Rights;
use serde_json::{Value, json};

const WRITE: &str = r#"@@tool write_file {"path":"went","content":"x"}"#;

/// The names of the tools that the upstream was offered last.
fn offered(house: &House) -> Vec<String> {
    let request = house.upstream.requests().pop().unwrap();
    let tools = request["tools"].as_array().cloned().unwrap_or_default();
    tools.iter().map(|tool| tool["function"]["name"].as_str().unwrap().to_owned()).collect()
}

fn went(house: &House) -> bool {
    house.profile_dir("alice").join("workspace/went").exists()
}

async fn reader(house: &House) -> Client {
    house.holder("alice", with_tools(Rights::all(), &["read_file", "search_files"])).await
}

#[actix_web::test]
async fn a_key_offers_its_tools_alone_and_a_call_of_another_does_nothing() {
    let house = House::open().await;
    let reader = reader(&house).await;
    reader.post("/api/sessions", json!({"id": "talk"})).await;
    let turns = [
        ("/v1/chat/completions", ask(WRITE, false)),
        ("/v1/responses", json!({"input": WRITE})),
        ("/api/sessions/talk/chat", json!({"message": WRITE})),
    ];
    for (path, body) in turns {
        let reply = reader.post(path, body).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        assert!(reply.text.contains("tool_not_allowed"), "{path}: {}", reply.text);
        assert_eq!(offered(&house), ["read_file", "search_files"], "{path}");
    }
    let run = reader.run(WRITE).await;
    let output = reader.finished(&run).await["output"].clone();
    assert!(output.as_str().unwrap().contains("tool_not_allowed"), "{output}");
    let shell =
        reader.run(r#"@@tools terminal {"command":"touch went"} ;; search_files {"pattern":"x"}"#).await;
    let record = reader.finished(&shell).await;
    let statuses: Vec<&Value> =
        record["tools"].as_array().unwrap().iter().map(|tool| &tool["status"]).collect();
    assert_eq!(statuses, ["failed", "completed"], "{record}");
    assert!(!went(&house));

    let none = house.holder("alice", with_tools(Rights::all(), &[])).await;
    none.chat("hello").await;
    assert_eq!(offered(&house), [""; 0]);
    house.close().await;
}

#[actix_web::test]
async fn a_tool_that_is_taken_away_is_gone_for_the_run_at_work() {
    let house = House::open().await;
    let alice = house.alice().await;
    let made = alice.post(KEYS, json!({})).await;
    let theirs = with_token(&alice, &made);
    let wait = json!({"command": "until [ -e go ]; do sleep 0.01; done"});
    // Both calls are of one answer of the model: they were judged together, before the first one began.
    let write = json!({"path": "went", "content": "x"});
    let run = theirs.run(&format!("@@tools terminal {wait} ;; write_file {write}")).await;
    let mut events = alice.events(&run, None).await;
    events.until("tool.started").await;
    patch(&alice, id(&made), json!({"tools": ["terminal"]})).await;
    std::fs::write(house.profile_dir("alice").join("workspace/go"), "").unwrap();
    let done = events.until("run.completed").await.json();
    assert!(done["output"].as_str().unwrap().contains("tool_not_allowed"), "{done}");
    assert!(!went(&house));
    house.close().await;
}

#[actix_web::test]
async fn a_key_with_fewer_tools_does_not_speak_to_a_run_that_has_more() {
    let house = House::open().await;
    let (alice, reader) = (house.alice().await, reader(&house).await);
    let run = alice.run_with(json!({"input": "@@gate work", "session_id": "talk"})).await;
    alice.events(&run, None).await.until("message.delta").await;
    let steered = reader.post(&format!("/v1/runs/{run}/steer"), json!({"input": WRITE})).await;
    assert_eq!((steered.status, steered.code()), (403, "insufficient_scope"), "{}", steered.text);
    // By the session it would be the same words: they become a turn of their own, with the reader's tools.
    let busy = json!({"input": WRITE, "session_id": "talk", "on_busy": "steer"});
    let own = reader.run_with(busy).await;
    assert_ne!(own, run);
    house.upstream.open("work");
    alice.finished(&run).await;
    let output = alice.finished(&own).await["output"].clone();
    assert!(output.as_str().unwrap().contains("tool_not_allowed"), "{output}");
    assert!(!went(&house));
    let words = alice.run("@@gate more").await;
    alice.events(&words, None).await.until("message.delta").await;
    let steered = alice.post(&format!("/v1/runs/{words}/steer"), json!({"input": "hi"})).await;
    assert_eq!(steered.status, 200, "{}", steered.text);
    house.upstream.open("more");
    house.close().await;
}

#[actix_web::test]
async fn another_gateways_agent_is_not_for_a_key_whose_tools_are_bounded() {
    let far = House::open().await;
    let model = format!(
        "model:\n  provider: hermes\n  base_url: {}\n  api_key: {}\n",
        far.base("alice").await,
        key("alice")
    );
    let near = House::with(Plan { model: Some(model), ..Plan::default() }).await;
    let reader = reader(&near).await;
    let run = reader.run(WRITE).await;
    let record = reader.finished(&run).await;
    assert_eq!((&record["status"], &record["error_code"]), (&json!("failed"), &json!("insufficient_scope")));
    let chat = reader.chat(WRITE).await;
    assert_eq!((chat.status, chat.code()), (403, "insufficient_scope"), "{}", chat.text);
    assert_eq!(far.alice().await.get("/v1/runs").await.body["data"], json!([]), "nothing was begun there");
    near.close().await;
    far.close().await;
}

#[actix_web::test]
async fn what_a_key_may_use_holds_after_a_restart() {
    let mut house = House::open().await;
    let reader = reader(&house).await;
    let token = reader.key.clone();
    house.stop(std::time::Duration::ZERO).await;
    house.start().await;
    let reader = house.alice().await.with_key(token.as_deref());
    let run = reader.run(WRITE).await;
    reader.finished(&run).await;
    assert_eq!(offered(&house), ["read_file", "search_files"]);
    assert!(!went(&house));
    house.close().await;
}
