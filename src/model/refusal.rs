//! Reads what an upstream says when it refuses: the `error` objects of many servers, and the answer's head.

use super::ModelError;
use http::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::{Duration, SystemTime};

/// Upstream text beyond this goes to nobody.
const MAX_TEXT: usize = 500;

/// What an `error` object says; OpenAI's form and its cousins.
#[derive(Deserialize, Default)]
struct ErrorObject<'a> {
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    /// A string, or the HTTP status as a number.
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
}

/// A whole error body. Beside OpenAI's `error` there are `message` and `detail` at the top.
#[derive(Deserialize)]
struct ErrorBody<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
}

struct Said {
    message: String,
    code: Option<String>,
}

/// An `error` member within the stream.
pub(super) fn in_stream(error: &str, partial: bool) -> ModelError {
    let Said { message, code } = read_error(error);
    ModelError::Upstream { message, code, partial }
}

/// An HTTP error of the upstream.
pub(super) fn of_status(status: u16, headers: &HeaderMap, body: &[u8], now: SystemTime) -> ModelError {
    let said = read_body(body);
    ModelError::Status {
        status,
        message: said.message,
        code: said.code,
        retry_after: retry_after(headers, now).map(whole_seconds),
    }
}

fn read_body(body: &[u8]) -> Said {
    let Ok(parsed) = serde_json::from_slice::<ErrorBody<'_>>(body) else {
        return Said { message: plain_text(body), code: None };
    };
    match (parsed.error, parsed.message.or(parsed.detail)) {
        (Some(error), _) if error.get() != "null" => read_error(error.get()),
        (_, Some(text)) => Said { message: scalar(text).unwrap_or_default(), code: None },
        (_, None) => Said { message: String::new(), code: None },
    }
}

fn read_error(error: &str) -> Said {
    if let Ok(object) = serde_json::from_str::<ErrorObject<'_>>(error) {
        return Said {
            message: object.message.and_then(scalar).unwrap_or_default(),
            code: object.code.and_then(scalar).or_else(|| object.kind.and_then(scalar)),
        };
    }
    let message = serde_json::from_str::<String>(error).map(|text| shorten(&text)).unwrap_or_default();
    Said { message, code: None }
}

/// A string's text or a number's digits; nothing for null, objects and lists.
fn scalar(raw: &RawValue) -> Option<String> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(text).ok().map(|text| shorten(&text)),
        Some(b'-' | b'0'..=b'9') => Some(text.to_owned()),
        Some(_) | None => None,
    }
}

/// A short body without markup is shown as it is; a page of HTML says nothing to a person.
fn plain_text(body: &[u8]) -> String {
    match std::str::from_utf8(body) {
        Ok(text) if !text.trim_start().starts_with(['<', '{', '[']) => shorten(text),
        Ok(_) | Err(_) => String::new(),
    }
}

fn shorten(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}

/// How long the upstream asks to wait: milliseconds, seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(millis) = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
        return seconds(millis / 1000.0);
    }
    let Some(value) = text(RETRY_AFTER.as_str()) else {
        return reset(&text);
    };
    if let Ok(number) = value.parse::<f64>() {
        return seconds(number);
    }
    // One that is over says nothing: the two clocks differ.
    httpdate::parse_http_date(value).ok()?.duration_since(now).ok()
}

/// When the limits are lifted that leave nothing: `x-ratelimit-reset-requests: 6m0s` beside
/// `x-ratelimit-remaining-requests: 0`.
fn reset<'a>(text: &impl Fn(&str) -> Option<&'a str>) -> Option<Duration> {
    let of = |what: &str| {
        text(&format!("x-ratelimit-remaining-{what}")).filter(|left| *left == "0")?;
        span(text(&format!("x-ratelimit-reset-{what}"))?)
    };
    ["requests", "tokens"].into_iter().filter_map(of).max()
}

