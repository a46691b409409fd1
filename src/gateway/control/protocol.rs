//! What is said over the control socket.

use crate::{
    domain::{Approval, ApprovalId, Choice, KeyId, Millis, ProfileName},
    gateway::status::ProfileStatus,
    store::KeyRecord,
};
use serde::{Deserialize, Serialize};

/// Longest request, in bytes: no command needs more.
pub const MAX_REQUEST: usize = 64 * 1024;
/// Longest answer: a list of approvals with long commands.
pub const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// The line a client sends.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    pub token: String,
    #[serde(flatten)]
    pub command: Command,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    Status,
    /// End the gateway. The connection stays open until the process has let go of everything.
    StopGateway,
    StartProfile {
        profile: ProfileName,
    },
    StopProfile {
        profile: ProfileName,
    },
    RestartProfile {
        profile: ProfileName,
    },
    ReloadProfile {
        profile: ProfileName,
    },
    CreateKey {
        profile: ProfileName,
        name: String,
        scopes: Vec<String>,
    },
    ListKeys {
        profile: ProfileName,
    },
    RevokeKey {
        profile: ProfileName,
        id: KeyId,
    },
    ListApprovals {
        profile: ProfileName,
        pending: bool,
    },
    DecideApproval {
        profile: ProfileName,
        id: ApprovalId,
        choice: Choice,
        reason: Option<String>,
    },
}

/// The line that comes back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Gateway(GatewayStatus),
    Stopping,
    Profile(ProfileAnswer),
    KeyCreated {
        token: String,
        key: KeyInfo,
    },
    Keys(Vec<KeyInfo>),
    Key(KeyInfo),
    Approvals(Vec<Approval>),
    /// It was not done; a sentence that says why.
    Refused {
        message: String,
    },
}

/// What starting, stopping or reloading a profile came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProfileAnswer {
    pub status: ProfileStatus,
    /// The key that was made because the profile had none; said here and nowhere else.
    pub first_key: Option<String>,
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GatewayStatus {
    pub pid: u32,
    pub version: String,
    pub started_at: Millis,
    /// The one profile of `-p NAME`; `None`: all of the home.
    pub only: Option<ProfileName>,
    pub draining: bool,
    pub profiles: Vec<ProfileStatus>,
}

/// A key without its hashes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyInfo {
    pub id: KeyId,
    pub name: String,
    pub scopes: Vec<String>,
    pub created_at: Millis,
    pub revoked_at: Option<Millis>,
}

impl From<KeyRecord> for KeyInfo {
    fn from(record: KeyRecord) -> Self {
        let KeyRecord { id, name, phc: _, fast_hash: _, scopes, created_at, revoked_at } = record;
        Self { id, name, scopes, created_at, revoked_at }
    }
}
