//! Sessions over many turns.

use super::{calls, compressed, is_summary, long, model, say, session, told};
use crate::support::{House, ask};
use hermes_gateway::{
    domain::{Message, RunId, SessionId, SessionRef, Usage, now},
    store::{Change, ProfileLock, SessionAppend, Store},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

#[actix_web::test]
async fn a_session_that_nears_the_window_goes_on_from_a_summary_and_keeps_every_word() {
    let mut house = House::with(model("")).await;
    let alice = house.alice().await;
    let id = session(&alice).await;
    let mut last = Value::Null;
    for number in 1..=9 {
        last = say(&alice, &id, &long(&format!("part{number}"), 9)).await;
    }
    let (answers, helpers) = calls(&house);
    assert_eq!(helpers.len(), 1, "one summary");
    let record = helpers[0]["messages"][1]["content"].as_str().unwrap();
    assert!(
        record.contains("USER: part3") && helpers[0].get("tools").is_none(),
        "what gave way, and nothing to act with"
    );
    let told_last = told(answers.last().unwrap());
    assert_eq!(told_last.iter().filter(|(_, text)| is_summary(text)).count(), 1, "{told_last:?}");
    assert!(
        told_last[0].1.starts_with("part1") && told_last.last().unwrap().1.starts_with("part9"),
        "{told_last:?}"
    );
    assert!(answers.last().unwrap()["messages"].to_string().contains("Summed up."));

    // Another process goes on from there, and asks for no other summary.
    house.stop(Duration::ZERO).await;
    house.start().await;
    let alice = house.alice().await;
    say(&alice, &id, "and now?").await;
    let (answers, helpers) = calls(&house);
    assert_eq!(helpers.len(), 1);
    let after = told(answers.last().unwrap());
    assert_eq!(after.len(), told_last.len() + 2, "{after:?}");
    assert_eq!(after.iter().filter(|(_, text)| is_summary(text)).count(), 1);

    let page = alice.get(&format!("/api/sessions/{id}/messages")).await.body;
    let rows = page["data"].as_array().unwrap();
    assert_eq!(rows.len(), 20, "no message is gone, none was added");
    let compacted: Vec<u64> =
        rows.iter().filter(|row| row["compacted"] == true).map(|row| row["id"].as_u64().unwrap()).collect();
    assert_eq!(compacted.first(), Some(&4), "the first three stay");
    assert!(compacted.windows(2).all(|pair| pair[1] == pair[0] + 1) && compacted.len() >= 5, "{compacted:?}");
    let found = alice.get("/api/sessions/search?q=part3&role=user").await.body;
    assert_eq!(found["data"][0]["session_id"], json!(id), "what gave way is found");
    let shown = alice.get(&format!("/api/sessions/{id}")).await.body;
    assert_eq!(shown["session"]["summary_count"], 1);

    let run = alice.get("/v1/runs?limit=10").await.body;
    let mut events = Vec::new();
    for row in run["data"].as_array().unwrap() {
        events.extend(compressed(&alice, row["run_id"].as_str().unwrap()).await);
    }
    let [event] = &events[..] else { panic!("one compression: {events:?}") };
    assert_eq!(
        (&event["cause"], &event["author"], &event["summary"]),
        (&json!("threshold"), &json!("model"), &json!(1))
    );
    assert!(event["messages_after"].as_u64() < event["messages_before"].as_u64(), "{event}");
    assert!(event["tokens_after"].as_u64() < event["tokens_before"].as_u64(), "{event}");
    assert!(last["usage"]["output_tokens"].as_u64() > Some(0), "{last}");

    // A copy goes on from the summary, too, and is none the worse when the source is deleted.
    let fork = alice.post(&format!("/api/sessions/{id}/fork"), json!({})).await.body;
    let fork = fork["session"]["id"].as_str().unwrap().to_owned();
    alice.delete(&format!("/api/sessions/{id}")).await;
    say(&alice, &fork, "and here?").await;
    let (answers, _) = calls(&house);
    let forked = told(answers.last().unwrap());
    assert_eq!(forked.iter().filter(|(_, text)| is_summary(text)).count(), 1, "{forked:?}");
    house.close().await;
}

#[actix_web::test]
async fn a_turn_of_a_session_of_5000_messages_costs_no_more_than_the_window() {
    let mut house = House::with(model("")).await;
    house.stop(Duration::ZERO).await;
    let state = house.profile_dir("alice").join("state");
    let store = Store::open(&state, Arc::new(ProfileLock::acquire(&state).unwrap())).unwrap();
    let id = SessionId::parse("very-long").unwrap();
    for part in 0..50 {
        let said = (0..50).flat_map(|number| {
            [
                Message::user(format!("question {part} {number} {}", "x".repeat(200))),
                Message::assistant("y".repeat(300)),
            ]
        });
        let append = SessionAppend {
            session: SessionRef { id: id.clone(), named: true },
            run_id: RunId::new(),
            source: "api_server",
            model: "m".to_owned(),
            began_at: now(),
            messages: said.collect(),
            summary: None,
            prompt: None,
            finish: None,
            usage: Usage::default(),
            cost: None,
        };
        store.commit(vec![Change::SessionAppend(Box::new(append))]).await.unwrap();
    }
    tokio::task::spawn_blocking(move || store.close()).await.unwrap().unwrap();
    house.start().await;
    let alice = house.alice().await;
    let mut sizes = Vec::new();
    for number in 0..4 {
        say(&alice, id.as_str(), &format!("go on {number}")).await;
        let (answers, helpers) = calls(&house);
        assert_eq!(helpers.len(), 1, "summed up once, in the first turn");
        sizes.push(told(answers.last().unwrap()).len());
    }
    assert!(sizes[0] < 200, "{sizes:?}");
    assert_eq!(sizes.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>(), [2, 2, 2], "{sizes:?}");
    house.close().await;
}

#[actix_web::test]
async fn without_compression_the_upstreams_word_is_the_end() {
    let house = House::with(model("compression: {enabled: false}\n")).await;
    let alice = house.alice().await;
    let id = session(&alice).await;
    for number in 1..=6 {
        say(&alice, &id, &long(&format!("part{number}"), 30)).await;
    }
    let (_, helpers) = calls(&house);
    assert!(helpers.is_empty());
    let reply = alice.post(&format!("/api/sessions/{id}/chat"), json!({"message": "@@fits 50000"})).await;
    assert_eq!((reply.status, reply.code()), (400, "context_length_exceeded"), "{}", reply.text);
    house.close().await;
}

#[actix_web::test]
async fn a_chat_that_brings_its_own_history_is_shortened_for_its_turn_alone() {
    let house = House::with(model("")).await;
    let alice = house.alice().await;
    let mut body = ask("@@fits 130000", false);
    let mut messages: Vec<Value> = (0..10)
        .flat_map(|number| {
            [
                json!({"role": "user", "content": long(&format!("part{number}"), 9)}),
                json!({"role": "assistant", "content": long("so", 9)}),
            ]
        })
        .collect();
    messages.push(body["messages"][0].clone());
    body["messages"] = json!(messages);
    let reply = alice.post("/v1/chat/completions", body).await;
    assert_eq!(
        (reply.status, &reply.body["choices"][0]["message"]["content"]),
        (200, &json!("It fits.")),
        "{}",
        reply.text
    );
    let run = reply.header("X-Hermes-Run-Id").unwrap().to_owned();
    let events = compressed(&alice, &run).await;
    assert_eq!((events.len(), events[0].get("summary")), (1, None), "{events:?}");
    house.close().await;
}
