//! What a store keeps of turns: each text once, no rows for nobody, and what failed turns have cost.

use crate::support::{Client, House};
use hermes_gateway::{
    domain::ProfileName,
    store::{ProfileLock, Store, backup},
};
use serde_json::{Value, json};
use std::{fs, sync::Arc, time::Duration};

/// The tables of the records of alice's store that have this text.
async fn tables_with(house: &mut House, text: &'static str) -> Vec<String> {
    house.stop(Duration::from_secs(5)).await;
    let state = house.profile_dir("alice").join("state");
    let records = tokio::task::spawn_blocking(move || {
        let store = Store::open(&state, Arc::new(ProfileLock::acquire(&state).unwrap())).unwrap();
        let mut records = Vec::new();
        backup(&store, &ProfileName::parse("alice").unwrap(), &mut records).unwrap();
        store.close().unwrap();
        String::from_utf8(records).unwrap()
    });
    let records = records.await.unwrap();
    let having = records.lines().filter(|line| line.contains(text));
    having
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["table"].as_str().unwrap().to_owned())
        .collect()
}

async fn turn(alice: &Client, session: &str, input: &str) -> Value {
    let run = alice.run_with(json!({"input": input, "session_id": session})).await;
    alice.finished(&run).await
}

async fn session(alice: &Client, id: &str) -> Value {
    alice.get(&format!("/api/sessions/{id}")).await.body["session"].clone()
}

#[actix_web::test]
async fn the_prompt_is_kept_once_and_told_by_its_hash() {
    let mut house = House::open().await;
    fs::write(house.profile_dir("alice").join("SOUL.md"), "I am Ada of the seven seas.\n").unwrap();
    let alice = house.alice().await;
    for id in ["one", "two", "three"] {
        for _ in 0..3 {
            turn(&alice, id, "hello").await;
        }
    }
    for text in ["a", "b", "c", "d", "e"] {
        alice.chat(text).await;
    }
    let hash = session(&alice, "one").await["prompt_hash"].clone();
    assert!(hash.as_str().is_some_and(|hash| hash.len() >= 16), "{hash}");
    assert_eq!(session(&alice, "three").await["prompt_hash"], hash, "the same text has the same hash");
    let memory = house.profile_dir("alice").join("memories");
    fs::create_dir_all(&memory).unwrap();
    fs::write(memory.join("MEMORY.md"), "The build is slow.\n").unwrap();
    turn(&alice, "four", "hello").await;
    assert_ne!(session(&alice, "four").await["prompt_hash"], hash, "another text has another one");
    turn(&alice, "one", "hello").await;
    assert_eq!(session(&alice, "one").await["prompt_hash"], hash);

    let kept = tables_with(&mut house, "Ada of the seven seas").await;
    assert_eq!(kept, ["prompt", "prompt"], "two prompts, however many turns had them");
    house.close().await;
}

#[actix_web::test]
async fn what_was_said_is_not_kept_again_by_what_finds_it() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    turn(&alice, "s", "@@json the quick brown vixen jumps").await;
    let found = alice.get("/api/sessions/search?q=vixen").await.body;
    assert_eq!(found["data"][0]["session_id"], "s", "{found}");
    let kept = tables_with(&mut house, "quick brown vixen jumps").await;
    assert_eq!(
        kept,
        ["spec", "session", "session_message"],
        "the request, the preview of the session, the message"
    );
    house.close().await;
}

#[actix_web::test]
async fn a_turn_that_failed_leaves_its_cost_and_no_half_conversation() {
    let house = House::open().await;
    let alice = house.alice().await;
    turn(&alice, "s", "hello").await;
    let failed = turn(&alice, "s", "@@nothing 99").await;
    assert_eq!((&failed["status"], &failed["usage"]["input_tokens"]), (&json!("failed"), &json!(200)));
    let kept = session(&alice, "s").await;
    assert_eq!((&kept["message_count"], &kept["input_tokens"]), (&json!(2), &json!(250)), "{kept}");
    let ledger = alice.get("/api/usage?by=session").await.body;
    assert_eq!(ledger["data"][0]["input_tokens"], 250, "{ledger}");
    turn(&alice, "s", "again").await;
    let asked = house.upstream.requests().pop().unwrap()["messages"].to_string();
    assert!(!asked.contains("@@nothing"), "the next turn is not confused by it: {asked}");
    house.close().await;
}

#[actix_web::test]
async fn chats_that_name_no_session_share_a_label_and_load_nothing() {
    let house = House::open().await;
    let alice = house.alice().await;
    for _ in 0..3 {
        alice.chat("hello").await;
    }
    let sessions = alice.get("/api/sessions").await.body;
    let listed = sessions["data"].as_array().unwrap().len();
    assert!(listed <= 1, "no row for each call: {sessions}");
    let asked = house.upstream.requests().pop().unwrap();
    assert_eq!(asked["messages"].as_array().unwrap().len(), 2, "prompt and question: {asked}");
    house.close().await;
}
