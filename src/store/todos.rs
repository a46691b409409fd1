//! The lists of steps, one per session. A list ends with its session.

use super::{
    Store, StoreError,
    keyspace::{Key, Table},
};
use crate::domain::{SessionId, Todo};

pub(super) fn key(session: &SessionId) -> Key {
    Key::text(Table::Todos, session.as_str())
}

impl Store {
    /// The session's list; empty when it has none.
    pub fn todos(&self, session: &SessionId) -> Result<Vec<Todo>, StoreError> {
        Ok(self.0.read(|db| db.read(key(session)))?.unwrap_or_default())
    }
}
