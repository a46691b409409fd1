//! Opening a store: what is found is checked against what was written, and nothing is repaired.

use super::{
    KeyRecord, Options, ProfileLock, StoreError, Wake,
    bench::Bench,
    codec,
    database::Database,
    deltas::Generations,
    files, index,
    inner::Inner,
    journal::{Found, Journal},
    keyspace::{Key, Table},
    mark::{Mark, MarkFile},
    payload::Payloads,
    search::Search,
    values::ValueWriter,
    wake::WakeFile,
};
use crate::domain::RunId;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, Mutex, RwLock, atomic::AtomicBool},
};
use tokio::sync::Notify;

/// Which database it is and its last commit, as stored inside.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) generation: u64,
    pub(super) commit: u64,
    /// Which of [the indexes](super::index) its records have.
    #[serde(default)]
    pub(super) indexes: u32,
}

impl From<Mark> for Meta {
    fn from(Mark { generation, commit, length: _ }: Mark) -> Self {
        Self { generation, commit, indexes: index::VERSION }
    }
}

impl Inner {
    /// Opens, checks against the mark, and repairs nothing.
    pub(super) fn open(dir: &Path, lock: Arc<ProfileLock>, options: Options) -> Result<Self, StoreError> {
        files::create_dir(dir)?;
        let payloads = Payloads::new(dir.join("payloads"));
        let Opened { database, mut file, at, journal } = open_main(dir, &payloads, options.cache)?;
        let at = index::complete(&database, &payloads, &mut file, at)?;
        let mut open = HashSet::new();
        database.scan_all(Table::OpenRun, Key::table(Table::OpenRun), |key, _| {
            open.insert(RunId::from_bytes(key.id()));
            Ok(true)
        })?;
        let next_due_ms = Wake::read(dir).and_then(|wake| wake.next_due_ms);
        let found = Wake { open_runs: !open.is_empty(), next_due_ms, keys: count_keys(&database)? };
        let wake = WakeFile::open(dir, found)?;
        let values = ValueWriter::open(payloads.values().clone())?;
        let deltas = Generations::new(
            dir.join("events"),
            payloads.clone(),
            options.deltas_cache,
            options.generation_bytes,
        );
        Ok(Self {
            dir: dir.to_owned(),
            payloads,
            main: RwLock::new(Some(database)),
            deltas,
            queue: Mutex::default(),
            bench: Mutex::new(Bench::new(file, at, journal, wake, open, values)),
            turn: Mutex::default(),
            live: Mutex::default(),
            unsaved: Mutex::default(),
            arrivals: Notify::new(),
            ending: AtomicBool::default(),
            disk: Mutex::default(),
            forking: Mutex::default(),
            search: Search::default(),
            lock: Mutex::new(Some(lock)),
            options,
        })
    }
}

/// The main database, once it is known to be what was last written.
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) file: MarkFile,
    pub(super) at: Mark,
    /// Empty.
    pub(super) journal: Journal,
}

pub(super) fn open_main(dir: &Path, payloads: &Payloads, cache: u64) -> Result<Opened, StoreError> {
    finish_swap(dir)?;
    let path = dir.join("db");
    let file = MarkFile::open(dir)?;
    let mark = match file.read()? {
        Some(mark) => mark,
        None if path.exists() => return Err(StoreError::Damaged("`state/mark` is missing".to_owned())),
        None => {
            let mark = Mark { generation: new_generation(), commit: 0, length: 0 };
            file.reset(mark)?;
            files::sync_dir(dir)?;
            mark
        }
    };
    if mark.commit > 0 && !path.join("db").exists() {
        return Err(StoreError::Damaged("`state/db` is missing".to_owned()));
    }
    let (mut journal, found) = Journal::open(dir, mark)?;
    rehearse(dir, &path, mark, found.as_ref(), payloads, cache)?;
    let database = Database::open(&path, payloads, cache)?;
    let at = catch_up(&database, &file, mark, &mut journal, found)?;
    Ok(Opened { database, file, at, journal })
}

