//! The store that all handles share.

use super::{
    Options, ProfileLock, StoreError,
    bench::{Bench, generation_mark},
    database::Database,
    deltas::Generations,
    files,
    keyspace::{Key, Table},
    live::{Limits, Live},
    lock_of,
    payload::Payloads,
    search::Search,
    state::LiveState,
    unsaved::Unsaved,
    writer::Queue,
};
use crate::domain::RunId;
use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard, atomic::AtomicBool},
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, sync::Notify};

/// Free disk that is left alone: enough to open every database again.
const ROOM: u64 = 16 << 20;
/// How long no run has to be open before `state/wake` says so.
const WAKE_SETTLES: Duration = Duration::from_secs(1);

/// One open store.
pub(super) struct Inner {
    pub(super) options: Options,
    pub(super) dir: PathBuf,
    pub(super) payloads: Payloads,
    /// `None` once closed. Held for one read at a time; taken for writing only to swap the database.
    pub(super) main: RwLock<Option<Database>>,
    pub(super) deltas: Generations,
    pub(super) queue: Mutex<Queue>,
    pub(super) bench: Mutex<Bench>,
    /// Makes the bench's lock fair: whoever waits for it holds this one.
    pub(super) turn: Mutex<()>,
    /// Logs that have a writer, or whose last commit is not on disk.
    pub(super) live: Mutex<BTreeMap<RunId, Arc<Live>>>,
    pub(super) unsaved: Mutex<Unsaved>,
    /// Rung when somebody goes on with a run, and when nobody will any more.
    pub(super) arrivals: Notify,
    /// Nobody goes on with a run that waits in the store: this process is done with it.
    pub(super) ending: AtomicBool,
    pub(super) disk: Mutex<Option<(Instant, bool)>>,
    /// Transcripts that forks are being copied to: nobody's yet, and not to be cleared away.
    pub(super) forking: Mutex<HashSet<[u8; 16]>>,
    pub(super) search: Search,
    /// Given back when the store is closed, whoever still holds a handle or a cursor.
    pub(super) lock: Mutex<Option<Arc<ProfileLock>>>,
}

impl Inner {
    /// Reads (or, on the bench, writes) the main database.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let main = self.main.read().unwrap_or_else(PoisonError::into_inner);
        main.as_ref().map_or(Err(StoreError::Closed), work)
    }

    /// The writer's bench: whoever has it is the store's one writer.
    pub(super) fn bench(&self) -> MutexGuard<'_, Bench> {
        let _turn = lock_of(&self.turn);
        lock_of(&self.bench)
    }

    /// For swapping the database; readers wait.
    pub(super) fn main_mut(&self) -> RwLockWriteGuard<'_, Option<Database>> {
        self.main.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A database of deltas; looked over when it is opened, since sled opens what was cut without a word.
    pub(super) fn generation(&self, generation: u64) -> Result<Arc<Database>, StoreError> {
        let (database, opened) = self.deltas.get(generation)?;
        if opened {
            let key = Key::table(Table::Generation).with(&generation.to_be_bytes());
            let wanted: u64 = self.read(|db| db.read(key))?.unwrap_or(0);
            let found = generation_mark(&database)?;
            if found < wanted {
                self.deltas.forget(generation);
                let what = format!("`state/events/{generation:08}` knows {found} of {wanted} commits");
                return Err(StoreError::Damaged(what));
            }
        }
        Ok(database)
    }

    pub(super) fn admit(&self, state: LiveState) -> Arc<Live> {
        let Options { ring_events: events, ring_bytes: bytes, ring_read: read, ring_unread: unread, .. } =
            self.options;
        let live = Arc::new(Live::new(state, Limits { events, bytes, read, unread }));
        lock_of(&self.live).insert(live.run, Arc::clone(&live));
        live
    }

    pub(super) fn live(&self, run: RunId) -> Option<Arc<Live>> {
        lock_of(&self.live).get(&run).cloned()
    }

    /// Newest first.
    pub(super) fn all_live(&self) -> Vec<Arc<Live>> {
        lock_of(&self.live).values().rev().cloned().collect()
    }

    /// The store has all of it: readers find it there.
    pub(super) fn retire(&self, live: &Arc<Live>) {
        let mut table = lock_of(&self.live);
        if table.get(&live.run).is_some_and(|found| Arc::ptr_eq(found, live)) {
            table.remove(&live.run);
        }
    }

    /// Free disk below which nothing is written.
    pub(super) fn room(&self) -> u64 {
        self.options.disk_floor.min(ROOM)
    }

    pub(super) fn is_disk_low(&self) -> bool {
        let mut disk = lock_of(&self.disk);
        match *disk {
            Some((at, low)) if at.elapsed() < Duration::from_secs(1) => low,
            Some(_) | None => {
                let low = files::has_less_than(&self.dir, self.options.disk_floor);
                *disk = Some((Instant::now(), low));
                low
            }
        }
    }

    /// Lowers the wake file when no run has been open for a while; `false` without a runtime (closing does it then).
    pub(super) fn settle_wake_later(self: &Arc<Self>) -> bool {
        self.later(WAKE_SETTLES, |bench, _| bench.write_wake())
    }

    /// Empties the journal after a while; `false` without a runtime (closing does it then).
    pub(super) fn checkpoint_later(self: &Arc<Self>) -> bool {
        self.later(self.options.checkpoint_after, |bench, inner| bench.checkpoint_now(inner))
    }

    /// Has the writer do something after a while; `false` without a runtime.
    pub(super) fn later(self: &Arc<Self>, after: Duration, work: fn(&mut Bench, &Arc<Self>)) -> bool {
        let Ok(runtime) = Handle::try_current() else {
            return false;
        };
        let inner = Arc::downgrade(self);
        runtime.spawn(async move {
            tokio::time::sleep(after).await;
            // Files are synced: not on a thread that serves.
            let work = move || {
                if let Some(inner) = inner.upgrade() {
                    work(&mut inner.bench(), &inner);
                }
            };
            drop(tokio::task::spawn_blocking(work));
        });
        true
    }

    pub(super) fn close(self: &Arc<Self>) -> Result<(), StoreError> {
        self.drain(true);
        let mut bench = self.bench();
        self.save(&mut bench);
        bench.write_wake();
        bench.checkpoint_now(self);
        let result = bench.error().map_or(Ok(()), Err);
        drop(bench);
        self.search.close();
        drop(self.main_mut().take());
        self.deltas.close();
        drop(lock_of(&self.lock).take());
        for live in self.all_live() {
            live.fail(&StoreError::Closed);
            live.bell.notify_waiters();
        }
        self.arrivals.notify_waiters();
        result
    }

    pub(super) fn is_stored(&self, run: RunId) -> Result<bool, StoreError> {
        self.read(|db| Ok(db.has(Key::run(Table::Run, run))? || db.has(Key::run(Table::WholeRun, run))?))
    }
}
