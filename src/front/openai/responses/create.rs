//! `POST /v1/responses`.

use super::{
    fold::Fold,
    request::CreateRequest,
    stream::{ResponseStream, Seen},
    whole,
};
use crate::{
    actors::{Idempotency, NewRun, Scope},
    domain::{
        Code, OnDisconnect, ResponseId, ResponseRecord, ResponseRequest, SessionId, SessionRef, Surface,
        ToolItems,
    },
    front::{
        auth::Authorised,
        body,
        error::ApiError,
        health, idempotency,
        openai::chat,
        options::{self, Options},
        reader::{self, Turn},
        selection::Decided,
        sessions::resolve::Named,
        sse,
    },
};
use actix_web::{HttpRequest, HttpResponse, http::header::HeaderName, web};
use serde_json::Value;

/// The route's name in the scope of idempotency keys.
const ROUTE: &str = "POST /v1/responses";
/// The form of the agent's own calls.
const TOOL_ITEMS: HeaderName = HeaderName::from_static("x-hermes-tool-items");

/// Takes a turn on and answers as the client asked: in one piece, as a stream, or at once.
pub async fn create(
    auth: Authorised,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Chat)?;
    let options = Options::of(request.headers())?;
    let tool_items = tool_items(&auth, &request)?;
    health::refuse_while_draining(&auth.tenant)?;
    let body = body::json(&request, payload, &auth.tenant).await?;
    let (stream, turn) = begin(&auth, &request, &options, tool_items, body).await?;
    let Begun { turn, response } = turn;
    let head = chat::head(&turn, &options);
    let revoked = &auth.caller.revoked;
    if stream {
        let presenter = ResponseStream::new(response, turn.reader.results(), Seen::default());
        return Ok(sse::response(head, turn.reader, presenter, revoked.clone()));
    }
    let background = response.request.background;
    let fold = Fold::new(response, turn.reader.results());
    if background {
        return whole::as_it_stands(turn.reader, fold, head, revoked).await;
    }
    whole::at_its_end(turn.reader, fold, head, revoked).await
}

/// A turn with the response that shows it.
struct Begun {
    turn: Turn,
    response: ResponseRecord,
}

async fn begin(
    auth: &Authorised,
    request: &HttpRequest,
    options: &Options,
    tool_items: ToolItems,
    body: Value,
) -> Result<(bool, Begun), ApiError> {
    let idempotency = idempotency::of(auth, request.headers(), ROUTE, &body)?;
    let parsed = CreateRequest::parse(body, tool_items)?;
    let (stream, request, previous) = (parsed.stream, parsed.response.clone(), parsed.previous);
    let run = new_run(auth, options, idempotency, parsed).await?;
    let turn = reader::start(auth.tenant.clone(), run).await.map_err(placed)?;
    let mut response = match turn.response.clone() {
        Some(response) => response,
        // The earlier request of this key was not to be stored; this one is the same.
        None => unstored(&turn, request, previous),
    };
    // As it is kept: a reader that comes back is told the same.
    auth.tenant.redactor().clean_response(&mut response);
    Ok((stream, Begun { turn, response }))
}

fn unstored(turn: &Turn, request: ResponseRequest, previous: Option<ResponseId>) -> ResponseRecord {
    ResponseRecord {
        run_id: turn.run_id,
        created_at: turn.created_at,
        model: turn.model.clone(),
        session: SessionRef { id: turn.session_id.clone(), named: false },
        previous: previous.map(Into::into),
        system: None,
        request,
        kept: false,
    }
}

/// The profile knows what is wrong, the front under which name it was sent.
fn placed(error: ApiError) -> ApiError {
    if error.code == Code::PreviousResponseNotFound { error.at("previous_response_id") } else { error }
}

fn tool_items(auth: &Authorised, request: &HttpRequest) -> Result<ToolItems, ApiError> {
    let expected = || {
        let name = "X-Hermes-Tool-Items";
        ApiError::invalid(name, format!("{name} must be `function_call` or `mcp_call`"))
    };
    let Some(text) = options::text(request.headers(), &TOOL_ITEMS).map_err(|()| expected())? else {
        return Ok(auth.tenant.config().responses.tool_items);
    };
    let named = ToolItems::NAMED.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name));
    named.map(|(_, form)| form).ok_or_else(expected)
}

async fn new_run(
    auth: &Authorised,
    options: &Options,
    idempotency: Option<Idempotency>,
    request: CreateRequest,
) -> Result<NewRun, ApiError> {
    let config = auth.tenant.config();
    let CreateRequest {
        selection,
        stream: _,
        history,
        results,
        input,
        client_tools,
        tools,
        system,
        mut sampling,
        previous,
        history_limit,
        on_busy,
        response,
    } = request;
    let earlier = response.conversation.as_deref().map(conversation).transpose()?;
    if options.session.is_some() && earlier.is_some() {
        let message = "Cannot use both 'conversation' and X-Hermes-Session-Id: a conversation is a session.";
        return Err(ApiError::invalid("conversation", message));
    }
    let named = Named { header: options.session.clone(), earlier, ..Named::default() };
    let session = named.session()?;
    let selection = selection.in_session(auth, session.as_ref(), previous).await?;
    let Decided { model, upstream, runtime: _ } =
        selection.resolve(&config, Surface::Responses, &mut sampling)?;
    let lives_on = response.background || idempotency.is_some();
    Ok(NewRun {
        session_key: options.session_key(),
        surface: Surface::Responses,
        caller: auth.caller.clone(),
        model,
        system,
        history,
        results,
        input,
        client_tools,
        tools,
        upstream,
        runtime: None,
        sampling,
        // A chain has its own history, and one in the request is the whole of it.
        load_history: session.is_some() && previous.is_none() && response.given == 0,
        session,
        on_busy: options.on_busy.or(on_busy).unwrap_or(config.api.on_busy),
        previous,
        history_limit,
        on_disconnect: options.on_disconnect.unwrap_or(if lives_on {
            OnDisconnect::Continue
        } else {
            OnDisconnect::Cancel
        }),
        unattended: Some(config.approvals.unattended),
        background: response.background,
        durable: response.store,
        idempotency,
        response: Some(response),
    })
}

/// The session of a conversation. Its name may be any text, so a hash stands for it.
fn conversation(name: &str) -> Result<SessionId, ApiError> {
    let hash = blake3::hash(name.as_bytes()).to_hex();
    SessionId::parse(&format!("conv_{}", hash.get(..32).unwrap_or_default())).map_err(ApiError::internal)
}
