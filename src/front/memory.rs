//! `/api/memory`: what the agent remembers, entry by entry, with where it comes from; changing it; its history.

use super::{auth::Authorised, body, error::ApiError, json::Object, options, query::Params};
use crate::{
    actors::Scope,
    domain::{
        MemoryChange, MemoryEntry, MemoryOperation, MemoryOrigin, MemoryPlace, MemoryScope, MemoryTarget,
        seconds,
    },
    guard::{self, Kind},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderMap},
    web,
};
use serde_json::{Value, json};

/// What a request without a `target` means.
const TARGETS: &str = "`memory` or `user`";

/// Whose memory a request means: the profile's, or that of its session key where each key has its own.
fn scope(auth: &Authorised, request: &HttpRequest) -> Result<MemoryScope, ApiError> {
    auth.require(Scope::Memory)?;
    let key = options::session_key_of(request.headers())?;
    Ok(auth.tenant.memory_scope(key.as_deref()))
}

pub async fn show(auth: Authorised, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let scope = scope(&auth, &request)?;
    let config = auth.tenant.config();
    let mut shown = json!({
        "object": "hermes.memory",
        "enabled": config.memory.enabled,
        "user_enabled": config.memory.user_enabled,
    });
    for target in MemoryTarget::ALL {
        let page = auth.tenant.memory(MemoryPlace { target, scope: scope.clone() }).await?;
        shown[target.wire()] = file(&page.entries, page.characters(), page.limit, &page.etag);
    }
    Ok(HttpResponse::Ok().json(shown))
}

fn file(entries: &[MemoryEntry], characters: usize, limit: usize, etag: &str) -> Value {
    json!({
        "entries": entries.iter().map(|entry| &entry.text).collect::<Vec<_>>(),
        "entry_count": entries.len(),
        "characters": characters,
        "limit": limit,
        "etag": etag,
        "details": entries.iter().map(detail).collect::<Vec<_>>(),
    })
}

fn detail(entry: &MemoryEntry) -> Value {
    let mut detail = origin(&entry.origin);
    detail["at"] = json!(seconds(entry.at));
    detail["blocked"] = json!(guard::scan(&entry.text, Kind::Memory).map(|found| found.id));
    detail
}

fn origin(origin: &MemoryOrigin) -> Value {
    let MemoryOrigin { author, key_id, session_id, run_id, trusted } = origin;
    json!({
        "author": author,
        "key_id": key_id,
        "session_id": session_id,
        "run_id": run_id,
        "trusted": trusted,
    })
}

/// Adds an entry, or carries several operations out.
pub async fn add(
    auth: Authorised,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let scope = scope(&auth, &request)?;
    let mut body = Object::body(body::json(&request, payload, &auth.tenant).await?)?;
    let target = target_in(body.string("target")?.as_deref())?;
    let operations = match body.array("operations")? {
        None => vec![MemoryOperation::Add { content: needed(body.string("content")?, "content")? }],
        Some(listed) if listed.is_empty() => {
            return Err(ApiError::invalid("operations", "`operations` is empty"));
        }
        Some(listed) => listed.into_iter().enumerate().map(operation).collect::<Result<_, _>>()?,
    };
    edit(&auth, &request, MemoryPlace { target, scope }, operations).await
}

fn operation((at, value): (usize, Value)) -> Result<MemoryOperation, ApiError> {
    let mut object = Object::at(value, format!("operations[{at}]"))?;
    let place = |name: &str| format!("operations[{at}].{name}");
    let action = needed(object.string("action")?, &place("action"))?;
    let (content, old_text) = (object.string("content")?, object.string("old_text")?);
    let content = || needed(content, &place("content"));
    let old_text = || needed(old_text, &place("old_text"));
    match action.as_str() {
        "add" => Ok(MemoryOperation::Add { content: content()? }),
        "replace" => Ok(MemoryOperation::Replace { old_text: old_text()?, content: content()? }),
        "remove" => Ok(MemoryOperation::Remove { old_text: old_text()? }),
        _ => {
            let place = place("action");
            Err(ApiError::invalid(&place, format!("`{place}` must be `add`, `replace` or `remove`")))
        }
    }
}

