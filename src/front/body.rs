//! Reading a request body: bounded in size, time and depth, and parsed where it holds nobody up.

use super::error::ApiError;
use crate::{actors::Tenant, domain::Code};
use actix_web::{
    HttpRequest,
    http::header,
    web::{self, Bytes, BytesMut},
};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::{
    sync::Semaphore,
    time::{Duration, Instant, timeout_at},
};

/// Deepest nesting of a body.
pub const MAX_DEPTH: usize = 64;
/// A larger body is parsed on the blocking pool: the worker's thread serves every profile on it.
const INLINE: usize = 256 * 1024;
/// Time for a body of no size; each 256 KiB adds a second.
const PATIENCE: Duration = Duration::from_secs(30);
const CHUNK: usize = 256 * 1024;

/// How many large bodies a worker parses at once: more would fill the blocking pool that stores write on.
pub struct ParseSlots(Semaphore);

impl Default for ParseSlots {
    fn default() -> Self {
        Self(Semaphore::new(2))
    }
}

/// Reads and parses a JSON body.
///
/// # Errors
///
/// 413 over the profile's limit, 408 when it comes too slowly, 400 when it is not JSON or too deep.
pub async fn json(request: &HttpRequest, payload: web::Payload, tenant: &Tenant) -> Result<Value, ApiError> {
    let media = Media::of(request)?;
    let bytes = bytes(request, payload, tenant).await?;
    parsed(request, bytes).await.map_err(|error| media.explain(error))
}

/// Parses a body where it holds nobody up.
///
/// # Errors
///
/// 400 when it is not JSON or too deep.
pub async fn parsed(request: &HttpRequest, bytes: Bytes) -> Result<Value, ApiError> {
    if bytes.len() <= INLINE {
        return parse(&bytes);
    }
    let slots = request.app_data::<web::Data<ParseSlots>>().cloned();
    let _slot = match &slots {
        Some(slots) => slots.0.acquire().await.ok(),
        None => None,
    };
    web::block(move || parse(&bytes)).await.map_err(ApiError::internal)?
}

/// What the client says that its body is. Many clients say nothing, or the form type that `curl -d` puts there, and send
/// JSON: so the body is what counts, and this only tells a client that sent something else what was wrong.
enum Media {
    Json,
    Other(String),
}

impl Media {
    /// # Errors
    ///
    /// 415 for a body that is compressed.
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let headers = request.headers();
        let coded = headers.get(header::CONTENT_ENCODING).filter(|coding| *coding != "identity");
        if coded.is_some() {
            let message = "The request body must not be compressed: leave `Content-Encoding` out.";
            return Err(ApiError::new(Code::UnsupportedMediaType, message).at("Content-Encoding"));
        }
        let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = declared.and_then(|text| text.split(';').next()).map_or("", str::trim);
        let is_json = essence
            .get(essence.len().saturating_sub(4)..)
            .is_some_and(|end| end.eq_ignore_ascii_case("json"));
        Ok(if essence.is_empty() || is_json { Self::Json } else { Self::Other(essence.to_lowercase()) })
    }

    fn explain(self, error: ApiError) -> ApiError {
        match self {
            Self::Json => error,
            Self::Other(essence) => {
                let message = format!("The request body must be JSON, not `{essence}`.");
                ApiError::new(Code::UnsupportedMediaType, message).at("Content-Type")
            }
        }
    }
}

/// Reads a body as it is.
///
/// # Errors
///
/// 413 over the profile's limit, 408 when it comes too slowly.
pub async fn bytes(request: &HttpRequest, payload: web::Payload, tenant: &Tenant) -> Result<Bytes, ApiError> {
    read(request, payload, tenant.config().api.max_body_bytes).await
}

