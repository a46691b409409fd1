//! The log as those have it who write entries.

use super::{
    AuditError,
    entry::{Act, Actor},
    file::{Bench, Paths},
    lock_of,
    watch::Watch,
};
use crate::{
    domain::{KeyId, Millis, now},
    redact::Redactor,
};
use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{runtime::Handle, sync::oneshot};

/// Entries that wait for a disk that has no room; later ones are counted and forgotten.
const WAITING: usize = 1_024;
/// How long an entry that nobody waits for may be in the machine's memory only.
const SETTLES: Duration = Duration::from_secs(1);
/// How long a log that could not be written is left alone.
const RETRY: Duration = Duration::from_secs(5);

/// The audit log of one profile. Cheap to clone; all clones are one log.
///
/// *One writer*: a task of the blocking pool that lives only while entries wait. Making a value of this touches no file.
#[derive(Clone)]
pub struct AuditLog(Arc<Inner>);

struct Inner {
    paths: Paths,
    redactor: Redactor,
    queue: Mutex<Queue>,
    watch: Mutex<Watch>,
    /// Taken by whoever writes.
    bench: Mutex<Option<Bench>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Entries that there was no place for.
    lost: u64,
    /// A task is under way and will look again before it ends.
    running: bool,
    /// A task comes later, to sync or to try again.
    timer: bool,
    closed: bool,
}

struct Waiting {
    at: Millis,
    actor: Actor,
    act: Act,
    /// Somebody waits: when it cannot be written now, it never will be.
    answer: Option<oneshot::Sender<Result<(), AuditError>>>,
}

/// Resolves when the entry is on disk, or cannot be brought there. Dropping it takes nothing back.
pub type Recorded = std::pin::Pin<Box<dyn Future<Output = Result<(), AuditError>> + Send>>;

impl AuditLog {
    /// The log of the profile whose state is in `state_dir`. Only whoever holds the profile's lock may write it.
    #[must_use]
    pub fn new(state_dir: &Path, redactor: Redactor) -> Self {
        Self(Arc::new(Inner {
            paths: Paths::below(state_dir),
            redactor,
            queue: Mutex::default(),
            watch: Mutex::default(),
            bench: Mutex::default(),
        }))
    }

    /// Writes an act that has happened, or that happens whatever the log says: soon on disk, and tried again while the disk
    /// is full.
    pub fn note(&self, actor: Actor, act: Act) {
        self.submit(Waiting { at: now(), actor, act, answer: None }, true);
    }

    /// As [`AuditLog::note`], but only with the next entry: what nothing follows was of no consequence.
    pub fn note_with_next(&self, actor: Actor, act: Act) {
        self.submit(Waiting { at: now(), actor, act, answer: None }, false);
    }

    /// Writes an act that must not be done unrecorded; it may be done once this has resolved with success.
    pub fn record(&self, actor: Actor, act: Act) -> Recorded {
        let (answer, recorded) = oneshot::channel();
        self.submit(Waiting { at: now(), actor, act, answer: Some(answer) }, true);
        Box::pin(async move { recorded.await.unwrap_or(Err(AuditError::Closed)) })
    }

    /// A request with this key: an entry for the first in an hour.
    pub fn key_used(&self, key: &KeyId) {
        if lock_of(&self.0.watch).is_first_use(key, now()) {
            self.note(Actor::from(key), Act::KeyUsed { key: key.clone() });
        }
    }

    /// A request with a wrong key: an entry for each minute that has many.
    pub fn key_failed(&self) {
        if let Some((failures, seconds)) = lock_of(&self.0.watch).failed(now()) {
            self.note(Actor::Gateway, Act::KeyFailures { failures, seconds });
        }
    }

    /// A decision about a connection of a tool's process: an entry unless the same was decided within the hour, and for a
    /// bounded number of them.
    pub fn network_decided(&self, decided: Act) {
        let noted = lock_of(&self.0.watch).is_new_decision(decided, now());
        noted.into_iter().for_each(|act| self.note(Actor::Gateway, act));
    }

    /// Deletes files whose entries are all older than `before`. Blocking.
    ///
    /// # Errors
    ///
    /// What the files say.
    pub fn expire(&self, before: Millis) -> Result<(), AuditError> {
        let mut bench = lock_of(&self.0.bench);
        // A log that nobody has written since the start may still have old files.
        if bench.is_none() && self.0.paths.numbers()?.len() < 2 {
            return Ok(());
        }
        Ok(opened(&mut bench, &self.0)?.expire(before)?)
    }

