//! What a response goes on from.

use super::{ECHO, create, created, id, roles, told, types};
use crate::support::{House, Plan, within};
use serde_json::{Value, json};

#[actix_web::test]
async fn fault_01_and_02_a_chain_sends_each_message_once_and_branches_do_not_mix() {
    let house = House::open().await;
    let alice = house.alice().await;
    let one = created(&alice, json!({"input": ECHO, "instructions": "Be brief."})).await;
    let two = created(&alice, json!({"input": "two", "previous_response_id": id(&one)})).await;
    assert_eq!(roles(&told(&house)), ["user", "assistant", "tool", "assistant", "user"]);
    assert_eq!(types(&two), ["message"], "items of earlier turns are not shown again");
    let three = created(&alice, json!({"input": "three", "previous_response_id": id(&two)})).await;
    assert_eq!(roles(&told(&house)).len(), 7);
    assert_eq!(three["instructions"], "Be brief.");

    created(&alice, json!({"input": "another two", "previous_response_id": id(&one)})).await;
    let branch = told(&house);
    assert_eq!(roles(&branch), ["user", "assistant", "tool", "assistant", "user"]);
    assert_eq!(branch[4].1, "another two");
    house.close().await;
}

#[actix_web::test]
async fn a_conversation_goes_on_by_its_name_or_as_an_object() {
    let house = House::open().await;
    let alice = house.alice().await;
    let one = create(&alice, json!({"input": "one", "conversation": "a/b ü"})).await;
    assert_eq!(one.status, 200, "{}", one.text);
    assert_eq!(one.body["conversation"], json!({"id": "a/b ü"}));
    let two = create(&alice, json!({"input": "two", "conversation": {"id": "a/b ü"}})).await;
    assert_eq!(one.header("X-Hermes-Session-Id"), two.header("X-Hermes-Session-Id"));
    let texts: Vec<String> = told(&house).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["one", "You said: one", "two"]);
    // From the middle of it: what came after does not belong to the chain.
    created(&alice, json!({"input": "other", "previous_response_id": id(&one.body)})).await;
    let texts: Vec<String> = told(&house).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["one", "You said: one", "other"]);
    // Deleting a response of it is not forgetting the conversation.
    alice.delete(&format!("/v1/responses/{}", id(&two.body))).await;
    created(&alice, json!({"input": "three", "conversation": "a/b ü"})).await;
    assert!(told(&house).iter().any(|(_, text)| text == "You said: two"));
    house.close().await;
}

#[actix_web::test]
async fn an_unstored_response_can_not_be_asked_for() {
    let house = House::open().await;
    let alice = house.alice().await;
    let response = created(&alice, json!({"input": "x", "store": false})).await;
    assert_eq!(response["store"], false);
    let reply = alice.get(&format!("/v1/responses/{}", id(&response))).await;
    assert_eq!((reply.status, reply.code()), (404, "response_not_found"));
    let reply = create(&alice, json!({"input": "x", "previous_response_id": id(&response)})).await;
    assert_eq!((reply.status, reply.code()), (404, "previous_response_not_found"));
    assert_eq!(reply.body["error"]["param"], "previous_response_id");
    house.close().await;
}

#[actix_web::test]
async fn fault_25_a_deleted_link_is_not_found_and_later_ones_go_on() {
    let house = House::open().await;
    let alice = house.alice().await;
    let one = created(&alice, json!({"input": "one"})).await;
    let two = created(&alice, json!({"input": "two", "previous_response_id": id(&one)})).await;
    let path = format!("/v1/responses/{}", id(&one));
    let deleted = alice.delete(&path).await;
    assert_eq!(deleted.body, json!({"id": id(&one), "object": "response", "deleted": true}));
    for reply in [alice.get(&path).await, alice.delete(&path).await] {
        assert_eq!((reply.status, reply.code()), (404, "response_not_found"));
    }
    let reply = create(&alice, json!({"input": "x", "previous_response_id": id(&one)})).await;
    assert_eq!((reply.status, reply.code()), (404, "previous_response_not_found"));
    created(&alice, json!({"input": "three", "previous_response_id": id(&two)})).await;
    assert_eq!(told(&house)[0].1, "one");
    house.close().await;
}

#[actix_web::test]
async fn the_newest_are_kept_with_the_chains_that_they_need() {
    let house = House::with(Plan::config("responses:\n  stored: 3\n")).await;
    let alice = house.alice().await;
    let root = created(&alice, json!({"input": "root"})).await;
    let mut link = created(&alice, json!({"input": "link", "previous_response_id": id(&root)})).await;
    for _ in 0..3 {
        link = created(&alice, json!({"input": "link", "previous_response_id": id(&link)})).await;
    }
    within(async {
        while alice.get(&format!("/v1/responses/{}", id(&root))).await.status != 404 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let reply = create(&alice, json!({"input": "x", "previous_response_id": id(&root)})).await;
    assert_eq!((reply.status, reply.code()), (404, "previous_response_not_found"));
    created(&alice, json!({"input": "last", "previous_response_id": id(&link)})).await;
    assert_eq!(told(&house)[0].1, "root", "what was pushed out still belongs to the chain");
    house.close().await;
}

#[actix_web::test]
async fn truncation_keeps_the_newest_messages_of_a_long_history() {
    let house = House::open().await;
    let alice = house.alice().await;
    let turns = (0..80).flat_map(|n| {
        [json!({"role": "user", "content": format!("q{n}")}), json!({"role": "assistant", "content": "a"})]
    });
    let history: Vec<Value> = turns.collect();
    for (truncation, messages, first) in [("disabled", 161, "q0"), ("auto", 101, "q30")] {
        let body = json!({"input": "now", "truncation": truncation, "conversation_history": history});
        created(&alice, body).await;
        let told = told(&house);
        assert_eq!((told.len(), told[0].1.as_str()), (messages, first), "{truncation}");
    }
    house.close().await;
}

#[actix_web::test]
async fn a_run_can_go_on_from_a_response() {
    let house = House::open().await;
    let alice = house.alice().await;
    let response = created(&alice, json!({"input": "one"})).await;
    let run = alice.run_with(json!({"input": "two", "previous_response_id": id(&response)})).await;
    assert_eq!(alice.finished(&run).await["status"], "completed");
    let texts: Vec<String> = told(&house).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["one", "You said: one", "two"]);
    let body = json!({"input": "x", "previous_response_id": "resp_nope"});
    let reply = alice.post("/v1/runs", body).await;
    assert_eq!((reply.status, reply.code()), (404, "previous_response_not_found"));
    house.close().await;
}

#[actix_web::test]
async fn a_session_by_its_header_is_gone_on_with() {
    let house = House::open().await;
    let alice = house.alice().await;
    let headers = [("X-Hermes-Session-Id", "mine")];
    for input in ["one", "two"] {
        let reply = alice.post_with("/v1/responses", &headers, json!({ "input": input })).await;
        assert_eq!(reply.header("X-Hermes-Session-Id"), Some("mine"), "{}", reply.text);
    }
    let texts: Vec<String> = told(&house).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["one", "You said: one", "two"]);
    let both = alice.post_with("/v1/responses", &headers, json!({"input": "x", "conversation": "c"})).await;
    assert_eq!((both.status, both.body["error"]["param"].as_str()), (400, Some("conversation")));
    house.close().await;
}
