//! Compressing a session when somebody wants it so: a turn of it that says `/compress`.

use super::{
    chat::new_run,
    request::TurnRequest,
    resources::{body_of_known, of_path},
};
use crate::{
    actors::{GetSession, GetSummary, NewRun, Scope},
    domain::{Author, OnBusy, RunId, SessionId, Summary, Usage, seconds},
    front::{
        ask::ask,
        auth::Authorised,
        error::ApiError,
        health, idempotency,
        json::Object,
        openai::chat_answer,
        options::{self, Options},
        reader,
    },
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Value, json};

const ROUTE: &str = "POST /api/sessions/{session_id}/compress";
/// Characters of what to look to.
pub const FOCUS: usize = 1_000;

#[derive(Serialize)]
struct Compression<'a> {
    object: &'static str,
    session_id: &'a SessionId,
    run_id: RunId,
    /// False: there was nothing that could give way.
    compressed: bool,
    message: &'a str,
    summary: Option<SummaryView<'a>>,
    usage: Usage,
}

/// What turns of the session are told instead of its older messages.
#[derive(Serialize)]
struct SummaryView<'a> {
    number: u32,
    /// Messages at the beginning that stay.
    first_messages: u64,
    /// The last message that it covers.
    last_covered: u64,
    author: Author,
    text: &'a str,
    created_at: f64,
}

impl<'a> SummaryView<'a> {
    fn new(summary: &'a Summary) -> Self {
        Self {
            number: summary.number,
            first_messages: summary.head,
            last_covered: summary.upto,
            author: summary.author,
            text: &summary.text,
            created_at: seconds(summary.at),
        }
    }
}

pub async fn compress(
    auth: Authorised,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Chat)?;
    let session = of_path(&id)?;
    let options = Options::of(request.headers())?;
    health::refuse_while_draining(&auth.tenant)?;
    let body = body_of_known(&auth, &session, &request, payload).await?;
    let before = ask(&auth.tenant, GetSession(session.clone())).await?;
    let route = ROUTE.replace("{session_id}", session.as_str());
    let idempotency = idempotency::of(&auth, request.headers(), &route, &body)?;
    let focus = focus(body)?;
    let mut parsed = TurnRequest::parse(json!({ "message": format!("/compress {focus}").trim() }))?;
    parsed.selection = parsed.selection.locked(before.lock);
    // Words to a running turn would not do it.
    let run = NewRun { idempotency, on_busy: OnBusy::Queue, ..new_run(&auth, &options, &session, parsed)? };
    let mut turn = reader::start(auth.tenant.clone(), run).await?;
    let ended = chat_answer::wait(&mut turn.reader, &auth.caller.revoked).await?;
    let mut head = HttpResponse::Ok();
    head.insert_header((options::RUN_ID, turn.run_id.to_string()));
    if turn.replayed {
        head.insert_header((options::REPLAYED, "true"));
    }
    let Some((message, _, usage)) = ended.answered() else {
        return Ok(ended.failure(head));
    };
    let summary = ask(&auth.tenant, GetSummary(session.clone())).await?;
    Ok(head.json(Compression {
        object: "hermes.session.compression",
        session_id: &session,
        run_id: turn.run_id,
        compressed: summary.as_ref().is_some_and(|summary| summary.number > before.summaries),
        message,
        summary: summary.as_ref().map(SummaryView::new),
        usage,
    }))
}

fn focus(body: Value) -> Result<String, ApiError> {
    let mut body = Object::body(body)?;
    let focus = body.string("focus")?.unwrap_or_default();
    let focus = focus.split_whitespace().collect::<Vec<_>>().join(" ");
    if focus.chars().count() > FOCUS {
        return Err(ApiError::invalid("focus", format!("`focus` is longer than {FOCUS} characters")));
    }
    Ok(focus)
}
