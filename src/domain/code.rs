//! Every error code that a client can see, in one table. Rows are only ever added.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A stable error code; its row gives the wire name, the HTTP status and OpenAI's error type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    InvalidRequest,
    InvalidJson,
    InvalidApiKey,
    UnsupportedParameter,
    UnsupportedContentType,
    InvalidImageUrl,
    InvalidContentPart,
    InvalidSessionId,
    InvalidSessionKey,
    InvalidIdempotencyKey,
    IdempotencyKeyConflict,
    InvalidApprovalChoice,
    ApprovalNotFound,
    ApprovalNotActive,
    ApprovalNotPending,
    ApprovalAmbiguous,
    ApprovalAlreadyDecided,
    ClarifyNotPending,
    ClarifyAmbiguous,
    RunNotAcceptingSteer,
    InvalidSteerInput,
    VisionUnsupported,
    ImageTooLarge,
    RuleNotFound,
    RunNotFound,
    ResponseNotFound,
    SessionNotFound,
    ModelNotFound,
    PreviousResponseNotFound,
    NotFound,
    MethodNotAllowed,
    InsufficientScope,
    OriginNotAllowed,
    BodyTooLarge,
    UnsupportedMediaType,
    RequestTimeout,
    RateLimitExceeded,
    ContextLengthExceeded,
    UpstreamError,
    UpstreamTimeout,
    UpstreamRateLimited,
    Interrupted,
    RunCancelled,
    KeyRevoked,
    Internal,
    ProfileUnavailable,
    GatewayDraining,
    StorageLow,
    StorageFailed,
    SessionExists,
    SessionBusy,
    InvalidTitle,
    InvalidSystemPrompt,
    InvalidSystemMessage,
    MissingMessage,
    UnsupportedSessionField,
    MissingModel,
    ModelLockUnavailable,
    KeyNotFound,
    KeyNotActive,
    HostNotAllowed,
    MemoryChanged,
    MemorySuperseded,
    MemoryFull,
    MemoryEntryNotFound,
    MemoryEntryAmbiguous,
    MemoryBlocked,
    MemoryChangeNotFound,
    MemoryOff,
    SkillNotFound,
}

struct Row {
    wire: &'static str,
    status: u16,
    family: &'static str,
}

const fn row(wire: &'static str, status: u16, family: &'static str) -> Row {
    Row { wire, status, family }
}

const CLIENT: &str = "invalid_request_error";
const SERVER: &str = "server_error";
const RATE: &str = "rate_limit_error";

