//! What callers hand over and get back.

use super::{SessionSummary, StoreError};
use crate::{
    domain::{
        Approval, Finish, KeyId, MemoryChange, MemoryRecord, Message, Millis, ProcessRecord, ResponseRecord,
        Rule, RunId, RunRecord, RunSpec, RunStatus, SessionId, SessionRef, StandsFor, Summary, SystemPrompt,
        Todo, Usage,
    },
    redact::Redactor,
};
use serde::{Deserialize, Serialize};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::oneshot;

/// Resolves when what was handed over is on disk (or was refused). Dropping it takes nothing back.
#[must_use = "whether it was written is told by this alone; drop it where nobody waits for that"]
pub struct Committed(State);

enum State {
    Known(Result<(), StoreError>),
    Waits(oneshot::Receiver<Result<(), StoreError>>),
}

impl Committed {
    /// There is nothing to wait for.
    pub(super) const fn known(result: Result<(), StoreError>) -> Self {
        Self(State::Known(result))
    }

    /// What the writer answers.
    pub(super) const fn told(answer: oneshot::Receiver<Result<(), StoreError>>) -> Self {
        Self(State::Waits(answer))
    }
}

impl Future for Committed {
    type Output = Result<(), StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Known(result) => Poll::Ready(result.clone()),
            State::Waits(answer) => {
                Pin::new(answer).poll(context).map(|told| told.unwrap_or(Err(StoreError::Closed)))
            }
        }
    }
}

/// A record to be written. Those handed over together are written together, or not at all.
#[derive(Debug, Clone)]
pub enum Change {
    /// The next message of the run's conversation (after history and input): an assistant message or a result.
    Message(Message),
    Approval(Approval),
    Rule(Rule),
    RuleRemoved(String),
    SessionAppend(Box<SessionAppend>),
    SessionSummary(SessionSummary),
    Idempotency(IdempotencyEntry),
    Key(KeyRecord),
    KeyUse(KeyUse),
    Response(ResponseRecord),
    ClientCall(ClientCall),
    Todos {
        session: SessionId,
        list: Vec<Todo>,
    },
    /// What is known of a file of memory.
    Memory(MemoryRecord),
    MemoryChange(MemoryChange),
    /// The text of a prompt that a run names.
    Prompt(SystemPrompt),
    Process(ProcessRecord),
    ProcessRemoved(ProcessRecord),
}

/// The messages that a turn adds to a session; the session is made if it is not there.
#[derive(Debug, Clone)]
pub struct SessionAppend {
    pub session: SessionRef,
    pub run_id: RunId,
    pub source: &'static str,
    pub model: String,
    /// When the first of the messages was said; the others are as old as the commit.
    pub began_at: Millis,
    pub messages: Vec<Message>,
    /// From here on the session goes on from this one, which may cover messages of this turn.
    pub summary: Option<Summary>,
    /// Why the last message ended, when the model ended it.
    pub finish: Option<Finish>,
    pub usage: Usage,
    /// As in [`crate::domain::RunRecord`].
    pub cost: Option<u64>,
    /// The prompt that the session goes on with; `None`: the one that it has.
    pub prompt: Option<SystemPrompt>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdempotencyEntry {
    /// blake3 of profile, key id, route and the client's key.
    pub scope: [u8; 32],
    /// blake3 of the canonical request.
    pub fingerprint: [u8; 32],
    #[serde(flatten)]
    pub stands_for: StandsFor,
    pub created_at: Millis,
}

/// A call that a turn left to its client: whoever brings the result, with the same key, goes on with that turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientCall {
    pub key_id: KeyId,
    pub call_id: String,
    pub run_id: RunId,
    pub created_at: Millis,
}

/// A credential. Neither hash gives the token back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyRecord {
    pub id: KeyId,
    pub name: String,
    /// argon2id, PHC string.
    pub phc: String,
    /// blake3 keyed with the home's secret, hexadecimal.
    pub fast_hash: String,
    pub scopes: Vec<String>,
    /// The agent's tools that its runs may use; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    pub created_at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// When it got the secret that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_at: Option<Millis>,
    /// The secret before that, while it still works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<FormerSecret>,
    pub revoked_at: Option<Millis>,
}

