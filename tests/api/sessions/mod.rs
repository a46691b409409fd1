//! Sessions: the resources, and turns of a session.

mod import;
mod load;
mod model;
mod questions;
mod resources;
mod search;
mod turns;

use crate::support::{Client, Reply};
use awc::http::Method;
use serde_json::{Value, json};

async fn create(client: &Client, body: Value) -> String {
    let made = client.post("/api/sessions", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.body["session"]["id"].as_str().unwrap().to_owned()
}

async fn say(client: &Client, session: &str, text: &str) -> Reply {
    client.post(&format!("/api/sessions/{session}/chat"), json!({"message": text})).await
}

async fn patch(client: &Client, session: &str, body: Value) -> Reply {
    let body = body.to_string().into_bytes();
    client.send(Method::PATCH, &format!("/api/sessions/{session}"), &[], Some(body)).await
}

async fn transcript(client: &Client, session: &str) -> Vec<(String, String)> {
    let page = client.get(&format!("/api/sessions/{session}/messages")).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    page.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (text(&row["role"]), text(&row["content"])))
        .collect()
}

fn said(role: &str, text: &str) -> (String, String) {
    (role.to_owned(), text.to_owned())
}
