//! `kill -9` around a compression: a session has its summary, or it has none; its messages it has either way.

use crate::support::{Client, Site};
use serde_json::{Value, json};
use std::time::Duration;

async fn filled(alice: &Client, id: &str, word: &str) {
    assert_eq!(alice.post("/api/sessions", json!({"id": id})).await.status, 201);
    for number in 0..15 {
        let said = json!({"message": format!("{word} number{number} of fifteen")});
        let reply = alice.post(&format!("/api/sessions/{id}/chat"), said).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
}

async fn rows(alice: &Client, id: &str) -> Vec<Value> {
    let page = alice.get(&format!("/api/sessions/{id}/messages")).await.body;
    page["data"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
}

async fn summaries(alice: &Client, id: &str) -> u64 {
    alice.get(&format!("/api/sessions/{id}")).await.body["session"]["summary_count"].as_u64().unwrap()
}

fn helpers(site: &Site) -> usize {
    let is_helper = |body: &Value| {
        body["messages"][0]["content"].as_str().is_some_and(|text| text.starts_with("You condense"))
    };
    site.upstream.requests().iter().filter(|body| is_helper(body)).count()
}

#[actix_web::test]
async fn a_compression_is_there_whole_or_not_at_all() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    filled(&alice, "cut", "@@silent-helper").await;
    filled(&alice, "done", "word").await;
    let (cut, done) = (rows(&alice, "cut").await, rows(&alice, "done").await);

    // In the middle of the helper's answer.
    let asked = {
        let alice = alice.clone();
        actix_web::rt::spawn(async move {
            let request = alice.request(awc::http::Method::POST, "/api/sessions/cut/compress");
            drop(request.insert_header(("Content-Type", "application/json")).send_body("{}").await);
        })
    };
    let seen = async {
        while helpers(&site) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), seen).await.unwrap();
    process.kill().await;
    asked.abort();

    let process = site.start().await;
    let alice = process.alice();
    assert_eq!((rows(&alice, "cut").await, summaries(&alice, "cut").await), (cut, 0));
    let said = alice.post("/api/sessions/cut/chat", json!({"message": "still there?"})).await;
    assert_eq!(said.status, 200, "{}", said.text);

    // As soon as it is told.
    let told = alice.post("/api/sessions/done/compress", json!({})).await;
    assert_eq!((told.status, &told.body["compressed"]), (200, &json!(true)), "{}", told.text);
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    assert_eq!(summaries(&alice, "done").await, 1);
    let after = rows(&alice, "done").await;
    assert!(after.iter().any(|row| row["compacted"] == true));
    let bare = |rows: &[Value]| rows.iter().map(|row| row["content"].clone()).collect::<Vec<_>>();
    assert_eq!(bare(&after), bare(&done), "every word is there");
    let said = alice.post("/api/sessions/done/chat", json!({"message": "and now?"})).await;
    assert_eq!(said.status, 200, "{}", said.text);
    let heard = site.upstream.requests().pop().unwrap()["messages"].to_string();
    assert!(heard.contains("Summed up.") && !heard.contains("word number5 "), "{heard}");
}
