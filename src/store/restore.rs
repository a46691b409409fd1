//! Restore: a backup becomes a new store beside the old one, which it replaces only when every line was read.

use super::{
    Options, ProfileLock, StoreError, Wake,
    backup::{Foot, Head, Line, VERSION, from_hex},
    batch::Batch,
    codec,
    database::Database,
    files, index,
    keyspace::{Key, Table},
    mark::{Mark, MarkFile},
    opening::{Meta, count_keys, new_generation},
    payload::Payloads,
    revoked::{Revocations, revoke},
};
use crate::domain::{ProfileName, now};
use std::{io::BufRead, path::Path};

/// Records in one batch.
const BATCH: usize = 500;

/// What a restore did.
#[derive(Debug, PartialEq, Eq)]
pub struct Restored {
    pub records: u64,
    pub revocations: Revocations,
}

/// What was read into the new database.
struct Loaded {
    records: u64,
    open_runs: bool,
}

/// The new store, whole but for its place.
struct Ready {
    restored: Restored,
    mark: Mark,
    wake: Wake,
}

/// Reads a backup into a new store beside the old one, verifies it, and swaps it in; the old one is kept as
/// `state/db.before-restore-<ms>` (and its other files likewise). Blocking. Works on a store that cannot be opened.
///
/// Keys that the old store knows as revoked stay revoked; [`Restored::revocations`] says whether it could be asked.
///
/// # Errors
/// [`StoreError::BadBackup`] for one that is cut, altered, or another profile's: the store is then as it was.
pub fn restore(
    state_dir: &Path,
    profile: &ProfileName,
    lock: &ProfileLock,
    from: &mut dyn BufRead,
) -> Result<Restored, StoreError> {
    // Holding it is what matters: nobody has the store open.
    let ProfileLock { .. } = lock;
    files::create_dir(state_dir)?;
    let aside = state_dir.join("db.restore");
    let payloads = Payloads::new(state_dir.join("payloads.restore"));
    files::remove_dir(&aside)?;
    files::remove_dir(payloads.folder())?;
    let ready = prepare(state_dir, profile, &aside, &payloads, from).or_else(|error| {
        files::remove_dir(&aside)?;
        files::remove_dir(payloads.folder())?;
        Err(error)
    })?;
    swap(state_dir, &ready)?;
    Ok(ready.restored)
}

fn prepare(
    state_dir: &Path,
    profile: &ProfileName,
    aside: &Path,
    payloads: &Payloads,
    from: &mut dyn BufRead,
) -> Result<Ready, StoreError> {
    let database = Database::open(aside, payloads, Options::default().cache)?;
    let loaded = load(&database, profile, payloads, from)?;
    let mut batch = Batch::default();
    // Only now: the old store is not even looked at for a backup that is none.
    let revocations = revoke(state_dir, &database, payloads, &mut batch)?;
    let mark = Mark { generation: new_generation(), commit: 1, length: 0 };
    codec::put(&mut batch, payloads, Key::table(Table::Meta), &codec::to_json(&Meta::from(mark))?)?;
    database.commit(&batch)?;
    let wake = Wake { open_runs: loaded.open_runs, next_due_ms: None, keys: count_keys(&database)? };
    Ok(Ready { restored: Restored { records: loaded.records, revocations }, mark, wake })
}

