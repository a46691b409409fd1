//! A run's specification on its way to the disk: as much of it as somebody may need.

use super::{
    StoreError, clean,
    command::Write,
    keyspace::{Key, Table},
};
use crate::{domain::RunSpec, redact::Redactor};
use std::sync::Arc;

/// Let go of once the store has all of it.
pub(super) struct SpecToStore {
    spec: Option<Arc<RunSpec>>,
    /// Stored without its history.
    bare: bool,
}

impl SpecToStore {
    pub(super) const fn new(spec: Arc<RunSpec>) -> Self {
        Self { spec: Some(spec), bare: false }
    }

    /// Of a run that came from the store.
    pub(super) const fn none() -> Self {
        Self { spec: None, bare: false }
    }

    /// For a run that is written in one piece, which is so if `whole` and nothing of it was written before.
    pub(super) fn take_whole(&mut self, whole: bool) -> Option<Arc<RunSpec>> {
        self.spec.take_if(|_| whole && !self.bare)
    }

    /// What is still to be written: all of it for a run that somebody may go on with, else all but its history.
    pub(super) fn write(&mut self, redactor: &Redactor, whole: bool) -> Result<Option<Write>, StoreError> {
        let Some(spec) = self.spec.take_if(|_| whole || !self.bare) else {
            return Ok(None);
        };
        let write = Write::Put(Key::run(Table::Spec, spec.run_id), clean::spec(redactor, &spec, whole)?);
        if !whole {
            self.bare = true;
            self.spec = Some(spec);
        }
        Ok(Some(write))
    }
}
