//! What is known of remembered entries beside their text, which lies in plain files.

use super::{KeyId, Millis, RunId, SessionId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One of the two files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryTarget {
    /// What the agent noted: `MEMORY.md`.
    #[default]
    Memory,
    /// What it noted about the person that it works for: `USER.md`.
    User,
}

impl MemoryTarget {
    pub const ALL: [Self; 2] = [Self::Memory, Self::User];

    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::User => "user",
        }
    }

    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Memory => "MEMORY.md",
            Self::User => "USER.md",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.wire() == text)
    }
}

/// Whose memory: the profile's, or that of one of the people that share it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemoryScope(Option<String>);

impl MemoryScope {
    /// That of whoever uses this `X-Hermes-Session-Key`; its hash is the folder's name.
    #[must_use]
    pub fn of_key(session_key: &str) -> Self {
        Self(Some(blake3::hash(session_key.as_bytes()).to_hex()[..32].to_owned()))
    }

    /// The folder below `memories/keys`; `None`: the profile's own, `memories` itself.
    #[must_use]
    pub fn folder(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// One file of one scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MemoryPlace {
    pub target: MemoryTarget,
    #[serde(default)]
    pub scope: MemoryScope,
}

impl fmt::Display for MemoryPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope.folder() {
            Some(folder) => write!(f, "{}/{folder}", self.target.wire()),
            None => f.write_str(self.target.wire()),
        }
    }
}

/// One step of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemoryOperation {
    Add {
        content: String,
    },
    /// The one entry that has `old_text` in it becomes `content`.
    Replace {
        old_text: String,
        content: String,
    },
    Remove {
        old_text: String,
    },
}

impl MemoryOperation {
    #[must_use]
    pub const fn act(&self) -> MemoryAct {
        match self {
            Self::Add { .. } => MemoryAct::Add,
            Self::Replace { .. } => MemoryAct::Replace,
            Self::Remove { .. } => MemoryAct::Remove,
        }
    }
}

/// Who wrote something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryAuthor {
    /// The agent, by its tool.
    Agent,
    /// Somebody with a key, by the API.
    Person,
    /// Nobody said so: it was found in the file.
    File,
}

/// Where something comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryOrigin {
    pub author: MemoryAuthor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// False: the agent had read something of strangers, a web page for instance, before it wrote this.
    pub trusted: bool,
}

impl MemoryOrigin {
    /// Of what was found in a file: whoever can write there is the operator.
    #[must_use]
    pub const fn file() -> Self {
        Self { author: MemoryAuthor::File, key_id: None, session_id: None, run_id: None, trusted: true }
    }

    #[must_use]
    pub fn person(key_id: KeyId) -> Self {
        Self { author: MemoryAuthor::Person, key_id: Some(key_id), ..Self::file() }
    }
}

/// An entry with its origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryEntry {
    pub text: String,
    /// When it was written, or found.
    pub at: Millis,
    #[serde(flatten)]
    pub origin: MemoryOrigin,
}

/// The side record of one file: its entries as they were last written or seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryRecord {
    pub place: MemoryPlace,
    pub entries: Vec<MemoryEntry>,
    /// The number of its last change.
    pub changes: u64,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryAct {
    Add,
    Replace,
    Remove,
    /// Several operations together.
    Batch,
    /// The file had changed by itself.
    Found,
    Undo,
}

impl MemoryAct {
    pub const ALL: [Self; 6] = [Self::Add, Self::Replace, Self::Remove, Self::Batch, Self::Found, Self::Undo];

    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Remove => "remove",
            Self::Batch => "batch",
            Self::Found => "found",
            Self::Undo => "undo",
        }
    }
}

/// One change of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryChange {
    pub place: MemoryPlace,
    /// From 1, in order.
    pub number: u64,
    pub at: Millis,
    pub act: MemoryAct,
    #[serde(flatten)]
    pub origin: MemoryOrigin,
    pub before: Vec<String>,
    pub after: Vec<String>,
    /// The change that an undo took back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<u64>,
}

impl MemoryChange {
    /// The entries that it took away.
    #[must_use]
    pub fn removed(&self) -> Vec<&str> {
        missing(&self.before, &self.after)
    }

    /// The entries that it brought.
    #[must_use]
    pub fn added(&self) -> Vec<&str> {
        missing(&self.after, &self.before)
    }
}

fn missing<'a>(of: &'a [String], in_other: &[String]) -> Vec<&'a str> {
    of.iter().filter(|entry| !in_other.contains(entry)).map(String::as_str).collect()
}
