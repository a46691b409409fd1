//! Space of [value files](super::values): one that nothing names is removed. One of which little is named gives that to
//! the database first, so that a session that is kept for ever does not keep a file of chats.

use super::{StoreError, batch::Batch, bench::Bench, codec, inner::Inner, keyspace::Table};
use std::collections::{HashMap, HashSet};

/// A file of which less than one part in so many is named is emptied.
const SPARSE: u64 = 4;
/// Values that move in one commit.
const MOVED: usize = 500;

impl Inner {
    /// The caller is the writer, so no place is given out meanwhile. A reader that still has an old place looks again.
    pub(super) fn reclaim_values(&self, bench: &mut Bench) -> Result<(), StoreError> {
        let values = self.payloads.values();
        let mut files = values.list()?;
        files.retain(|(number, _)| *number != bench.values.current());
        if files.is_empty() {
            return Ok(());
        }
        let mut named: HashMap<u32, u64> = HashMap::new();
        self.read(|db| {
            Table::IN_FILES.iter().try_for_each(|&table| {
                db.places(table, |_, place| *named.entry(place.file).or_default() += place.size())
            })
        })?;
        let sparse = |&(number, size): &(u32, u64)| {
            let named = named.get(&number).copied().unwrap_or(0);
            (named.saturating_mul(SPARSE) < size).then_some(number)
        };
        let mut spare: HashSet<u32> = files.iter().filter_map(sparse).collect();
        let mut keys = Vec::new();
        if spare.iter().any(|number| named.contains_key(number)) {
            self.read(|db| {
                Table::IN_FILES.iter().try_for_each(|&table| {
                    db.places(table, |key, place| {
                        keys.extend(spare.contains(&place.file).then_some((key, place.file)));
                    })
                })
            })?;
        }
        for some in keys.chunks(MOVED) {
            let mut batch = Batch::default();
            for &(key, file) in some {
                match self.read(|db| db.get(key)) {
                    // It stays where it is, for whoever can save it.
                    Err(StoreError::Damaged(what)) => {
                        tracing::error!(what, file, "a value file is damaged and is kept");
                        spare.remove(&file);
                    }
                    Ok(Some(json)) => codec::put(&mut batch, &self.payloads, key, &json)?,
                    Ok(None) => {}
                    Err(error) => return Err(error),
                }
            }
            bench.write_main(self, batch)?;
        }
        spare.into_iter().try_for_each(|number| values.remove(number))
    }
}
