//! The index follows the transcripts: off the way of any chat, and from where it was after a crash.
//!
//! Sessions are taken in the order of their last activity. Where the index stands in that order is written in the same
//! commit as what it took in, so a crash costs nothing but the round that it met.

use super::index::{Batch, Index, Meta, Span};
use crate::{
    domain::{Message, now},
    store::{
        SessionHeader, StoreError, codec, compact, files,
        inner::Inner,
        keyspace::{Key, Table},
        lock_of, opening,
        sessions::each_message,
    },
};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, task::spawn_blocking};

/// Sessions that one round looks at.
const SESSIONS: usize = 500;
/// Messages that one commit takes in …
const MESSAGES: usize = 2_000;
/// … and their size, whichever is reached first.
const BYTES: usize = 2 << 20;
/// After a round the task rests for so many times as long as it took: it is in nobody's way.
const REST: u32 = 7;
/// A search takes in what is new for no longer than this.
const PATIENCE: Duration = Duration::from_secs(3);

/// The index of one store, opened when it is first needed.
#[derive(Default)]
pub(in crate::store) struct Search {
    slot: Mutex<Slot>,
    /// Whoever changes the index holds it.
    turn: Mutex<()>,
    /// Commits that touched sessions; 0 while no task is on the way.
    touched: AtomicU64,
}

#[derive(Default)]
struct Slot {
    index: Option<Arc<Index>>,
    closed: bool,
}

impl Search {
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        lock_of(&self.turn)
    }

    pub(super) fn exists(&self, state: &Path) -> bool {
        folder(state).exists()
    }

    /// Lets go of the index and removes it from the disk.
    pub(super) fn discard(&self, state: &Path) -> Result<(), StoreError> {
        let mut slot = lock_of(&self.slot);
        slot.index = None;
        files::remove_dir(&folder(state))
    }

    /// Waits for the round that is under way; none comes after it.
    pub(in crate::store) fn close(&self) {
        let _turn = self.turn();
        let mut slot = lock_of(&self.slot);
        (slot.index, slot.closed) = (None, true);
    }
}

fn folder(state: &Path) -> PathBuf {
    state.join("search")
}

/// Time, hash of a session's id: where a session stands in the order of last activity.
type Place = [u8; 24];

/// A place in that order, with the session if there still is one.
type Visited = (Place, Option<SessionHeader>);

impl Inner {
    /// The index, made anew when there is none that fits this store.
    pub(super) fn index(&self) -> Result<Arc<Index>, StoreError> {
        let mut slot = lock_of(&self.search.slot);
        if slot.closed {
            return Err(StoreError::Closed);
        }
        if let Some(index) = &slot.index {
            return Ok(Arc::clone(index));
        }
        let meta: Option<opening::Meta> = self.read(|db| db.read(Key::table(Table::Meta)))?;
        let of = meta.map_or(0, |meta| meta.generation);
        let path = folder(&self.dir);
        let open = || Index::open(&path, &self.payloads, self.options.cache, of);
        let found = match open() {
            Ok(Some(index)) => index,
            Ok(None) | Err(StoreError::Damaged(_)) => {
                files::remove_dir(&path)?;
                open()?.ok_or_else(|| StoreError::Damaged("a new index is not ours".to_owned()))?
            }
            Err(error) => return Err(error),
        };
        let index = Arc::new(found);
        slot.index = Some(Arc::clone(&index));
        Ok(index)
    }