/// `1h2m3.5s`, `20ms`, or a number of seconds.
fn span(text: &str) -> Option<Duration> {
    if let Ok(number) = text.parse::<f64>() {
        return seconds(number);
    }
    let (mut rest, mut sum) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, unit) = rest.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let (scale, length) = match unit {
            _ if unit.starts_with("ms") => (0.001, 2),
            _ if unit.starts_with('s') => (1.0, 1),
            _ if unit.starts_with('m') => (60.0, 1),
            _ if unit.starts_with('h') => (3_600.0, 1),
            _ => return None,
        };
        sum += number * scale;
        rest = &unit[length..];
    }
    seconds(sum)
}

fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok()
}

/// Rounded up: to wait too short is to be refused again.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{HeaderName, HeaderValue};

    #[test]
    fn error_bodies_of_many_servers_are_understood() {
        let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(2 * MAX_TEXT));
        let shown = format!("{} …", "x".repeat(MAX_TEXT));
        let cases: [(&str, &str, &str, Option<&str>); 13] = [
            ("OpenAI", r#"{"error":{"message":"no","type":"t","param":null,"code":"c"}}"#, "no", Some("c")),
            ("type stands in", r#"{"error":{"message":"no","type":"t","code":null}}"#, "no", Some("t")),
            ("numeric code", r#"{"error":{"message":"no","code":429}}"#, "no", Some("429")),
            ("error is text", r#"{"error":"no"}"#, "no", None),
            ("error is empty", r#"{"error":{}}"#, "", None),
            ("message at the top", r#"{"object":"error","message":"no"}"#, "no", None),
            ("detail", r#"{"detail":"no"}"#, "no", None),
            ("detail is a list", r#"{"detail":[{"msg":"no"}]}"#, "", None),
            ("plain text", " try later \n", "try later", None),
            ("a page", "<html>no</html>", "", None),
            ("cut JSON", r#"{"error":{"mess"#, "", None),
            ("nothing", "", "", None),
            ("endless", &long, &shown, None),
        ];
        for (case, body, message, code) in cases {
            let said = read_body(body.as_bytes());
            assert_eq!((said.message.as_str(), said.code.as_deref()), (message, code), "{case}");
        }
    }

    #[test]
    fn a_limit_that_leaves_nothing_tells_when_it_is_lifted() {
        let cases = [
            ("0", "6m0s", Some(360)),
            ("0", "1h1m1.5s", Some(3_662)),
            ("0", "20ms", Some(1)),
            ("0", "7", Some(7)),
            ("5", "6m0s", None),
            ("0", "soon", None),
            ("0", "5x", None),
        ];
        for (left, after, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in [("x-ratelimit-remaining-tokens", left), ("x-ratelimit-reset-tokens", after)]
            {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(
                retry_after(&headers, SystemTime::now()).map(whole_seconds),
                expected,
                "{left} {after}"
            );
        }
    }

    #[test]
    fn every_form_of_retry_after_counts() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        // Case, `Retry-After`, `retry-after-ms`, seconds.
        let cases = [
            ("none", None, None, None),
            ("seconds", Some("7"), None, Some(7)),
            ("fraction", Some("0.2"), None, Some(1)),
            ("milliseconds first", Some("7"), Some("1500"), Some(2)),
            ("milliseconds alone", None, Some("20"), Some(1)),
            ("date", Some("Sun, 09 Sep 2001 01:46:50 GMT"), None, Some(10)),
            ("a date that is over", Some("Sun, 09 Sep 2001 01:46:30 GMT"), None, None),
            ("negative", Some("-1"), None, None),
            ("too large", Some("1e300"), None, None),
            ("nonsense", Some("soon"), None, None),
        ];
        for (case, after, after_ms, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in [("retry-after", after), ("retry-after-ms", after_ms)] {
                if let Some(value) = value {
                    headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
                }
            }
            assert_eq!(retry_after(&headers, now).map(whole_seconds), expected, "{case}");
        }
    }
}
