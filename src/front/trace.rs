//! The span of a request, under which everything is logged that happens for it.

use super::frame::REQUEST_ID;
use actix_web::{
    Error,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Bytes,
};
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tracing::{Instrument as _, Span, field};

/// Serves the request under its span; what streams stays under it to its end.
///
/// # Errors
///
/// The handler's.
pub async fn traced<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let span = span(&request);
    let outcome = next.call(request).instrument(span.clone()).await;
    span.in_scope(|| match &outcome {
        Ok(response) => tracing::debug!(status = response.status().as_u16(), "answered"),
        Err(error) => {
            tracing::debug!(status = error.as_response_error().status_code().as_u16(), "answered");
        }
    });
    outcome.map(|response| response.map_body(|_, body| Traced::body(body.boxed(), span)))
}

/// Profile, request id, method, path. Never the query, which may hold words of the user, nor a key.
fn span(request: &ServiceRequest) -> Span {
    let tenant = super::auth::tenant(request.request()).ok();
    let profile = tenant.as_ref().map(|tenant| tenant.config().name.clone());
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    tracing::info_span!(
        "request",
        profile = profile.as_ref().map(field::display),
        request_id = id,
        method = request.method().as_str(),
        path = request.path(),
    )
}

/// A body that is made while it is read.
struct Traced {
    body: BoxBody,
    span: Span,
}

impl Traced {
    /// One that is there already has nothing more to log, and stays as it is.
    fn body(body: BoxBody, span: Span) -> BoxBody {
        match body.size() {
            BodySize::Stream => BoxBody::new(Self { body, span }),
            BodySize::None | BodySize::Sized(_) => body,
        }
    }
}

impl MessageBody for Traced {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let Self { body, span } = &mut *self;
        span.in_scope(|| Pin::new(body).poll_next(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Lines;
    use actix_web::body::{BodyStream, to_bytes};
    use futures_util::stream;
    use std::convert::Infallible;

    #[actix_web::test]
    async fn what_a_stream_logs_names_its_request() {
        let lines = Lines::default();
        let _log = tracing::subscriber::set_default(lines.log());
        let piece = async {
            tracing::warn!("half-way");
            Ok::<_, Infallible>(Bytes::from_static(b"piece"))
        };
        let body = BoxBody::new(BodyStream::new(stream::once(Box::pin(piece))));
        let span = tracing::info_span!("request", request_id = "req_7");
        let bytes = to_bytes(Traced::body(body, span)).await.ok().unwrap();
        assert_eq!(bytes, Bytes::from_static(b"piece"));
        let log = lines.text();
        assert!(log.contains("req_7") && log.contains("half-way"), "{log}");
    }
}
