//! How a call of the model fails, and what a client is told of it.

use super::rules::{self, Meaning, Remedy, Rule};
use crate::domain::{Code, Failure};
use std::fmt;

/// Seconds that a client is to wait when an upstream that has had enough names none: the step that would follow those of
/// the default three attempts.
const UNNAMED_WAIT: u64 = 8;

/// How a call failed. `partial`: some of the answer had already been handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelError {
    /// No connection, or cut before or within the answer. `message` is a whole sentence.
    Connection {
        message: String,
        partial: bool,
    },
    /// `message` is a whole sentence.
    Timeout {
        message: String,
        partial: bool,
    },
    /// An HTTP error of the upstream; `message` in the upstream's words, may be empty.
    Status {
        status: u16,
        message: String,
        code: Option<String>,
        retry_after: Option<u64>,
    },
    /// An `error` object within the stream; `message` in the upstream's words, may be empty.
    Upstream {
        message: String,
        code: Option<String>,
        partial: bool,
    },
    /// An answer that is no chat completion. `message` names what came instead.
    Garbage {
        message: String,
        partial: bool,
    },
    Cancelled,
}

impl ModelError {
    /// Whether some of the answer was handed out before the error. Such a call is never repeated here; a client may.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        match self {
            Self::Connection { partial, .. }
            | Self::Timeout { partial, .. }
            | Self::Upstream { partial, .. }
            | Self::Garbage { partial, .. } => *partial,
            Self::Status { .. } | Self::Cancelled => false,
        }
    }

    /// The failure as the client is told of it. One that has to wait is always told how long.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let Rule { code, retryable, .. } = *self.meaning().rule();
        let unnamed = (code == Code::UpstreamRateLimited).then_some(UNNAMED_WAIT);
        let retry_after = self.retry_after().or(unnamed).map(|seconds| seconds.max(1));
        Failure { code, message: self.to_string(), retryable, retry_after }
    }

    /// Seconds that the upstream asked to wait.
    pub(super) const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Connection { .. }
            | Self::Timeout { .. }
            | Self::Upstream { .. }
            | Self::Garbage { .. }
            | Self::Cancelled => None,
        }
    }

    /// Whether another provider may do better, and nothing was handed out that it would repeat.
    #[must_use]
    pub fn asks_another(&self) -> bool {
        !self.is_partial() && self.remedies().contains(&Remedy::AnotherModel)
    }

    /// Whether smaller images may help: servers that stand before an upstream do not say what of a request was too large.
    #[must_use]
    pub fn asks_for_smaller_images(&self) -> bool {
        matches!(self.meaning(), Meaning::BulkyImage) || matches!(self, Self::Status { status: 413, .. })
    }

    /// Whether the upstream has had enough of us for now.
    #[must_use]
    pub fn is_rate_limit(&self) -> bool {
        matches!(self.meaning(), Meaning::RateLimited | Meaning::OutOfCredit)
    }

    pub(super) fn remedies(&self) -> &'static [Remedy] {
        self.meaning().rule().remedies
    }

    fn meaning(&self) -> Meaning {
        rules::meaning(self)
    }
}

/// One sentence for the client: what happened and, when we know it, what to do.
impl ModelError {
    /// The server's own words, without anything of ours around them.
    pub(super) fn said(&self) -> &str {
        match self {
            Self::Connection { message, .. }
            | Self::Timeout { message, .. }
            | Self::Status { message, .. }
            | Self::Upstream { message, .. }
            | Self::Garbage { message, .. } => message,
            Self::Cancelled => "",
        }
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection { message, .. } | Self::Timeout { message, .. } => f.write_str(message)?,
            Self::Status { status, message, .. } => {
                write!(f, "The upstream answered {status}")?;
                tail(f, message)?;
            }
            Self::Upstream { message, code, .. } => {
                f.write_str("The upstream broke off with an error")?;
                tail(f, if message.is_empty() { code.as_deref().unwrap_or_default() } else { message })?;
            }
            Self::Garbage { message, .. } => write!(f, "The upstream sent {message}")?,
            Self::Cancelled => f.write_str("The call was cancelled.")?,
        }
        match self.meaning() {
            Meaning::BulkyImage => f.write_str(" (send a smaller image)"),
            Meaning::BadKey => f.write_str(" (check the provider's key, `model.api_key`)"),
            Meaning::Nonsense => f.write_str("; does `model.base_url` point to a chat completions server?"),
            Meaning::Passing
            | Meaning::Slow
            | Meaning::RateLimited
            | Meaning::OutOfCredit
            | Meaning::Unpaid
            | Meaning::NoSuchModel
            | Meaning::BadMember
            | Meaning::ContextTooLong
            | Meaning::Blind
            | Meaning::Refused
            | Meaning::Cancelled => Ok(()),
        }
    }
}

fn tail(f: &mut fmt::Formatter<'_>, message: &str) -> fmt::Result {
    if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
}

