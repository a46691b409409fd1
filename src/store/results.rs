//! The whole results of a run's tool calls. Events hold only their beginning; the run's messages have all of it.

use super::{
    StoreError, codec,
    inner::Inner,
    keyspace::{Key, Table},
};
use crate::domain::{Message, RunId};
use std::sync::Arc;

/// Reads results in the order of the log's `tool.completed` events: the n-th result belongs to the n-th of them, and
/// both come to the disk in one commit.
pub struct ToolResults {
    store: Arc<Inner>,
    run: RunId,
    /// Number of the next message to look at.
    next: u64,
    /// Results among the messages before that one.
    seen: u64,
}

impl ToolResults {
    pub(super) const fn new(store: Arc<Inner>, run: RunId) -> Self {
        Self { store, run, next: 0, seen: 0 }
    }

    /// The result of the `number`-th completed call, from 1, if it is stored and belongs to `call_id`. Numbers must not
    /// go down from one call to the next.
    ///
    /// # Errors
    /// What the store answers.
    pub fn result(&mut self, number: u64, call_id: &str) -> Result<Option<String>, StoreError> {
        let mut found = None;
        let (mut next, mut seen) = (self.next, self.seen);
        self.store.read(|db| {
            let all = Key::run(Table::Message, self.run);
            let from = Key::numbered(Table::Message, self.run, next);
            db.scan(Table::Message, from, all.end(), |key, json| {
                next = key.number() + 1;
                if let Message::Tool { tool_call_id, content, .. } = codec::from_json(&json)? {
                    seen += 1;
                    if seen == number {
                        found = (tool_call_id == call_id).then_some(content);
                        return Ok(false);
                    }
                }
                Ok(true)
            })
        })?;
        (self.next, self.seen) = (next, seen);
        Ok(found)
    }
}
