//! Conversations that grow longer than the model's window.

mod asked;
mod long;
mod prompt;
mod turns;
mod window;

use crate::support::{Client, House, Plan};
use serde_json::{Value, json};

/// A window in which a conversation of 34,000 tokens is too long: some 136,000 letters with prompt and tools.
const WINDOW: u64 = 40_000;

fn model(house_config: &str) -> Plan {
    Plan::config(&format!("  context_length: {WINDOW}\n{house_config}"))
}

/// A text of so many thousand letters that begins with these words.
fn long(words: &str, thousands: usize) -> String {
    format!("{words} {}", "lorem ipsum dolor ".repeat(thousands * 1_000 / 18))
}

async fn session(client: &Client) -> String {
    let made = client.post("/api/sessions", json!({})).await;
    made.body["session"]["id"].as_str().unwrap().to_owned()
}

async fn say(client: &Client, session: &str, text: &str) -> Value {
    let reply = client.post(&format!("/api/sessions/{session}/chat"), json!({"message": text})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.body
}

/// Requests for answers, and those of helpers.
fn calls(house: &House) -> (Vec<Value>, Vec<Value>) {
    let is_helper = |body: &Value| {
        body["messages"][0]["content"].as_str().is_some_and(|system| system.starts_with("You condense"))
    };
    house.upstream.requests().into_iter().partition(|body| !is_helper(body))
}

/// The conversation of a request as roles and beginnings, without the system's part.
fn told(body: &Value) -> Vec<(String, String)> {
    let messages = body["messages"].as_array().unwrap().iter();
    messages
        .filter(|message| message["role"] != "system")
        .map(|message| {
            let text = message["content"].as_str().unwrap_or("").chars().take(30).collect();
            (message["role"].as_str().unwrap().to_owned(), text)
        })
        .collect()
}

/// The facts about compressions in a run's log.
async fn compressed(client: &Client, run: &str) -> Vec<Value> {
    let frames = client.events(run, None).await.rest().await;
    frames
        .iter()
        .map(crate::support::Frame::json)
        .filter(|event| event["event"] == "context.compressed")
        .collect()
}

fn is_summary(text: &str) -> bool {
    text.starts_with("[Summary of the conversation")
}
