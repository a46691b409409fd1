//! Durable state of one profile. The only user of sled.
//!
//! CONTRACT STUB. The helper on the store replaces bodies and splits this into files; signatures are what others use.

use crate::domain::{
    Approval, ApprovalId, ApprovalStatus, Code, Event, KeyId, Logged, Message, Millis, Rule, RunId,
    RunRecord, RunSpec, RunStatus, Seq, SessionId, SessionRef,
};
use serde::{Deserialize, Serialize};
use std::{fmt, future::Future, path::Path, pin::Pin, sync::Arc, time::Duration};

/// Why the store said no. Each is an ordinary answer.
#[derive(Debug, Clone)]
pub enum StoreError {
    /// Another process holds the profile's lock.
    Locked {
        pid: Option<u32>,
    },
    /// The store is not what it was when it was last written; nothing was changed. Says what was seen.
    Damaged(String),
    /// No space left.
    Full,
    Io(String),
    /// An event that the run's state does not allow: a bug of ours, nothing was written.
    Illegal(String),
    /// The store is being closed.
    Closed,
}

impl StoreError {
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Full => Code::StorageLow,
            Self::Illegal(_) => Code::Internal,
            Self::Locked { .. } | Self::Damaged(_) | Self::Io(_) | Self::Closed => Code::StorageFailed,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for StoreError {}

/// Resolves when what was handed over is on disk (or was refused).
pub type Committed = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// The right to open a profile's store: an advisory lock on `state/lock` that holds the holder's pid.
#[derive(Debug)]
pub struct ProfileLock(());

impl ProfileLock {
    /// # Errors
    /// [`StoreError::Locked`] with the holder's pid; I/O.
    pub fn acquire(state_dir: &Path) -> Result<Self, StoreError> {
        let _ = state_dir;
        unimplemented!()
    }

    /// The process that holds the lock, if any does.
    #[must_use]
    pub fn holder(state_dir: &Path) -> Option<u32> {
        let _ = state_dir;
        unimplemented!()
    }
}

/// What `state/wake` says without opening the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// Some run has no terminal event: the store must be opened at start.
    pub open_runs: bool,
    /// When the next job is due.
    pub next_due_ms: Option<Millis>,
    /// How many keys the store holds that are not revoked.
    pub keys: usize,
}

impl Wake {
    /// `None`: there is no store yet.
    #[must_use]
    pub fn read(state_dir: &Path) -> Option<Self> {
        let _ = state_dir;
        unimplemented!()
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
    SessionAppend(SessionAppend),
    Idempotency(IdempotencyEntry),
    Key(KeyRecord),
}

/// The messages that a turn adds to a session; the session is made if it is not there.
#[derive(Debug, Clone)]
pub struct SessionAppend {
    pub session: SessionRef,
    pub run_id: RunId,
    pub source: &'static str,
    pub model: String,
    pub messages: Vec<Message>,
    pub usage: crate::domain::Usage,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdempotencyEntry {
    /// blake3 of profile, key id, route and the client's key.
    pub scope: [u8; 32],
    /// blake3 of the canonical request.
    pub fingerprint: [u8; 32],
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
    pub created_at: Millis,
    pub revoked_at: Option<Millis>,
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
}

/// A profile's store, open. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct Store(());

impl Store {
    /// Opens, checks against the side file, and repairs nothing. Blocking: call it on the blocking pool.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] also for a panic of the engine.
    pub fn open(state_dir: &Path, lock: Arc<ProfileLock>) -> Result<Self, StoreError> {
        let _ = (state_dir, lock);
        unimplemented!()
    }

    /// Writes everything that waits, flushes, and refuses what comes later. Blocking.
    pub fn close(&self) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Writes records that belong to no run's log. Must be called on a tokio runtime.
    pub fn commit(&self, changes: Vec<Change>) -> Committed {
        let _ = changes;
        unimplemented!()
    }

    // ---- runs and their logs

    /// Begins a log, with `idempotency` in the same commit. For a durable spec the future resolves when spec and
    /// record are on disk; for a stateless chat at once (it is written in the background, at its end at the latest).
    pub fn begin(&self, spec: Arc<RunSpec>, idempotency: Option<IdempotencyEntry>) -> (LogWriter, Committed) {
        let _ = (spec, idempotency);
        unimplemented!()
    }

    /// Goes on with a stored run's log: numbers continue behind the reserved block, and the first event says
    /// `lost_after` unless the log was closed in order.
    pub fn resume(&self, run: &StoredRun) -> LogWriter {
        let _ = run;
        unimplemented!()
    }

    /// The record of a live or ended run.
    pub fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        let _ = run;
        unimplemented!()
    }

    /// Newest first, live ones included.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        let _ = filter;
        unimplemented!()
    }

    /// Runs without a terminal event that are not live: what recovery has to look at.
    pub fn open_runs(&self) -> Result<Vec<StoredRun>, StoreError> {
        unimplemented!()
    }

    pub fn stored_run(&self, run: RunId) -> Result<Option<StoredRun>, StoreError> {
        let _ = run;
        unimplemented!()
    }

