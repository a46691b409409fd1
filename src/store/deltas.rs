//! Text deltas on disk: many in one value, in a second database that is thrown away as a folder.
//!
//! sled never gives space back, and deltas are most of what a run writes. So they live in `state/events/<generation>`;
//! when the newest one has grown enough the next begins, and one whose runs are all gone is deleted.

use super::{StoreError, codec, database::Database, files, lock_of, payload::Payloads};
use crate::domain::{Event, Logged, Millis, Seq};
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// A delta inside a chunk: number, time, whether it is reasoning, `lost_after`, text.
#[derive(Serialize, Deserialize)]
pub(super) struct Delta<'a>(u64, Millis, u8, Option<Seq>, Cow<'a, str>);

impl<'a> Delta<'a> {
    /// `None` for an event that is no delta.
    pub(super) fn of(logged: &'a Logged) -> Option<Self> {
        let (kind, text) = text_of(&logged.event)?;
        Some(Self(logged.seq.0, logged.at, kind, logged.lost_after, text.into()))
    }

    pub(super) fn into_logged(self) -> Logged {
        let Self(seq, at, kind, lost_after, text) = self;
        Logged { seq: Seq(seq), at, lost_after, event: event_of(kind, text.into_owned()) }
    }
}

/// Writes deltas as one value.
pub(super) fn encode<'a>(deltas: impl Iterator<Item = &'a Logged>) -> Result<Vec<u8>, StoreError> {
    codec::to_json(&deltas.filter_map(Delta::of).collect::<Vec<_>>())
}

pub(super) fn decode(json: &[u8]) -> Result<impl Iterator<Item = Logged>, StoreError> {
    Ok(codec::from_json::<Vec<Delta<'static>>>(json)?.into_iter().map(Delta::into_logged))
}

/// The text of a delta and its kind; `None` for other events.
pub(super) fn text_of(event: &Event) -> Option<(u8, &str)> {
    if let Event::MessageDelta { delta } = event {
        Some((0, delta))
    } else if let Event::ReasoningDelta { delta } = event {
        Some((1, delta))
    } else {
        None
    }
}

/// The text of a delta; empty for other events.
pub(super) fn into_text(event: Event) -> String {
    if let Event::MessageDelta { delta } | Event::ReasoningDelta { delta } = event {
        delta
    } else {
        String::new()
    }
}

/// A delta of a kind that [`text_of`] gave.
pub(super) fn event_of(kind: u8, delta: String) -> Event {
    if kind == 0 { Event::MessageDelta { delta } } else { Event::ReasoningDelta { delta } }
}

/// The databases of deltas. Each is opened when it is first needed.
pub(super) struct Generations {
    folder: PathBuf,
    payloads: Payloads,
    cache: u64,
    /// Size at which the next generation begins.
    limit: u64,
    open: Mutex<BTreeMap<u64, Arc<Database>>>,
}

/// Databases that stay open at once: the one that is written and a few that are read.
const MAX_OPEN: usize = 4;

impl Generations {
    pub(super) fn new(folder: PathBuf, payloads: Payloads, cache: u64, limit: u64) -> Self {
        Self { folder, payloads, cache, limit, open: Mutex::default() }
    }

    /// The generations on disk, oldest first.
    pub(super) fn list(&self) -> Vec<u64> {
        list(&self.folder)
    }

    /// An open generation; `true` when it had to be opened.
    pub(super) fn get(&self, generation: u64) -> Result<(Arc<Database>, bool), StoreError> {
        let mut open = lock_of(&self.open);
        if let Some(found) = open.get(&generation) {
            return Ok((Arc::clone(found), false));
        }
        let oldest = open.keys().next().copied();
        if let Some(oldest) = oldest.filter(|_| open.len() >= MAX_OPEN) {
            open.remove(&oldest);
        }
        let path = path(&self.folder, generation);
        let database = Arc::new(Database::open(&path, &self.payloads, self.cache)?);
        open.insert(generation, Arc::clone(&database));
        Ok((database, true))
    }

    pub(super) fn exists(&self, generation: u64) -> bool {
        path(&self.folder, generation).exists()
    }

    /// Where the next chunk goes.
    pub(super) fn newest(&self) -> Result<u64, StoreError> {
        let newest = lock_of(&self.open).last_key_value().map(|(&generation, db)| (generation, db.size()));
        let (generation, size) = match newest {
            Some(found) => found,
            None => match self.list().last() {
                Some(&generation) => (generation, self.get(generation)?.0.size()),
                None => (1, 0),
            },
        };
        Ok(if size > self.limit { generation + 1 } else { generation })
    }

    /// Lets go of an open database, for instance after it failed: the next use opens it anew.
    pub(super) fn forget(&self, generation: u64) {
        lock_of(&self.open).remove(&generation);
    }

    pub(super) fn close(&self) {
        lock_of(&self.open).clear();
    }

    pub(super) fn delete(&self, generation: u64) -> Result<(), StoreError> {
        self.forget(generation);
        files::remove_dir(&path(&self.folder, generation))
    }
}

fn path(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("{generation:08}"))
}

fn list(folder: &Path) -> Vec<u64> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<u64> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    found.sort_unstable();
    found
}