/// Puts `content` in the place of the entry that has `old_text`.
pub async fn replace(
    auth: Authorised,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let scope = scope(&auth, &request)?;
    let mut body = Object::body(body::json(&request, payload, &auth.tenant).await?)?;
    let target = target_in(body.string("target")?.as_deref())?;
    let old_text = needed(body.string("old_text")?, "old_text")?;
    let content = needed(body.string("content")?, "content")?;
    let operation = MemoryOperation::Replace { old_text, content };
    edit(&auth, &request, MemoryPlace { target, scope }, vec![operation]).await
}

/// Removes the entry that has `old_text`.
pub async fn remove(auth: Authorised, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let scope = scope(&auth, &request)?;
    let params = Params::of(&request)?;
    let target = target_in(params.get("target"))?;
    let old_text = needed(params.get("old_text").map(str::to_owned), "old_text")?;
    edit(&auth, &request, MemoryPlace { target, scope }, vec![MemoryOperation::Remove { old_text }]).await
}

async fn edit(
    auth: &Authorised,
    request: &HttpRequest,
    place: MemoryPlace,
    operations: Vec<MemoryOperation>,
) -> Result<HttpResponse, ApiError> {
    let etag = if_match(request.headers())?;
    let edited = auth.tenant.edit_memory(place, operations, etag, &auth.caller.key_id).await?;
    let page = &edited.page;
    let after = file(&page.entries, page.characters(), page.limit, &page.etag);
    Ok(changed(page.place.target, &after, &page.etag, edited.change.as_ref()))
}

fn changed(target: MemoryTarget, file: &Value, etag: &str, change: Option<&MemoryChange>) -> HttpResponse {
    let body = json!({
        "object": "hermes.memory.edit",
        "changed": change.is_some(),
        "target": target,
        "file": file,
        "change": change.map(row),
    });
    HttpResponse::Ok().insert_header((header::ETAG, format!("\"{etag}\""))).json(body)
}

/// What was changed, newest first.
pub async fn history(auth: Authorised, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let scope = scope(&auth, &request)?;
    let params = Params::of(&request)?;
    let target = target_in(params.get("target"))?;
    let limit = params.limit(50)?;
    let before = params.read("before", "the number of a change", |text| text.parse().ok())?;
    let mut rows = auth.tenant.memory_history(target, scope, before, limit + 1).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let data: Vec<Value> = rows.iter().map(row).collect();
    Ok(HttpResponse::Ok().json(json!({"object": "list", "data": data, "has_more": has_more})))
}

fn row(change: &MemoryChange) -> Value {
    let mut row = origin(&change.origin);
    row["object"] = json!("hermes.memory.change");
    row["number"] = json!(change.number);
    row["at"] = json!(seconds(change.at));
    row["act"] = json!(change.act);
    row["added"] = json!(change.added());
    row["removed"] = json!(change.removed());
    row["undoes"] = json!(change.undoes);
    row
}

/// Takes a change back; that is a change as well.
pub async fn undo(
    auth: Authorised,
    request: HttpRequest,
    number: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let scope = scope(&auth, &request)?;
    let target = target_in(Params::of(&request)?.get("target"))?;
    let place = MemoryPlace { target, scope };
    // What is no number is as unknown as a number that there never was.
    let number = number.parse().unwrap_or(u64::MAX);
    let edited = auth.tenant.undo_memory(place, number, &auth.caller.key_id).await?;
    let page = &edited.page;
    let after = file(&page.entries, page.characters(), page.limit, &page.etag);
    Ok(changed(target, &after, &page.etag, edited.change.as_ref()))
}

fn target_in(text: Option<&str>) -> Result<MemoryTarget, ApiError> {
    let Some(text) = text else { return Ok(MemoryTarget::default()) };
    MemoryTarget::parse(text)
        .ok_or_else(|| ApiError::invalid("target", format!("`target` must be {TARGETS}")))
}

fn needed(text: Option<String>, name: &str) -> Result<String, ApiError> {
    text.filter(|text| !text.trim().is_empty())
        .ok_or_else(|| ApiError::invalid(name, format!("`{name}` must be a text that is not empty")))
}

/// The etag that the file must have; quotes may be left out.
fn if_match(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().map(str::trim).unwrap_or_default();
    let bare = text.trim_matches('"');
    if bare.is_empty() {
        return Err(ApiError::invalid("If-Match", "`If-Match` must be the etag of the file, or `*`"));
    }
    Ok((bare != "*").then(|| bare.to_owned()))
}
