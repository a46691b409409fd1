//! A turn of a session: answered in one piece, or as a stream. A client that goes away does not end it.

use super::{
    model::RuntimeView,
    request::TurnRequest,
    resolve::Named,
    resources::of_path,
    stream::{SessionStream, Told, WithMessages},
};
use crate::{
    actors::{GetRunMessages, GetSession, NewRun, RunMessages, Scope},
    domain::{ClientTools, Content, OnDisconnect, Runtime, Sampling, Seq, SessionId, Surface, Usage},
    front::{
        ask::ask,
        auth::Authorised,
        body,
        error::ApiError,
        health, idempotency,
        openai::{
            chat::Resume,
            chat_answer::{self, Ended},
        },
        options::{self, Options},
        reader::{self, Turn},
        selection::Decided,
        sse,
    },
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::header::HeaderValue, web};
use serde::Serialize;

/// The road of both routes in the scope of idempotency keys: a retry may ask for the other form.
const ROUTE: &str = "POST /api/sessions/{session_id}/chat";

/// What a request asked for, with the turn that came of it.
struct Asked {
    auth: Authorised,
    session: SessionId,
    options: Options,
    turn: Turn,
    input: Content,
    /// `None` in turns from before it was kept.
    runtime: Option<Runtime>,
    /// The last event that the client has seen.
    seen: Seq,
}

pub async fn chat(
    auth: Authorised,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let mut asked = asked(auth, request, &id, payload).await?;
    let ended = chat_answer::wait(&mut asked.turn.reader, &asked.auth.caller.revoked).await?;
    Ok(answer(&asked, &ended))
}

pub async fn stream(
    auth: Authorised,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let asked = asked(auth, request, &id, payload).await?;
    let head = head(&asked);
    let Asked { auth, session, options: _, turn, input, runtime, seen } = asked;
    let told = Told::default();
    let source = WithMessages::new(turn.reader, auth.tenant.clone(), turn.run_id, told.clone());
    let thoughts = auth.tenant.config().api.show_reasoning;
    let presenter = SessionStream::new(turn.run_id, session, input, runtime, seen, told, thoughts);
    Ok(sse::response(head, source, presenter, auth.caller.revoked))
}

/// Takes the turn on, or finds the one that the client comes back to.
async fn asked(
    auth: Authorised,
    request: HttpRequest,
    id: &str,
    payload: web::Payload,
) -> Result<Asked, ApiError> {
    auth.require(Scope::Chat)?;
    let session = of_path(id)?;
    let options = Options::of(request.headers())?;
    if let Some(resume) = Resume::of(&request)? {
        return resumed(auth, session, options, resume).await;
    }
    health::refuse_while_draining(&auth.tenant)?;
    let header = ask(&auth.tenant, GetSession(session.clone())).await?;
    let body = body::json(&request, payload, &auth.tenant).await?;
    let route = ROUTE.replace("{session_id}", session.as_str());
    let idempotency = idempotency::of(&auth, request.headers(), &route, &body)?;
    let mut parsed = TurnRequest::parse(body)?;
    parsed.selection = parsed.selection.locked(header.lock);
    // As it is kept: a reader that comes back is told the same.
    let mut input = parsed.input.clone();
    auth.tenant.redactor().clean_content(&mut input);
    let run = NewRun { idempotency, ..new_run(&auth, &options, &session, parsed)? };
    let mut runtime = run.runtime.clone();
    let turn = reader::start(auth.tenant.clone(), run).await?;
    if turn.replayed {
        // The model may have been chosen anew since.
        runtime = ask(&auth.tenant, GetRunMessages(turn.run_id)).await?.runtime;
    }
    Ok(Asked { auth, session, options, turn, input, runtime, seen: Seq::default() })
}

/// The stream is rendered from its beginning whatever the client has seen: its frames are counted.
async fn resumed(
    auth: Authorised,
    session: SessionId,
    options: Options,
    resume: Resume,
) -> Result<Asked, ApiError> {
    let turn = reader::rejoin(&auth.tenant, resume.run_id, Seq::default()).await?;
    if turn.session_id != session {
        return Err(ApiError::run_not_found(resume.run_id));
    }
    let RunMessages { input, runtime, .. } = ask(&auth.tenant, GetRunMessages(resume.run_id)).await?;
    Ok(Asked { auth, session, options, turn, input, runtime, seen: resume.after })
}

pub(super) fn new_run(
    auth: &Authorised,
    options: &Options,
    session: &SessionId,
    request: TurnRequest,
) -> Result<NewRun, ApiError> {
    let config = auth.tenant.config();
    let TurnRequest { input, system, selection, on_busy, tools } = request;
    let mut sampling = Sampling::default();
    let Decided { model, upstream, runtime } =
        selection.resolve(&config, Surface::SessionChat, &mut sampling)?;
    let named = Named { route: Some(session.clone()), header: options.session.clone(), ..Named::default() };
    Ok(NewRun {
        session_key: options.session_key(),
        surface: Surface::SessionChat,
        caller: auth.caller.clone(),
        model,
        system,
        history: Vec::new(),
        results: Vec::new(),
        input,
        client_tools: ClientTools::default(),
        tools,
        upstream,
        runtime: Some(runtime),
        sampling,
        session: named.session()?,
        on_busy: options.on_busy.or(on_busy).unwrap_or(config.api.on_busy),
        load_history: true,
        previous: None,
        history_limit: None,
        response: None,
        on_disconnect: options.on_disconnect.unwrap_or(OnDisconnect::Continue),
        unattended: Some(config.approvals.unattended),
        background: false,
        durable: true,
        idempotency: None,
    })
}

/// What every answer of a turn says in its headers.
fn head(asked: &Asked) -> HttpResponseBuilder {
    let mut head = HttpResponse::Ok();
    if let Ok(session) = HeaderValue::from_bytes(asked.session.as_str().as_bytes()) {
        head.insert_header((options::SESSION_ID, session));
    }
    head.insert_header((options::RUN_ID, asked.turn.run_id.to_string()));
    if let Some(key) = &asked.options.session_key {
        head.insert_header((options::SESSION_KEY, key.clone()));
    }
    if asked.turn.replayed {
        head.insert_header((options::REPLAYED, "true"));
    }
    if asked.turn.steered {
        head.insert_header((options::STEERED, "true"));
    }
    head
}

#[derive(Serialize)]
struct Completion<'a> {
    object: &'static str,
    session_id: &'a SessionId,
    run_id: crate::domain::RunId,
    message: Answer<'a>,
    finish_reason: &'static str,
    usage: Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<RuntimeView<'a>>,
}

#[derive(Serialize)]
struct Answer<'a> {
    role: &'static str,
    content: &'a str,
}

fn answer(asked: &Asked, ended: &Ended) -> HttpResponse {
    let mut head = head(asked);
    match ended.answered() {
        Some((content, finish, usage)) => head.json(Completion {
            object: "hermes.session.chat.completion",
            session_id: &asked.session,
            run_id: asked.turn.run_id,
            message: Answer { role: "assistant", content },
            finish_reason: finish.wire(),
            usage,
            runtime: asked.runtime.as_ref().map(RuntimeView::from),
        }),
        None => ended.failure(head),
    }
}