/// Reads at most `limit` bytes, counting what really arrives.
async fn read(request: &HttpRequest, mut payload: web::Payload, limit: usize) -> Result<Bytes, ApiError> {
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.trim().parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let begun = Instant::now();
    let mut first: Option<Bytes> = None;
    let mut all = BytesMut::new();
    loop {
        let received = all.len() + first.as_ref().map_or(0, Bytes::len);
        let allowed = PATIENCE + Duration::from_secs((received / CHUNK) as u64);
        let chunk = match timeout_at(begun + allowed, payload.next()).await {
            Err(_elapsed) => return Err(too_slow()),
            Ok(None) => break,
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => {
                return Err(ApiError::new(
                    Code::InvalidRequest,
                    format!("The request body broke off: {error}"),
                ));
            }
        };
        if received + chunk.len() > limit {
            return Err(too_large(limit));
        }
        // Most bodies are one chunk, which is then used as it came.
        match first.take() {
            None if all.is_empty() => first = Some(chunk),
            None => all.extend_from_slice(&chunk),
            Some(begin) => {
                all.reserve(declared.unwrap_or_default().max(begin.len() + chunk.len()));
                all.extend_from_slice(&begin);
                all.extend_from_slice(&chunk);
            }
        }
    }
    Ok(first.unwrap_or_else(|| all.freeze()))
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new(Code::BodyTooLarge, format!("Request body too large. The limit is {limit} bytes."))
}

fn too_slow() -> ApiError {
    let message = "The request body did not arrive in time (30 seconds, and one more for each 256 KiB).";
    ApiError::new(Code::RequestTimeout, message)
}

/// Parses JSON whose nesting is within bounds.
fn parse(bytes: &[u8]) -> Result<Value, ApiError> {
    if depth(bytes) > MAX_DEPTH {
        let message = format!("The request body is nested deeper than {MAX_DEPTH} levels.");
        return Err(ApiError::new(Code::InvalidJson, message));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let message = format!("Invalid JSON in request body: {error}");
        ApiError::new(Code::InvalidJson, message)
    })
}

/// The deepest nesting of brackets outside strings. Needs no valid JSON: the parser comes after.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in bytes {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{FromRequest, test::TestRequest};

    #[test]
    fn nesting_is_counted_outside_strings() {
        let cases = [
            ("", 0),
            ("[]", 1),
            (r#"{"a":[{}]}"#, 3),
            (r#"["[[[["]"#, 1),
            (r#"["\"[[", []]"#, 2),
            (r#"["\\", [[]]]"#, 3),
            ("]]]][", 1),
        ];
        for (text, expected) in cases {
            assert_eq!(depth(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_or_too_deep_is_refused() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let cases = [
            ("at the limit", nested(64), true),
            ("over it", nested(65), false),
            ("far over it", "[".repeat(5_000_000), false),
            ("empty", String::new(), false),
            ("cut", "{\"a\":".to_owned(), false),
            ("trailing", "{} x".to_owned(), false),
            ("plain", "{\"a\":1}".to_owned(), true),
        ];
        for (case, text, good) in cases {
            let refusal = parse(text.as_bytes()).err().map(|error| error.code);
            assert_eq!(refusal, (!good).then_some(Code::InvalidJson), "{case}");
        }
        assert!(parse(b"\"\xff\"").is_err(), "not UTF-8");
    }

    #[actix_web::test]
    async fn a_body_is_counted_while_it_is_read() {
        for (size, limit, good) in [(0, 4, true), (4, 4, true), (5, 4, false)] {
            for declared in [true, false] {
                let (mut request, mut payload) =
                    TestRequest::post().set_payload(vec![b'x'; size]).to_http_parts();
                if !declared {
                    // As with a chunked body: only counting can tell.
                    let (bare, _) = TestRequest::post().to_http_parts();
                    request = bare;
                }
                let payload = web::Payload::from_request(&request, &mut payload).await.unwrap();
                let read = read(&request, payload, limit).await.map(|bytes| bytes.len());
                let expected = if good { Ok(size) } else { Err(Code::BodyTooLarge) };
                assert_eq!(
                    read.map_err(|error| error.code),
                    expected,
                    "{size} of {limit}, declared: {declared}"
                );
            }
        }
    }
}
