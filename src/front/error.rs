//! The one error shape, and how inner errors become it.

use crate::{
    actors::{ProfileError, Unavailable},
    domain::Code,
};
use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use serde::Serialize;
use std::fmt;

/// An error on its way to a client: what they may see, and what only the log gets.
#[derive(Debug)]
pub struct ApiError {
    pub code: Code,
    pub message: String,
    /// The place in the request that is wrong: `messages[2].role`, a header, a query member.
    pub param: Option<String>,
    /// Seconds. 429 and 503 always carry one.
    pub retry_after: Option<u64>,
    /// Methods that the path knows, for 405.
    allow: Option<String>,
    cause: Option<String>,
}

impl ApiError {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), param: None, retry_after: None, allow: None, cause: None }
    }

    /// A request that is wrong at `param`.
    pub fn invalid(param: impl fmt::Display, message: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest, message).at(param)
    }

    /// A fault of ours: the client learns that it happened, the log what it was.
    pub fn internal(cause: impl fmt::Display) -> Self {
        let mut error = Self::new(
            Code::Internal,
            "Something went wrong in the gateway; its log has the cause under this request's X-Request-Id.",
        );
        error.cause = Some(cause.to_string());
        error
    }

    /// Missing, malformed and wrong keys look alike.
    pub fn unauthorised() -> Self {
        Self::new(
            Code::InvalidApiKey,
            "Incorrect API key provided. Send a key of this profile as `Authorization: Bearer <key>`.",
        )
    }

    pub fn run_not_found(id: impl fmt::Display) -> Self {
        Self::new(Code::RunNotFound, format!("Run not found: {id}"))
    }

    pub fn session_not_found(id: impl fmt::Display) -> Self {
        Self::new(Code::SessionNotFound, format!("Session not found: {id}"))
    }

    pub fn approval_not_found(id: impl fmt::Display) -> Self {
        Self::new(Code::ApprovalNotFound, format!("Approval not found: {id}"))
    }

    pub fn method_not_allowed(method: impl fmt::Display, allow: String) -> Self {
        let message = format!("Method {method} is not allowed here; allowed: {allow}.");
        Self { allow: Some(allow), ..Self::new(Code::MethodNotAllowed, message) }
    }

    #[must_use]
    pub fn at(mut self, param: impl fmt::Display) -> Self {
        self.param = Some(param.to_string());
        self
    }

    /// The four members, as every surface shows them.
    pub fn members(&self) -> Members<'_> {
        Members {
            message: &self.message,
            kind: self.code.family(),
            param: self.param.as_deref(),
            code: self.code.wire(),
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self.code.status() {
            429 | 503 => Some(self.retry_after.unwrap_or(1)),
            _ => self.retry_after,
        }
    }
}

/// OpenAI's error object: always all four members.
#[derive(Debug, Serialize)]
pub struct Members<'a> {
    pub message: &'a str,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub param: Option<&'a str>,
    pub code: &'static str,
}

#[derive(Serialize)]
struct Body<'a> {
    error: Members<'a>,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.wire(), self.message)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        status(self.code)
    }

    fn error_response(&self) -> HttpResponse {
        if let Some(cause) = &self.cause {
            tracing::error!(code = self.code.wire(), cause, "request failed");
        }
        let mut response = HttpResponse::build(self.status_code()).json(Body { error: self.members() });
        let headers = response.headers_mut();
        if matches!(self.code, Code::InvalidApiKey | Code::KeyRevoked) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.allow.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(header::ALLOW, allow);
        }
        response
    }
}

/// The HTTP status of a code.
pub fn status(code: Code) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl From<ProfileError> for ApiError {
    fn from(error: ProfileError) -> Self {
        let ProfileError { code, message, retry_after, param } = error;
        // The texts of these two name files and inner states.
        let mut api = if code == Code::Internal {
            Self::internal(message)
        } else if code == Code::StorageFailed {
            let told = "The profile's store cannot be used now; the gateway's log says why.";
            Self { cause: Some(message), ..Self::new(code, told) }
        } else {
            Self::new(code, message)
        };
        api.retry_after = retry_after;
        api.param = param;
        api
    }
}

impl From<Unavailable> for ApiError {
    /// Seen before any key was checked, and the reason may name files: it is for the log alone.
    fn from(Unavailable { message, retry_after }: Unavailable) -> Self {
        Self {
            retry_after: Some(retry_after),
            cause: Some(message),
            ..Self::new(
                Code::ProfileUnavailable,
                "The profile cannot answer now; the gateway's log says why.",
            )
        }
    }
}

impl From<actix::MailboxError> for ApiError {
    fn from(error: actix::MailboxError) -> Self {
        Self {
            cause: Some(error.to_string()),
            ..Self::new(Code::ProfileUnavailable, "The profile is being restarted; retry shortly.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;
    use serde_json::{Value, json};

    #[actix_web::test]
    async fn errors_always_have_all_four_members_and_the_headers_of_their_status() {
        let cases = [
            ("plain", ApiError::invalid("messages[2].role", "no"), 400, None, None),
            ("key", ApiError::unauthorised(), 401, Some(("www-authenticate", "Bearer")), None),
            (
                "method",
                ApiError::method_not_allowed("PUT", "GET, HEAD".into()),
                405,
                Some(("allow", "GET, HEAD")),
                None,
            ),
            ("rate", ApiError::new(Code::RateLimitExceeded, "full"), 429, Some(("retry-after", "1")), None),
            ("ours", ApiError::internal("secret path"), 500, None, Some("secret path")),
        ];
        for (case, error, status, expected, hidden) in cases {
            let response = error.error_response();
            assert_eq!(response.status().as_u16(), status, "{case}");
            if let Some((name, value)) = expected {
                assert_eq!(response.headers().get(name).unwrap(), value, "{case}");
            }
            let bytes = to_bytes(response.into_body()).await.unwrap();
            let body: Value = serde_json::from_slice(&bytes).unwrap();
            let members: Vec<&String> = body["error"].as_object().unwrap().keys().collect();
            assert_eq!(members, ["code", "message", "param", "type"], "{case}");
            if let Some(secret) = hidden {
                assert!(!body.to_string().contains(secret), "{case}");
            }
        }
        let place = ApiError::invalid("messages[2].role", "no").param;
        assert_eq!(json!(place), json!("messages[2].role"));
    }
}
