//! Reads `state.db`, the database in which the reference keeps its sessions: SQLite, by the names of its columns.
//!
//! ```text
//!  state.db (+ -wal, -journal) ──► Snapshot: a copy of our own ──► Tables: which columns ──► rows ──► ImportRecord
//! ```
//!
//! The file is a stranger's. It is never opened by SQLite itself, so nothing in its folder changes and nobody waits for a
//! lock; the copy is opened with everything off that a schema could have run. Columns that an older version did not have
//! are read as NULL, those of a newer one are not looked at. Sizes and counts have bounds, and a session that cannot be
//! read takes no other one with it.

mod message;
mod session;
mod snapshot;
mod tables;
mod value;

use crate::domain::{ImportRecord, ImportSkip};
use rusqlite::Connection;
use snapshot::Snapshot;
use std::{collections::BTreeMap, fmt, io, path::Path};
use tables::Tables;

/// Longest text that is read, in bytes: of a message, its calls, its thoughts.
const LONGEST: usize = 4 << 20;
/// Sessions of one file …
const MOST_SESSIONS: usize = 1_000_000;
/// … and messages of one session: what claims to have more does not tell the truth.
const MOST_MESSAGES: usize = 5_000_000;

/// Why a file cannot be read; the message is fit for a person.
#[derive(Debug)]
pub struct StateDbError(String);

impl fmt::Display for StateDbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StateDbError {}

impl From<rusqlite::Error> for StateDbError {
    fn from(error: rusqlite::Error) -> Self {
        Self(format!("the database cannot be read: {error}"))
    }
}

/// A database as it was at one moment.
pub struct StateDb {
    connection: Connection,
    tables: Tables,
}

impl StateDb {
    /// Copies the database, with what its writer has not put into it yet, into a folder of its own below `scratch`, opens the
    /// copy and removes its name: it goes with the value, or with the process.
    ///
    /// # Errors
    /// The file is no database, has not the tables that are looked for, or is written to all the time.
    pub fn open(file: &Path, scratch: &Path) -> Result<Self, StateDbError> {
        let snapshot = Snapshot::take(file, scratch)?;
        let connection = tables::connect(snapshot.path())?;
        let tables = Tables::find(&connection)?;
        drop(snapshot);
        Ok(Self { connection, tables })
    }

    /// Tells all sessions, those that began first before the others, for as long as `told` takes them.
    ///
    /// # Errors
    /// Those of `told`. What cannot be read is told.
    pub fn tell(&self, told: &mut dyn FnMut(ImportRecord) -> io::Result<()>) -> io::Result<()> {
        let all = match self.tables.sessions(&self.connection) {
            Ok(all) => all,
            Err(error) => return told(ImportRecord::End(Some(StateDbError::from(error).to_string()))),
        };
        for row in all.iter().take(MOST_SESSIONS) {
            self.tell_one(*row, told)?;
        }
        let more =
            (all.len() > MOST_SESSIONS).then(|| format!("there are more than {MOST_SESSIONS} sessions"));
        told(ImportRecord::End(more))
    }

    fn tell_one(&self, row: i64, told: &mut dyn FnMut(ImportRecord) -> io::Result<()>) -> io::Result<()> {
        let session = match self.tables.session(&self.connection, row) {
            Ok(session) => session,
            Err(error) => {
                let why = format!("its row cannot be read: {error}");
                return told(ImportRecord::Skipped(ImportSkip { id: format!("row {row}"), why }));
            }
        };
        told(ImportRecord::Session(Box::new(session)))?;
        let mut left_out = BTreeMap::new();
        let mut out = Ok(());
        let read = self.tables.messages(&self.connection, row, &mut |message| {
            match message {
                Ok(message) => out = told(ImportRecord::Message(message)),
                Err(why) => *left_out.entry(why.to_owned()).or_default() += 1,
            }
            out.is_ok()
        });
        out?;
        told(match read {
            Ok(()) => ImportRecord::SessionEnd(left_out),
            Err(error) => ImportRecord::SessionBroken(format!("its messages cannot be read: {error}")),
        })
    }
}
