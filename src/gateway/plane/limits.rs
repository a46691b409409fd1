//! How many connections there may be.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Without any limit on descriptors, as many connections as this.
const UNBOUNDED: u64 = 1_000_000;

/// The bounds that hold for all ports together, and the one for each.
#[derive(Debug)]
pub struct Limits {
    pub per_port: usize,
    free: Arc<Semaphore>,
}

impl Limits {
    #[must_use]
    pub fn new(per_port: usize, in_all: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(in_all.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { per_port, free })
    }

    /// `per_port` connections per port, and no more than 80 % of the descriptors in all: the rest is for stores, upstreams
    /// and tools, so that a flood of clients cannot stop the work of those who are already in.
    #[must_use]
    pub fn for_descriptors(per_port: usize, descriptors: usize) -> Arc<Self> {
        Self::new(per_port, descriptors / 5 * 4)
    }

    /// The right to hold one more connection, given back when dropped.
    pub(super) fn admit(&self) -> Option<OwnedSemaphorePermit> {
        self.free.clone().try_acquire_owned().ok()
    }
}

/// Raises the soft limit on open descriptors to the hard one and returns what is then in force.
#[must_use]
pub fn raise_descriptor_limit() -> usize {
    let found = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: found.maximum, maximum: found.maximum };
    let in_force = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => found.maximum,
        // Some kernels cap an unlimited hard limit; the soft one is then what we have.
        Err(_refused) => found.current,
    };
    usize::try_from(in_force.unwrap_or(UNBOUNDED).min(UNBOUNDED)).unwrap_or(usize::MAX)
}
