//! A run's log while somebody writes it: the last events in memory, and how far readers may see.
//!
//! An event is visible when all before it are. In a gated log (a durable run's) one that is not a delta is visible
//! only when the disk has it, and no number is visible that the disk does not know to be given out.

use super::{StoreError, lock_of, state::LiveState};
use crate::domain::RunId;
use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::Notify;

/// How much a ring holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) events: usize,
    pub(super) bytes: usize,
    /// Beside what the disk does not have: for readers, and when there are none.
    pub(super) read: usize,
    pub(super) unread: usize,
}

/// One run's live log, shared by its writer, its readers and the store's writer.
pub(super) struct Live {
    pub(super) run: RunId,
    /// Rung when more is visible, and when the log is let go of.
    pub(super) bell: Notify,
    readers: AtomicUsize,
    limits: Limits,
    state: Mutex<LiveState>,
}

impl Live {
    pub(super) fn new(state: LiveState, limits: Limits) -> Self {
        Self {
            run: state.record.run_id,
            bell: Notify::new(),
            readers: AtomicUsize::new(0),
            limits,
            state: Mutex::new(state),
        }
    }

    /// Held for a few lines, never over an await, and never while the queue's lock is taken.
    pub(super) fn state(&self) -> MutexGuard<'_, LiveState> {
        lock_of(&self.state)
    }

    pub(super) fn attach(&self) {
        self.readers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn detach(&self) {
        self.readers.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn readers(&self) -> usize {
        self.readers.load(Ordering::Relaxed)
    }

    /// Ends a change of the state: what may be seen is shown, what need not be kept is dropped.
    pub(super) fn publish(&self, mut state: MutexGuard<'_, LiveState>) {
        let more = state.settle();
        let events =
            if self.readers() == 0 { self.limits.unread } else { self.limits.read.min(self.limits.events) };
        state.trim(events, self.limits.bytes);
        drop(state);
        if more {
            self.bell.notify_waiters();
        }
    }

    /// Waits while the run is shown as queued though it has begun: until the disk has its beginning.
    pub(super) async fn begun(&self) {
        let mut bell = std::pin::pin!(self.bell.notified());
        loop {
            bell.as_mut().enable();
            if !self.state().begins() {
                return;
            }
            bell.as_mut().await;
            bell.set(self.bell.notified());
        }
    }

    /// Whether a log that nothing stores yet holds more than a ring should.
    pub(super) fn overflows(&self, state: &LiveState) -> bool {
        state.holds_more_than(self.limits.events, self.limits.bytes)
    }

    /// The disk has all up to `upto`, and knows that numbers up to `reserved` may be given out. `true`: deltas came
    /// meanwhile that nobody has asked to be written.
    pub(super) fn committed(&self, upto: u64, reserved: Option<u64>) -> bool {
        let mut state = self.state();
        state.arrived(upto, reserved);
        let more = state.wants_writing();
        self.publish(state);
        more
    }

    /// A commit failed: from here on the log lives in memory alone, and all of it is visible.
    pub(super) fn fail(&self, error: &StoreError) {
        let mut state = self.state();
        state.give_up(error);
        self.publish(state);
    }

    /// Readers go over to the store, and wait there for whoever goes on with the run.
    pub(super) fn let_go(&self) {
        self.state().parked = true;
        self.bell.notify_waiters();
    }
}
