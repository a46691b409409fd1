//! The limit on runs of the whole machine, shared by all profiles of one gateway.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Runs at once on this machine.
#[derive(Debug)]
pub struct MachineSlots {
    /// `None`: no limit.
    slots: Option<Arc<Semaphore>>,
}

impl MachineSlots {
    /// `limit` 0: none.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        let slots = (limit > 0).then(|| Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))));
        Arc::new(Self { slots })
    }

    pub(super) fn try_acquire(&self) -> Option<MachinePermit> {
        match &self.slots {
            None => Some(MachinePermit(None)),
            Some(slots) => slots.clone().try_acquire_owned().ok().map(|permit| MachinePermit(Some(permit))),
        }
    }

    pub(super) async fn acquire(&self) -> Option<MachinePermit> {
        match &self.slots {
            None => Some(MachinePermit(None)),
            Some(slots) => slots.clone().acquire_owned().await.ok().map(|permit| MachinePermit(Some(permit))),
        }
    }
}

/// One of the machine's runs.
#[derive(Debug)]
pub(super) struct MachinePermit(
    #[expect(dead_code, reason = "held, and released by being dropped")] Option<OwnedSemaphorePermit>,
);
