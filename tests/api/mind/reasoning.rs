//! What a model thinks, beside what it says.

use crate::support::{House, Plan};
use serde_json::{Value, json};

const SHOWN: &str = "display:\n  show_reasoning: true\n";
const CALL: &str = r#"@@think why @@tool terminal {"command":"echo hi"}"#;

#[actix_web::test]
async fn thoughts_between_tags_are_no_text_however_they_are_cut() {
    for (config, shown) in [("", false), (SHOWN, true)] {
        let house = House::with(Plan::config(config)).await;
        let alice = house.alice().await;
        let run = alice.run("@@spell <think>hm</think>yes").await;
        let events = alice.events(&run, None).await.rest().await;
        let of = |kind: &str| -> String {
            let deltas = events.iter().filter(|event| event.kind() == kind);
            deltas.map(|event| event.json()["delta"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(of("message.delta"), "yes");
        assert_eq!(of("reasoning.delta"), if shown { "hm" } else { "" });
        let record = alice.get(&format!("/v1/runs/{run}")).await.body;
        assert_eq!(record["output"], "yes");
        house.close().await;
    }
}

#[actix_web::test]
async fn thoughts_are_kept_with_their_session_and_shown_where_reasoning_is_shown() {
    for (config, shown) in [("", Value::Null), (SHOWN, json!("why"))] {
        let house = House::with(Plan::config(config)).await;
        let alice = house.alice().await;
        let run = alice.run_with(json!({"input": CALL, "session_id": "kept"})).await;
        alice.finished(&run).await;
        let messages = alice.get("/api/sessions/kept/messages").await.body;
        assert_eq!(messages["data"][1]["reasoning"], shown, "{messages}");
        assert_eq!(messages["data"][1]["reasoning_content"], shown);
        house.close().await;
    }
}

#[actix_web::test]
async fn thoughts_go_back_only_where_the_upstream_wants_them() {
    for (config, sent) in [("", Value::Null), ("  send_reasoning: true\n", json!("why"))] {
        let house = House::with(Plan::config(config)).await;
        let alice = house.alice().await;
        for input in [CALL, "next"] {
            let run = alice.run_with(json!({"input": input, "session_id": "kept"})).await;
            alice.finished(&run).await;
        }
        for asked in &house.upstream.requests()[1..] {
            let messages = asked["messages"].as_array().unwrap();
            let called = messages.iter().find(|message| message["tool_calls"].is_array()).unwrap();
            assert_eq!(called["reasoning_content"], sent, "{asked}");
            let answered = messages.iter().filter(|message| message["role"] == "assistant");
            let thoughts = answered.filter(|message| message.get("reasoning_content").is_some());
            assert_eq!(thoughts.count(), usize::from(!sent.is_null()));
        }
        house.close().await;
    }
}

#[actix_web::test]
async fn a_secret_in_a_thought_is_not_kept() {
    let plan = Plan {
        config: SHOWN.to_owned(),
        alice_env: "CANARY_TOKEN=canary-4f9b2d7713\n".to_owned(),
        ..Plan::default()
    };
    let house = House::with(plan).await;
    let alice = house.alice().await;
    let run = alice.run_with(json!({"input": "@@reason it is canary-4f9b2d7713", "session_id": "s"})).await;
    alice.finished(&run).await;
    let messages = alice.get("/api/sessions/s/messages").await;
    assert!(!messages.text.contains("canary-4f9b2d7713"), "{}", messages.text);
    assert!(messages.body["data"][1]["reasoning"].as_str().unwrap().starts_with("it is "));
    house.close().await;
}
