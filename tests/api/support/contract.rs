//! Every answer that a test sees is held to `/openapi.json`: status, media type, and each member of the body.
//!
//! Stricter than JSON Schema: a member that the schema does not name is a fault of the document, unless it says that
//! others are possible.

use serde_json::Value;
use std::sync::LazyLock;

static DOCUMENT: LazyLock<Value> = LazyLock::new(hermes_gateway::front::document);

/// The document's operation for a request; `None` for what it does not speak of (unknown paths, other spellings).
pub fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let path = path.split('?').next().unwrap_or_default();
    let method = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let exact = paths.get(path);
    let found =
        exact.or_else(|| paths.iter().find(|(template, _)| fits(template, path)).map(|(_, item)| item));
    found?.get(&method)
}

/// All operations: method, path, description.
pub fn operations() -> impl Iterator<Item = (String, &'static str, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap();
        methods.iter().map(move |(method, operation)| (method.to_uppercase(), path.as_str(), operation))
    })
}

fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {}
            _ => return false,
        }
    }
}

/// Panics when the document does not know this answer.
pub fn check(method: &str, path: &str, status: u16, media: Option<&str>, text: &str) {
    let Some(operation) = operation(method, path) else {
        return;
    };
    // Through the home's own port every route needs a key; the document is about the profile's own.
    if status == 401 && operation["security"].as_array().is_some_and(Vec::is_empty) {
        return;
    }
    let at = format!("{method} {path} answered {status}");
    let response = &operation["responses"][status.to_string()];
    assert!(response.is_object(), "{at}, which `/openapi.json` does not name: {text}");
    if method == "HEAD" {
        return;
    }
    let media = media.unwrap_or("nothing").split(';').next().unwrap_or_default();
    let schema = &response["content"][media]["schema"];
    assert!(schema.is_object(), "{at} with `{media}`, which `/openapi.json` does not name: {text}");
    if media == "application/json" {
        let body = serde_json::from_str(text).unwrap_or_else(|error| panic!("{at}: {error}: {text}"));
        if let Err(fault) = validate(schema, &body, "body") {
            panic!("{at}: `/openapi.json` and the answer differ: {fault}\n{text}");
        }
    }
}

/// The schema of a stream's events.
pub fn events(method: &str, path: &str) -> Option<&'static Value> {
    operation(method, path)?["responses"]["200"]["content"]["text/event-stream"]["schema"].get("x-event-data")
}

/// The schema itself, where only its name is given.
pub fn resolved(schema: &Value) -> &Value {
    let Some(name) = schema["$ref"].as_str() else { return schema };
    DOCUMENT.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} is not defined"))
}

/// # Errors
///
/// The place that differs, and how.
pub fn validate(schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    let schema = resolved(schema);
    if let Some(all) = schema["anyOf"].as_array() {
        let faults: Vec<String> = all.iter().filter_map(|one| validate(one, value, place).err()).collect();
        return if faults.len() < all.len() { Ok(()) } else { Err(faults.join("; or ")) };
    }
    if let Some(wanted) = schema.get("const") {
        return if value == wanted { Ok(()) } else { Err(format!("{place}: {value} is not {wanted}")) };
    }
    if let Some(all) = schema["enum"].as_array()
        && !all.contains(value)
    {
        return Err(format!("{place}: {value} is not one of {all:?}"));
    }
    let good = match schema["type"].as_str() {
        None => true,
        Some("null") => value.is_null(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some(other) => panic!("{place}: the type `{other}` is unknown"),
    };
    if !good {
        return Err(format!("{place}: {value} is not of type {}", schema["type"]));
    }
    if let (Some(items), Some(of)) = (value.as_array(), schema.get("items")) {
        for (index, item) in items.iter().enumerate() {
            validate(of, item, &format!("{place}[{index}]"))?;
        }
    }
    match value.as_object() {
        Some(members) if schema["type"] == "object" => validate_members(schema, members, place),
        Some(_) | None => Ok(()),
    }
}

fn validate_members(
    schema: &Value,
    members: &serde_json::Map<String, Value>,
    place: &str,
) -> Result<(), String> {
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        if !members.contains_key(name) {
            return Err(format!("{place}.{name} is missing"));
        }
    }
    for (name, member) in members {
        let place = format!("{place}.{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(of), _) => validate(of, member, &place)?,
            (None, Some(Value::Bool(true))) => {}
            (None, Some(of)) if of.is_object() => validate(of, member, &place)?,
            (None, _) => return Err(format!("{place} is not described")),
        }
    }
    Ok(())
}
