//! The Responses API.

mod afterwards;
mod chains;
mod refusals;
mod shapes;
mod tools;

use crate::support::{Client, Frame, Frames, House, Reply, within};
use awc::http::Method;
use serde_json::{Value, json};

pub const ECHO: &str = r#"@@tool terminal {"command":"echo from-the-tool"}"#;

pub async fn create(client: &Client, body: Value) -> Reply {
    client.post("/v1/responses", body).await
}

/// A response that went well.
pub async fn created(client: &Client, body: Value) -> Value {
    let reply = create(client, body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.body
}

pub async fn stream(client: &Client, mut body: Value) -> Frames {
    body["stream"] = json!(true);
    client.stream(Method::POST, "/v1/responses", &[], Some(body)).await
}

pub async fn get(client: &Client, response: &Value) -> Value {
    let reply = client.get(&format!("/v1/responses/{}", id(response))).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.body
}

/// Waits until the response says `status`.
pub async fn until(client: &Client, response: &Value, status: &str) -> Value {
    within(async {
        loop {
            let now = get(client, response).await;
            if now["status"] == status {
                return now;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

pub fn id(response: &Value) -> &str {
    response["id"].as_str().unwrap()
}

pub fn kinds(frames: &[Frame]) -> Vec<String> {
    frames.iter().map(|frame| frame.json()["type"].as_str().unwrap().to_owned()).collect()
}

pub fn types(response: &Value) -> Vec<&str> {
    response["output"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect()
}

/// What the model was told, without system texts: role and text of each message.
pub fn told(house: &House) -> Vec<(String, String)> {
    let said = house.upstream.requests().pop().unwrap();
    let text = |message: &Value| message["content"].as_str().unwrap_or("").to_owned();
    let messages = said["messages"].as_array().unwrap().iter();
    messages
        .filter(|message| message["role"] != "system")
        .map(|message| (message["role"].as_str().unwrap().to_owned(), text(message)))
        .collect()
}

pub fn roles(told: &[(String, String)]) -> Vec<&str> {
    told.iter().map(|(role, _)| role.as_str()).collect()
}
