//! What can be made again from the records: runs by session and by end, sessions by activity and by title.
//!
//! They are written with the records. A store, or a backup, from before there was an index gets it when it is opened, or
//! restored.

use super::{
    SessionHeader, StoreError,
    batch::Batch,
    codec,
    command::Write,
    database::Database,
    keyspace::{Key, Table},
    mark::{Mark, MarkFile},
    opening::Meta,
    payload::Payloads,
    sessions::{activity, title_key},
    whole,
};
use crate::domain::{RunId, RunRecord, RunStatus, SessionId};

/// Which indexes the records of a store have. Raised when one is added.
pub(super) const VERSION: u32 = 1;

/// Records whose entries go into one commit.
const BATCH: usize = 1000;

/// A run of a session.
pub(super) fn session_run(session: &SessionId, run: RunId) -> Key {
    runs_of_session(session).with(run.as_bytes())
}

/// The beginning of the entries of a session's runs.
pub(super) fn runs_of_session(session: &SessionId) -> Key {
    Key::text(Table::SessionRun, session.as_str())
}

/// A run that ended so; `None` for one that has not.
pub(super) fn ended_run(status: RunStatus, run: RunId) -> Option<Key> {
    runs_that_ended(status).map(|key| key.with(run.as_bytes()))
}

/// The beginning of the entries of all runs that ended so. The bytes are on disk. Nearly all runs complete: whoever asks
/// for those goes through all, and each of them costs a record less.
pub(super) fn runs_that_ended(status: RunStatus) -> Option<Key> {
    let byte = match status {
        RunStatus::Failed => 2,
        RunStatus::Cancelled => 3,
        RunStatus::Completed
        | RunStatus::Queued
        | RunStatus::Running
        | RunStatus::WaitingForApproval
        | RunStatus::WaitingForClarify
        | RunStatus::Stopping => {
            return None;
        }
    };
    Some(Key::table(Table::EndedRun).with(&[byte]))
}

/// The entries that a run's record brings: the first one its session's, the last one its end's.
pub(super) fn of_run(record: &RunRecord, first: bool) -> impl Iterator<Item = Write> {
    let session = first.then(|| session_run(&record.session_id, record.run_id));
    let keys = session.into_iter().chain(ended_run(record.status, record.run_id));
    keys.map(|key| Write::Put(key, b"null".to_vec()))
}

/// The entries that belong to a record.
pub(super) fn entries(table: Table, json: &[u8]) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
    let nothing = || b"null".to_vec();
    if table == Table::Run || table == Table::WholeRun {
        let record: RunRecord = if table == Table::Run {
            codec::from_json(json)?
        } else {
            codec::from_json::<whole::Head>(json)?.record
        };
        let mut keys = vec![(session_run(&record.session_id, record.run_id), nothing())];
        keys.extend(ended_run(record.status, record.run_id).map(|key| (key, nothing())));
        return Ok(keys);
    }
    if table == Table::Session {
        let header: SessionHeader = codec::from_json(json)?;
        let mut keys = vec![(activity(&header), codec::to_json(&header.source)?)];
        if let Some(title) = &header.title {
            keys.push((title_key(title), codec::to_json(&header.id)?));
        }
        return Ok(keys);
    }
    Ok(Vec::new())
}

/// Makes the indexes of a store that was written before there were any. Nothing else has the store yet.
pub(super) fn complete(
    database: &Database,
    payloads: &Payloads,
    file: &mut MarkFile,
    mut at: Mark,
) -> Result<Mark, StoreError> {
    let meta: Option<Meta> = database.read(Key::table(Table::Meta))?;
    if meta.is_none_or(|meta| meta.indexes >= VERSION) {
        return Ok(at);
    }
    let mut commit = |batch: &mut Batch, indexes: u32| {
        at.commit += 1;
        let meta = Meta { indexes, ..Meta::from(at) };
        codec::put(batch, payloads, Key::table(Table::Meta), &codec::to_json(&meta)?)?;
        database.commit(&std::mem::take(batch))?;
        at.length = database.size();
        file.write(at)
    };
    let mut batch = Batch::default();
    for table in [Table::Run, Table::WholeRun, Table::Session] {
        let mut count = 0;
        database.scan_all(table, Key::table(table), |_, json| {
            for (key, value) in entries(table, &json)? {
                codec::put(&mut batch, payloads, key, &value)?;
            }
            count += 1;
            if count % BATCH == 0 {
                commit(&mut batch, 0)?;
            }
            Ok(true)
        })?;
    }
    // Only the last commit says that all is there: one that was cut begins anew.
    commit(&mut batch, VERSION)?;
    tracing::info!("the store's indexes were made");
    Ok(at)
}
