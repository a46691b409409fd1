//! A run that was written in one piece: one record instead of one for each of its parts.
//!
//! That is how a stateless chat ends, and most runs are stateless chats. The database's work is counted in records, hardly
//! in bytes, so this is what a chat costs on disk.

use super::{
    StoreError, clean, codec,
    database::Database,
    deltas::{self, Delta},
    inner::Inner,
    keyspace::{Key, Table},
    live::Live,
    state::StoredEvent,
};
use crate::{
    domain::{Logged, Message, RunId, RunRecord, RunSpec, UpstreamCall},
    redact::Redactor,
};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, sync::Arc};

/// All of an ended run. Without its history: nobody goes on with it.
#[derive(Serialize, Deserialize)]
pub(super) struct WholeRun<'a> {
    pub(super) record: Cow<'a, RunRecord>,
    pub(super) spec: Cow<'a, RunSpec>,
    pub(super) messages: Cow<'a, [Message]>,
    pub(super) events: Vec<StoredEvent<'a>>,
    pub(super) deltas: Vec<Delta<'a>>,
    /// What its model calls cost.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub(super) calls: Cow<'a, [UpstreamCall]>,
}

/// The part that lists look at.
#[derive(Deserialize)]
pub(super) struct Head {
    pub(super) record: RunRecord,
}

/// An ended run on its way to the disk, of which the store has been given nothing else.
pub(super) struct Ended {
    /// Has its record, and all of its events.
    pub(super) live: Arc<Live>,
    pub(super) spec: Arc<RunSpec>,
    pub(super) messages: Vec<Message>,
    pub(super) calls: Vec<UpstreamCall>,
}

impl Ended {
    /// The run's record as it is kept, with its key.
    pub(super) fn encode(&mut self, redactor: &Redactor) -> Result<(Key, Vec<u8>), StoreError> {
        let Self { live, spec, messages, calls } = self;
        messages.iter_mut().for_each(|message| redactor.clean_message(message));
        let spec = clean::copy(redactor, spec, false);
        let json = live.state().whole(&spec, messages, calls).encode()?;
        Ok((Key::run(Table::WholeRun, live.run), json))
    }
}

impl<'a> WholeRun<'a> {
    pub(super) fn new(
        record: &'a RunRecord,
        spec: &'a RunSpec,
        messages: &'a [Message],
        calls: &'a [UpstreamCall],
        log: impl Iterator<Item = &'a Logged>,
    ) -> Self {
        let (mut events, mut deltas) = (Vec::new(), Vec::new());
        for logged in log {
            match Delta::of(logged) {
                Some(delta) => deltas.push(delta),
                None => events.push(StoredEvent::of(logged)),
            }
        }
        let spec = if spec.history.is_empty() {
            Cow::Borrowed(spec)
        } else {
            Cow::Owned(RunSpec { history: Vec::new(), ..spec.clone() })
        };
        let (record, messages, calls) = (Cow::Borrowed(record), messages.into(), calls.into());
        Self { record, spec, messages, events, deltas, calls }
    }

    fn encode(&self) -> Result<Vec<u8>, StoreError> {
        // The answer stands in record, message, deltas and last event.
        let about = 2048 + 4 * self.record.text.len();
        codec::to_json_of_about(about, self)
    }

    /// Its events behind `after`, up to and with `upto`, in order.
    fn page(self, after: u64, upto: u64, limit: usize) -> Vec<Logged> {
        let events = self.events.into_iter().map(StoredEvent::into_logged);
        let mut log: Vec<Logged> =
            events.chain(self.deltas.into_iter().map(deltas::Delta::into_logged)).collect();
        log.retain(|logged| logged.seq.0 > after && logged.seq.0 <= upto);
        log.sort_by_key(|logged| logged.seq);
        log.truncate(limit);
        log
    }
}

/// The record of a run on disk, however it was written.
pub(super) fn record(db: &Database, run: RunId) -> Result<Option<RunRecord>, StoreError> {
    if let Some(record) = db.read(Key::run(Table::Run, run))? {
        return Ok(Some(record));
    }
    let whole: Option<Head> = db.read(Key::run(Table::WholeRun, run))?;
    Ok(whole.map(|whole| whole.record))
}

impl Inner {
    pub(super) fn whole_run(&self, run: RunId) -> Result<Option<WholeRun<'static>>, StoreError> {
        self.read(|db| db.read(Key::run(Table::WholeRun, run)))
    }

    /// As [`Inner::page`], of a run that was written in one piece.
    pub(super) fn page_of_whole(
        &self,
        run: RunId,
        after: u64,
        upto: u64,
        limit: usize,
    ) -> Result<Option<Vec<Logged>>, StoreError> {
        Ok(self.whole_run(run)?.map(|whole| whole.page(after, upto, limit)))
    }
}
