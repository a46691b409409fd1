//! Housekeeping: what is old is deleted, and what deleting does not give back is won by rewriting.

use super::{
    ClientCall, Housekept, IdempotencyEntry, Retention, Store, StoreError,
    batch::Batch,
    bench::Bench,
    codec,
    codec::Kind,
    database::Database,
    error::{guarded, one_of_many},
    index,
    inner::Inner,
    keyspace::{Key, Table},
    payload::Payloads,
    sessions::{Draft, Sessions},
    usage, whole,
};
use crate::domain::{Millis, ProcessRecord, RunId, RunRecord};
use serde::de::DeserializeOwned;
use std::{collections::HashSet, time::Duration};

/// Keys that are removed in one commit.
pub(super) const BATCH: usize = 2000;
/// Runs that are removed in one commit.
const RUNS: usize = 20;

impl Store {
    /// Deletes what retention lets go and compacts when the file has grown beyond 4 x live + 64 MB. Blocking;
    /// streams stay open over it.
    pub fn housekeep(&self, now: Millis, retention: &Retention) -> Result<Housekept, StoreError> {
        let inner = &self.0;
        // Found without the writer's place: what ended long ago does not change any more.
        let needed = inner.settle_responses()?;
        let mut runs = inner.ended_before(cutoff(now, retention.runs))?;
        runs.retain(|run| !needed.contains(run));
        let runs_deleted = runs.len();
        for some in runs.chunks(RUNS) {
            inner.delete(&mut inner.bench(), |db, batch| {
                usage::keep_sums(db, &inner.payloads, batch, some)?;
                some.iter().try_fold(0, |count, &run| Ok(count + remove_run(db, batch, run)?))
            })?;
        }
        let sessions_deleted = inner.delete_sessions(cutoff(now, retention.derived_sessions))?;
        let created = |entry: &IdempotencyEntry| entry.created_at;
        inner.delete_older(Table::Idempotency, created, cutoff(now, retention.idempotency))?;
        let created = |call: &ClientCall| call.created_at;
        inner.delete_older(Table::ClientCall, created, cutoff(now, retention.runs))?;
        inner.delete_old_changes()?;
        inner.delete_old_prompts(now)?;
        // One that runs is younger than any run is kept for.
        let started = |process: &ProcessRecord| process.started_at;
        inner.delete_older(Table::Process, started, cutoff(now, retention.runs))?;
        let mut bench = inner.bench();
        inner.delete_generations(&mut bench)?;
        inner.delete_payloads()?;
        inner.reclaim_values(&mut bench)?;
        let compacted = inner.compact_if_grown(&mut bench)?;
        drop(bench);
        inner.shrink_index()?;
        Ok(Housekept { runs_deleted, sessions_deleted, compacted })
    }
}

fn cutoff(now: Millis, keep: Duration) -> Millis {
    now.saturating_sub(Millis::try_from(keep.as_millis()).unwrap_or(Millis::MAX))
}

/// When a run began: all that is known of one that is damaged.
fn accepted(run: RunId) -> Millis {
    let mut bytes = [0; 8];
    bytes[2..].copy_from_slice(&run.as_bytes()[..6]);
    Millis::from_be_bytes(bytes)
}

impl Inner {
    fn ended_before(&self, cutoff: Millis) -> Result<Vec<RunId>, StoreError> {
        let (mut old, mut damaged) = (Vec::new(), Vec::new());
        self.read(|db| {
            let mut look = |record: &RunRecord| {
                if record.ended_at.is_some_and(|ended| ended < cutoff) {
                    old.push(record.run_id);
                }
                Ok(true)
            };
            db.scan_all(Table::Run, Key::table(Table::Run), |_, json| look(&codec::from_json(&json)?))?;
            let all = Key::table(Table::WholeRun);
            db.scan_each(Table::WholeRun, all, all.end(), |key, json| {
                let head = json.and_then(|json| codec::from_json::<whole::Head>(&json));
                match one_of_many(head.map(Some))? {
                    Some(head) => look(&head.record),
                    None => {
                        let run = RunId::from_bytes(key.id());
                        damaged.extend((accepted(run) < cutoff).then_some(run));
                        Ok(true)
                    }
                }
            })
        })?;
        old.append(&mut damaged);
        Ok(old)
    }

    /// One commit of removals; none when there is nothing to remove.
    pub(super) fn delete(
        &self,
        bench: &mut Bench,
        fill: impl FnOnce(&Database, &mut Batch) -> Result<usize, StoreError>,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        if self.read(|db| fill(db, &mut batch))? > 0 {
            bench.write_main(self, batch)?;
        }
        Ok(())
    }

