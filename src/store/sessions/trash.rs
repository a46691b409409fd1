//! Transcripts that no session has: of deleted ones, and of forks that were cut in the middle.

use super::{summary, transcript_key, writing::Draft};
use crate::{
    domain::TranscriptId,
    store::{
        Store, StoreError,
        inner::Inner,
        keyspace::{Key, Table},
    },
};

/// Keys that are removed in one commit.
const BATCH: usize = 2000;

/// Notes that the messages below `messages` belong to nobody.
pub(super) fn mark(draft: &mut Draft<'_>, messages: Key) -> Result<(), StoreError> {
    draft.put(Key::table(Table::SessionTrash).with(messages.body()), &())
}

/// Somebody has them now.
pub(super) fn unmark(draft: &mut Draft<'_>, transcript: TranscriptId) {
    draft.remove(Key::table(Table::SessionTrash).with(transcript_key(transcript).body()));
}

impl Store {
    /// Clears away what deletions left, where nobody waits for it.
    pub(super) fn clear_trash_soon(&self) {
        let inner = std::sync::Arc::clone(&self.0);
        drop(tokio::task::spawn_blocking(move || {
            if let Err(error) = inner.clear_trash() {
                // Housekeeping tries again.
                tracing::warn!(%error, "the messages of a deleted session were not cleared away");
            }
        }));
    }
}

impl Inner {
    /// Removes the messages of transcripts that nobody has, in bounded commits. Forks that are under way keep theirs:
    /// their parts are younger than the process, and it names them.
    pub(in crate::store) fn clear_trash(&self) -> Result<(), StoreError> {
        let mut marked = Vec::new();
        self.read(|db| {
            db.scan_all(Table::SessionTrash, Key::table(Table::SessionTrash), |key, _| {
                marked.push(key);
                Ok(true)
            })
        })?;
        for mark in marked {
            if self.is_forking(mark.id()) {
                continue;
            }
            self.forget_words(mark.id())?;
            let messages = Key::table(Table::SessionMessage).with(mark.body());
            loop {
                let mut removed = 0;
                self.delete(&mut self.bench(), |db, batch| {
                    removed = db.remove_some(batch, messages, BATCH)?;
                    if removed < BATCH {
                        let summaries = db.remove_all(batch, summary::all_of(messages))?;
                        return Ok(removed + summaries + db.remove_all(batch, mark)?);
                    }
                    Ok(removed)
                })?;
                if removed < BATCH {
                    break;
                }
            }
        }
        Ok(())
    }
}