/// sled mends a file that was cut short by cutting it further. So one that is shorter than it was is opened as a copy
/// first, and when that one does not know what it should, the original is left as it is for whoever can save it.
fn rehearse(
    dir: &Path,
    path: &Path,
    mark: Mark,
    found: Option<&Found>,
    payloads: &Payloads,
    cache: u64,
) -> Result<(), StoreError> {
    let length = std::fs::metadata(path.join("db")).map_or(0, |meta| meta.len());
    if length >= mark.length {
        return Ok(());
    }
    let copy = dir.join("db.rehearsal");
    files::remove_dir(&copy)?;
    files::create_dir(&copy)?;
    for name in ["db", "conf"] {
        if path.join(name).exists() {
            files::named(path, std::fs::copy(path.join(name), copy.join(name)))?;
        }
    }
    let verified =
        Database::open(&copy, payloads, cache).and_then(|database| reached(&database, mark, found).map(drop));
    files::remove_dir(&copy)?;
    verified
}

/// The number of the last commit, of which database and journal together must know at least what the mark says.
pub(super) fn reached(database: &Database, mark: Mark, found: Option<&Found>) -> Result<u64, StoreError> {
    let meta: Option<Meta> = database.read(Key::table(Table::Meta))?;
    if meta.is_some_and(|meta| meta.generation != mark.generation) {
        return Err(StoreError::Damaged("`state/db` and `state/mark` are not of the same store".to_owned()));
    }
    let known = meta.map_or(0, |meta| meta.commit);
    let reached = match found {
        Some(found) if found.first > known + 1 => {
            let first = found.first;
            return Err(StoreError::Damaged(format!(
                "it knows {known} commits, and the journal begins at {first}"
            )));
        }
        Some(found) => known.max(found.next() - 1),
        None => known,
    };
    if reached < mark.commit {
        return Err(StoreError::Damaged(match meta {
            None => format!("it is empty, but {} commits were written", mark.commit),
            Some(_) => format!("it knows {reached} of {} commits", mark.commit),
        }));
    }
    Ok(reached)
}

/// Applies what the journal has. Afterwards the disk has the database as it was after the last commit.
pub(super) fn catch_up(
    database: &Database,
    file: &MarkFile,
    mark: Mark,
    journal: &mut Journal,
    found: Option<Found>,
) -> Result<Mark, StoreError> {
    let commit = reached(database, mark, found.as_ref())?;
    if let Some(found) = found {
        let commits = found.batches.len();
        found.batches.iter().try_for_each(|batch| database.apply(batch))?;
        database.flush()?;
        tracing::info!(commits, "the journal was applied");
    }
    let at = Mark { commit, length: database.size(), ..mark };
    if !journal.is_empty() {
        file.write(at)?;
        journal.clear()?;
    }
    Ok(at)
}

/// A name that no other database had.
pub(super) fn new_generation() -> u64 {
    let bytes = *RunId::new().as_bytes();
    bytes.last_chunk::<8>().map_or(1, |tail| u64::from_be_bytes(*tail))
}

pub(super) fn count_keys(database: &Database) -> Result<usize, StoreError> {
    let mut count = 0;
    database.scan_all(Table::Key, Key::table(Table::Key), |_, json| {
        count += usize::from(codec::from_json::<KeyRecord>(&json)?.revoked_at.is_none());
        Ok(true)
    })?;
    Ok(count)
}

/// A compaction that was cut between its two renames left the old database under another name; it is whole.
fn finish_swap(dir: &Path) -> Result<(), StoreError> {
    let (db, old) = (dir.join("db"), dir.join("db.old"));
    if !db.exists() && old.exists() {
        files::rename(&old, &db)?;
    }
    files::remove_dir(&old)?;
    files::remove_dir(&dir.join("db.compact"))
}
