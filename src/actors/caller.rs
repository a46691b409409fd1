//! Who is calling: the proof that a request came with a valid key.

use super::{ProfileError, Rights};
use crate::domain::{Code, KeyId};
use tokio_util::sync::CancellationToken;

/// Proof that a request came with a valid key of this profile.
#[derive(Debug, Clone)]
pub struct Caller {
    pub key_id: KeyId,
    pub rights: Rights,
    /// Cancelled when the key is revoked, ends, or loses a right: its streams end with it.
    pub revoked: CancellationToken,
}

impl Caller {
    /// A caller that may do everything.
    #[must_use]
    pub fn all(key_id: KeyId) -> Self {
        Self { key_id, rights: Rights::all(), revoked: CancellationToken::new() }
    }
}

/// What a request is told whose key ends before its answer.
pub const KEY_REVOKED: &str = "The API key of this request was revoked.";

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