    /// Takes in what is new, as far as a search may wait for it; whether that was all.
    pub(super) fn catch_up(&self) -> Result<bool, StoreError> {
        let until = Instant::now() + PATIENCE;
        while self.round()? {
            if Instant::now() > until {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One commit's worth of messages; whether there is more.
    fn round(&self) -> Result<bool, StoreError> {
        let _turn = self.search.turn();
        let index = self.index()?;
        let mut meta = index.meta()?;
        let before = meta.clone();
        let (found, settled, imports) = self.next_sessions(&mut meta)?;
        let mut more = found.len() == SESSIONS;
        let mut batch = Batch::default();
        for (place, header) in found {
            if let Some(header) = header
                && !self.take_in(&index, &mut batch, &mut meta, &header)?
            {
                more = true;
                break;
            }
            meta.upto = place.min(settled);
        }
        if !more && meta.imports != imports {
            // Some may stand before the place that it is at: it goes over all of them once more.
            (meta.upto, meta.imports, more) = ([0; 24], imports, true);
        }
        if meta == before {
            return Ok(false);
        }
        index.write(batch, &meta)?;
        Ok(more)
    }

    /// The sessions behind the index's place, with theirs; the last place that no turn can come before any more; how many were
    /// imported. Read with the writer's place, so that nothing is taken in that the disk does not have.
    fn next_sessions(&self, meta: &mut Meta) -> Result<(Vec<Visited>, Place, u64), StoreError> {
        let _bench = self.bench();
        let last = u64::try_from(now()).unwrap_or(0).saturating_sub(1);
        let mut settled = [u8::MAX; 24];
        settled[..8].copy_from_slice(&last.to_be_bytes());
        if meta.upto > settled {
            // The clock was set back.
            meta.upto = [0; 24];
        }
        let all = Key::table(Table::SessionActivity);
        let mut found = Vec::new();
        let imports = self.read(|db| {
            db.scan(Table::SessionActivity, all.with(&meta.upto).end(), all.end(), |key, _| {
                let place: [u8; 24] = key.body().try_into().unwrap_or_default();
                let header = db.read(Key::table(Table::Session).with(&place[8..]))?;
                found.push((place, header));
                Ok(found.len() < SESSIONS)
            })?;
            db.read(Key::table(Table::Imports))
        })?;
        Ok((found, settled, imports.unwrap_or(0)))
    }

    /// Adds what the index does not have of a session; `false`: the batch is full before its end.
    fn take_in(
        &self,
        index: &Index,
        batch: &mut Batch,
        meta: &mut Meta,
        header: &SessionHeader,
    ) -> Result<bool, StoreError> {
        let messages = header.messages_key();
        let transcript: [u8; 16] = messages.body().try_into().unwrap_or_default();
        let first = index.marked(transcript)?;
        if first >= header.messages {
            return Ok(true);
        }
        let (from, mut count) = (meta.next, 0);
        let mut full = false;
        self.read(|db| {
            each_message(db, messages, first, header.messages, |_, json| {
                batch.message(from.saturating_add(count), &codec::from_json::<Message>(json)?);
                count += 1;
                full = batch.messages >= MESSAGES || batch.bytes >= BYTES;
                Ok(!full)
            })
        })?;
        if count > 0 {
            batch.span(Span {
                from,
                session: header.id.clone(),
                transcript,
                first,
                count,
                source: header.source.clone(),
                last: header.last_active,
            });
        }
        // One that was deleted at this moment has no more of them.
        let reached = if full { first + u64::from(count) } else { header.messages };
        batch.mark(transcript, reached);
        meta.next = from.saturating_add(count);
        Ok(reached >= header.messages)
    }

    /// sled never gives space back: an index that is mostly air is made anew.
    pub(in crate::store) fn shrink_index(self: &Arc<Self>) -> Result<(), StoreError> {
        if !self.search.exists(&self.dir) {
            return Ok(());
        }
        let turn = self.search.turn();
        let (index, floor) = (self.index()?, self.options.compact_floor);
        let size = index.db.size();
        if size <= floor || size <= compact::live_bytes(&index.db)?.saturating_mul(4).saturating_add(floor) {
            return Ok(());
        }
        drop(index);
        self.search.discard(&self.dir)?;
        drop(turn);
        self.follow_later();
        Ok(())
    }

    /// Has a task take in what a commit brought, some time later. It works with long rests, and ends when it is through.
    pub(in crate::store) fn follow_later(self: &Arc<Self>) {
        if self.search.touched.fetch_add(1, Ordering::Relaxed) > 0 {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            // Nobody to hand it to: the next search, or commit, does it.
            self.search.touched.store(0, Ordering::Relaxed);
            return;
        };
        let weak = Arc::downgrade(self);
        let pause = self.options.index_after;
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(inner) = weak.upgrade() else { return };
                let seen = inner.search.touched.load(Ordering::Relaxed);
                let Ok(()) = follow(&inner).await else {
                    inner.search.touched.store(0, Ordering::Relaxed);
                    return;
                };
                let order = Ordering::Relaxed;
                if inner.search.touched.compare_exchange(seen, 0, order, order).is_ok() {
                    return;
                }
            }
        });
    }
}

/// Rounds, until there is nothing more to take in.
async fn follow(inner: &Arc<Inner>) -> Result<(), ()> {
    loop {
        let begun = Instant::now();
        let work = Arc::clone(inner);
        match spawn_blocking(move || work.round()).await {
            Ok(Ok(false)) => return Ok(()),
            Ok(Ok(true)) => tokio::time::sleep(begun.elapsed() * REST).await,
            Ok(Err(StoreError::Closed)) | Err(_) => return Err(()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the search index does not follow; the next commit tries again");
                return Err(());
            }
        }
    }
}

#[cfg(test)]
impl Inner {
    /// All words of the index, and how many records beside them it has.
    pub(in crate::store) fn indexed(&self) -> (Vec<String>, usize) {
        let index = self.index().unwrap();
        let (mut words, mut others) = (Vec::new(), 0);
        for table in [Table::SearchTerm, Table::SearchSpan, Table::SearchOf, Table::SearchMark] {
            let each = |key: Key, _| {
                if table == Table::SearchTerm {
                    words.push(String::from_utf8_lossy(&key.body()[..24]).trim_end_matches('\0').to_owned());
                } else {
                    others += 1;
                }
                Ok(true)
            };
            index.db.scan_all(table, Key::table(table), each).unwrap();
        }
        (words, others)
    }
}
