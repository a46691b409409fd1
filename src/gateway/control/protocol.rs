//! What is said over the control socket.

use crate::{
    actors::{Editor, KeySpec, KeyState, Rights, Scope, keys},
    domain::{Approval, ApprovalId, Choice, ImportReport, KeyId, Millis, ProfileName, RunId, now},
    front::operator::Question,
    gateway::status::ProfileStatus,
    store::KeyRecord,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
        #[serde(flatten)]
        wish: KeyWish,
    },
    ListKeys {
        profile: ProfileName,
    },
    ShowKey {
        profile: ProfileName,
        /// Its id, or a name of its own.
        key: String,
    },
    RotateKey {
        profile: ProfileName,
        key: String,
        /// How long the old secret works on.
        overlap_ms: Millis,
    },
    RevokeKey {
        profile: ProfileName,
        key: String,
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
    AnswerQuestion {
        profile: ProfileName,
        run: RunId,
        id: ApprovalId,
        response: String,
    },
    /// What the profile's records have of this.
    Ask {
        profile: ProfileName,
        question: Question,
    },
    /// Have a session's older messages give way to a summary.
    CompressSession {
        profile: ProfileName,
        session: String,
        focus: String,
    },
    /// Take over sessions of another database. Its records follow, one line each.
    ImportSessions {
        profile: ProfileName,
        dry_run: bool,
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
    /// As the matching route tells it.
    Document(Value),
    Imported(Box<ImportReport>),
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

/// A key that is to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyWish {
    pub name: String,
    /// None at all: the usual ones.
    pub scopes: Vec<String>,
    pub tools: Option<Vec<String>>,
    pub expires_at: Option<Millis>,
}

impl KeyWish {
    /// # Errors
    /// It makes no sense: a sentence that says what would.
    pub fn spec(&self) -> Result<KeySpec, String> {
        let rights = Rights {
            scopes: Scope::parse_all(&self.scopes)?.into(),
            tools: self.tools.as_ref().map(|tools| tools.iter().cloned().collect()),
            expires_at: self.expires_at,
        };
        let spec = KeySpec::new(&self.name, rights);
        keys::check(&spec, &Editor::Operator).map_err(|error| error.message)?;
        Ok(spec)
    }
}

/// A key without its hashes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyInfo {
    pub id: KeyId,
    pub name: String,
    pub scopes: Vec<String>,
    /// `null`: all.
    pub tools: Option<Vec<String>>,
    pub created_at: Millis,
    pub expires_at: Option<Millis>,
    pub rotated_at: Option<Millis>,
    /// The secret before the last rotation works until then.
    pub overlap_until: Option<Millis>,
    pub last_used_at: Option<Millis>,
    pub revoked_at: Option<Millis>,
}

impl From<KeyState> for KeyInfo {
    fn from(KeyState { record, last_used_at }: KeyState) -> Self {
        let KeyRecord { id, name, scopes, tools, created_at, expires_at, rotated_at, .. } = record;
        let overlap_until = record.former.map(|former| former.until).filter(|until| *until > now());
        let revoked_at = record.revoked_at;
        Self {
            id,
            name,
            scopes,
            tools,
            created_at,
            expires_at,
            rotated_at,
            overlap_until,
            last_used_at,
            revoked_at,
        }
    }
}

impl From<KeyRecord> for KeyInfo {
    fn from(record: KeyRecord) -> Self {
        KeyState { record, last_used_at: None }.into()
    }
}
