//! Runs whose end the disk did not take, because it was full, say. Readers have it from memory; the disk gets it when it
//! takes commits again, or else the run would be open there until the next start, and be taken up again then.

use super::{
    Change, StoreError,
    bench::Bench,
    command::{self, Command, LogAck, Stage},
    inner::Inner,
    keyspace::{Key, Table},
    live::Live,
    lock_of, whole,
    writer::Work,
};
use crate::domain::{Approval, ApprovalStatus, RunRecord, now};
use std::{collections::VecDeque, mem, sync::Arc};

/// Ended logs that are kept. Each has its last events and its record.
const MOST: usize = 4096;

#[derive(Default)]
pub(super) struct Unsaved {
    /// Oldest first.
    logs: VecDeque<Arc<Live>>,
    /// A timer is under way that will try to write them.
    timer: bool,
}

impl Inner {
    /// Keeps an ended log whose last commit failed, until it is written or there are too many.
    pub(super) fn unsaved(self: &Arc<Self>, live: &Arc<Live>) {
        let closing = self.is_closing();
        let mut unsaved = lock_of(&self.unsaved);
        if !unsaved.logs.iter().any(|known| known.run == live.run) {
            unsaved.logs.push_back(Arc::clone(live));
        }
        let oldest = if unsaved.logs.len() > MOST { unsaved.logs.pop_front() } else { None };
        // Of a chat that was never on the disk nothing is left open there.
        if !unsaved.timer && !closing && live.state().is_on_disk() {
            unsaved.timer = self.later(self.options.save_after, |bench, inner| inner.save(bench));
        }
        drop(unsaved);
        if let Some(oldest) = oldest {
            tracing::warn!(run = %oldest.run, "its end was never stored, and is let go of");
            self.retire(&oldest);
        }
    }

    /// Tries once more. What fails again comes back here, and has the next try follow.
    pub(super) fn save(self: &Arc<Self>, bench: &mut Bench) {
        let mut unsaved = lock_of(&self.unsaved);
        unsaved.timer = false;
        let known = |live: &Arc<Live>| live.state().is_on_disk();
        let (logs, others): (Vec<_>, Vec<_>) = mem::take(&mut unsaved.logs).into_iter().partition(known);
        unsaved.logs = others.into();
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
    }

    /// What is missing of an ended log, as a command.
    fn ending(self: &Arc<Self>, live: &Arc<Live>) -> Result<Command, StoreError> {
        // As the disk knows it: what came after that failed.
        let record = self.read(|db| whole::record(db, live.run)).ok().flatten();
        let withdrawn = record.map_or_else(Vec::new, |record| self.withdrawn(&record));
        let mut writes = command::encode(&self.options.redactor, withdrawn, None)?;
        let mut state = live.state();
        writes.extend(state.rest()?);
        writes.push(command::Write::Remove(Key::run(Table::OpenRun, live.run)));
        let reserved = Some(state.record.reserved.0);
        let log = LogAck { live: Arc::clone(live), upto: state.last(), reserved, stage: Stage::Ended };
        Ok(Command { writes, log: Some(log), answer: None })
    }

    /// The questions that a run still asks by this record: nobody will take their answers.
    pub(super) fn withdrawn(&self, record: &RunRecord) -> Vec<Change> {
        let approval = |&id| self.read(|db| db.read(Key::approval(Table::Approval, id))).ok().flatten();
        let asked = record.waiting.iter().chain(&record.asking).filter_map(approval);
        let open = asked.filter(|approval: &Approval| approval.status == ApprovalStatus::Pending);
        open.map(|approval| Change::Approval(approval.withdrawn(now()))).collect()
    }
}