impl std::error::Error for ModelError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, message: &str, code: Option<&str>) -> ModelError {
        ModelError::Status {
            status,
            message: message.to_owned(),
            code: code.map(str::to_owned),
            retry_after: None,
        }
    }

    fn in_stream(message: &str, code: Option<&str>) -> ModelError {
        ModelError::Upstream { message: message.to_owned(), code: code.map(str::to_owned), partial: true }
    }

    #[test]
    fn each_error_has_its_code_and_says_whether_to_try_again() {
        use Code::{
            ContextLengthExceeded as TooLong, ImageTooLarge as Bulky, UpstreamError as Error,
            UpstreamRateLimited as Rate, VisionUnsupported as Blind,
        };
        let cases = [
            (status(400, "bad", None), Error, false),
            (status(401, "bad", None), Error, false),
            (status(402, "pay", None), Error, false),
            (status(403, "bad", None), Error, false),
            (status(404, "no such model", None), Error, false),
            (status(301, "", None), Error, false),
            (status(408, "", None), Error, true),
            (status(413, "", None), TooLong, false),
            (status(400, "", Some("context_length_exceeded")), TooLong, false),
            (status(400, "This model's maximum context length is 8192 tokens", None), TooLong, false),
            (status(422, "Prompt is too long: 9000 tokens", None), TooLong, false),
            (status(500, "context length", None), Error, true),
            (status(429, "slow down", None), Rate, true),
            (status(429, "pay", Some("insufficient_quota")), Rate, false),
            (status(500, "", None), Error, true),
            (status(502, "", None), Error, true),
            (status(529, "", None), Error, true),
            (status(400, "This model does not support image input", None), Blind, false),
            (status(404, "No endpoints found that support image input", None), Blind, false),
            (status(500, "image input is not supported - hint: provide the mmproj", None), Blind, false),
            (status(400, "unknown variant `image_url`, expected `text`", None), Blind, false),
            (in_stream("vision is not supported", Some("invalid_request_error")), Blind, false),
            (status(400, "unsupported image format", None), Error, false),
            (
                status(400, "messages.0: image exceeds 5 MB maximum: 6291456 > 5242880 bytes", None),
                Bulky,
                false,
            ),
            (status(413, "The image is too large", None), Bulky, false),
            (
                status(
                    400,
                    "At least one of the image dimensions exceed max allowed size: 8000 pixels",
                    None,
                ),
                Bulky,
                false,
            ),
            (in_stream("image too large", Some("invalid_request_error")), Bulky, false),
            (status(400, "prompt is too long: 9000 tokens, images included", None), TooLong, false),
            (in_stream("oops", None), Error, true),
            (in_stream("", Some("server_error")), Error, true),
            (in_stream("", Some("429")), Rate, true),
            (in_stream("", Some("rate_limit_exceeded")), Rate, true),
            (in_stream("", Some("invalid_request_error")), Error, false),
            (in_stream("exceeds the context window", Some("invalid_request_error")), TooLong, false),
            (in_stream("", Some("400")), Error, false),
        ];
        for (error, code, retryable) in cases {
            let failure = error.failure();
            assert_eq!((failure.code, failure.retryable), (code, retryable), "{error:?}");
        }
    }

    #[test]
    fn a_rate_limit_always_names_a_wait_of_at_least_a_second() {
        let asked = |status, code: Option<&str>, retry_after| ModelError::Status {
            status,
            message: String::new(),
            code: code.map(str::to_owned),
            retry_after,
        };
        let cases = [
            (asked(429, None, Some(7)), Some(7)),
            (asked(429, None, Some(0)), Some(1)),
            (asked(429, None, None), Some(UNNAMED_WAIT)),
            (asked(429, Some("insufficient_quota"), None), Some(UNNAMED_WAIT)),
            (in_stream("", Some("rate_limit_exceeded")), Some(UNNAMED_WAIT)),
            (asked(503, None, Some(0)), Some(1)),
            (asked(503, None, None), None),
        ];
        for (error, expected) in cases {
            assert_eq!(error.failure().retry_after, expected, "{error:?}");
        }
    }

    #[test]
    fn messages_are_sentences_for_the_client() {
        let garbage = ModelError::Garbage { message: "a page".to_owned(), partial: false };
        let cases = [
            (status(400, "scripted failure 400", None), "The upstream answered 400: scripted failure 400"),
            (status(503, "", None), "The upstream answered 503"),
            (
                status(401, "wrong key", None),
                "The upstream answered 401: wrong key (check the provider's key, `model.api_key`)",
            ),
            (in_stream("oops", None), "The upstream broke off with an error: oops"),
            (in_stream("", Some("boom")), "The upstream broke off with an error: boom"),
            (garbage, "The upstream sent a page; does `model.base_url` point to a chat completions server?"),
        ];
        for (error, expected) in cases {
            assert_eq!(error.to_string(), expected);
        }
    }
}
