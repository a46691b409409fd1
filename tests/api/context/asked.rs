//! `POST /api/sessions/{id}/compress`, and the words `/compress`.

use super::{calls, is_summary, say, session, told};
use crate::support::House;
use serde_json::json;

#[actix_web::test]
async fn a_session_is_compressed_when_somebody_asks() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let id = session(&alice).await;
    let route = format!("/api/sessions/{id}/compress");
    let nothing = alice.post(&route, json!({})).await;
    assert_eq!((nothing.status, &nothing.body["compressed"]), (200, &json!(false)), "{}", nothing.text);
    for number in 1..=20 {
        say(&alice, &id, &format!("this is the word number{number} of many")).await;
    }
    let done = alice.post(&route, json!({"focus": "the\n numbers"})).await;
    assert_eq!((done.status, &done.body["compressed"]), (200, &json!(true)), "{}", done.text);
    assert_eq!(
        (&done.body["summary"]["author"], &done.body["summary"]["text"]),
        (&json!("model"), &json!("Summed up."))
    );
    let (_, helpers) = calls(&house);
    let asked = helpers[0]["messages"][1]["content"].as_str().unwrap();
    assert!(asked.ends_with("Give most room to: the numbers"), "{asked}");

    say(&alice, &id, "what now?").await;
    let (answers, _) = calls(&house);
    let shown = told(answers.last().unwrap());
    assert!(shown.len() < 30 && shown.iter().any(|(_, text)| is_summary(text)), "{shown:?}");
    assert!(
        !shown.iter().any(|(_, text)| text.contains("/compress")),
        "the command is no part of the conversation"
    );
    let page = alice.get(&format!("/api/sessions/{id}/messages")).await.body;
    assert_eq!(page["data"].as_array().unwrap().len(), 42);

    let said = say(&alice, &id, "/compress").await;
    assert!(said["message"]["content"].as_str().unwrap().starts_with("Compressed: of "), "{said}");
    let summaries = alice.get(&format!("/api/sessions/{id}")).await.body["session"]["summary_count"].clone();
    assert_eq!(summaries, 2);
    say(&alice, &id, "/compression of files is a subject, too").await;
    assert_eq!(calls(&house).1.len(), 2, "other words are words");

    for (case, reply) in [
        ("a stranger's", bob.post(&route, json!({})).await),
        ("unknown", alice.post("/api/sessions/none/compress", json!({})).await),
    ] {
        assert_eq!((reply.status, reply.code()), (404, "session_not_found"), "{case}");
    }
    for body in [json!({"focus": 5}), json!({"focus": "x".repeat(1_001)}), json!([])] {
        assert_eq!(alice.post(&route, body.clone()).await.status, 400, "{body}");
    }
    house.close().await;
}

#[actix_web::test]
async fn a_helper_of_its_own_writes_the_summaries() {
    let config = "auxiliary:\n  compression: {model: small}\n";
    let house = House::with(crate::support::Plan::config(config)).await;
    let alice = house.alice().await;
    let id = session(&alice).await;
    for number in 1..=20 {
        say(&alice, &id, &format!("this is the word number{number} of many")).await;
    }
    let done = alice.post(&format!("/api/sessions/{id}/compress"), json!({})).await;
    assert_eq!(done.body["compressed"], true, "{}", done.text);
    let (answers, helpers) = calls(&house);
    assert_eq!((&helpers[0]["model"], &answers[0]["model"]), (&json!("small"), &json!("scripted")));
    house.close().await;
}

#[actix_web::test]
async fn without_a_helper_a_small_session_still_keeps_what_was_answered() {
    let house = House::with(crate::support::Plan::config("agent: {api_max_retries: 1}\n")).await;
    let alice = house.alice().await;
    let id = session(&alice).await;
    for number in 1..=14 {
        say(&alice, &id, &format!("@@no-helper number{number} {}", "word ".repeat(60))).await;
    }
    let done = alice.post(&format!("/api/sessions/{id}/compress"), json!({})).await;
    let summary = &done.body["summary"];
    assert_eq!(summary["author"], "extract", "{}", done.text);
    let text = summary["text"].as_str().unwrap();
    let (_, answers) = text.split_once("## What was answered\n").unwrap();
    assert!(answers.contains("- You said: @@no-helper number"), "{text}");
    house.close().await;
}
