//! Compaction: sled never gives space back, so what lives is copied into a new database that takes the old one's place.

use super::{
    StoreError, batch::Batch, bench::Bench, codec, database::Database, error::guarded, files, inner::Inner,
    keyspace::Key, opening,
};

/// Values that are copied in one batch.
const BATCH: usize = 500;

impl Inner {
    /// Rewrites the main database when it has grown beyond `4 x live + floor`. The caller is the writer, so commands
    /// wait; readers wait only for the swap.
    pub(super) fn compact_if_grown(&self, bench: &mut Bench) -> Result<bool, StoreError> {
        let floor = self.options.compact_floor;
        // What is copied is all there is: behind the swap there must be no journal of the old one.
        bench.checkpoint(self)?;
        let size = self.read(|db| Ok(db.size()))?;
        // A new database takes some segments whatever it holds: below this, what lives need not even be counted.
        if size <= floor {
            return Ok(false);
        }
        let live = self.read(live_bytes)?;
        if size <= live.saturating_mul(4).saturating_add(floor) {
            return Ok(false);
        }
        let aside = self.dir.join("db.compact");
        let copied = self.copy(&aside);
        if let Err(error) = copied {
            files::remove_dir(&aside)?;
            return Err(error);
        }
        self.swap_in(bench)?;
        tracing::info!(size, live, "the store was compacted");
        Ok(true)
    }

    fn copy(&self, aside: &std::path::Path) -> Result<(), StoreError> {
        files::remove_dir(aside)?;
        let target = Database::open(aside, &self.payloads, self.options.cache)?;
        self.read(|db| {
            guarded(|| {
                let mut batch = Batch::default();
                let mut count = 0;
                // Parts that a shorter successor left behind come after its part 0, which says how many count.
                let mut current = None;
                for entry in db.raw() {
                    let (key, value) = entry?;
                    if !belongs(&mut current, &key, &value)? {
                        continue;
                    }
                    batch.insert(&key, &[&value]);
                    count += 1;
                    if count == BATCH {
                        target.commit(&std::mem::take(&mut batch))?;
                        count = 0;
                    }
                }
                target.commit(&batch)
            })
        })
    }

    /// Two renames; one that a crash left undone is finished, or taken back, when the store opens.
    fn swap_in(&self, bench: &Bench) -> Result<(), StoreError> {
        let (db, old, aside) = (self.dir.join("db"), self.dir.join("db.old"), self.dir.join("db.compact"));
        files::remove_dir(&old)?;
        let mut main = self.main_mut();
        // sled holds a lock on its file, so the old one is closed before its successor opens.
        *main = None;
        files::rename(&db, &old)?;
        let opened = files::rename(&aside, &db)
            .and_then(|()| Database::open(&db, &self.payloads, self.options.cache))
            .and_then(|database| opening::reached(&database, bench.at, None).map(|_| database));
        match opened {
            Ok(database) => {
                *main = Some(database);
                drop(main);
                files::remove_dir(&old)
            }
            Err(error) => {
                files::remove_dir(&db)?;
                files::rename(&old, &db)?;
                *main = Some(Database::open(&db, &self.payloads, self.options.cache)?);
                Err(error)
            }
        }
    }
}

pub(super) fn live_bytes(db: &Database) -> Result<u64, StoreError> {
    guarded(|| {
        let mut bytes = 0;
        let mut current = None;
        for entry in db.raw() {
            let (key, value) = entry?;
            if belongs(&mut current, &key, &value)? {
                bytes += (key.len() + value.len()) as u64;
            }
        }
        Ok(bytes)
    })
}

/// Whether a value is part of the record whose part 0 was seen last, `current`: its key's stem, and its parts.
fn belongs(current: &mut Option<(Vec<u8>, u16)>, key: &[u8], value: &[u8]) -> Result<bool, StoreError> {
    let Some((stem, part)) = Key::split(key) else {
        return Ok(false);
    };
    let found = codec::open(key, value)?;
    if part == 0 {
        *current = Some((stem.to_vec(), found.parts));
        return Ok(true);
    }
    Ok(current.as_ref().is_some_and(|(of, parts)| of == stem && part < *parts))
}
