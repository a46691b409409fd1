//! The HTTP surface described by itself: OpenAPI 3.1, made from the table that the router is built of.
//!
//! A route cannot be registered without an [`Operation`], and the tests hold every answer that they see to the
//! schemas here, so the document can neither miss a route nor promise what is not sent.

pub mod approvals;
pub mod chat;
mod common;
pub mod discovery;
pub mod keys;
pub mod memory;
pub mod models;
mod operation;
pub mod responses;
pub mod runs;
mod schema;
pub mod session_clarify;
pub mod session_compress;
pub mod session_search;
pub mod sessions;
pub mod settings;
pub mod skills;
pub mod usage;

pub use operation::{Access, Operation, Retry};

use super::{health::VERSION, routes};
use actix_web::{HttpResponse, http::header, web::Bytes};
use schema::Components;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The groups of operations, the most used first.
const TAGS: [&str; 9] =
    ["chat", "responses", "runs", "approvals", "sessions", "memory", "usage", "keys", "discovery"];

/// Made once: it says nothing of any profile.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document().to_string()));

/// `GET /openapi.json`.
pub async fn openapi() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(DOCUMENT.clone())
}

/// The document as a value.
#[must_use]
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for path in routes::table() {
        let of_path: Map<String, Value> = path
            .operations()
            .map(|(method, operation)| (method.to_lowercase(), operation.document(path.pattern())))
            .collect();
        paths.insert(without_patterns(path.pattern()), Value::Object(of_path));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "hermes",
            "version": VERSION,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
            "description": "The API of one profile: OpenAI's chat completions and responses with an agent behind them, runs \
                            with durable events, approvals, sessions. `HEAD` works wherever `GET` does; the `/v1` prefix may \
                            be left out. Errors have one form on every route.",
        },
        "tags": TAGS.map(|name| json!({"name": name})),
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "A key of this profile."}},
            "schemas": components(),
        },
    })
}

/// Every schema that has a name.
fn components() -> Components {
    let all = [
        common::components(),
        discovery::components(),
        models::components(),
        chat::components(),
        responses::components(),
        runs::components(),
        approvals::components(),
        sessions::components(),
        keys::components(),
        memory::components(),
        settings::components(),
        skills::components(),
    ];
    all.into_iter().flatten().map(|(name, schema)| (name.to_owned(), schema.into_value())).collect()
}

/// `{id:.+}` as `{id}`.
pub fn without_patterns(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut skipping = false;
    for letter in path.chars() {
        skipping = (skipping || letter == ':') && letter != '}';
        if !skipping {
            plain.push(letter);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn refs(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                if let Some(name) = members.get("$ref").and_then(Value::as_str) {
                    found.insert(name.trim_start_matches("#/components/schemas/").to_owned());
                }
                members.values().for_each(|member| refs(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| refs(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_name_is_defined_and_every_definition_used() {
        let mut used = BTreeSet::new();
        refs(&document(), &mut used);
        let defined: BTreeSet<String> = components().keys().cloned().collect();
        assert_eq!(used, defined);
    }

    #[test]
    fn operations_have_ids_of_their_own() {
        let paths = routes::table();
        let names: Vec<&str> =
            paths.iter().flat_map(|path| path.operations().map(|(_, operation)| operation.name)).collect();
        let different: BTreeSet<&&str> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
    }

    #[test]
    fn patterns_are_no_part_of_a_documented_path() {
        assert_eq!(without_patterns("/v1/models/{id:.+}"), "/v1/models/{id}");
        assert_eq!(without_patterns("/v1/runs/{run_id}/events"), "/v1/runs/{run_id}/events");
    }
}
