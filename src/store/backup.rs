//! Backup: every record as a line of JSON, whatever lies under it; the last line says how many, and their hash.
//!
//! ```text
//! {"hermes_backup":1,"profile":"alice"}
//! {"table":"run","key":"0190…","value":{…}}
//! {"count":1,"blake3":"…"}
//! ```
//!
//! Chunks of deltas are lines like any other and payload files are written out in full, so that a backup needs nothing
//! beside itself. It says whose it is: its keys would open another profile to people who were never let in there.

use super::{
    Store, StoreError, codec,
    database::Database,
    keyspace::{Key, Table},
};
use crate::domain::ProfileName;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{
    borrow::Cow,
    io::{self, Write},
};

/// The first line.
#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    /// The version of the format.
    pub(super) hermes_backup: u32,
    /// Whose store it was.
    pub(super) profile: ProfileName,
}

pub(super) const VERSION: u32 = 1;

/// One record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line<'a> {
    pub(super) table: Cow<'a, str>,
    pub(super) key: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) value: &'a RawValue,
}

/// The last line: over all lines before it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Foot {
    pub(super) count: u64,
    pub(super) blake3: String,
}

/// Writes a backup of the whole store: JSON lines, the last with count and blake3. Blocking.
///
/// It is the store at one moment: what is to be written waits until the backup is done.
///
/// # Errors
/// I/O on either side; damage that is found on the way.
pub fn backup(store: &Store, profile: &ProfileName, to: &mut dyn Write) -> Result<u64, StoreError> {
    let inner = &store.0;
    inner.drain(false);
    let _writer = inner.bench();
    let mut out = Out { to, hasher: blake3::Hasher::new(), count: 0 };
    out.line(&Head { hermes_backup: VERSION, profile: profile.clone() })?;
    for &table in Table::BACKED_UP {
        inner.read(|db| out.table(db, table))?;
        if table == Table::Deltas {
            for generation in inner.deltas.list() {
                out.table(&*inner.generation(generation)?, table)?;
            }
        }
    }
    let foot = Foot { count: out.count, blake3: out.hasher.finalize().to_hex().to_string() };
    out.line(&foot)?;
    out.to.flush().map_err(|cause| not_written(&cause))?;
    Ok(foot.count)
}

struct Out<'a> {
    to: &'a mut dyn Write,
    hasher: blake3::Hasher,
    count: u64,
}

impl Out<'_> {
    fn table(&mut self, db: &Database, table: Table) -> Result<(), StoreError> {
        db.scan_all(table, Key::table(table), |key, json| {
            let value: &RawValue = serde_json::from_slice(&json)
                .map_err(|error| StoreError::Damaged(format!("a record is not JSON: {error}")))?;
            self.count += 1;
            self.line(&Line { table: table.name().into(), key: to_hex(key.body()).into(), value })?;
            Ok(true)
        })
    }

    fn line<T: Serialize>(&mut self, line: &T) -> Result<(), StoreError> {
        let mut json = codec::to_json(line)?;
        json.push(b'\n');
        self.hasher.update(&json);
        self.to.write_all(&json).map_err(|cause| not_written(&cause))
    }
}

/// A full disk is that of the backup, and not the store's.
fn not_written(cause: &io::Error) -> StoreError {
    StoreError::Io(format!("the backup cannot be written: {cause}"))
}

fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
