//! A run's specification on its way to the disk: as much of it as somebody may need.

use super::{
    StoreError, codec,
    command::Write,
    keyspace::{Key, Table},
};
use crate::domain::RunSpec;
use std::{borrow::Cow, sync::Arc};

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

    /// What is still to be written: all of it for a run that somebody may go on with, else all but its history.
    pub(super) fn write(&mut self, whole: bool) -> Result<Option<Write>, StoreError> {
        let Some(spec) = self.spec.take_if(|_| whole || !self.bare) else {
            return Ok(None);
        };
        let stored = if whole || spec.history.is_empty() {
            Cow::Borrowed(&*spec)
        } else {
            Cow::Owned(without_history(&spec))
        };
        let write = Write::Put(Key::run(Table::Spec, spec.run_id), codec::to_json(&*stored)?);
        if !whole {
            self.bare = true;
            self.spec = Some(spec);
        }
        Ok(Some(write))
    }
}

/// Nobody goes on with a stateless run, so nobody needs what came before it.
fn without_history(spec: &RunSpec) -> RunSpec {
    RunSpec {
        run_id: spec.run_id,
        surface: spec.surface,
        created_at: spec.created_at,
        session: spec.session.clone(),
        key_id: spec.key_id.clone(),
        model: spec.model.clone(),
        system: spec.system.clone(),
        history: Vec::new(),
        load_history: spec.load_history,
        results: spec.results.clone(),
        input: spec.input.clone(),
        client_tools: spec.client_tools.clone(),
        upstream: spec.upstream.clone(),
        sampling: spec.sampling.clone(),
        durable: spec.durable,
        on_disconnect: spec.on_disconnect,
        unattended: spec.unattended,
    }
}