/// A key's earlier secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FormerSecret {
    pub phc: String,
    pub fast_hash: String,
    pub until: Millis,
}

/// When a key was last used. Not part of the key's own record: a late note of a use must not undo a change of the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    pub id: KeyId,
    pub at: Millis,
}

/// A run as the store knows it: enough to go on with it.
#[derive(Debug, Clone)]
pub struct StoredRun {
    pub spec: RunSpec,
    pub record: RunRecord,
    /// After history and input, in order.
    pub messages: Vec<Message>,
    /// All of this run's, oldest first.
    pub approvals: Vec<Approval>,
}

#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    pub status: Option<RunStatus>,
    pub session: Option<SessionId>,
    /// Runs older than this one.
    pub after: Option<RunId>,
    pub limit: usize,
    /// Bytes of all their texts together; the run that goes beyond it is the last one. Nothing: no limit.
    pub text: Option<usize>,
}

/// How long ended things are kept. Named sessions are kept for ever.
#[derive(Debug, Clone)]
pub struct Retention {
    pub runs: Duration,
    pub derived_sessions: Duration,
    pub idempotency: Duration,
}

/// What a round of housekeeping did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Housekept {
    pub runs_deleted: usize,
    pub sessions_deleted: usize,
    pub compacted: bool,
}

/// The store's limits; the defaults are the product's.
#[derive(Debug, Clone)]
pub struct Options {
    /// Events that a live run keeps in memory before it begins to write them to the disk …
    pub ring_events: usize,
    /// … and their size, whichever is reached first.
    pub ring_bytes: usize,
    /// Events that are kept in memory for readers though the disk has them: who is further behind reads them there.
    pub ring_read: usize,
    /// Events that are kept in memory while nobody reads.
    pub ring_unread: usize,
    /// Numbers that are reserved at once.
    pub reserve: u64,
    /// How long a background commit may wait for company.
    pub background: Duration,
    /// Commands in one commit.
    pub group: usize,
    /// Commands of one commit from which on longer values go to a file beside the database.
    pub wide: usize,
    /// Events in one answer of a cursor.
    pub page: usize,
    /// Size of a database of deltas at which the next begins.
    pub generation_bytes: u64,
    /// The main database is rewritten when it is larger than this and four times what lives in it.
    pub compact_floor: u64,
    /// Free disk below which no new run begins.
    pub disk_floor: u64,
    /// sled's cache, per database. sled divides it by 256, and a leaf of up to 16 records has to fit into such a share, or it
    /// is read back from the disk at every touch. In memory a leaf takes several times what it takes on the disk.
    pub cache: u64,
    /// The same of a database of deltas: the newest leaf of some 1,000 runs at work. Older ones are hardly ever read again.
    pub deltas_cache: u64,
    /// How long a commit may be in the journal alone.
    pub checkpoint_after: Duration,
    /// How long after a failed write the database is left alone before it is opened anew.
    pub heal_after: Duration,
    /// How long after a run's end could not be written it is tried again.
    pub save_after: Duration,
    /// How long after a commit its messages are taken into the index that searches read.
    pub index_after: Duration,
    /// Takes the profile's secrets out of everything that is written.
    pub redactor: Redactor,
    #[cfg(test)]
    pub(super) fault: super::testing::Fault,
}

impl Options {
    /// The product's limits, and what takes a profile's secrets out of what is written.
    #[must_use]
    pub fn redacting(redactor: Redactor) -> Self {
        Self { redactor, ..Self::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ring_events: 512,
            ring_read: 16,
            ring_bytes: 64 << 10,
            ring_unread: 8,
            reserve: 4096,
            background: Duration::from_millis(50),
            group: 512,
            wide: 16,
            page: 512,
            generation_bytes: 64 << 20,
            compact_floor: 64 << 20,
            disk_floor: 256 << 20,
            cache: 4 << 20,
            deltas_cache: 2 << 20,
            checkpoint_after: Duration::from_secs(1),
            heal_after: Duration::from_secs(1),
            save_after: Duration::from_secs(2),
            index_after: Duration::from_secs(20),
            redactor: Redactor::default(),
            #[cfg(test)]
            fault: super::testing::Fault::default(),
        }
    }
}
