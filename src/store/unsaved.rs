//! Runs whose end the disk did not take, because it was full, say. Readers have it from memory; the disk gets it, with all
//! else that it refused of the run, when it takes commits again. Otherwise the run would be open there until the next
//! start, and be taken up again then.

use super::{
    Change, StoreError,
    bench::Bench,
    command::{self, Command, LogAck, Stage, Write},
    error::guarded,
    inner::Inner,
    keyspace::{Key, Table},
    live::Live,
    lock_of, whole,
    writer::Work,
};
use crate::domain::{Approval, ApprovalStatus, RunRecord, now};
use std::{
    collections::{HashSet, VecDeque},
    mem,
    sync::Arc,
};

/// Ended logs that are kept. Each has its last events, its record, and what was refused.
const MOST: usize = 4096;
/// The wait for the next try is doubled so often at most.
const PATIENCE: u32 = 7;

#[derive(Default)]
pub(super) struct Unsaved {
    /// Oldest first.
    logs: VecDeque<Arc<Live>>,
    /// A timer is under way that will try to write them.
    timer: bool,
    /// How often that failed though there was space.
    tries: u32,
}

impl Inner {
    /// Keeps an ended log whose last commit failed, until it is written or there are too many.
    pub(super) fn unsaved(self: &Arc<Self>, live: &Arc<Live>) {
        if self.live(live.run).is_none() {
            // It was never taken on, and whoever wanted it was told so.
            return;
        }
        let mut unsaved = lock_of(&self.unsaved);
        if !unsaved.logs.iter().any(|known| known.run == live.run) {
            unsaved.logs.push_back(Arc::clone(live));
        }
        let oldest = if unsaved.logs.len() > MOST { unsaved.logs.pop_front() } else { None };
        self.save_later(&mut unsaved);
        drop(unsaved);
        if let Some(oldest) = oldest {
            tracing::warn!(run = %oldest.run, "its end was never stored, and is let go of");
            self.retire(&oldest);
        }
    }

    /// Tries once more. What fails again comes back here, and has the next try follow.
    pub(super) fn save(self: &Arc<Self>, bench: &mut Bench) {
        if lock_of(&self.unsaved).logs.is_empty() {
            return;
        }
        // To open a database takes its time: not under a lock that threads which serve take, too.
        let ready = Bench::check_space(self).and_then(|()| guarded(|| bench.heal(self)));
        let mut unsaved = lock_of(&self.unsaved);
        if ready.is_err() {
            self.save_later(&mut unsaved);
            return;
        }
        let all_back = |live: &Arc<Live>| live.state().is_all_back();
        let (logs, others): (Vec<_>, Vec<_>) = mem::take(&mut unsaved.logs).into_iter().partition(all_back);
        unsaved.logs = others.into();
        unsaved.tries += 1;
        drop(unsaved);
        for some in logs.chunks(self.options.group) {
            let mut commands = Vec::with_capacity(some.len());
            for live in some {
                match self.ending(live) {
                    Ok(command) => commands.push(command),
                    Err(error) => tracing::error!(run = %live.run, %error, "its end cannot be stored"),
                }
            }
            bench.commit(self, Work { commands, dirty: Vec::new() });
        }
        let mut unsaved = lock_of(&self.unsaved);
        if unsaved.logs.is_empty() {
            unsaved.tries = 0;
        } else {
            self.save_later(&mut unsaved);
        }
    }

    fn save_later(self: &Arc<Self>, unsaved: &mut Unsaved) {
        if unsaved.timer || self.is_closing() {
            return;
        }
        let wait = self.options.save_after.saturating_mul(1 << unsaved.tries.min(PATIENCE));
        unsaved.timer = self.later(wait, |bench, inner| {
            lock_of(&inner.unsaved).timer = false;
            inner.save(bench);
        });
    }

    /// What is missing of an ended log, as a command.
    fn ending(self: &Arc<Self>, live: &Arc<Live>) -> Result<Command, StoreError> {
        // As the disk knows it: what came after that failed. A commit that was told as failed can be there all the same.
        let stored = self.read(|db| whole::record(db, live.run)).ok().flatten();
        let is_there = stored.as_ref().is_some_and(|record| record.status.is_terminal());
        let withdrawn = stored.map_or_else(Vec::new, |record| self.withdrawn(&record));
        let mut writes = command::encode(&self.options.redactor, withdrawn, None)?;
        let mut state = live.state();
        writes.append(&mut state.refused);
        if writes.iter().any(|write| matches!(write, Write::Whole(_))) {
            state.goes_again();
        } else {
            writes.extend(state.rest()?);
            writes.push(Write::Remove(Key::run(Table::OpenRun, live.run)));
        }
        if is_there {
            writes.clear();
        }
        let reserved = Some(state.record.reserved.0);
        let log = LogAck { live: Arc::clone(live), upto: state.last(), reserved, stage: Stage::Ended };
        Ok(Command { writes: last_words(writes), log: Some(log), answer: None })
    }

    /// The questions that a run still asks by this record: nobody will take their answers.
    pub(super) fn withdrawn(&self, record: &RunRecord) -> Vec<Change> {
        let approval = |&id| self.read(|db| db.read(Key::approval(Table::Approval, id))).ok().flatten();
        let asked = record.waiting.iter().chain(&record.asking).filter_map(approval);
        let open = asked.filter(|approval: &Approval| approval.status == ApprovalStatus::Pending);
        open.map(|approval| Change::Approval(approval.withdrawn(now()))).collect()
    }
}

/// Of several writes of one record the last, in their order: another try has the former one's among it.
fn last_words(mut writes: Vec<Write>) -> Vec<Write> {
    let mut seen = HashSet::new();
    writes.reverse();
    writes.retain(|write| match write {
        Write::Put(key, _) | Write::Remove(key) => seen.insert((false, key.as_slice().to_vec())),
        Write::Deltas(key, _) => seen.insert((true, key.as_slice().to_vec())),
        Write::Whole(_) | Write::Session { .. } | Write::Summary(_) | Write::SessionEdit(_) => true,
    });
    writes.reverse();
    writes
}
