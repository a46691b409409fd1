//! Commands in the background, by session.

use super::{
    Change, Store, StoreError, codec,
    keyspace::{Key, Table},
};
use crate::domain::{ProcessRecord, SessionId};

impl Store {
    /// Those of a session, oldest first.
    ///
    /// # Errors
    /// What the store answers.
    pub fn processes(&self, session: &SessionId) -> Result<Vec<ProcessRecord>, StoreError> {
        let mut found: Vec<ProcessRecord> = Vec::new();
        self.0.read(|db| {
            db.scan_all(Table::Process, Key::text(Table::Process, session.as_str()), |_, json| {
                found.push(codec::from_json(&json)?);
                Ok(true)
            })
        })?;
        found.sort_by(|a, b| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
        Ok(found)
    }

    /// Forgets those of a session.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn forget_processes(&self, session: &SessionId) -> Result<(), StoreError> {
        let known = self.processes(session)?;
        if known.is_empty() {
            return Ok(());
        }
        self.commit(known.into_iter().map(Change::ProcessRemoved).collect()).await
    }
}
