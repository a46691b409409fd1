//! A request that changes something is carried out once per `Idempotency-Key`: a retry gets the first one's answer.
//!
//! For the routes that start no run; those that do have the run itself to show. Only what succeeded is kept: a refusal
//! reserves nothing, so that a client can mend its request and keep its key. The answer is on disk before it is given. A
//! crash between the act and its answer leaves the key unused, and a retry acts again: what cannot be done twice without
//! harm, such as making a session, takes the key along ([`key`]) and is written together with it.

use super::{ask::ask, auth::Authorised, body, error::ApiError, idempotency, options, sessions::resources};
use crate::{
    actors::{Carried, FindAnswer, Idempotency, KeepAnswer},
    domain::KeptAnswer,
};
use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody, to_bytes},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::{self, Bytes},
};
use serde_json::Value;

/// An extension of an answer: what is kept for retries in place of its body.
pub struct KeepInstead(pub String);

/// The middleware around one route.
///
/// # Errors
///
/// What the handler gives; a conflict or a bad key.
pub async fn once<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if idempotency::key(request.headers())?.is_none() {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let auth = request.extract::<Authorised>().await?;
    let key = fingerprinted(&auth, &mut request).await?;
    // A client that goes away must not stop this half-way: the act would be done and its answer not kept.
    let carried_out = actix_web::rt::spawn(carry_out(auth, key, request, next));
    carried_out.await.map_err(ApiError::internal)?
}

async fn carry_out<B: MessageBody + 'static>(
    auth: Authorised,
    key: Idempotency,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let _turn = auth.tenant.under_way().enter(key.scope).await;
    match ask(&auth.tenant, FindAnswer(key.clone())).await? {
        Some(Carried::Answered(kept)) => return Ok(request.into_response(replay(&kept))),
        Some(Carried::Made(session)) => {
            let answer = resources::made(&session).map_err(ApiError::internal)?;
            let again = replay(&answer);
            ask(&auth.tenant, KeepAnswer { key, answer }).await?;
            return Ok(request.into_response(again));
        }
        None => {}
    }
    request.request().extensions_mut().insert(key.clone());
    let (request, response) = next.call(request).await?.into_parts();
    let (head, body) = response.into_parts();
    let body = to_bytes(body).await.map_err(|error| ApiError::internal(error.into()))?;
    if head.status().is_success() {
        let answer = kept(&head, &body);
        ask(&auth.tenant, KeepAnswer { key, answer }).await?;
    }
    Ok(ServiceResponse::new(request, head.set_body(body).map_into_boxed_body()))
}

/// The key of a request that is being carried out once.
pub fn key(request: &HttpRequest) -> Option<Idempotency> {
    request.extensions().get().cloned()
}

/// Reads the body for its fingerprint, and puts it back for the handler.
async fn fingerprinted(auth: &Authorised, request: &mut ServiceRequest) -> Result<Idempotency, ApiError> {
    let payload = request.extract::<web::Payload>().await.map_err(ApiError::internal)?;
    let bytes = body::bytes(request.request(), payload, &auth.tenant).await?;
    // What is no JSON is refused by the handler; until then it is a text like any other.
    let parsed = body::parsed(request.request(), bytes.clone()).await;
    let body = parsed.unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    let route = format!("{} {}", request.method(), request.match_pattern().unwrap_or_default());
    // The ids in the path are part of what is asked.
    let asked = serde_json::json!([request.path(), body]);
    let key = idempotency::of(auth, request.headers(), &route, &asked)?;
    request.set_payload(again(bytes));
    key.ok_or_else(|| ApiError::internal("a key that was there is gone"))
}

fn again(bytes: Bytes) -> Payload {
    let (_, mut payload) = actix_http::h1::Payload::create(true);
    payload.unread_data(bytes);
    payload.into()
}

fn is_ours(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-hermes-")
}

fn kept<T>(head: &HttpResponse<T>, body: &Bytes) -> KeptAnswer {
    let headers = head.headers().iter().filter(|(name, _)| is_ours(name));
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    KeptAnswer {
        status: head.status().as_u16(),
        headers: headers.map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: match head.extensions().get::<KeepInstead>() {
            Some(KeepInstead(body)) => body.clone(),
            None => String::from_utf8_lossy(body).into_owned(),
        },
    }
}

fn replay(kept: &KeptAnswer) -> HttpResponse {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CONTENT_TYPE, "application/json"));
    response.insert_header((options::REPLAYED, "true"));
    for (name, value) in &kept.headers {
        response.insert_header((name.as_str(), value.as_str()));
    }
    response.body(kept.body.clone())
}
