//! What the proxy itself says: short texts, since a person or a model reads them in the output of some program.

use super::forward::Forwarded;
use crate::egress::refusal::{Refusal, Why};
use http_body_util::{Either, Full};
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderValue, PROXY_AUTHENTICATE},
};

pub type Body = Either<Full<Bytes>, Forwarded>;

pub fn text(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::from(format!("hermes: {text}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The answer to an accepted `CONNECT`: from here on the connection is a tunnel.
pub fn open() -> Response<Body> {
    Response::new(Either::Left(Full::default()))
}

pub fn unproven() -> Response<Body> {
    let why = "this proxy belongs to another command: use the URL in the variable http_proxy, with its token";
    let mut response = text(StatusCode::PROXY_AUTHENTICATION_REQUIRED, why);
    response.headers_mut().insert(PROXY_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"hermes\""));
    response
}

pub fn crowded() -> Response<Body> {
    text(StatusCode::SERVICE_UNAVAILABLE, "too many connections of one command; close some, and try again")
}

pub fn refused(refusal: &Refusal) -> Response<Body> {
    let status = match refusal.why {
        Why::Off | Why::NotListed | Why::Inside(_) | Why::Never(_) | Why::Gateway | Why::Mail => {
            StatusCode::FORBIDDEN
        }
        Why::Unknown | Why::Unreachable => StatusCode::BAD_GATEWAY,
        Why::LookupTimeout | Why::ConnectTimeout => StatusCode::GATEWAY_TIMEOUT,
    };
    text(status, &refusal.to_string())
}