    /// Reads a log after `after`, live or ended. `None`: no such run.
    pub fn tail(&self, run: RunId, after: Seq) -> Result<Option<EventCursor>, StoreError> {
        let _ = (run, after);
        unimplemented!()
    }

    /// Cursors that are open on a live run.
    #[must_use]
    pub fn readers(&self, run: RunId) -> usize {
        let _ = run;
        unimplemented!()
    }

    // ---- everything else

    pub fn session_history(&self, session: &SessionId) -> Result<Vec<Message>, StoreError> {
        let _ = session;
        unimplemented!()
    }

    pub fn approval(&self, id: ApprovalId) -> Result<Option<Approval>, StoreError> {
        let _ = id;
        unimplemented!()
    }

    /// Newest first; pending ones come from an index of their own.
    pub fn approvals(
        &self,
        status: Option<ApprovalStatus>,
        after: Option<ApprovalId>,
        limit: usize,
    ) -> Result<Vec<Approval>, StoreError> {
        let _ = (status, after, limit);
        unimplemented!()
    }

    pub fn rules(&self) -> Result<Vec<Rule>, StoreError> {
        unimplemented!()
    }

    pub fn idempotency(&self, scope: &[u8; 32]) -> Result<Option<IdempotencyEntry>, StoreError> {
        let _ = scope;
        unimplemented!()
    }

    pub fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        unimplemented!()
    }

    /// Below 256 MB of free disk no new run begins. Looked up at most once a second.
    #[must_use]
    pub fn is_disk_low(&self) -> bool {
        unimplemented!()
    }

    /// Deletes what retention lets go and compacts when the file has grown beyond 4 x live + 64 MB. Blocking;
    /// streams stay open over it.
    pub fn housekeep(&self, now: Millis, retention: &Retention) -> Result<Housekept, StoreError> {
        let _ = (now, retention);
        unimplemented!()
    }
}

#[derive(Debug, Clone)]
pub struct Retention {
    pub runs: Duration,
    pub derived_sessions: Duration,
    pub idempotency: Duration,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Housekept {
    pub runs_deleted: usize,
    pub sessions_deleted: usize,
    pub compacted: bool,
}

/// Writes a backup of the whole store: JSON lines, the last with count and blake3. Blocking.
pub fn backup(store: &Store, to: &mut dyn std::io::Write) -> Result<u64, StoreError> {
    let _ = (store, to);
    unimplemented!()
}

/// Reads a backup into a new store beside the old one, verifies it, and swaps it in; the old one is kept as
/// `state/db.before-restore-<ms>`. Blocking.
pub fn restore(
    state_dir: &Path,
    lock: &ProfileLock,
    from: &mut dyn std::io::BufRead,
) -> Result<u64, StoreError> {
    let _ = (state_dir, lock, from);
    unimplemented!()
}

/// The one writer of one run's log.
///
/// Order is kept: no event is visible before all before it are. Once the run is durable, an event that is not a
/// delta is visible only when it is on disk. When a commit fails, the log goes on in memory alone, so that readers
/// still get their terminal event; every later append returns the error.
///
/// Dropped without a terminal event and without [`LogWriter::park`], it writes `run.failed / internal_error`.
pub struct LogWriter(());

impl LogWriter {
    /// # Errors
    /// [`StoreError::Illegal`] when the run's state does not allow the event.
    pub fn append(&mut self, event: Event, changes: Vec<Change>) -> Result<Committed, StoreError> {
        let _ = (event, changes);
        unimplemented!()
    }

    /// Text that may reach readers before the disk (which sees it within 50 ms).
    pub fn delta(&mut self, event: Event) -> Result<(), StoreError> {
        let _ = event;
        unimplemented!()
    }

    /// Records without an event.
    pub fn write(&mut self, changes: Vec<Change>) -> Committed {
        let _ = changes;
        unimplemented!()
    }

    /// From here on the run is durable: spec and all before go to disk with the next append.
    pub fn make_durable(&mut self) {
        unimplemented!()
    }

    /// Adds an upstream call's usage to the record (written with the next commit).
    pub fn add_usage(&mut self, usage: crate::domain::Usage) {
        let _ = usage;
        unimplemented!()
    }

    #[must_use]
    pub fn record(&self) -> RunRecord {
        unimplemented!()
    }

    /// Lets go of the log in order, the run staying open in the store.
    pub fn park(self) -> Committed {
        unimplemented!()
    }
}

/// A reader of one run's log at its own pace: ring first, else the store.
pub struct EventCursor(());

impl EventCursor {
    /// All events that are visible and not yet read, waiting for at least one. `None` once the terminal event has
    /// been given. Cancel-safe. A position that is no longer there gives one [`Event::Gap`] first.
    pub async fn next(&mut self) -> Option<Result<Vec<Arc<Logged>>, StoreError>> {
        unimplemented!()
    }

    /// The run as it stands now.
    pub fn record(&self) -> Result<RunRecord, StoreError> {
        unimplemented!()
    }
}
