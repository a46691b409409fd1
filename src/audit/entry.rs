//! What an entry says.

use crate::domain::{ApprovalId, Choice, ImportReport, KeyId, RunId, SessionId};
use serde::{Serialize, Serializer};

/// Who acted, as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A client, by the key that it proved.
    Key(KeyId),
    /// Whoever has the gateway's user on this machine: the command line.
    Operator,
    /// The gateway itself: the clock, a start, a file that was read.
    Gateway,
}

impl From<&KeyId> for Actor {
    fn from(key: &KeyId) -> Self {
        if *key == KeyId::cli() { Self::Operator } else { Self::Key(key.clone()) }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Key(key) => serializer.collect_str(&format_args!("key:{key}")),
            Self::Operator => serializer.serialize_str("operator"),
            Self::Gateway => serializer.serialize_str("gateway"),
        }
    }
}

/// One fact. Texts of commands are not among them: a digest says which command it was to whoever has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "act")]
pub enum Act {
    #[serde(rename = "profile.started")]
    ProfileStarted { version: String, sandbox: String },
    #[serde(rename = "profile.stopped")]
    ProfileStopped,
    /// The settings that are in force from here on.
    #[serde(rename = "config.loaded")]
    ConfigLoaded {
        /// Of everything that the settings were read from, keyed with the home's secret.
        digest: String,
        approvals: String,
        unattended: String,
        /// Patterns of `approvals.deny`.
        denied: usize,
        sandbox: String,
        /// Entries of `.env` that commands see.
        env_passthrough: Vec<String>,
    },
    /// The first use of a key in an hour.
    #[serde(rename = "key.used")]
    KeyUsed { key: KeyId },
    /// Requests with wrong keys: one entry for many.
    #[serde(rename = "key.failures")]
    KeyFailures { failures: u64, seconds: u64 },
    #[serde(rename = "key.created")]
    KeyCreated { key: KeyId, name: String, scopes: Vec<String> },
    /// `what`: `rotated`, `changed` …
    #[serde(rename = "key.changed")]
    KeyChanged { key: KeyId, what: String },
    #[serde(rename = "key.revoked")]
    KeyRevoked { key: KeyId },
    /// A model looked at a call before a person is asked; by an `approve` nobody was.
    #[serde(rename = "approval.reviewed")]
    ApprovalReviewed {
        run: RunId,
        tool: String,
        /// As in `approval.asked`.
        digest: String,
        rules: Vec<String>,
        opinion: String,
    },
    #[serde(rename = "approval.asked")]
    ApprovalAsked {
        approval: ApprovalId,
        run: RunId,
        session: SessionId,
        tool: String,
        /// blake3 of the tool's name and its exact arguments.
        digest: String,
        rules: Vec<String>,
    },
    #[serde(rename = "approval.answered")]
    ApprovalAnswered { approval: ApprovalId, run: RunId, choice: Choice, expired: bool },
    /// A standing permission, made by an `always`.
    #[serde(rename = "rule.made")]
    RuleMade { rule: String, approval: ApprovalId },
    #[serde(rename = "rule.removed")]
    RuleRemoved { rule: String },
    /// A tool has run, or was refused (`failed`, without `exit_code`).
    #[serde(rename = "tool.finished")]
    ToolFinished {
        run: RunId,
        tool: String,
        call: String,
        /// As in `approval.asked`.
        digest: String,
        failed: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_code: Option<i64>,
        millis: u64,
    },
    /// A person said that a skill is to stay as it is, or that it need not.
    #[serde(rename = "skill.pinned")]
    SkillPinned { skill: String, pinned: bool },
    /// A person changed what the agent remembers; what a tool changes is in `tool.finished`.
    #[serde(rename = "memory.changed")]
    MemoryChanged {
        /// Which file, and of which scope.
        file: String,
        /// Its number in the file's history.
        change: u64,
        what: String,
    },
    /// Sessions of another database were taken over.
    #[serde(rename = "sessions.imported")]
    SessionsImported { sessions: u64, messages: u64 },
    /// Whether a tool's process was let through to a host. The same again within the hour is not written.
    #[serde(rename = "network.decided")]
    NetworkDecided {
        #[serde(skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
        /// Instead of a run, whose process it was, as the settings name it.
        #[serde(skip_serializing_if = "Option::is_none")]
        mcp_server: Option<String>,
        host: String,
        port: u16,
        /// What the name stood for, when it was asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        allowed: bool,
        /// Why, in a few words.
        why: String,
    },
    /// More network decisions than an hour's share; the others of that hour are not written.
    #[serde(rename = "network.more")]
    NetworkMore,
    /// A file of the log begins; the chain goes on behind this hash.
    #[serde(rename = "log.opened")]
    LogOpened { prev: String },
    /// The end of the log was not what it should be when it was opened: it was cut or changed meanwhile.
    #[serde(rename = "log.damaged")]
    LogDamaged { expected_seq: u64, expected_hash: String },
    /// Entries that could not be written, and are gone.
    #[serde(rename = "log.lost")]
    LogLost { entries: u64 },
    /// Files that had become too old were deleted, up to and with this entry.
    #[serde(rename = "log.expired")]
    LogExpired { upto: u64 },
}

impl Act {
    /// What an import did; `None`: nothing.
    #[must_use]
    pub fn of_import(report: &ImportReport) -> Option<Self> {
        let ImportReport { dry_run, sessions, messages, .. } = *report;
        (!dry_run && sessions > 0).then_some(Self::SessionsImported { sessions, messages })
    }
}
