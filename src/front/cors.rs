//! Which web pages may call this profile, and what they are told.
//!
//! A request without `Origin` is no page's and passes. The page's own origin always passes: the profile's port may
//! serve pages itself.

use super::error::ApiError;
use crate::domain::Code;
use actix_web::{
    HttpResponse,
    http::header::{self, HeaderMap, HeaderValue},
};

const METHODS: &str = "GET, HEAD, POST, PATCH, DELETE, OPTIONS";
const EXPOSED: &str = "X-Hermes-Session-Id, X-Hermes-Session-Key, X-Hermes-Run-Id, X-Hermes-Steered, \
                       X-Hermes-Completed, X-Hermes-Partial, X-Hermes-Error, X-Request-Id, Retry-After, Idempotency-Replayed, ETag";
/// Request headers that a page may send; those that end in `-` stand for all that begin so.
const ALLOWED: [&str; 9] = [
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "last-event-id",
    "x-request-id",
    "x-hermes-",
    "x-stainless-",
    "openai-",
];

/// What the profile's `cors_origins` say about a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// No page sent it.
    NoPage,
    /// The value of `Access-Control-Allow-Origin`.
    Allowed(HeaderValue),
    Refused,
}

/// Judges a request by its `Origin` and `Host`.
pub fn judge(origins: &[String], headers: &HeaderMap) -> Verdict {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Verdict::NoPage;
    };
    let Ok(text) = origin.to_str() else {
        return Verdict::Refused;
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let own = text.split_once("://").is_some_and(|(_, authority)| Some(authority) == host);
    let listed = |wanted: &str| origins.iter().any(|one| one.trim_end_matches('/') == wanted);
    if own || listed(text) {
        Verdict::Allowed(origin.clone())
    } else if listed("*") {
        Verdict::Allowed(HeaderValue::from_static("*"))
    } else {
        Verdict::Refused
    }
}

/// Lets any page read the answer.
pub fn anybody(headers: &HeaderMap) -> Verdict {
    headers.get(header::ORIGIN).cloned().map_or(Verdict::NoPage, Verdict::Allowed)
}

pub fn refusal() -> ApiError {
    let message =
        "Pages of this origin may not call this profile. Add it to API_SERVER_CORS_ORIGINS to allow them.";
    ApiError::new(Code::OriginNotAllowed, message).at("Origin")
}

/// The answer to a preflight; [`allow`] adds the origin.
pub fn preflight(request: &HeaderMap) -> HttpResponse {
    let asked = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let asked = asked.and_then(|names| names.to_str().ok());
    let names = asked.unwrap_or("Authorization, Content-Type, Idempotency-Key");
    let granted: Vec<&str> = names.split(',').map(str::trim).filter(|name| may_send(name)).collect();
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "600"))
        .insert_header((header::VARY, "Access-Control-Request-Headers"));
    if !granted.is_empty() {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, granted.join(", ")));
    }
    response.finish()
}

fn may_send(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ALLOWED.iter().any(
        |allowed| {
            if allowed.ends_with('-') { name.starts_with(allowed) } else { name == *allowed }
        },
    )
}

/// Lets the page read an answer of any kind, errors and streams included.
pub fn allow(origin: HeaderValue, headers: &mut HeaderMap) {
    if origin != "*" {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn origins_are_judged_by_the_profile_and_the_page_itself() {
        let one = ["https://app.example".to_owned()];
        let any = ["*".to_owned()];
        type Expected = Result<Option<&'static str>, ()>;
        let cases: [(&str, &[String], Option<&str>, Expected); 7] = [
            ("no page", &[], None, Ok(None)),
            ("nothing configured", &[], Some("https://app.example"), Err(())),
            ("listed", &one, Some("https://app.example"), Ok(Some("https://app.example"))),
            ("not listed", &one, Some("https://evil.example"), Err(())),
            ("longer than listed", &one, Some("https://app.example.evil"), Err(())),
            ("all", &any, Some("https://x.example"), Ok(Some("*"))),
            ("own", &[], Some("http://127.0.0.1:8643"), Ok(Some("http://127.0.0.1:8643"))),
        ];
        for (case, origins, origin, expected) in cases {
            let mut request = TestRequest::get().insert_header((header::HOST, "127.0.0.1:8643"));
            if let Some(origin) = origin {
                request = request.insert_header((header::ORIGIN, origin));
            }
            let verdict = judge(origins, request.to_http_request().headers());
            let expected = match expected {
                Ok(None) => Verdict::NoPage,
                Ok(Some(value)) => Verdict::Allowed(HeaderValue::from_static(value)),
                Err(()) => Verdict::Refused,
            };
            assert_eq!(verdict, expected, "{case}");
        }
    }

    #[test]
    fn a_preflight_grants_only_known_headers() {
        let asked = "authorization, X-Hermes-Session-Id,x-stainless-os, Cookie, X-Hermes";
        let request = TestRequest::default()
            .insert_header((header::ACCESS_CONTROL_REQUEST_HEADERS, asked))
            .to_http_request();
        let response = preflight(request.headers());
        let granted = response.headers().get(header::ACCESS_CONTROL_ALLOW_HEADERS).unwrap();
        assert_eq!(granted, "authorization, X-Hermes-Session-Id, x-stainless-os");
    }
}
