//! Who is calling: the proof that a request came with a valid key.

use super::ProfileError;
use crate::domain::{Code, KeyId};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Chat,
    Runs,
    Approve,
    Sessions,
    Jobs,
    Memory,
    Read,
    /// To say on whose behalf it speaks: for frontends with many users behind one key.
    Impersonate,
    Admin,
}

impl Scope {
    pub const ALL: [Self; 9] = [
        Self::Chat,
        Self::Runs,
        Self::Approve,
        Self::Sessions,
        Self::Jobs,
        Self::Memory,
        Self::Read,
        Self::Impersonate,
        Self::Admin,
    ];

    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Runs => "runs",
            Self::Approve => "approve",
            Self::Sessions => "sessions",
            Self::Jobs => "jobs",
            Self::Memory => "memory",
            Self::Read => "read",
            Self::Impersonate => "impersonate",
            Self::Admin => "admin",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.wire() == text)
    }
}

/// Proof that a request came with a valid key of this profile.
#[derive(Debug, Clone)]
pub struct Caller {
    pub key_id: KeyId,
    pub scopes: Arc<[Scope]>,
    /// Cancelled when the key is revoked: streams end with it.
    pub revoked: CancellationToken,
}

impl Caller {
    /// A caller that may do everything.
    #[must_use]
    pub fn all(key_id: KeyId) -> Self {
        Self { key_id, scopes: Scope::ALL.into(), revoked: CancellationToken::new() }
    }

    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

#[derive(Debug, Clone)]
pub enum AuthError {
    /// Missing, malformed or wrong: all the same to the client.
    Invalid,
    Unavailable(Unavailable),
}

/// The profile cannot answer now: 503 `profile_unavailable`.
#[derive(Debug, Clone)]
pub struct Unavailable {
    pub message: String,
    /// Seconds.
    pub retry_after: u64,
}

impl From<Unavailable> for ProfileError {
    fn from(unavailable: Unavailable) -> Self {
        Self {
            retry_after: Some(unavailable.retry_after),
            ..Self::new(Code::ProfileUnavailable, unavailable.message)
        }
    }
}
