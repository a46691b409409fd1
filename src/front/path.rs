//! Paths as people write them, made into the ones that the router knows.
//!
//! Base URLs come with `/v1`, without it, or with a client that adds a second one; they also come with a slash too
//! many between base and route. All of these mean the same route.

use actix_web::{
    dev::ServiceRequest,
    http::{Uri, uri::PathAndQuery},
};
use std::borrow::Cow;

/// First segments of the routes below `/v1`.
const VERSIONED: [&str; 8] =
    ["chat", "responses", "runs", "approvals", "models", "capabilities", "toolsets", "skills"];
/// First segments of the routes without a version, which answer below `/v1` too.
const UNVERSIONED: [&str; 5] = ["health", "ready", "openapi.json", "docs", "api"];
const PREFIX: &str = "/v1";

/// The path to route by; borrowed when the client wrote it so. A path that is not ours stays as it is.
pub fn canonical(path: &str) -> Cow<'_, str> {
    let merged = merge_slashes(path);
    let mut rest = &*merged;
    for _ in 0..2 {
        rest = match rest.strip_prefix(PREFIX) {
            Some(tail) if tail.starts_with('/') => tail,
            Some(_) | None => break,
        };
    }
    let first = rest.trim_start_matches('/').split('/').next().unwrap_or_default();
    let wanted_prefix = if VERSIONED.contains(&first) {
        PREFIX
    } else if UNVERSIONED.contains(&first) {
        ""
    } else {
        return merged;
    };
    if merged.len() == wanted_prefix.len() + rest.len() {
        return merged;
    }
    Cow::Owned(format!("{wanted_prefix}{rest}"))
}

/// Routes the request by another path; the query stays.
pub fn replace(request: &mut ServiceRequest, path: &str) {
    let uri = request.uri();
    let target = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(target).ok();
    // A path that was valid stays so with a prefix more or less; were it not, it is routed as it came.
    if let Ok(uri) = Uri::from_parts(parts) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

/// A slash that follows a slash is one too many.
pub fn merge_slashes(path: &str) -> Cow<'_, str> {
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut merged = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !merged.ends_with('/') {
            merged.push(letter);
        }
    }
    Cow::Owned(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_may_be_left_out_or_stand_twice() {
        let cases = [
            ("/v1/chat/completions", "/v1/chat/completions"),
            ("/chat/completions", "/v1/chat/completions"),
            ("/v1/v1/chat/completions", "/v1/chat/completions"),
            ("/v1//chat/completions", "/v1/chat/completions"),
            ("/v1/v1/v1/models", "/v1/v1/v1/models"),
            ("/models/a", "/v1/models/a"),
            ("/health", "/health"),
            ("/v1/health", "/health"),
            ("/v1/health/detailed", "/health/detailed"),
            ("/v1/nope", "/v1/nope"),
            ("/v10/models", "/v10/models"),
            ("/v1", "/v1"),
            ("/", "/"),
            ("", ""),
        ];
        for (given, routed) in cases {
            assert_eq!(canonical(given), routed, "{given}");
        }
    }
}