    fn delete_sessions(&self, cutoff: Millis) -> Result<usize, StoreError> {
        let mut old = Vec::new();
        self.read(|db| {
            let at = u64::try_from(cutoff).unwrap_or(0);
            let (oldest, until) = (
                Key::table(Table::SessionActivity),
                Key::table(Table::SessionActivity).with(&at.to_be_bytes()),
            );
            db.scan(Table::SessionActivity, oldest, until, |key, _| {
                old.push(key);
                Ok(true)
            })
        })?;
        let mut deleted = 0;
        for some in old.chunks(BATCH) {
            // With the writer's place, and looked at again: one that was used meanwhile is not old any more.
            self.delete(&mut self.bench(), |database, batch| {
                let mut sessions = Sessions::default();
                let mut draft = Draft { database, payloads: &self.payloads, batch, values: None };
                let count = sessions.forget(&mut draft, some)?;
                sessions.write(&mut draft)?;
                deleted += count;
                Ok(count)
            })?;
        }
        self.clear_trash()?;
        Ok(deleted)
    }

    /// Deletes the records of a table that were made before `cutoff`.
    fn delete_older<T: DeserializeOwned>(
        &self,
        table: Table,
        created: impl Fn(&T) -> Millis,
        cutoff: Millis,
    ) -> Result<(), StoreError> {
        let mut bench = self.bench();
        let mut old = Vec::new();
        self.read(|db| {
            db.scan_all(table, Key::table(table), |key, json| {
                if created(&codec::from_json(&json)?) < cutoff {
                    old.push(key);
                }
                Ok(true)
            })
        })?;
        for keys in old.chunks(BATCH) {
            self.delete(&mut bench, |db, batch| {
                keys.iter().try_fold(0, |count, key| Ok(count + db.remove_all(batch, *key)?))
            })?;
        }
        Ok(())
    }

    /// Deletes the databases of deltas that no run needs. The newest stays: it is being written.
    fn delete_generations(&self, bench: &mut Bench) -> Result<(), StoreError> {
        let on_disk = self.deltas.list();
        let Some((_, older)) = on_disk.split_last() else {
            return Ok(());
        };
        let mut needed = HashSet::new();
        self.read(|db| {
            db.scan_all(Table::RunGeneration, Key::table(Table::RunGeneration), |key, _| {
                needed.insert(key.number());
                Ok(true)
            })
        })?;
        for &generation in older.iter().filter(|generation| !needed.contains(generation)) {
            self.deltas.delete(generation)?;
            let key = Key::table(Table::Generation).with(&generation.to_be_bytes());
            self.delete(bench, |db, batch| db.remove_all(batch, key))?;
        }
        Ok(())
    }

    fn delete_payloads(&self) -> Result<(), StoreError> {
        if self.payloads.is_empty() {
            return Ok(());
        }
        let mut named = HashSet::new();
        self.read(|db| collect_payloads(db, &mut named))?;
        for generation in self.deltas.list() {
            collect_payloads(&*self.generation(generation)?, &mut named)?;
        }
        self.payloads.keep_only(&named)
    }
}

fn collect_payloads(db: &Database, named: &mut HashSet<String>) -> Result<(), StoreError> {
    guarded(|| {
        for entry in db.raw() {
            let (key, value) = entry?;
            let part = codec::open(&key, &value)?;
            if part.kind == Kind::Payload
                && let Ok(hash) = part.content.try_into()
            {
                named.insert(Payloads::name(hash));
            }
        }
        Ok(())
    })
}

fn remove_run(db: &Database, batch: &mut Batch, run: RunId) -> Result<usize, StoreError> {
    let mut count = 0;
    if let Some(record) = one_of_many(whole::record(db, run))? {
        count += db.remove_all(batch, index::session_run(&record.session_id, run))?;
        if let Some(key) = index::ended_run(record.status, run) {
            count += db.remove_all(batch, key)?;
        }
    }
    db.scan_all(Table::RunApproval, Key::run(Table::RunApproval, run), |key, _| {
        let id = &key.body()[16..];
        count += db.remove_all(batch, Key::table(Table::Approval).with(id))?;
        count += db.remove_all(batch, Key::table(Table::Pending).with(id))?;
        Ok(true)
    })?;
    for table in [
        Table::Run,
        Table::WholeRun,
        Table::Spec,
        Table::Message,
        Table::Event,
        Table::Deltas,
        Table::OpenRun,
        Table::RunApproval,
        Table::RunGeneration,
        Table::Call,
    ] {
        count += db.remove_all(batch, Key::run(table, run))?;
    }
    Ok(count)
}