    /// Writes what waits, and refuses what comes later. Blocking.
    pub fn close(&self) {
        let written_since = lock_of(&self.0.bench).is_some() || {
            let queue = lock_of(&self.0.queue);
            queue.running || queue.timer
        };
        lock_of(&self.0.queue).closed = true;
        if written_since {
            self.0.drain();
        }
        let mut bench = lock_of(&self.0.bench);
        if let Some(Err(error)) = bench.as_mut().map(Bench::sync) {
            tracing::error!(%error, "the end of the audit log may not be on disk");
        }
        *bench = None;
    }

    fn submit(&self, entry: Waiting, stir: bool) {
        let mut queue = lock_of(&self.0.queue);
        if queue.closed {
            return;
        }
        if queue.waiting.len() >= WAITING {
            queue.lost += u64::from(entry.answer.is_none());
            // Dropping the answer's sender tells whoever waits.
            return;
        }
        queue.waiting.push_back(entry);
        if stir && !queue.running {
            queue.running = true;
            drop(queue);
            self.0.start();
        }
    }
}

impl Inner {
    fn start(self: &Arc<Self>) {
        let shift = Shift { inner: Arc::clone(self), begun: false };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || shift.work())),
            // Outside of a runtime (the command line) there is nobody to hand the work to.
            Err(_) => shift.work(),
        }
    }

    /// Writes until nothing waits.
    fn drain(self: &Arc<Self>) {
        loop {
            let mut bench = lock_of(&self.bench);
            let (work, lost) = {
                let mut queue = lock_of(&self.queue);
                if queue.waiting.is_empty() {
                    queue.running = false;
                    return;
                }
                (std::mem::take(&mut queue.waiting), std::mem::take(&mut queue.lost))
            };
            let awaited = work.iter().any(|entry| entry.answer.is_some());
            let mut entries: Vec<_> =
                work.iter().map(|entry| (entry.at, entry.actor.clone(), entry.act.clone())).collect();
            if lost > 0 {
                entries.push((now(), Actor::Gateway, Act::LogLost { entries: lost }));
            }
            let open = match opened(&mut bench, self).and_then(|open| open.write(&entries).map(|()| open)) {
                Ok(open) => open,
                Err(error) => {
                    // The next attempt looks the file over again.
                    *bench = None;
                    drop(bench);
                    self.put_back(work, lost, &AuditError::from(error));
                    return;
                }
            };
            let synced = if awaited { open.sync().map_err(AuditError::from) } else { Ok(()) };
            for answer in work.into_iter().filter_map(|entry| entry.answer) {
                // Nobody has to listen.
                let _ = answer.send(synced.clone());
            }
            if !awaited || synced.is_err() {
                self.come_back(SETTLES);
            }
        }
    }

    /// Tells those who wait, and keeps the others for later.
    fn put_back(self: &Arc<Self>, work: VecDeque<Waiting>, lost: u64, error: &AuditError) {
        tracing::error!(%error, entries = work.len(), "audit entries wait");
        let mut queue = lock_of(&self.queue);
        queue.lost += lost;
        for entry in work.into_iter().rev() {
            match entry.answer {
                // Nobody has to listen.
                Some(answer) => drop(answer.send(Err(error.clone()))),
                None => queue.waiting.push_front(entry),
            }
        }
        queue.running = false;
        drop(queue);
        self.come_back(RETRY);
    }

    /// Has the disk looked after in a while; once at a time.
    fn come_back(self: &Arc<Self>, after: Duration) {
        let Ok(runtime) = Handle::try_current() else { return };
        if std::mem::replace(&mut lock_of(&self.queue).timer, true) {
            return;
        }
        let inner = Arc::clone(self);
        runtime.spawn(async move {
            tokio::time::sleep(after).await;
            drop(tokio::task::spawn_blocking(move || inner.settle()));
        });
    }

    fn settle(self: &Arc<Self>) {
        {
            let mut queue = lock_of(&self.queue);
            queue.timer = false;
            if queue.closed {
                return;
            }
        }
        let synced = lock_of(&self.bench).as_mut().map_or(Ok(()), Bench::sync);
        if let Err(error) = synced {
            tracing::error!(%error, "the audit log could not be brought to the disk");
            self.come_back(RETRY);
        }
        let mut queue = lock_of(&self.queue);
        if !queue.waiting.is_empty() && !std::mem::replace(&mut queue.running, true) {
            drop(queue);
            self.drain();
        }
    }
}

fn opened<'a>(bench: &'a mut Option<Bench>, inner: &Inner) -> std::io::Result<&'a mut Bench> {
    match bench {
        Some(open) => Ok(open),
        None => Ok(bench.insert(Bench::open(&inner.paths, &inner.redactor)?)),
    }
}

/// The right to empty the queue; given back when a runtime goes down with the task unstarted.
struct Shift {
    inner: Arc<Inner>,
    begun: bool,
}

impl Shift {
    fn work(mut self) {
        self.begun = true;
        self.inner.drain();
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        if !self.begun {
            lock_of(&self.inner.queue).running = false;
        }
    }
}
