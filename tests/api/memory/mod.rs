//! What the agent remembers: its tool, the files that people edit, and the routes.

mod approving;
mod history;
mod routes;
mod tool;

use crate::support::{Client, House};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

/// A turn in which the model calls the tool `memory` once, and the whole result of that call.
async fn remember(client: &Client, arguments: Value) -> Value {
    call(client, json!({"input": format!("@@tool memory {arguments}")}), &[]).await
}

async fn call(client: &Client, body: Value, headers: &[(&str, &str)]) -> Value {
    let reply = client.post_with("/v1/runs", headers, body).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    let run = reply.body["run_id"].as_str().unwrap();
    let done = client.events(run, None).await.until("tool.completed").await.json();
    serde_json::from_str(done["result"].as_str().unwrap()).unwrap_or_else(|error| panic!("{error}: {done}"))
}

fn file(house: &House, profile: &str, name: &str) -> PathBuf {
    house.profile_dir(profile).join("memories").join(name)
}

/// A person with an editor.
fn write(house: &House, profile: &str, name: &str, text: &str) {
    let path = file(house, profile, name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn text(house: &House, profile: &str, name: &str) -> String {
    fs::read_to_string(file(house, profile, name)).unwrap_or_default()
}
