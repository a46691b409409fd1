//! The handle that everybody holds.

use super::{
    Change, Committed, EventCursor, IdempotencyEntry, LogWriter, Options, ProfileLock, StoreError, StoredRun,
    command::{self, Command},
    files,
    inner::Inner,
    writer::Urgency,
};
use crate::domain::{RunId, RunSpec, Seq};
use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
};
use tokio::sync::oneshot;

/// A profile's store, open. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct Store(pub(super) Arc<Inner>);

impl Store {
    /// Opens, checks against the side file, and repairs nothing. Blocking: call it on the blocking pool.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] also for a panic of the engine.
    pub fn open(state_dir: &Path, lock: Arc<ProfileLock>) -> Result<Self, StoreError> {
        Self::open_with(state_dir, lock, Options::default())
    }

    /// As [`Store::open`], with other limits.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(state_dir: &Path, lock: Arc<ProfileLock>, options: Options) -> Result<Self, StoreError> {
        Inner::open(state_dir, lock, options).map(|inner| Self(Arc::new(inner)))
    }

    /// Readers of runs that were put aside come to their end: the next process goes on with those runs.
    pub fn let_readers_go(&self) {
        self.0.ending.store(true, Ordering::Release);
        self.0.arrivals.notify_waiters();
    }

    /// Writes everything that waits, flushes, and refuses what comes later. Blocking.
    pub fn close(&self) -> Result<(), StoreError> {
        self.0.close()
    }

    /// Writes records that belong to no run's log. Must be called on a tokio runtime.
    pub fn commit(&self, changes: Vec<Change>) -> Committed {
        let writes = match command::encode(&self.0.options.redactor, changes, None) {
            Ok(writes) => writes,
            Err(error) => return Committed::known(Err(error)),
        };
        let (answer, committed) = oneshot::channel();
        self.0.submit(Command { writes, log: None, answer: Some(answer) }, Urgency::Now);
        Committed::told(committed)
    }

    /// Begins a log, with `idempotency` in the same commit. For a durable spec the future resolves when spec and
    /// record are on disk; for a stateless chat at once (it is written in the background, at its end at the latest).
    /// A run with an idempotency key is durable.
    pub fn begin(&self, spec: Arc<RunSpec>, idempotency: Option<IdempotencyEntry>) -> (LogWriter, Committed) {
        self.begin_with(spec, idempotency.map(Change::Idempotency).into_iter().collect())
    }

    /// As [`Store::begin`], with any records in the same commit: a run that has some is durable.
    pub fn begin_with(&self, spec: Arc<RunSpec>, with: Vec<Change>) -> (LogWriter, Committed) {
        LogWriter::begin(Arc::clone(&self.0), spec, with)
    }

    /// Goes on with a stored run's log: numbers continue behind the reserved block, and the first event says
    /// `lost_after` unless the log was closed in order.
    pub fn resume(&self, run: &StoredRun) -> LogWriter {
        LogWriter::resume(Arc::clone(&self.0), run.record.clone(), run.messages.len())
    }

    /// Reads a log after `after`, live or ended. `None`: no such run.
    pub fn tail(&self, run: RunId, after: Seq) -> Result<Option<EventCursor>, StoreError> {
        if let Some(live) = self.0.live(run) {
            return Ok(Some(EventCursor::live(Arc::clone(&self.0), live, after)));
        }
        let stored = self.0.is_stored(run)?;
        Ok(stored.then(|| EventCursor::stored(Arc::clone(&self.0), run, after)))
    }

    /// Cursors that are open on a live run.
    #[must_use]
    pub fn readers(&self, run: RunId) -> usize {
        self.0.live(run).map_or(0, |live| live.readers())
    }

    /// As [`Store::is_disk_low`], of a store that need not be open. Blocking.
    #[must_use]
    pub fn would_be_low(dir: &Path) -> bool {
        files::has_less_than(dir, Options::default().disk_floor)
    }

    /// Below 256 MB of free disk no new run begins. Looked up at most once a second.
    #[must_use]
    pub fn is_disk_low(&self) -> bool {
        self.0.is_disk_low()
    }
}
