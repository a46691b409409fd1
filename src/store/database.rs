//! One sled database: opened with care, read as records, and on disk when a commit says so.

use super::{
    StoreError,
    batch::Batch,
    codec::{self, Kind},
    error::guarded,
    files,
    keyspace::{Key, Table},
    payload::Payloads,
    values::Place,
};
use serde::de::DeserializeOwned;
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock, RwLockReadGuard},
    thread,
    time::{Duration, Instant},
};

/// Small segments: sled reads all of them when it opens.
const SEGMENT: usize = 512 * 1024;
/// How long a database that was just dropped may take to let go of its file.
const UNLOCKS: Duration = Duration::from_secs(2);

/// A database in its folder.
pub(super) struct Database {
    db: sled::Db,
    /// sled's data file, opened by us as well: sled's own flush is no fsync.
    file: File,
    path: PathBuf,
    payloads: Payloads,
    /// Held for each value that is read, and for all changes of a batch: nobody sees a part of one.
    gate: RwLock<()>,
}

impl Database {
    /// Opens, or makes, the database in `path`.
    pub(super) fn open(path: &Path, payloads: &Payloads, cache: u64) -> Result<Self, StoreError> {
        // Not the folder: a crash may have left it empty.
        let fresh = !path.join("db").exists();
        if fresh {
            files::create_dir(path)?;
        }
        // A snapshot that a full disk cut off: sled would take it for its newest one, and the database for damaged.
        files::remove_named(path, ".generating")?;
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(cache)
            .segment_size(SEGMENT)
            // `None`: no thread of sled's own; our writer flushes.
            .flush_every_ms(None);
        let db = guarded(|| {
            let db = open_unlocked(&config)?;
            if fresh {
                db.flush()?;
            }
            Ok(db)
        })?;
        let file = files::named(path, File::open(path.join("db")))?;
        if fresh {
            files::make_private(path)?;
            files::named(path, file.sync_all())?;
            files::sync_dir(path)?;
            files::sync_parent(path)?;
        }
        Ok(Self { db, file, path: path.to_owned(), payloads: payloads.clone(), gate: RwLock::default() })
    }

