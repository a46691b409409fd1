//! What was done in a profile's name, in a log of its own that shows whether it was changed afterwards.
//!
//! ```text
//!  acts ──► AuditLog (queue) ──► one task of the blocking pool ──► state/audit/NNNNNNNN.jsonl ──► state/audit.head
//! ```
//!
//! Each line holds the hash of itself and of the line before it ([`chain`]). Where the chain ends is kept apart from it
//! (`state/audit.head`), written after the lines are on disk, so that a log that was cut shows it. Whoever may write both
//! files can rewrite both: only a copy elsewhere (`hermes audit export`) is proof against that.
//!
//! Who did something is told by the caller's proof of identity ([`Actor`]), never by anything in a request.

mod chain;
mod entry;
mod error;
mod file;
mod log;
#[cfg(test)]
mod tests;
mod verify;
mod watch;

pub use entry::{Act, Actor};
pub use error::AuditError;
pub use log::{AuditLog, Recorded};
pub use verify::{Broken, Verified, export, last, verify};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the locks here guard is whole between two statements, so a panic elsewhere leaves nothing half done.
fn lock_of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
