//! Stored responses, and which runs they keep.
//!
//! A response is a view of its run, so the run of a response that can be asked for, and the runs of all earlier links
//! of its chain, stay beyond their own time. A link that was deleted or pushed out stays, without its words, for as
//! long as a later one needs it.

use super::{
    Store, StoreError, codec,
    inner::Inner,
    keyspace::{Key, Table},
    retention::BATCH,
};
use crate::domain::{ResponseRecord, RunId};
use std::collections::{HashMap, HashSet};

impl Store {
    /// A response, also one of which only the link is left.
    pub fn response(&self, run: RunId) -> Result<Option<ResponseRecord>, StoreError> {
        self.0.read(|db| db.read(Key::run(Table::Response, run)))
    }

    /// The responses that are too many when the newest `keep` stay. Reads many records: for the blocking pool.
    pub fn responses_beyond(&self, keep: usize) -> Result<Vec<ResponseRecord>, StoreError> {
        let mut kept = Vec::new();
        self.0.read(|db| {
            db.scan_all(Table::KeptResponse, Key::table(Table::KeptResponse), |key, _| {
                kept.push(RunId::from_bytes(key.id()));
                Ok(true)
            })
        })?;
        kept.truncate(kept.len().saturating_sub(keep));
        let mut old = Vec::with_capacity(kept.len());
        for run in kept {
            old.extend(self.response(run)?);
        }
        Ok(old)
    }
}

impl Inner {
    /// Forgets links that no response needs any more; the runs that are needed.
    pub(super) fn settle_responses(&self) -> Result<HashSet<RunId>, StoreError> {
        let mut previous: HashMap<RunId, Option<RunId>> = HashMap::new();
        let mut kept = Vec::new();
        self.read(|db| {
            db.scan_all(Table::Response, Key::table(Table::Response), |_, json| {
                let response: ResponseRecord = codec::from_json(&json)?;
                previous.insert(response.run_id, response.previous);
                kept.extend(response.kept.then_some(response.run_id));
                Ok(true)
            })
        })?;
        let mut needed = HashSet::new();
        for response in kept {
            let mut next = Some(response);
            while let Some(run) = next.filter(|run| needed.insert(*run)) {
                next = previous.get(&run).copied().flatten();
            }
        }
        let loose: Vec<RunId> = previous.into_keys().filter(|run| !needed.contains(run)).collect();
        for some in loose.chunks(BATCH) {
            self.delete(&mut self.bench(), |db, batch| {
                some.iter().try_fold(0, |count, run| {
                    Ok(count + db.remove_all(batch, Key::run(Table::Response, *run))?)
                })
            })?;
        }
        Ok(needed)
    }
}