    /// Takes in a batch that the [journal](super::journal) has. Part of it may be on the disk before all of it is, so a
    /// crash before the next [`Database::flush`] is for the journal to mend.
    ///
    /// Not as a batch of sled's: that one makes two writes of its own at once, for which seven threads wake up.
    pub(super) fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        guarded(|| {
            let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            for (key, value) in batch.changes() {
                match value {
                    Some(value) => self.db.insert(key, value)?,
                    None => self.db.remove(key)?,
                };
            }
            Ok(())
        })
    }

    /// Returns when the disk has all that was taken in.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        guarded(|| {
            self.db.flush()?;
            files::named(&self.path, self.file.sync_data())
        })
    }

    /// Takes a batch in, whole or not at all, and returns when the disk has it.
    pub(super) fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        guarded(|| Ok(self.db.apply_batch(batch.into())?))?;
        self.flush()
    }

    fn gate(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes through the values of a range; each is looked at by itself.
    fn range(&self, from: &[u8], until: &[u8]) -> Range<'_> {
        Range { values: self.db.range(from..until), database: self }
    }

    pub(super) fn size(&self) -> u64 {
        self.file.metadata().map_or(0, |meta| meta.len())
    }

    pub(super) fn get(&self, key: Key) -> Result<Option<Vec<u8>>, StoreError> {
        guarded(|| {
            let first = key.part(0);
            let mut moved = false;
            loop {
                let gate = self.gate();
                let Some(value) = self.db.get(first.as_slice())? else {
                    return Ok(None);
                };
                let part = codec::open(first.as_slice(), &value)?;
                match part.kind {
                    Kind::Json => return self.parts(key, part.parts, part.content).map(Some),
                    Kind::Payload => {
                        drop(gate);
                        return self.payloads.get(part.content).map(Some);
                    }
                    Kind::Place => {
                        drop(gate);
                        let place = Place::of_bytes(part.content)?;
                        match self.payloads.values().get(first.as_slice(), place)? {
                            // Housekeeping has just moved it into the database: it is looked up once more.
                            None if !moved => moved = true,
                            None => return Err(StoreError::Damaged("a value file is missing".to_owned())),
                            json => return Ok(json),
                        }
                    }
                }
            }
        })
    }

    /// The JSON of a record in as many parts, of which this is the first.
    fn parts(&self, key: Key, parts: u16, first: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut json = first.to_vec();
        for number in 1..parts {
            let key = key.part(number);
            let next = self.db.get(key.as_slice())?;
            let next = next.ok_or_else(|| StoreError::Damaged("a part is missing".to_owned()))?;
            json.extend_from_slice(codec::open(key.as_slice(), &next)?.content);
        }
        Ok(json)
    }

    pub(super) fn read<T: DeserializeOwned>(&self, key: Key) -> Result<Option<T>, StoreError> {
        self.get(key)?.map(|json| codec::from_json(&json)).transpose()
    }

    pub(super) fn has(&self, key: Key) -> Result<bool, StoreError> {
        guarded(|| Ok(self.db.contains_key(key.part(0).as_slice())?))
    }

    /// Goes through the records of `table` from `from` up to `until`, as long as `visit` says `true`.
    pub(super) fn scan(
        &self,
        table: Table,
        from: Key,
        until: Key,
        mut visit: impl FnMut(Key, Vec<u8>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        self.scan_each(table, from, until, |key, json| visit(key, json?))
    }

    /// As [`Database::scan`], for those who go on behind a record that is damaged.
    pub(super) fn scan_each(
        &self,
        table: Table,
        from: Key,
        until: Key,
        mut visit: impl FnMut(Key, Result<Vec<u8>, StoreError>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        guarded(|| {
            for entry in self.range(from.as_slice(), until.as_slice()) {
                let (bytes, value) = entry?;
                // Later parts are fetched with their first one.
                if !bytes.ends_with(&[0, 0]) {
                    continue;
                }
                let key = record_key(table, &bytes)?;
                if !visit(key, self.json(key, &bytes, &value))? {
                    break;
                }
            }
            Ok(())
        })
    }

    /// The JSON of the record of which this is the first part.
    fn json(&self, key: Key, bytes: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let part = codec::open(bytes, value)?;
        let json = match part.kind {
            Kind::Json if part.parts == 1 => Some(part.content.to_vec()),
            Kind::Place => self.payloads.values().get(bytes, Place::of_bytes(part.content)?)?,
            Kind::Json | Kind::Payload => None,
        };
        match json {
            Some(json) => Ok(json),
            None => self.get(key)?.ok_or_else(|| StoreError::Damaged("a record is missing".to_owned())),
        }
    }

    /// All records whose key begins with `prefix`.
    pub(super) fn scan_all(
        &self,
        table: Table,
        prefix: Key,
        visit: impl FnMut(Key, Vec<u8>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        self.scan(table, prefix, prefix.end(), visit)
    }

    /// Goes backwards through the first parts of the records of `table` in `[from, until)`, as long as `visit` says
    /// `true`. For tables of small records: their JSON is one part.
    pub(super) fn scan_back(
        &self,
        table: Table,
        from: Key,
        until: Key,
        mut visit: impl FnMut(Key, &[u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        guarded(|| {
            for entry in self.range(from.as_slice(), until.as_slice()).rev() {
                let (bytes, value) = entry?;
                let part = codec::open(&bytes, &value)?;
                if bytes.ends_with(&[0, 0]) && !visit(record_key(table, &bytes)?, part.content)? {
                    break;
                }
            }
            Ok(())
        })
    }

    /// All records of `table` that lie in value files, with their places.
    pub(super) fn places(&self, table: Table, mut visit: impl FnMut(Key, Place)) -> Result<(), StoreError> {
        let all = Key::table(table);
        guarded(|| {
            for entry in self.range(all.as_slice(), all.end().as_slice()) {
                let (bytes, value) = entry?;
                let part = codec::open(&bytes, &value)?;
                if part.kind == Kind::Place {
                    visit(record_key(table, &bytes)?, Place::of_bytes(part.content)?);
                }
            }
            Ok(())
        })
    }

    /// The last record's key in `[from, until)`.
    pub(super) fn last_key(&self, table: Table, from: Key, until: Key) -> Result<Option<Key>, StoreError> {
        guarded(|| {
            let last = self.range(from.as_slice(), until.as_slice()).next_back();
            last.map(|entry| record_key(table, &entry?.0)).transpose()
        })
    }

    /// Puts the removal of every key that begins with `prefix` into the batch; the number of keys.
    pub(super) fn remove_all(&self, batch: &mut Batch, prefix: Key) -> Result<usize, StoreError> {
        self.remove_some(batch, prefix, usize::MAX)
    }

    /// As [`Database::remove_all`], for at most so many keys.
    pub(super) fn remove_some(
        &self,
        batch: &mut Batch,
        prefix: Key,
        most: usize,
    ) -> Result<usize, StoreError> {
        guarded(|| {
            let mut count = 0;
            for entry in self.range(prefix.as_slice(), prefix.end().as_slice()).take(most) {
                batch.remove(&entry?.0);
                count += 1;
            }
            Ok(count)
        })
    }

    /// Every value as it lies there: for rewriting, and for finding payload names.
    pub(super) fn raw(&self) -> impl Iterator<Item = Result<(sled::IVec, sled::IVec), StoreError>> {
        self.db.iter().map(|entry| entry.map_err(StoreError::from))
    }
}

/// The values of a range, from both ends.
struct Range<'a> {
    values: sled::Iter,
    database: &'a Database,
}

impl Iterator for Range<'_> {
    type Item = sled::Result<(sled::IVec, sled::IVec)>;

    fn next(&mut self) -> Option<Self::Item> {
        let _gate = self.database.gate();
        self.values.next()
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let _gate = self.database.gate();
        self.values.next_back()
    }
}

/// Threads of sled's may hold the file, and its lock, for a moment after a database was dropped. Nobody else can have
/// it: the profile's lock is ours.
fn open_unlocked(config: &sled::Config) -> Result<sled::Db, StoreError> {
    let patience = Instant::now() + UNLOCKS;
    loop {
        match config.open().map_err(StoreError::from) {
            Err(StoreError::Locked { .. }) if Instant::now() < patience => {
                thread::park_timeout(Duration::from_millis(1));
            }
            opened => return opened,
        }
    }
}

fn record_key(table: Table, bytes: &[u8]) -> Result<Key, StoreError> {
    Key::of_record(table, bytes).ok_or_else(|| {
        StoreError::Damaged(format!("a key of the table `{}` has the wrong width", table.name()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path) -> Database {
        let payloads = Payloads::new(dir.join("payloads"));
        Database::open(&dir.join("db"), &payloads, 1 << 20).unwrap()
    }

    #[test]
    fn records_of_any_size_read_back_and_sled_makes_no_blobs() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path());
        let sizes =
            [0, 1, codec::PART - 2, codec::PART, codec::PART + 1, 300_000, 1 << 20, (1 << 20) + 1, 3 << 20];
        let values: Vec<String> = sizes.iter().map(|&size| "x".repeat(size)).collect();
        for (number, value) in (0..).zip(&values) {
            let mut batch = Batch::default();
            let key = Key::table(Table::Generation).with(&u64::to_be_bytes(number));
            codec::put(&mut batch, &db.payloads, key, &codec::to_json(value).unwrap()).unwrap();
            db.commit(&batch).unwrap();
        }
        drop(db);
        let db = open(dir.path());
        let mut seen = Vec::new();
        db.scan_all(Table::Generation, Key::table(Table::Generation), |_, json| {
            seen.push(codec::from_json::<String>(&json).unwrap());
            Ok(true)
        })
        .unwrap();
        assert!(seen == values, "all sizes, in order");
        let blobs = std::fs::read_dir(dir.path().join("db/blobs")).map_or(0, Iterator::count);
        assert_eq!(blobs, 0, "sled's own files for large values");
    }

    #[test]
    fn a_shorter_record_hides_what_a_longer_one_left() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path());
        let key = Key::table(Table::Generation).with(&[0; 8]);
        for text in ["y".repeat(20_000), "short".to_owned()] {
            let mut batch = Batch::default();
            codec::put(&mut batch, &db.payloads, key, &codec::to_json(&text).unwrap()).unwrap();
            db.commit(&batch).unwrap();
        }
        assert_eq!(db.read::<String>(key).unwrap().as_deref(), Some("short"));
        let mut count = 0;
        db.scan_all(Table::Generation, Key::table(Table::Generation), |_, _| {
            count += 1;
            Ok(true)
        })
        .unwrap();
        assert_eq!(count, 1);
    }

    #[test]
    fn what_the_disk_does_not_confirm_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let db = Database { file: files::unconfirming(), ..open(dir.path()) };
        assert!(db.flush().is_err());
    }
}
