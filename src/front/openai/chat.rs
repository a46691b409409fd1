//! `POST /v1/chat/completions`.

use super::{
    chat_answer::{self, Answer},
    chat_request::ChatRequest,
    chat_stream::ChatStream,
};
use crate::{
    actors::{Idempotency, NewRun, Scope},
    domain::{OnDisconnect, RunId, Seq, SessionRef, Surface},
    front::{
        auth::Authorised,
        body,
        error::ApiError,
        health, idempotency,
        json::Object,
        options::{self, Options},
        reader::{self, Turn},
        selection::Decided,
        sessions::resolve::{self, Named, Opening},
        sse,
    },
};
use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{HeaderMap, HeaderValue},
    web,
};
use serde_json::Value;

/// The route's name in the scope of idempotency keys.
const ROUTE: &str = "POST /v1/chat/completions";

/// Takes a turn on, or goes on reading one, and answers as the client asked: in one piece or as a stream.
pub async fn complete(
    auth: Authorised,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Chat)?;
    let options = Options::of(request.headers())?;
    let resume = Resume::of(&request)?;
    if resume.is_none() {
        health::refuse_while_draining(&auth.tenant)?;
    }
    let body = body::json(&request, payload, &auth.tenant).await?;
    let (turn, stream) = match &resume {
        Some(resume) => {
            let stream = Object::body(body)?.flag("stream")?.unwrap_or_default();
            // An answer in one piece needs the whole log.
            let after = if stream { resume.after } else { Seq::default() };
            (reader::rejoin(&auth.tenant, resume.run_id, after).await?, stream)
        }
        None => begin(&auth, &request, &options, body).await?,
    };
    let head = head(&turn, &options);
    if stream {
        let resumed = resume.is_some_and(|resume| resume.after > Seq::default());
        Ok(streamed(&auth, turn, head, resumed))
    } else {
        whole(&auth, turn, head).await
    }
}

/// A client that comes back: it names the run, and the last event that it has seen.
pub struct Resume {
    pub run_id: RunId,
    pub after: Seq,
}

impl Resume {
    /// # Errors
    ///
    /// 404 for what is no run's id, 400 for what is no event's number.
    pub fn of(request: &HttpRequest) -> Result<Option<Self>, ApiError> {
        let name = options::text(request.headers(), &options::RUN_ID);
        let Some(id) = name.map_err(|()| ApiError::run_not_found("?"))? else {
            return Ok(None);
        };
        let run_id = RunId::parse(id).ok_or_else(|| ApiError::run_not_found(id))?;
        let after = sse::last_event_id(request)?.unwrap_or_default();
        Ok(Some(Self { run_id, after }))
    }
}

async fn begin(
    auth: &Authorised,
    request: &HttpRequest,
    options: &Options,
    body: Value,
) -> Result<(Turn, bool), ApiError> {
    let idempotency = idempotency::of(auth, request.headers(), ROUTE, &body)?;
    let parsed = ChatRequest::parse(body)?;
    let stream = parsed.stream;
    let session = session(auth, request.headers(), options, &parsed)?;
    let run = new_run(auth, options, idempotency, session, parsed).await?;
    Ok((reader::start(auth.tenant.clone(), run).await?, stream))
}

/// The session that the header names, else a label for the conversation.
fn session(
    auth: &Authorised,
    headers: &HeaderMap,
    options: &Options,
    request: &ChatRequest,
) -> Result<Option<SessionRef>, ApiError> {
    let named = Named { header: options.session.clone(), ..Named::default() }.session()?;
    let label = || {
        let end_user = resolve::end_user(auth, headers, request.end_user());
        let opening = Opening {
            key: &auth.caller.key_id,
            end_user,
            system: request.system.as_deref(),
            first: request.first(),
        };
        opening.label()
    };
    Ok(named.or_else(label))
}

async fn new_run(
    auth: &Authorised,
    options: &Options,
    idempotency: Option<Idempotency>,
    session: Option<SessionRef>,
    request: ChatRequest,
) -> Result<NewRun, ApiError> {
    let config = auth.tenant.config();
    let named = session.as_ref().is_some_and(|session| session.named);
    // A client with a key comes back for its answer; another that goes away has pressed stop.
    let default = if idempotency.is_some() { OnDisconnect::Continue } else { OnDisconnect::Cancel };
    let ChatRequest {
        selection,
        stream: _,
        system,
        history,
        results,
        input,
        tools,
        agents_tools,
        mut sampling,
    } = request;
    let selection = selection.in_session(auth, session.as_ref(), None).await?;
    let Decided { model, upstream, runtime: _ } = selection.resolve(&config, Surface::Chat, &mut sampling)?;
    Ok(NewRun {
        session_key: options.session_key(),
        surface: Surface::Chat,
        caller: auth.caller.clone(),
        model,
        system,
        // A named session has its own history: of the request only the last message counts.
        history: if named { Vec::new() } else { history },
        results,
        input,
        client_tools: tools,
        tools: agents_tools,
        upstream,
        runtime: None,
        sampling,
        session,
        on_busy: options.on_busy.unwrap_or(config.api.on_busy),
        previous: None,
        history_limit: None,
        response: None,
        load_history: named,
        on_disconnect: options.on_disconnect.unwrap_or(default),
        unattended: Some(config.approvals.unattended),
        background: false,
        durable: named || idempotency.is_some(),
        idempotency,
    })
}

/// What every answer of a turn says in its headers.
pub(super) fn head(turn: &Turn, options: &Options) -> HttpResponseBuilder {
    let mut head = HttpResponse::Ok();
    if let Ok(session) = HeaderValue::from_bytes(turn.session_id.as_str().as_bytes()) {
        head.insert_header((options::SESSION_ID, session));
    }
    head.insert_header((options::RUN_ID, turn.run_id.to_string()));
    if let Some(key) = &options.session_key {
        head.insert_header((options::SESSION_KEY, key.clone()));
    }
    if turn.replayed {
        head.insert_header((options::REPLAYED, "true"));
    }
    if turn.steered {
        head.insert_header((options::STEERED, "true"));
    }
    head
}

fn streamed(auth: &Authorised, turn: Turn, head: HttpResponseBuilder, resumed: bool) -> HttpResponse {
    let tools = auth.tenant.toolset();
    let presenter = ChatStream::new(turn.run_id, turn.created_at, &turn.model, tools, resumed);
    sse::response(head, turn.reader, presenter, auth.caller.revoked.clone())
}

async fn whole(
    auth: &Authorised,
    mut turn: Turn,
    head: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let ended = chat_answer::wait(&mut turn.reader, &auth.caller.revoked).await?;
    let answer = Answer {
        run_id: turn.run_id,
        created_at: turn.created_at,
        model: &turn.model,
        failed_turn_ok: auth.tenant.config().api.failed_turn_ok,
    };
    Ok(answer.render(&ended, head))
}