impl Code {
    pub const ALL: &'static [Self] = &[
        Self::InvalidRequest,
        Self::InvalidJson,
        Self::InvalidApiKey,
        Self::UnsupportedParameter,
        Self::UnsupportedContentType,
        Self::InvalidImageUrl,
        Self::InvalidContentPart,
        Self::InvalidSessionId,
        Self::InvalidSessionKey,
        Self::InvalidIdempotencyKey,
        Self::IdempotencyKeyConflict,
        Self::InvalidApprovalChoice,
        Self::ApprovalNotFound,
        Self::ApprovalNotActive,
        Self::ApprovalNotPending,
        Self::ApprovalAmbiguous,
        Self::ApprovalAlreadyDecided,
        Self::ClarifyNotPending,
        Self::ClarifyAmbiguous,
        Self::RunNotAcceptingSteer,
        Self::InvalidSteerInput,
        Self::VisionUnsupported,
        Self::ImageTooLarge,
        Self::RuleNotFound,
        Self::RunNotFound,
        Self::ResponseNotFound,
        Self::SessionNotFound,
        Self::ModelNotFound,
        Self::PreviousResponseNotFound,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::InsufficientScope,
        Self::OriginNotAllowed,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::RequestTimeout,
        Self::RateLimitExceeded,
        Self::ContextLengthExceeded,
        Self::UpstreamError,
        Self::UpstreamTimeout,
        Self::UpstreamRateLimited,
        Self::Interrupted,
        Self::RunCancelled,
        Self::KeyRevoked,
        Self::Internal,
        Self::ProfileUnavailable,
        Self::GatewayDraining,
        Self::StorageLow,
        Self::StorageFailed,
        Self::SessionExists,
        Self::SessionBusy,
        Self::InvalidTitle,
        Self::InvalidSystemPrompt,
        Self::InvalidSystemMessage,
        Self::MissingMessage,
        Self::UnsupportedSessionField,
        Self::MissingModel,
        Self::ModelLockUnavailable,
        Self::KeyNotFound,
        Self::KeyNotActive,
        Self::HostNotAllowed,
        Self::MemoryChanged,
        Self::MemorySuperseded,
        Self::MemoryFull,
        Self::MemoryEntryNotFound,
        Self::MemoryEntryAmbiguous,
        Self::MemoryBlocked,
        Self::MemoryChangeNotFound,
        Self::MemoryOff,
        Self::SkillNotFound,
    ];

    #[rustfmt::skip]
    const fn row(self) -> Row {
        match self {
            Self::InvalidRequest           => row("invalid_request",             400, CLIENT),
            Self::InvalidJson              => row("invalid_json",                400, CLIENT),
            Self::InvalidApiKey            => row("invalid_api_key",             401, CLIENT),
            Self::UnsupportedParameter     => row("unsupported_parameter",       400, CLIENT),
            Self::UnsupportedContentType   => row("unsupported_content_type",    400, CLIENT),
            Self::InvalidImageUrl          => row("invalid_image_url",           400, CLIENT),
            Self::InvalidContentPart       => row("invalid_content_part",        400, CLIENT),
            Self::InvalidSessionId         => row("invalid_session_id",          400, CLIENT),
            Self::InvalidSessionKey        => row("invalid_session_key",         400, CLIENT),
            Self::InvalidIdempotencyKey    => row("invalid_idempotency_key",     400, CLIENT),
            Self::IdempotencyKeyConflict   => row("idempotency_key_conflict",    409, CLIENT),
            Self::InvalidApprovalChoice    => row("invalid_approval_choice",     400, CLIENT),
            Self::ApprovalNotFound         => row("approval_not_found",          404, CLIENT),
            Self::ApprovalNotActive        => row("approval_not_active",         409, CLIENT),
            Self::ApprovalNotPending       => row("approval_not_pending",        409, CLIENT),
            Self::ApprovalAmbiguous        => row("approval_ambiguous",          409, CLIENT),
            Self::ApprovalAlreadyDecided   => row("approval_already_decided",    409, CLIENT),
            Self::ClarifyNotPending        => row("clarify_not_pending",         409, CLIENT),
            Self::ClarifyAmbiguous         => row("clarify_ambiguous",           409, CLIENT),
            Self::RunNotAcceptingSteer     => row("run_not_accepting_steer",     409, CLIENT),
            Self::InvalidSteerInput        => row("invalid_steer_input",         400, CLIENT),
            Self::VisionUnsupported        => row("vision_unsupported",          400, CLIENT),
            Self::ImageTooLarge            => row("image_too_large",             400, CLIENT),
            Self::RuleNotFound             => row("rule_not_found",              404, CLIENT),
            Self::RunNotFound              => row("run_not_found",               404, CLIENT),
            Self::ResponseNotFound         => row("response_not_found",          404, CLIENT),
            Self::SessionNotFound          => row("session_not_found",           404, CLIENT),
            Self::ModelNotFound            => row("model_not_found",             404, CLIENT),
            Self::PreviousResponseNotFound => row("previous_response_not_found", 404, CLIENT),
            Self::NotFound                 => row("not_found",                   404, CLIENT),
            Self::MethodNotAllowed         => row("method_not_allowed",          405, CLIENT),
            Self::InsufficientScope        => row("insufficient_scope",          403, CLIENT),
            Self::OriginNotAllowed         => row("origin_not_allowed",          403, CLIENT),
            Self::BodyTooLarge             => row("body_too_large",              413, CLIENT),
            Self::UnsupportedMediaType     => row("unsupported_media_type",      415, CLIENT),
            Self::RequestTimeout           => row("request_timeout",             408, CLIENT),
            Self::RateLimitExceeded        => row("rate_limit_exceeded",         429, RATE),
            Self::ContextLengthExceeded    => row("context_length_exceeded",     400, CLIENT),
            Self::UpstreamError            => row("upstream_error",              502, SERVER),
            Self::UpstreamTimeout          => row("upstream_timeout",            504, SERVER),
            Self::UpstreamRateLimited      => row("upstream_rate_limited",       429, RATE),
            Self::Interrupted              => row("interrupted",                 500, SERVER),
            Self::RunCancelled             => row("run_cancelled",               409, CLIENT),
            Self::KeyRevoked               => row("key_revoked",                 401, CLIENT),
            Self::Internal                 => row("internal_error",              500, SERVER),
            Self::ProfileUnavailable       => row("profile_unavailable",         503, SERVER),
            Self::GatewayDraining          => row("gateway_draining",            503, SERVER),
            Self::StorageLow               => row("storage_low",                 507, SERVER),
            Self::StorageFailed            => row("storage_failed",              503, SERVER),
            Self::SessionExists            => row("session_exists",              409, CLIENT),
            Self::SessionBusy              => row("session_busy",                409, CLIENT),
            Self::InvalidTitle             => row("invalid_title",               400, CLIENT),
            Self::InvalidSystemPrompt      => row("invalid_system_prompt",       400, CLIENT),
            Self::InvalidSystemMessage     => row("invalid_system_message",      400, CLIENT),
            Self::MissingMessage           => row("missing_message",             400, CLIENT),
            Self::UnsupportedSessionField  => row("unsupported_session_field",   400, CLIENT),
            Self::MissingModel             => row("missing_model",               400, CLIENT),
            Self::ModelLockUnavailable     => row("model_lock_unavailable",      409, CLIENT),
            Self::KeyNotFound              => row("key_not_found",               404, CLIENT),
            Self::KeyNotActive             => row("key_not_active",              409, CLIENT),
            Self::HostNotAllowed           => row("host_not_allowed",            421, CLIENT),
            Self::MemoryChanged            => row("memory_changed",              412, CLIENT),
            Self::MemorySuperseded         => row("memory_superseded",           409, CLIENT),
            Self::MemoryFull               => row("memory_full",                 409, CLIENT),
            Self::MemoryEntryNotFound      => row("memory_entry_not_found",      404, CLIENT),
            Self::MemoryEntryAmbiguous     => row("memory_entry_ambiguous",      409, CLIENT),
            Self::MemoryBlocked            => row("memory_blocked",              400, CLIENT),
            Self::MemoryChangeNotFound     => row("memory_change_not_found",     404, CLIENT),
            Self::MemoryOff                => row("memory_off",                  409, CLIENT),
            Self::SkillNotFound            => row("skill_not_found",             404, CLIENT),
        }
    }

    /// The `code` member of an error body.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        self.row().wire
    }

    /// HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.row().status
    }

    /// The `type` member of an error body.
    #[must_use]
    pub const fn family(self) -> &'static str {
        self.row().family
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.wire())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        let known = Self::ALL.iter().copied().find(|code| code.wire() == text);
        known.ok_or_else(|| de::Error::custom(format!("unknown error code `{text}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_is_used_twice() {
        let names: std::collections::HashSet<_> = Code::ALL.iter().map(|code| code.wire()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
