//! Group commit: one queue, and at most one task that empties it.
//!
//! A task runs on the blocking pool only while there is work, so that an idle store has neither thread nor timer.
//! What arrives while it waits for the disk goes into its next commit together. What nobody waits for gathers for a
//! bounded time: a commit costs much the same for one chat as for a hundred.

use super::{
    StoreError,
    command::{Command, Stage},
    inner::Inner,
    live::Live,
    lock_of,
};
use std::{collections::VecDeque, sync::Arc};
use tokio::runtime::Handle;

/// Whether somebody waits for a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// The writer starts at once.
    Now,
    /// It may wait for the next commit, for a bounded time.
    Background,
}

/// What waits, and who is on the way to fetch it.
#[derive(Default)]
pub(super) struct Queue {
    commands: VecDeque<Command>,
    /// Logs with deltas that nobody has asked to be written yet.
    dirty: Vec<Arc<Live>>,
    /// Somebody waits for one of the commands.
    urgent: bool,
    /// A task has been started and will look again before it ends.
    running: bool,
    timer: bool,
    closing: bool,
}

/// One commit's work.
pub(super) struct Work {
    pub(super) commands: Vec<Command>,
    pub(super) dirty: Vec<Arc<Live>>,
}

impl Inner {
    pub(super) fn submit(self: &Arc<Self>, command: Command, urgency: Urgency) {
        let mut queue = lock_of(&self.queue);
        if queue.closing {
            drop(queue);
            self.finish(command, &Err(StoreError::Closed));
            return;
        }
        queue.commands.push_back(command);
        self.stir(queue, urgency);
    }

    pub(super) fn mark_dirty(self: &Arc<Self>, live: &Arc<Live>) {
        let mut queue = lock_of(&self.queue);
        queue.dirty.push(Arc::clone(live));
        self.stir(queue, Urgency::Background);
    }

    fn stir(self: &Arc<Self>, mut queue: std::sync::MutexGuard<'_, Queue>, urgency: Urgency) {
        queue.urgent |= urgency == Urgency::Now || queue.commands.len() >= self.options.group;
        // A store that closes empties its queue itself.
        if queue.running || queue.closing {
            return;
        }
        let urgency = if queue.urgent { Urgency::Now } else { urgency };
        match urgency {
            Urgency::Now => {
                queue.running = true;
                drop(queue);
                self.start();
            }
            Urgency::Background if !queue.timer => {
                queue.timer = true;
                drop(queue);
                self.start_later();
            }
            Urgency::Background => {}
        }
    }

    fn start(self: &Arc<Self>) {
        let shift = Shift { inner: Arc::clone(self), over: false };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || shift.work())),
            // Outside of a runtime (a log dropped at the very end) there is nobody to hand the work to.
            Err(_) => shift.work(),
        }
    }

    fn start_later(self: &Arc<Self>) {
        let timer = Timer(Arc::clone(self));
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                tokio::time::sleep(timer.0.options.background).await;
                drop(timer);
            })),
            Err(_) => drop(timer),
        }
    }

    /// Nothing more is taken on.
    pub(super) fn is_closing(&self) -> bool {
        lock_of(&self.queue).closing
    }

    fn take(&self) -> Work {
        let mut queue = lock_of(&self.queue);
        let count = queue.commands.len().min(self.options.group);
        // Those who wait may be behind the ones that are taken now.
        queue.urgent &= count < queue.commands.len();
        Work {
            commands: queue.commands.drain(..count).collect(),
            // Deltas overtake no event: they are taken only when no command is left behind.
            dirty: if queue.commands.is_empty() { std::mem::take(&mut queue.dirty) } else { Vec::new() },
        }
    }

    /// Writes all that waits. Refuses what comes later when `closing`.
    pub(super) fn drain(self: &Arc<Self>, closing: bool) {
        lock_of(&self.queue).closing |= closing;
        while self.write_once() {}
    }

    /// Writes what waits, as far as one commit goes; `false` when nothing did. The bench is taken anew for each commit,
    /// so that housekeeping gets its turn under load.
    fn write_once(self: &Arc<Self>) -> bool {
        let mut bench = self.bench();
        let work = self.take();
        let some = !work.commands.is_empty() || !work.dirty.is_empty();
        if some {
            bench.commit(self, work);
        }
        some
    }

    /// Tells all who wait for the command how it ended.
    pub(super) fn finish(self: &Arc<Self>, command: Command, result: &Result<(), StoreError>) {
        if let Some(log) = command.log {
            if result.is_err() {
                log.live.state().came_back(command.writes, log.reserved);
            }
            match result {
                Ok(()) => {
                    if log.live.committed(log.upto, log.reserved) {
                        self.mark_dirty(&log.live);
                    }
                    if matches!(log.stage, Stage::Ended | Stage::Parked) {
                        self.retire(&log.live);
                        log.live.let_go();
                    }
                }
                Err(error) => {
                    log.live.fail(error);
                    match log.stage {
                        // It was never told to anybody.
                        Stage::Begun => self.retire(&log.live),
                        Stage::Ended => self.unsaved(&log.live),
                        Stage::Going | Stage::Parked => {}
                    }
                }
            }
        }
        if let Some(answer) = command.answer {
            // Nobody has to listen.
            let _ = answer.send(result.clone());
        }
    }
}

/// The right to empty the queue. Given back when dropped, so that a runtime that goes down with the task unstarted
/// does not leave the queue without anyone.
struct Shift {
    inner: Arc<Inner>,
    over: bool,
}

impl Shift {
    fn work(mut self) {
        loop {
            let wrote = self.inner.write_once();
            let mut queue = lock_of(&self.inner.queue);
            if wrote && queue.urgent {
                continue;
            }
            // Under the queue's lock: whoever comes later sees that nobody is on the way.
            queue.running = false;
            self.over = true;
            if !queue.commands.is_empty() || !queue.dirty.is_empty() {
                self.inner.stir(queue, Urgency::Background);
            }
            return;
        }
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        if !self.over {
            lock_of(&self.inner.queue).running = false;
        }
    }
}

/// The wait for company; over when dropped, however that comes.
struct Timer(Arc<Inner>);

impl Drop for Timer {
    fn drop(&mut self) {
        let mut queue = lock_of(&self.0.queue);
        queue.timer = false;
        let waits = !queue.commands.is_empty() || !queue.dirty.is_empty();
        if waits && !queue.closing {
            self.0.stir(queue, Urgency::Now);
        }
    }
}
