//! `/v1/runs`: start, list, look, follow, stop.

use super::{
    approvals_view::Page,
    ask::{ask, patience_for_a_turn},
    auth::Authorised,
    body,
    error::ApiError,
    health, idempotency,
    options::{self, Options},
    query::Params,
    reader,
    runs_request::RunRequest,
    runs_stream::RunStream,
    runs_view::RunView,
    selection::Decided,
    sessions::resolve::Named,
    sse,
};
use crate::{
    actors::{GetRun, Idempotency, ListRuns, NewRun, Scope, StartRun, StartedRun, StopRun},
    domain::{ClientTools, OnDisconnect, RunId, RunRecord, RunStatus, Seq, SessionId, Surface},
    store::RunFilter,
};
use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;

const ROUTE: &str = "POST /v1/runs";
/// Rows of a page when the client names no limit.
const PAGE: usize = 50;
/// Bytes of the texts of a page: outputs may have megabytes each, and a page is held in memory.
const PAGE_TEXT: usize = 4 << 20;

#[derive(Serialize)]
struct Accepted<'a> {
    run_id: RunId,
    status: &'static str,
    session_id: &'a SessionId,
    replayed: bool,
    /// The words were said to a run at work; no other one was begun.
    steered: bool,
}

/// 202: the run is on disk and goes on by itself.
pub async fn start(
    auth: Authorised,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Runs)?;
    health::refuse_while_draining(&auth.tenant)?;
    let options = Options::of(request.headers())?;
    let body = body::json(&request, payload, &auth.tenant).await?;
    let idempotency = idempotency::of(&auth, request.headers(), ROUTE, &body)?;
    let run = new_run(&auth, &options, idempotency, RunRequest::parse(body)?).await?;
    let profile = auth.tenant.profile().await?;
    let started = profile.send(StartRun(Box::new(run))).timeout(patience_for_a_turn(&auth.tenant)).await??;
    let StartedRun { run_id, session_id, replayed, steered, .. } = started;
    let mut response = HttpResponse::Accepted();
    response.insert_header((options::RUN_ID, run_id.to_string()));
    if let Some(key) = options.session_key {
        response.insert_header((options::SESSION_KEY, key));
    }
    if replayed {
        response.insert_header((options::REPLAYED, "true"));
    }
    if steered {
        response.insert_header((options::STEERED, "true"));
    }
    Ok(response.json(Accepted { run_id, status: "started", session_id: &session_id, replayed, steered }))
}

async fn new_run(
    auth: &Authorised,
    options: &Options,
    idempotency: Option<Idempotency>,
    request: RunRequest,
) -> Result<NewRun, ApiError> {
    let RunRequest {
        selection,
        system,
        history,
        history_is_whole,
        input,
        mut sampling,
        session,
        on_busy,
        previous,
        tools,
    } = request;
    let previous = previous.filter(|_| !history_is_whole);
    let session = Named { header: options.session.clone(), body: session, ..Named::default() }.session()?;
    let selection = selection.in_session(auth, session.as_ref(), previous).await?;
    let Decided { model, upstream, runtime: _ } =
        selection.resolve(&auth.tenant.config(), Surface::Runs, &mut sampling)?;
    Ok(NewRun {
        session_key: options.session_key(),
        surface: Surface::Runs,
        caller: auth.caller.clone(),
        model,
        system,
        // A history in the request is the whole of it.
        load_history: session.is_some() && !history_is_whole && previous.is_none(),
        history,
        results: Vec::new(),
        input,
        client_tools: ClientTools::default(),
        tools,
        upstream,
        runtime: None,
        sampling,
        session,
        on_busy: options.on_busy.or(on_busy).unwrap_or(auth.tenant.config().api.on_busy),
        previous,
        history_limit: None,
        response: None,
        on_disconnect: options.on_disconnect.unwrap_or(OnDisconnect::Continue),
        unattended: None,
        background: true,
        durable: true,
        idempotency,
    })
}

/// Runs of every surface, newest first.
pub async fn list(auth: Authorised, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Runs)?;
    let params = Params::of(&request)?;
    let statuses = RunStatus::ALL.map(RunStatus::wire).join(", ");
    let limit = params.limit(PAGE)?;
    let filter = RunFilter {
        status: params.read("status", &format!("one of: {statuses}"), RunStatus::parse)?,
        session: params.read("session_id", "a session id", |text| SessionId::parse(text).ok())?,
        after: params.read("after", "a run id", RunId::parse)?,
        limit: limit + 1,
        text: Some(PAGE_TEXT),
    };
    let records = ask(&auth.tenant, ListRuns(filter)).await?;
    let rows = records.iter().map(|record| RunView::new(record, &[])).collect();
    Ok(HttpResponse::Ok().json(Page::cut(rows, limit.min(fitting(&records)))))
}

/// How many of these runs a page has room for; one in any case. Only the last can be too much: the list ends with it.
fn fitting(records: &[RunRecord]) -> usize {
    let text: usize = records.iter().map(|record| record.text.len()).sum();
    (records.len() - usize::from(text > PAGE_TEXT)).max(1)
}

pub async fn show(auth: Authorised, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Runs)?;
    let view = ask(&auth.tenant, GetRun(run_id(&id)?)).await?;
    Ok(HttpResponse::Ok().json(RunView::new(&view.record, &view.approvals)))
}

/// The run's events from `Last-Event-ID` or `?after=` on, to the terminal one.
pub async fn events(
    auth: Authorised,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Runs)?;
    let run_id = run_id(&id)?;
    // A reconnecting client sends the header by itself, with the first request's query: the header is newer.
    let after = match sse::last_event_id(&request)? {
        Some(seen) => seen,
        None => {
            let read = |text: &str| text.parse().ok().map(Seq);
            Params::of(&request)?.read("after", "the number of an event", read)?.unwrap_or_default()
        }
    };
    let turn = reader::rejoin(&auth.tenant, run_id, after).await?;
    let mut head = HttpResponse::Ok();
    if request.method() == Method::HEAD {
        return Ok(sse::headers(&mut head).finish());
    }
    Ok(sse::response(head, turn.reader, RunStream(run_id), auth.caller.revoked.clone()))
}

#[derive(Serialize)]
struct Stopped {
    run_id: RunId,
    status: RunStatus,
}

/// Ends a run; of a finished one it tells how it ended.
pub async fn stop(auth: Authorised, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Runs)?;
    let run_id = run_id(&id)?;
    let status = ask(&auth.tenant, StopRun(run_id)).await?;
    Ok(HttpResponse::Ok().json(Stopped { run_id, status }))
}

/// # Errors
///
/// `run_not_found`: a malformed id is as unknown as any other.
pub fn run_id(text: &str) -> Result<RunId, ApiError> {
    RunId::parse(text).ok_or_else(|| ApiError::run_not_found(text))
}
