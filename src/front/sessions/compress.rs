//! Compressing a session when somebody wants it so: a turn of it that says `/compress`.

use super::{
    chat::new_run,
    request::TurnRequest,
    resources::{body_of_known, of_path},
};
use crate::{
    actors::{Caller, GetSession, GetSummary, Idempotency, NewRun, Scope, Tenant},
    domain::{Author, OnBusy, RunId, SessionId, Summary, Usage, seconds},
    front::{
        ask::ask,
        auth::Authorised,
        error::ApiError,
        health, idempotency,
        json::Object,
        openai::chat_answer::{self, Ended},
        options::{self, Options},
        reader,
    },
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

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
    let route = ROUTE.replace("{session_id}", session.as_str());
    let idempotency = idempotency::of(&auth, request.headers(), &route, &body)?;
    let focus = Object::body(body)?.string("focus")?.unwrap_or_default();
    let turn = CompressingTurn::run(&auth, &options, session, &focus, idempotency).await?;
    let mut head = HttpResponse::Ok();
    head.insert_header((options::RUN_ID, turn.run_id.to_string()));
    if turn.replayed {
        head.insert_header((options::REPLAYED, "true"));
    }
    match turn.told(&auth.tenant).await? {
        Some(told) => Ok(head.json(told)),
        None => Ok(turn.ended.failure(head)),
    }
}

/// The same for whoever owns the machine.
///
/// # Errors
///
/// There is no such session, or the turn failed: with why.
pub async fn of_operator(
    tenant: &Arc<Tenant>,
    caller: Caller,
    session: &str,
    focus: &str,
) -> Result<Value, ApiError> {
    let session = of_path(session)?;
    health::refuse_while_draining(tenant)?;
    let auth = Authorised { tenant: tenant.clone(), caller };
    let options = Options { session: None, session_key: None, on_disconnect: None, on_busy: None };
    let turn = Box::pin(CompressingTurn::run(&auth, &options, session, focus, None)).await?;
    let told = turn.told(tenant).await?;
    told.ok_or_else(|| turn.ended.error())
}

/// The turn that does it, at its end.
struct CompressingTurn {
    run_id: RunId,
    replayed: bool,
    session: SessionId,
    /// Summaries that the session had before.
    before: u32,
    ended: Ended,
}

impl CompressingTurn {
    async fn run(
        auth: &Authorised,
        options: &Options,
        session: SessionId,
        about: &str,
        idempotency: Option<Idempotency>,
    ) -> Result<Self, ApiError> {
        let before = ask(&auth.tenant, GetSession(session.clone())).await?;
        let focus = focus(about)?;
        let mut parsed = TurnRequest::parse(json!({ "message": format!("/compress {focus}").trim() }))?;
        parsed.selection = parsed.selection.locked(before.lock);
        // Words to a running turn would not do it.
        let run = NewRun { idempotency, on_busy: OnBusy::Queue, ..new_run(auth, options, &session, parsed)? };
        let mut turn = reader::start(auth.tenant.clone(), run).await?;
        let ended = chat_answer::wait(&mut turn.reader, &auth.caller.revoked).await?;
        let (run_id, replayed, before) = (turn.run_id, turn.replayed, before.summaries);
        Ok(Self { run_id, replayed, session, before, ended })
    }

    /// What came of it; `None` when the turn failed.
    async fn told(&self, tenant: &Arc<Tenant>) -> Result<Option<Value>, ApiError> {
        let Some((message, _, usage)) = self.ended.answered() else { return Ok(None) };
        let summary = ask(tenant, GetSummary(self.session.clone())).await?;
        Ok(Some(json!(Compression {
            object: "hermes.session.compression",
            session_id: &self.session,
            run_id: self.run_id,
            compressed: summary.as_ref().is_some_and(|summary| summary.number > self.before),
            message,
            summary: summary.as_ref().map(SummaryView::new),
            usage,
        })))
    }
}

fn focus(focus: &str) -> Result<String, ApiError> {
    let focus = focus.split_whitespace().collect::<Vec<_>>().join(" ");
    if focus.chars().count() > FOCUS {
        return Err(ApiError::invalid("focus", format!("`focus` is longer than {FOCUS} characters")));
    }
    Ok(focus)
}
