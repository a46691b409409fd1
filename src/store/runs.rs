//! Runs: live ones from memory, the others from the disk, each exactly once.

use super::{
    RunFilter, Store, StoreError, StoredRun, codec,
    error::one_of_many,
    index,
    inner::Inner,
    keyspace::{Key, Table},
    sessions::header_of,
    whole::{self, WholeRun},
};
use crate::domain::{Approval, ApprovalId, Event, Message, RunId, RunRecord, RunSpec, RunStatus, SessionId};
use std::{cmp::Reverse, collections::HashSet};

impl Inner {
    /// The record of a live or ended run.
    pub(super) fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        if let Some(live) = self.live(run) {
            return Ok(Some(live.state().shown().clone()));
        }
        self.stored_record(run)
    }

    fn stored_record(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        let record = self.read(|db| whole::record(db, run))?;
        record.map(|record| self.complete(record)).transpose()
    }

    /// An open run's record is stored without its text; the deltas have it, also those that came after the record.
    fn complete(&self, mut record: RunRecord) -> Result<RunRecord, StoreError> {
        if record.status.is_terminal() {
            return Ok(record);
        }
        self.deltas_of(record.run_id, 0, &mut |logged| {
            record.last_seq = record.last_seq.max(logged.seq);
            record.updated_at = record.updated_at.max(logged.at);
            if let Event::MessageDelta { delta } = &logged.event {
                record.text.push_str(delta);
            }
            true
        })?;
        Ok(record)
    }

    fn list(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        let wanted = |record: &RunRecord| {
            filter.status.is_none_or(|status| record.status == status)
                && filter.session.as_ref().is_none_or(|session| record.session_id == *session)
        };
        let behind = |run: RunId| filter.after.is_none_or(|after| run < after);
        // Live ones first: a run that ends meanwhile is then seen here, or there, or in both.
        let mut live = self.all_live();
        live.retain(|live| behind(live.run));
        live.sort_by_key(|live| Reverse(live.run));
        let found: HashSet<RunId> = live.iter().map(|live| live.run).collect();
        let mut first = Texts::of(filter);
        for live in live {
            let state = live.state();
            if wanted(state.shown()) && !first.take(state.shown().clone()) {
                break;
            }
        }
        let mut others = Texts::of(filter);
        let wanted = |record: &RunRecord| !found.contains(&record.run_id) && wanted(record);
        if filter.status.is_none_or(RunStatus::is_terminal) {
            self.list_stored(filter, wanted, &mut others)?;
        } else {
            // An open run has an index of its own.
            let mut open = self.open_ids()?;
            open.retain(|run| behind(*run) && !found.contains(run));
            open.sort_by_key(|run| Reverse(*run));
            for run in open {
                if let Some(record) = self.stored_record(run)?.filter(wanted)
                    && !others.take(record)
                {
                    break;
                }
            }
        }
        // One of the two may have ended where the other goes on: together they fill the room there at the latest.
        let mut records = first.records;
        records.append(&mut others.records);
        records.sort_by_key(|record| Reverse(record.run_id));
        records.truncate(filter.limit);
        let mut whole = Texts::of(filter);
        for record in records {
            if !whole.take(record) {
                break;
            }
        }
        Ok(whole.records)
    }

    fn list_stored(
        &self,
        filter: &RunFilter,
        wanted: impl Fn(&RunRecord) -> bool,
        texts: &mut Texts,
    ) -> Result<(), StoreError> {
        let places = narrowest(filter);
        // The run that a session began with may stand in its header alone.
        let first = match &filter.session {
            Some(session) => self.read(|db| header_of(db, session))?.and_then(|header| header.first_run),
            None => None,
        };
        let mut until = filter.after;
        let mut count = 0;
        while count < filter.limit {
            // One record at a time, so that a swap of the database never waits for a long list.
            let newest = |&(table, all)| self.run_before(table, all, until);
            let first = first.filter(|run| until.is_none_or(|until| *run < until));
            let Some(run) =
                places.iter().map(newest).try_fold(first, |run, next| next.map(|next| run.max(next)))?
            else {
                break;
            };
            until = Some(run);
            if let Some(record) = one_of_many(self.stored_record(run))?.filter(&wanted) {
                count += 1;
                if !texts.take(record) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The newest run in `all` of a table that is older than `until`.
    fn run_before(&self, table: Table, all: Key, until: Option<RunId>) -> Result<Option<RunId>, StoreError> {
        let until = until.map_or(all.end(), |until| all.with(until.as_bytes()));
        let key = self.read(|db| db.last_key(table, all, until))?;
        Ok(key.and_then(|key| key.body().last_chunk::<16>().map(|run| RunId::from_bytes(*run))))
    }

    pub(super) fn open_ids(&self) -> Result<Vec<RunId>, StoreError> {
        let mut runs = Vec::new();
        self.read(|db| {
            db.scan_all(Table::OpenRun, Key::table(Table::OpenRun), |key, _| {
                runs.push(RunId::from_bytes(key.id()));
                Ok(true)
            })
        })?;
        Ok(runs)
    }

    fn stored_run(&self, run: RunId) -> Result<Option<StoredRun>, StoreError> {
        let Some(spec) = self.read(|db| db.read::<RunSpec>(Key::run(Table::Spec, run)))? else {
            let whole = self.whole_run(run)?;
            return Ok(whole.map(|WholeRun { record, spec, messages, .. }| StoredRun {
                spec: spec.into_owned(),
                record: record.into_owned(),
                messages: messages.into_owned(),
                approvals: Vec::new(),
            }));
        };
        let Some(record) = self.stored_record(run)? else {
            return Ok(None);
        };
        let mut messages: Vec<Message> = Vec::new();
        let mut ids: Vec<ApprovalId> = Vec::new();
        let mut approvals: Vec<Approval> = Vec::new();
        self.read(|db| {
            db.scan_all(Table::Message, Key::run(Table::Message, run), |_, json| {
                messages.push(codec::from_json(&json)?);
                Ok(true)
            })?;
            db.scan_all(Table::RunApproval, Key::run(Table::RunApproval, run), |key, _| {
                ids.extend(key.body().last_chunk::<16>().map(|id| ApprovalId::from_bytes(*id)));
                Ok(true)
            })?;
            for id in ids {
                approvals.extend(db.read(Key::approval(Table::Approval, id))?);
            }
            Ok(())
        })?;
        Ok(Some(StoredRun { spec, record, messages, approvals }))
    }
}

/// Records, newest first, and how much more text may be with them.
struct Texts {
    records: Vec<RunRecord>,
    left: usize,
}

impl Texts {
    fn of(filter: &RunFilter) -> Self {
        Self { records: Vec::new(), left: filter.text.unwrap_or(usize::MAX) }
    }

    /// Whether there is room for another one behind it.
    fn take(&mut self, record: RunRecord) -> bool {
        let left = self.left.checked_sub(record.text.len());
        self.left = left.unwrap_or_default();
        self.records.push(record);
        left.is_some()
    }
}

/// The tables that have the fewest runs beside those that are asked for, and where they begin there. Their keys end with
/// the run.
fn narrowest(filter: &RunFilter) -> Vec<(Table, Key)> {
    if let Some(session) = &filter.session {
        return vec![(Table::SessionRun, index::runs_of_session(session))];
    }
    match filter.status.and_then(index::runs_that_ended) {
        Some(ended) => vec![(Table::EndedRun, ended)],
        None => [Table::Run, Table::WholeRun].map(|table| (table, Key::table(table))).to_vec(),
    }
}

impl Store {
    /// The record of a live or ended run.
    pub fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        self.0.run(run)
    }

    /// Waits until readers may see that a run has begun to work, if it has: the disk is about to know it.
    pub async fn begun(&self, run: RunId) {
        if let Some(live) = self.0.live(run) {
            live.begun().await;
        }
    }

    /// Newest first, live ones included.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        self.0.list(filter)
    }

    /// Runs without a terminal event that are not live: what recovery has to look at.
    pub fn open_runs(&self) -> Result<Vec<StoredRun>, StoreError> {
        let mut runs = Vec::new();
        for run in self.0.open_ids()?.into_iter().filter(|run| self.0.live(*run).is_none()) {
            runs.extend(self.0.stored_run(run)?);
        }
        Ok(runs)
    }

    /// What a stored run was asked.
    pub fn spec(&self, run: RunId) -> Result<Option<RunSpec>, StoreError> {
        self.0.read(|db| db.read(Key::run(Table::Spec, run)))
    }

    /// A run as it is on disk.
    pub fn stored_run(&self, run: RunId) -> Result<Option<StoredRun>, StoreError> {
        self.0.stored_run(run)
    }

    /// Runs of one session, newest first.
    pub fn runs_of(&self, session: &SessionId, limit: usize) -> Result<Vec<RunRecord>, StoreError> {
        self.runs(&RunFilter { session: Some(session.clone()), limit, ..RunFilter::default() })
    }
}
