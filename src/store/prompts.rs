//! The prompts that sessions were begun with: each text once, under its hash, for as long as a session names it.

use super::{
    Store, StoreError, codec,
    inner::Inner,
    keyspace::{Key, Table},
    retention::BATCH,
    sessions::SessionHeader,
};
use crate::domain::{Millis, PromptId};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// So many are kept without looking whether they are needed.
const SPARED: usize = 64;
/// A younger one may be on its way into a session.
const SETTLES: Millis = 24 * 3600 * 1000;

/// A prompt on disk.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredPrompt {
    pub(super) id: PromptId,
    pub(super) text: String,
    pub(super) at: Millis,
}

pub(super) fn key(id: &PromptId) -> Key {
    Key::text(Table::Prompt, id.as_str())
}

impl Store {
    /// The text of a prompt that a session or a run names.
    ///
    /// # Errors
    /// What the store answers.
    pub fn prompt(&self, id: &PromptId) -> Result<Option<String>, StoreError> {
        let stored: Option<StoredPrompt> = self.0.read(|db| db.read(key(id)))?;
        Ok(stored.map(|stored| stored.text))
    }
}

impl Inner {
    /// Deletes prompts that no session names any more.
    pub(super) fn delete_old_prompts(&self, now: Millis) -> Result<(), StoreError> {
        let mut old = Vec::new();
        let mut count = 0;
        self.read(|db| {
            db.scan_all(Table::Prompt, Key::table(Table::Prompt), |_, json| {
                let stored: StoredPrompt = codec::from_json(&json)?;
                count += 1;
                if stored.at < now - SETTLES {
                    old.push(stored.id);
                }
                Ok(true)
            })
        })?;
        if count <= SPARED || old.is_empty() {
            return Ok(());
        }
        let mut needed = HashSet::new();
        self.read(|db| {
            db.scan_all(Table::Session, Key::table(Table::Session), |_, json| {
                needed.extend(codec::from_json::<SessionHeader>(&json)?.prompt);
                Ok(true)
            })
        })?;
        old.retain(|id| !needed.contains(id));
        for some in old.chunks(BATCH) {
            self.delete(&mut self.bench(), |db, batch| {
                some.iter().try_fold(0, |count, id| Ok(count + db.remove_all(batch, key(id))?))
            })?;
        }
        Ok(())
    }
}