/// Puts the records into the new database.
fn load(
    database: &Database,
    profile: &ProfileName,
    payloads: &Payloads,
    from: &mut dyn BufRead,
) -> Result<Loaded, StoreError> {
    let mut lines = Lines { from, hasher: blake3::Hasher::new(), text: String::new() };
    check_head(lines.next()?, profile)?;
    let mut batch = Batch::default();
    let mut count = 0;
    let mut open_runs = false;
    loop {
        let before = lines.hasher.finalize();
        let Some(text) = lines.next()? else {
            return Err(StoreError::BadBackup(format!(
                "the backup ends after {count} records, without its last line"
            )));
        };
        if let Ok(foot) = serde_json::from_str::<Foot>(text) {
            check_foot(&foot, count, before)?;
            break;
        }
        let (table, key, json) = record(text, count)?;
        open_runs |= table == Table::OpenRun;
        codec::put(&mut batch, payloads, key, json)?;
        for (key, entry) in index::entries(table, json)? {
            codec::put(&mut batch, payloads, key, &entry)?;
        }
        count += 1;
        if count % BATCH as u64 == 0 {
            database.commit(&std::mem::take(&mut batch))?;
        }
    }
    if lines.next()?.is_some() {
        return Err(StoreError::BadBackup("the backup goes on after its last line".to_owned()));
    }
    database.commit(&batch)?;
    Ok(Loaded { records: count, open_runs })
}

fn check_head(text: Option<&str>, profile: &ProfileName) -> Result<(), StoreError> {
    let head: Option<Head> = text.and_then(|text| serde_json::from_str(text).ok());
    let wrong = match head {
        Some(head) if head.hermes_backup == VERSION && head.profile == *profile => return Ok(()),
        Some(head) if head.hermes_backup == VERSION => {
            format!("this is a backup of `{}`, and `{profile}` is another profile", head.profile)
        }
        Some(_) | None => format!("this is not a backup of format version {VERSION} that names its profile"),
    };
    Err(StoreError::BadBackup(wrong))
}

fn check_foot(foot: &Foot, count: u64, hash: blake3::Hash) -> Result<(), StoreError> {
    if foot.count != count {
        return Err(StoreError::BadBackup(format!(
            "the backup has {count} records, but says {}",
            foot.count
        )));
    }
    if foot.blake3 != hash.to_hex().as_str() {
        return Err(StoreError::BadBackup("the backup does not match its hash".to_owned()));
    }
    Ok(())
}

fn record(text: &str, number: u64) -> Result<(Table, Key, &[u8]), StoreError> {
    let wrong = || StoreError::BadBackup(format!("record {} of the backup cannot be read", number + 1));
    let line: Line<'_> = serde_json::from_str(text).map_err(|_error| wrong())?;
    let table =
        Table::BACKED_UP.iter().copied().find(|table| table.name() == line.table).ok_or_else(wrong)?;
    let body = from_hex(&line.key).filter(|body| body.len() == table.width()).ok_or_else(wrong)?;
    Ok((table, Key::table(table).with(&body), line.value.get().as_bytes()))
}

/// The database comes last: while it is missing, the mark says that the store is damaged, and a second try is offered.
fn swap(state_dir: &Path, ready: &Ready) -> Result<(), StoreError> {
    let suffix = format!("before-restore-{}", now());
    for (name, new) in [("events", false), ("payloads", true), ("journal", false), ("db", true)] {
        let path = state_dir.join(name);
        if path.exists() {
            files::rename(&path, &state_dir.join(format!("{name}.{suffix}")))?;
        }
        let aside = state_dir.join(format!("{name}.restore"));
        if new && aside.exists() {
            files::rename(&aside, &path)?;
        }
    }
    let next_due_ms = Wake::read(state_dir).and_then(|wake| wake.next_due_ms);
    let wake = codec::to_json(&Wake { next_due_ms, ..ready.wake })?;
    files::replace(&state_dir.join("wake"), &wake)?;
    MarkFile::open(state_dir)?.reset(ready.mark)
}

struct Lines<'a> {
    from: &'a mut dyn BufRead,
    hasher: blake3::Hasher,
    text: String,
}

impl Lines<'_> {
    /// The next line without its end; every byte that was read is in the hash.
    fn next(&mut self) -> Result<Option<&str>, StoreError> {
        self.text.clear();
        let read = self.from.read_line(&mut self.text).map_err(|cause| StoreError::io("backup", &cause))?;
        self.hasher.update(self.text.as_bytes());
        Ok((read > 0).then(|| self.text.trim_end_matches('\n')))
    }
}
