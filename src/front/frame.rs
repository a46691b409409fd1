//! What surrounds every request and every answer: path, origin, request id, security headers, and a panic made a 500.

use super::{
    auth, client, cors,
    cors::Verdict,
    error::ApiError,
    path,
    shared::{self, Entry},
    trace,
};
use crate::actors::Tenant;
use actix_web::{
    Error, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use futures_util::FutureExt;
use std::{borrow::Cow, panic::AssertUnwindSafe, sync::Arc};
use uuid::fmt::Simple;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const SECURITY: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::PERMISSIONS_POLICY, "camera=(), microphone=(), geolocation=()"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_XSS_PROTECTION, "0"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// The outermost middleware.
///
/// # Errors
///
/// Only after a panic further in: the request is gone then, so the finished answer travels as an error.
pub async fn frame<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = request_id(request.headers());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let host = host(&request);
    let entry = match host {
        Ok(()) => shared::enter(&mut request).await,
        Err(_) => Entry::None,
    };
    normalise(&mut request);
    let verdict = match entry {
        // Says nothing of any profile, so every page may read it.
        Entry::Preflight | Entry::Refused(_) => cors::anybody(request.headers()),
        Entry::None | Entry::Proven => judge(&request),
    };
    // A page that came by a stranger's name is not told anything that it could read.
    let verdict = if host.is_ok() { verdict } else { Verdict::NoPage };
    let early = match (entry, &verdict) {
        (_, _) if host.is_err() => host.err().map(|error| error.error_response()),
        (Entry::Refused(error), _) => Some(error.error_response()),
        (_, Verdict::Refused) => Some(cors::refusal().error_response()),
        (_, Verdict::Allowed(_)) if request.method() == Method::OPTIONS => {
            Some(cors::preflight(request.headers()))
        }
        (_, Verdict::Allowed(_) | Verdict::NoPage) => None,
    };
    let finish = |headers: &mut HeaderMap| {
        for (name, value) in SECURITY {
            // A page has a content policy of its own.
            if !headers.contains_key(&name) {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        headers.insert(REQUEST_ID, id);
        if let Verdict::Allowed(origin) = verdict {
            cors::allow(origin, headers);
        }
    };
    if let Some(mut response) = early {
        finish(response.headers_mut());
        return Ok(request.into_response(response));
    }
    let failure = match AssertUnwindSafe(trace::traced(request, next)).catch_unwind().await {
        Ok(Ok(mut response)) => {
            finish(response.headers_mut());
            return Ok(response);
        }
        Ok(Err(error)) => error,
        Err(panic) => ApiError::internal(format!("a handler panicked: {}", said(&*panic))).into(),
    };
    let mut response = failure.error_response();
    finish(response.headers_mut());
    Err(InternalError::from_response(failure, response).into())
}

fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// The client's id when it is short and plain, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
        (1..=128).contains(&bytes.len()) && bytes.iter().all(plain)
    };
    if let Some(given) = headers.get(REQUEST_ID).filter(sane) {
        return given.clone();
    }
    let mut made = [0; "req_".len() + Simple::LENGTH];
    let (prefix, number) = made.split_at_mut("req_".len());
    prefix.copy_from_slice(b"req_");
    uuid::Uuid::now_v7().simple().encode_lower(number);
    HeaderValue::from_bytes(&made).unwrap_or_else(|_| HeaderValue::from_static("req"))
}

/// Whether the listener is known by the name that the request gives it.
fn host(request: &ServiceRequest) -> Result<(), ApiError> {
    // The listener's own profile, whichever one the path will name.
    let own = request.conn_data::<Arc<Tenant>>();
    own.map_or(Ok(()), |own| client::check_host(&own.config(), request.headers()))
}

fn judge(request: &ServiceRequest) -> Verdict {
    if !request.headers().contains_key(header::ORIGIN) {
        return Verdict::NoPage;
    }
    match auth::tenant(request.request()) {
        Ok(tenant) => cors::judge(&tenant.config().cors_origins, request.headers()),
        Err(_) => cors::judge(&[], request.headers()),
    }
}

/// Routes by the canonical path.
fn normalise(request: &mut ServiceRequest) {
    let canonical = match path::canonical(request.path()) {
        Cow::Owned(path) => path,
        Cow::Borrowed(_) => return,
    };
    path::replace(request, &canonical);
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_request_id_is_taken_over_only_when_it_is_sane() {
        let long = "x".repeat(129);
        for (given, taken) in
            [("abc-1.2:3_4", true), ("", false), ("a b", false), ("<x>", false), (&long, false)]
        {
            let request = TestRequest::get().insert_header(("x-request-id", given)).to_http_request();
            let id = request_id(request.headers());
            assert_eq!(id == *given, taken, "{given}");
            assert!(taken || id.to_str().unwrap().starts_with("req_"));
        }
    }
}
