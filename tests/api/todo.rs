//! The list of steps of a session.

use crate::support::{Client, House};
use serde_json::{Value, json};

async fn todo(house: &House, alice: &Client, session: &str, arguments: Value) -> Value {
    let body = json!({"input": format!("@@tool todo {arguments}"), "session_id": session});
    let run = alice.run_with(body).await;
    alice.finished(&run).await;
    let requests = house.upstream.requests();
    let messages = requests.last().unwrap()["messages"].as_array().unwrap();
    let result = messages.iter().rev().find(|message| message["role"] == "tool").unwrap();
    serde_json::from_str(result["content"].as_str().unwrap()).unwrap()
}

#[actix_web::test]
async fn a_sessions_list_is_replaced_merged_read_and_outlives_a_restart() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let first = json!({"todos": [
        {"id": 1, "content": " read ", "status": "completed"},
        {"id": "2", "content": "write", "status": "doing"},
    ]});
    let got = todo(&house, &alice, "talk", first).await;
    let expected = json!([
        {"id": "1", "content": "read", "status": "completed"},
        {"id": "2", "content": "write", "status": "pending"},
    ]);
    assert_eq!(got["todos"], expected, "a state that is none becomes pending");
    let summary = json!({"total": 2, "pending": 1, "in_progress": 0, "completed": 1, "cancelled": 0});
    assert_eq!(got["summary"], summary);

    let change = json!({"merge": true, "todos": [
        {"id": "2", "status": "in_progress"}, {"id": "3", "content": "check"},
    ]});
    let merged = todo(&house, &alice, "talk", change).await;
    assert_eq!(merged["todos"][1], json!({"id": "2", "content": "write", "status": "in_progress"}));
    assert_eq!(merged["todos"][2]["status"], "pending");

    house.stop(std::time::Duration::ZERO).await;
    house.start().await;
    let alice = house.alice().await;
    assert_eq!(todo(&house, &alice, "talk", json!({})).await, merged);
    assert_eq!(todo(&house, &alice, "other", json!({})).await["todos"], json!([]), "of each session its own");
    let bob = house.bob().await;
    assert_eq!(todo(&house, &bob, "talk", json!({})).await["todos"], json!([]), "of each profile its own");

    alice.delete("/api/sessions/talk").await;
    assert_eq!(todo(&house, &alice, "talk", json!({})).await["todos"], json!([]), "gone with its session");
    house.close().await;
}

#[actix_web::test]
async fn a_list_that_cannot_be_kept_leaves_the_old_one() {
    let house = House::open().await;
    let alice = house.alice().await;
    let kept = todo(&house, &alice, "talk", json!({"todos": [{"id": "1", "content": "read"}]})).await;
    let many: Vec<Value> = (0..101).map(|id| json!({"id": id, "content": "x"})).collect();
    for wrong in [
        json!({"todos": "read"}),
        json!({"todos": ["read"]}),
        json!({"todos": [{"id": [], "content": "x"}]}),
        json!({"todos": [{"id": "1"}]}),
        json!({"todos": [{"id": "1", "content": "  "}]}),
        json!({"todos": [{"id": "1", "content": "x", "status": 1}]}),
        json!({"todos": many}),
        json!({"todos": [], "merge": "yes"}),
    ] {
        let got = todo(&house, &alice, "talk", wrong.clone()).await;
        assert_eq!(got["code"], "invalid_arguments", "{wrong}: {got}");
    }
    assert_eq!(todo(&house, &alice, "talk", json!({})).await, kept);
    house.close().await;
}
