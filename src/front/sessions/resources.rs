//! The sessions themselves: list, make, look, change, fork, delete, read.

use super::{
    model::tried,
    request::{self, CreateRequest, ForkRequest},
    view::{MessageView, SessionView},
};
use crate::{
    actors::{
        ChangeSession, CopySession, CreateSession, DeleteSession, GetSession, ListSessions, ReadSession,
        Scope,
    },
    domain::{KeptAnswer, SessionId, StandsFor, now},
    front::{ask::ask, auth::Authorised, body, error::ApiError, once, query::Params},
    store::{ForkSession, SessionCursor, SessionFilter, SessionHeader, SessionMessages},
};
use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
    web,
};
use serde::Serialize;
use serde_json::{Value, json};

/// Rows of a list when the client names no limit, and the most that it can have.
pub const PAGE: usize = 50;
pub const MOST: usize = 200;
/// Messages of a page, by default and at most.
pub const MESSAGES: usize = 500;
const FURTHEST: usize = 1_000_000;
/// A larger answer is written on the blocking pool: the worker's thread serves every profile on it.
const INLINE: usize = 256 * 1024;

/// The session that a path names. What can be no id is as unknown as any other.
///
/// # Errors
///
/// 404 with the body of an unknown session.
pub fn of_path(text: &str) -> Result<SessionId, ApiError> {
    SessionId::parse(text)
        .ok()
        .filter(|id| id.as_str() == text)
        .ok_or_else(|| ApiError::session_not_found(text))
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<SessionView<'a>>,
    limit: usize,
    offset: usize,
    has_more: bool,
    /// For `after`; only when there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<String>,
}

pub async fn list(auth: Authorised, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Sessions)?;
    let params = Params::of(&request)?;
    // As the reference does: a bad number is the default, a large one the limit.
    let number = |name: &str, default: usize, most: usize| {
        params.get(name).and_then(|text| text.parse().ok()).map_or(default, |number: usize| number.min(most))
    };
    let (limit, offset) = (number("limit", PAGE, MOST), number("offset", 0, FURTHEST));
    let after = params.read("after", "the `next_after` of the page before", SessionCursor::parse)?;
    let source = params.get("source").map(str::to_owned);
    let rows = match limit {
        0 => Vec::new(),
        // One more tells whether there are more.
        limit => {
            ask(&auth.tenant, ListSessions(SessionFilter { source, after, offset, limit: limit + 1 })).await?
        }
    };
    Ok(HttpResponse::Ok().json(told(rows, limit, offset)))
}

/// A page as it is told. A row more than `limit` tells that there are more.
pub fn told(mut rows: Vec<SessionHeader>, limit: usize, offset: usize) -> Value {
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| has_more);
    json!(List {
        object: "list",
        next_after: last.map(|header| SessionCursor::of(header).to_string()),
        data: rows.iter().map(SessionView::new).collect(),
        limit,
        offset,
        has_more,
    })
}

#[derive(Serialize)]
struct One<'a> {
    object: &'static str,
    session: SessionView<'a>,
}

fn one(mut head: HttpResponseBuilder, header: &SessionHeader) -> HttpResponse {
    head.json(One { object: "hermes.session", session: SessionView::new(header) })
}

/// An id for a session that was given none, in the reference's form.
fn new_id() -> Result<SessionId, ApiError> {
    let random = uuid::Uuid::now_v7().simple().to_string();
    let tail = random.get(24..).unwrap_or(&random);
    SessionId::parse(&format!("api_{}_{tail}", now() / 1000)).map_err(ApiError::internal)
}

pub async fn create(
    auth: Authorised,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Sessions)?;
    let body = body::json(&request, payload, &auth.tenant).await?;
    let CreateRequest { id, title, model, lock, system_prompt } = CreateRequest::parse(body)?;
    tried(&auth, lock.as_ref())?;
    let session = id.map_or_else(new_id, Ok)?;
    let model = model.unwrap_or_else(|| auth.tenant.config().model_name.clone());
    let idempotency = once::key(&request);
    let create = CreateSession { session, title, model, lock, system_prompt, idempotency };
    let made = ask(&auth.tenant, create).await?;
    Ok(one(HttpResponse::Created(), &made))
}

/// The answer to a request that made this session, for one that comes again.
///
/// # Errors
///
/// It cannot be written as JSON.
pub fn made(header: &SessionHeader) -> serde_json::Result<KeptAnswer> {
    let body = serde_json::to_string(&One { object: "hermes.session", session: SessionView::new(header) })?;
    Ok(KeptAnswer { status: StatusCode::CREATED.as_u16(), headers: Vec::new(), body })
}

