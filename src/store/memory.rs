//! Memory's side records: where each entry comes from, and what was changed when.

use super::{
    Store, StoreError,
    inner::Inner,
    keyspace::{Key, Table},
    retention::BATCH,
};
use crate::domain::{MemoryChange, MemoryPlace, MemoryRecord};
use std::collections::HashMap;

/// Changes of one file that are kept, the newest.
const KEPT: usize = 500;

pub(super) fn change_key(place: &MemoryPlace, number: u64) -> Key {
    Key::text(Table::MemoryChange, &place.to_string()).with(&number.to_be_bytes())
}

impl Store {
    /// What is known of a file's entries; nothing when it was never written to by us.
    ///
    /// # Errors
    /// What the store answers.
    pub fn memory(&self, place: &MemoryPlace) -> Result<MemoryRecord, StoreError> {
        let record = self.0.read(|db| db.read(Key::text(Table::Memory, &place.to_string())))?;
        Ok(record.unwrap_or_else(|| MemoryRecord { place: place.clone(), ..MemoryRecord::default() }))
    }

    /// One change, unless it is too old to be kept.
    ///
    /// # Errors
    /// What the store answers.
    pub fn memory_change(
        &self,
        place: &MemoryPlace,
        number: u64,
    ) -> Result<Option<MemoryChange>, StoreError> {
        self.0.read(|db| db.read(change_key(place, number)))
    }

    /// Changes before the one of number `before`, newest first.
    ///
    /// # Errors
    /// What the store answers.
    pub fn memory_changes(
        &self,
        place: &MemoryPlace,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<MemoryChange>, StoreError> {
        let last = self.memory(place)?.changes;
        let newest = before.map_or(last, |before| before.saturating_sub(1).min(last));
        let mut found = Vec::new();
        for number in (1..=newest).rev().take(limit.min(KEPT)) {
            let Some(change) = self.memory_change(place, number)? else { break };
            found.push(change);
        }
        Ok(found)
    }

    /// The text without the profile's secrets: for what is kept elsewhere than in the store.
    #[must_use]
    pub fn without_secrets(&self, text: &str) -> String {
        self.0.options.redactor.clean(text).into_owned()
    }
}

impl Inner {
    /// Deletes changes beyond the newest of each file.
    pub(super) fn delete_old_changes(&self) -> Result<(), StoreError> {
        let mut files: HashMap<[u8; 16], Vec<Key>> = HashMap::new();
        self.read(|db| {
            db.scan_all(Table::MemoryChange, Key::table(Table::MemoryChange), |key, _| {
                files.entry(key.id()).or_default().push(key);
                Ok(true)
            })
        })?;
        let old: Vec<Key> = files
            .into_values()
            .flat_map(|mut keys| {
                keys.truncate(keys.len().saturating_sub(KEPT));
                keys
            })
            .collect();
        for some in old.chunks(BATCH) {
            self.delete(&mut self.bench(), |db, batch| {
                some.iter().try_fold(0, |count, key| Ok(count + db.remove_all(batch, *key)?))
            })?;
        }
        Ok(())
    }
}
