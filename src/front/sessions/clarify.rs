//! What the agents of sessions wait for, and answers to what they ask.

use super::resources::of_path;
use crate::{
    actors::{Asker, ListWaiting, Scope},
    domain::{Approval, ApprovalId, RunId, SessionId, seconds},
    front::{
        ask::ask,
        auth::Authorised,
        clarify::{ClarifyView, settle},
        error::ApiError,
    },
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

/// A question that waits.
#[derive(Serialize)]
struct Open<'a> {
    #[serde(flatten)]
    asked: ClarifyView<'a>,
    run_id: RunId,
    created_at: f64,
    expires_at: Option<f64>,
}

/// What waits for approval; `/v1/approvals/{id}` tells what it is.
#[derive(Serialize)]
struct Unapproved {
    approval_id: ApprovalId,
    run_id: RunId,
    created_at: f64,
    expires_at: Option<f64>,
}

/// A session in which something waits for a person.
#[derive(Serialize)]
struct Waiting<'a> {
    session_id: &'a SessionId,
    /// Of the oldest.
    since: f64,
    clarify: Vec<Open<'a>>,
    approvals: Vec<Unapproved>,
}

#[derive(Serialize)]
struct List<T> {
    object: &'static str,
    data: Vec<T>,
}

fn open(one: &Approval) -> Option<Open<'_>> {
    Some(Open {
        asked: ClarifyView::new(one.id, one.question.as_ref()?),
        run_id: one.run_id,
        created_at: seconds(one.created_at),
        expires_at: one.expires_at.map(seconds),
    })
}

/// Longest waiting first.
fn by_session(found: &[Approval]) -> Vec<Waiting<'_>> {
    let mut sessions: Vec<Waiting<'_>> = Vec::new();
    for one in found {
        let at = sessions.iter().position(|waiting| *waiting.session_id == one.session_id);
        let at = at.unwrap_or_else(|| {
            let since = seconds(one.created_at);
            let (clarify, approvals) = (Vec::new(), Vec::new());
            sessions.push(Waiting { session_id: &one.session_id, since, clarify, approvals });
            sessions.len() - 1
        });
        match open(one) {
            Some(question) => sessions[at].clarify.push(question),
            None => sessions[at].approvals.push(Unapproved {
                approval_id: one.id,
                run_id: one.run_id,
                created_at: seconds(one.created_at),
                expires_at: one.expires_at.map(seconds),
            }),
        }
    }
    sessions
}

/// `GET /api/sessions/waiting`.
pub async fn waiting(auth: Authorised) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Sessions)?;
    let found = ask(&auth.tenant, ListWaiting(None)).await?;
    Ok(HttpResponse::Ok().json(List { object: "list", data: by_session(&found) }))
}

/// `GET /api/sessions/{id}/clarify`.
pub async fn list(auth: Authorised, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Sessions)?;
    let found = ask(&auth.tenant, ListWaiting(Some(of_path(&id)?))).await?;
    Ok(HttpResponse::Ok().json(List { object: "list", data: found.iter().filter_map(open).collect() }))
}

#[derive(Serialize)]
struct Answered<'a> {
    object: &'static str,
    session_id: &'a SessionId,
    run_id: RunId,
    clarify_id: ApprovalId,
    response: Option<String>,
}

/// `POST /api/sessions/{id}/clarify`. A session that is unknown comes before a body that is bad.
pub async fn answer(
    auth: Authorised,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Chat)?;
    let session = of_path(&id)?;
    ask(&auth.tenant, ListWaiting(Some(session.clone()))).await?;
    let settled = settle(auth, &request, payload, Asker::Session(session.clone())).await?;
    Ok(HttpResponse::Ok().json(Answered {
        object: "hermes.session.clarify_response",
        session_id: &session,
        run_id: settled.run_id,
        clarify_id: settled.id,
        response: settled.reason,
    }))
}
