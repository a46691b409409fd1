//! Durable state of one profile. The only user of sled.
//!
//! ```text
//!  LogWriter ──► Live (ring, watermark, bell) ──► EventCursor ──► readers
//!      │                     ▲                        │ what the ring no longer has
//!      │ commands            │ "on disk up to N"      ▼
//!      └──► queue ──► bench: one batch ──► journal ──► main database; databases of deltas
//! ```
//!
//! *Who writes.* Each log has one [`LogWriter`]. The databases have one writer too, whoever holds the bench's lock: a
//! task of the blocking pool that lives only while something waits, or housekeeping, or a backup.
//!
//! *What is durable.* A [`Committed`] resolves after an fsync of the journal. What is there is applied again when the
//! store opens after a crash; a checkpoint, sled's flush **and** an fsync of its file, empties it. A log's events
//! reach readers in order, and those that a client may act on only when they are on disk.
//!
//! *What can go wrong* has names: [`StoreError`]. Damage is found by checksums in every value, by the number of the last
//! commit kept outside of the database (`mark`), and by catching sled's panics.
//!
//! | path below `state/` | what it is |
//! |---|---|
//! | `lock` | the [`ProfileLock`] with its holder's pid |
//! | `wake` | [`Wake`]: what a start must know without opening |
//! | `mark` | which database, and its last commit on disk |
//! | `db/` | the main database |
//! | `journal` | commits that `db/` may not have on the disk yet |
//! | `events/<generation>/` | text deltas, thrown away by the folder |
//! | `payloads/` | records over 1 MiB, named by their content |
//! | `payloads/values/` | what many chats left at once |
//! | `search/` | the words of all messages; made anew when it is lost |

mod backup;
mod batch;
mod bench;
mod checkpoint;
mod clean;
mod codec;
mod command;
mod compact;
mod cursor;
mod database;
mod deltas;
mod error;
mod files;
mod handle;
mod index;
mod inner;
mod journal;
mod keyspace;
mod live;
mod lock;
mod log;
mod mark;
mod memory;
mod opening;
mod payload;
mod processes;
mod prompts;
mod reclaim;
mod records;
mod replay;
mod responses;
mod restore;
mod results;
mod retention;
mod revoked;
mod runs;
mod search;
mod sessions;
mod spec;
mod state;
mod todos;
mod types;
mod unsaved;
mod usage;
mod values;
mod wake;
mod whole;
mod writer;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use backup::backup;
pub use cursor::EventCursor;
pub use error::StoreError;
pub use handle::Store;
pub use lock::ProfileLock;
pub use log::LogWriter;
pub use restore::{Restored, restore};
pub use results::ToolResults;
pub use revoked::Revocations;
pub use search::{BadQuery, Query, SearchFilter, SearchHit, SearchPage, SearchRole, Snippet};
pub use sessions::{
    ForkSession, NewSession, SessionChange, SessionContext, SessionCursor, SessionEnd, SessionError,
    SessionFilter, SessionHeader, SessionMessage, SessionMessages, SessionSummary, Title, import_sessions,
};
pub use types::{
    Change, ClientCall, Committed, FormerSecret, Housekept, IdempotencyEntry, KeyRecord, KeyUse, Options,
    Retention, RunFilter, SessionAppend, StoredRun,
};
pub use usage::{UsageFilter, UsageReport};
pub use wake::Wake;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A panic elsewhere must not take the store with it: what a lock guards here is whole between two statements.
fn lock_of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
