//! The span of a request, under which everything is logged that happens for it.

use super::frame::REQUEST_ID;
use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
};
use tracing::{Span, field};
use tracing_actix_web::RootSpanBuilder;

/// Profile, request id, method, path, status. Never the query, which may hold words of the user, nor a key.
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let tenant = super::auth::tenant(request.request()).ok();
        let profile = tenant.as_ref().map(|tenant| tenant.config().name.clone());
        let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
        tracing::info_span!(
            "request",
            profile = profile.as_ref().map(field::display),
            request_id = id,
            method = %request.method(),
            path = request.path(),
            status = field::Empty,
        )
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let status = match outcome {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        span.record("status", status.as_u16());
        span.in_scope(|| tracing::debug!("answered"));
    }
}