pub async fn show(auth: Authorised, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Sessions)?;
    let header = ask(&auth.tenant, GetSession(of_path(&id)?)).await?;
    Ok(one(HttpResponse::Ok(), &header))
}

/// The body of a request that changes a session. An unknown session is 404 whatever the body says.
///
/// # Errors
///
/// 404, or what is wrong with the body.
pub async fn body_of_known(
    auth: &Authorised,
    session: &SessionId,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Value, ApiError> {
    ask(&auth.tenant, GetSession(session.clone())).await?;
    body::json(request, payload, &auth.tenant).await
}

pub async fn change(
    auth: Authorised,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Sessions)?;
    let session = of_path(&id)?;
    let change = request::change(body_of_known(&auth, &session, &request, payload).await?)?;
    let header = ask(&auth.tenant, ChangeSession { session, change }).await?;
    Ok(one(HttpResponse::Ok(), &header))
}

#[derive(Serialize)]
struct Deleted<'a> {
    object: &'static str,
    id: &'a SessionId,
    deleted: bool,
}

/// Stops the session's turns first.
pub async fn delete(auth: Authorised, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Sessions)?;
    let id = of_path(&id)?;
    ask(&auth.tenant, DeleteSession(id.clone())).await?;
    Ok(HttpResponse::Ok().json(Deleted { object: "hermes.session.deleted", id: &id, deleted: true }))
}

pub async fn fork(
    auth: Authorised,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Sessions)?;
    let from = of_path(&id)?;
    let ForkRequest { id, title } =
        ForkRequest::parse(body_of_known(&auth, &from, &request, payload).await?)?;
    let id = id.map_or_else(new_id, Ok)?;
    let idempotency = once::key(&request).map(|key| key.entry(StandsFor::Session(id.clone())));
    let copy = ask(&auth.tenant, CopySession(ForkSession { from, id, title, idempotency })).await?;
    Ok(one(HttpResponse::Created(), &copy))
}

#[derive(Serialize)]
struct Messages<'a> {
    object: &'static str,
    session_id: &'a str,
    data: Vec<MessageView<'a>>,
    has_more: bool,
    /// For `after`; only when there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<u64>,
    pagination: Pagination,
}

#[derive(Serialize)]
struct Pagination {
    limit: usize,
    offset: u64,
    order: &'static str,
    returned: usize,
}

/// Oldest first. Message ids count from 1 within the session, so `after` and `offset` say the same in two ways.
pub async fn messages(
    auth: Authorised,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Sessions)?;
    let session = of_path(&id)?;
    let params = Params::of(&request)?;
    let in_range = |text: &str| text.parse().ok().filter(|limit| (1..=MESSAGES).contains(limit));
    let limit =
        params.read("limit", &format!("a number from 1 to {MESSAGES}"), in_range)?.unwrap_or(MESSAGES);
    let offset: u64 = params.read("offset", "a number from 0", |text| text.parse().ok())?.unwrap_or_default();
    let after: u64 =
        params.read("after", "the id of a message", |text| text.parse().ok())?.unwrap_or_default();
    params.read("order", "`oldest`", |text| (text == "oldest").then_some(()))?;
    let asked = ReadSession { session: session.clone(), after: after.saturating_add(offset), limit };
    let page = ask(&auth.tenant, asked).await?;
    let thoughts = auth.tenant.config().api.show_reasoning;
    let body = if page.bytes <= INLINE {
        written(&session, &page, thoughts, limit, offset)
    } else {
        web::block(move || written(&session, &page, thoughts, limit, offset))
            .await
            .map_err(ApiError::internal)?
    };
    let body = body.map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(body))
}

fn written(
    session: &SessionId,
    page: &SessionMessages,
    thoughts: bool,
    limit: usize,
    offset: u64,
) -> serde_json::Result<Vec<u8>> {
    let last = page.messages.last().filter(|_| page.has_more);
    serde_json::to_vec(&Messages {
        object: "list",
        session_id: session.as_str(),
        data: page
            .messages
            .iter()
            .map(|row| MessageView::new(session.as_str(), row, page.summary.as_ref(), thoughts))
            .collect(),
        has_more: page.has_more,
        next_after: last.map(|row| row.number),
        pagination: Pagination { limit, offset, order: "oldest", returned: page.messages.len() },
    })
}
