//! The `X-Hermes-*` headers of a request that starts a turn.

use super::error::ApiError;
use crate::domain::{Code, OnBusy, OnDisconnect, SessionId};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

pub const SESSION_ID: HeaderName = HeaderName::from_static("x-hermes-session-id");
pub const SESSION_KEY: HeaderName = HeaderName::from_static("x-hermes-session-key");
pub const RUN_ID: HeaderName = HeaderName::from_static("x-hermes-run-id");
pub const STEERED: HeaderName = HeaderName::from_static("x-hermes-steered");
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const ON_BUSY: HeaderName = HeaderName::from_static("x-hermes-on-busy");
const ON_DISCONNECT: HeaderName = HeaderName::from_static("x-hermes-on-disconnect");
/// Longest session key, in characters.
const MAX_SESSION_KEY: usize = 256;

/// What the headers ask for; each `None` when not sent or blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub session: Option<SessionId>,
    /// Echoed on the answer.
    pub session_key: Option<HeaderValue>,
    pub on_disconnect: Option<OnDisconnect>,
    pub on_busy: Option<OnBusy>,
}

impl Options {
    /// Whom of the key's people the turn is for, as the client names them.
    pub fn session_key(&self) -> Option<String> {
        let key = self.session_key.as_ref()?;
        Some(String::from_utf8_lossy(key.as_bytes()).into_owned())
    }

    /// # Errors
    ///
    /// 400 that names the header.
    pub fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        Ok(Self {
            session: session(headers)?,
            session_key: session_key(headers)?,
            on_disconnect: on_disconnect(headers)?,
            on_busy: on_busy(headers)?,
        })
    }
}

/// The session key alone, of requests that start no turn.
///
/// # Errors
///
/// 400 that names the header.
pub fn session_key_of(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    Ok(session_key(headers)?.map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned()))
}

fn session(headers: &HeaderMap) -> Result<Option<SessionId>, ApiError> {
    let refuse = |message: &str| ApiError::new(Code::InvalidSessionId, message).at("X-Hermes-Session-Id");
    let text = text(headers, &SESSION_ID).map_err(|()| refuse("Invalid session ID"))?;
    text.map(|text| SessionId::parse(text).map_err(|error| refuse(error.0))).transpose()
}

fn session_key(headers: &HeaderMap) -> Result<Option<HeaderValue>, ApiError> {
    let refuse = |message: &str| ApiError::new(Code::InvalidSessionKey, message).at("X-Hermes-Session-Key");
    match text(headers, &SESSION_KEY).map_err(|()| refuse("Invalid session key"))? {
        Some(text) if text.chars().count() > MAX_SESSION_KEY => Err(refuse("Session key too long")),
        Some(text) => Ok(HeaderValue::from_bytes(text.as_bytes()).ok()),
        None => Ok(None),
    }
}

fn on_busy(headers: &HeaderMap) -> Result<Option<OnBusy>, ApiError> {
    let name = "X-Hermes-On-Busy";
    let refuse = || ApiError::invalid(name, format!("{name} must be {}", OnBusy::expected()));
    let text = text(headers, &ON_BUSY).map_err(|()| refuse())?;
    text.map(|text| OnBusy::parse(text).ok_or_else(refuse)).transpose()
}

fn on_disconnect(headers: &HeaderMap) -> Result<Option<OnDisconnect>, ApiError> {
    let name = "X-Hermes-On-Disconnect";
    let expected = || ApiError::invalid(name, format!("{name} must be `cancel` or `continue`"));
    match text(headers, &ON_DISCONNECT).map_err(|()| expected())? {
        None => Ok(None),
        Some(text) if text.eq_ignore_ascii_case("cancel") => Ok(Some(OnDisconnect::Cancel)),
        Some(text) if text.eq_ignore_ascii_case("continue") => Ok(Some(OnDisconnect::Continue)),
        Some(_) => Err(expected()),
    }
}

/// A header's text without blanks around it; `Err` when it is not UTF-8.
pub fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| ())?.trim();
    Ok((!text.is_empty()).then_some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn headers_are_checked_as_the_reference_checks_them() {
        let long = "x".repeat(257);
        let cases = [
            ("x-hermes-session-id", "s-1", Ok(())),
            ("x-hermes-session-id", "  ", Ok(())),
            ("x-hermes-session-id", "../etc", Err(("invalid_session_id", "Invalid session ID"))),
            ("x-hermes-session-id", &long, Err(("invalid_session_id", "Session ID too long"))),
            ("x-hermes-session-key", "user/12", Ok(())),
            ("x-hermes-session-key", &long, Err(("invalid_session_key", "Session key too long"))),
            ("x-hermes-on-disconnect", "Cancel", Ok(())),
            ("x-hermes-on-busy", "Reject", Ok(())),
            (
                "x-hermes-on-busy",
                "shout",
                Err(("invalid_request", "X-Hermes-On-Busy must be one of: queue, reject, interrupt, steer")),
            ),
            (
                "x-hermes-on-disconnect",
                "maybe",
                Err(("invalid_request", "X-Hermes-On-Disconnect must be `cancel` or `continue`")),
            ),
        ];
        for (name, value, expected) in cases {
            let request = TestRequest::get().insert_header((name, value)).to_http_request();
            let got = Options::of(request.headers()).map(|_| ());
            let got = got.map_err(|error| (error.code.wire(), error.message));
            let expected = expected.map_err(|(code, message)| (code, message.to_owned()));
            assert_eq!(got, expected, "{name}: {value}");
        }
    }
}
