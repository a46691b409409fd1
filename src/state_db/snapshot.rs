//! A copy of a database that its owner may be writing to at this moment.
//!
//! In WAL mode the database file changes only when the log is written back, and the log only grows until it begins anew with
//! another salt; so while both stay what they were, what was copied is one state, and a half frame at the log's end counts for
//! nothing. With a rollback journal, file and journal must both stay. When they did not, the copy is made again.

use super::StateDbError;
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const MAGIC: &[u8] = b"SQLite format 3\0";
/// How often a database that changes meanwhile is copied again …
const TRIES: u32 = 20;
/// … and after which time. The times of files are no finer than some milliseconds: one that was written just now is waited
/// for.
const SETTLES: Duration = Duration::from_millis(50);
/// Salts are in the first bytes of a log, counters in those of a database.
const HEAD: usize = 100;

/// The copy. Its folder goes with the value; who has opened the file keeps it.
pub(super) struct Snapshot(PathBuf);

impl Snapshot {
    pub(super) fn take(file: &Path, scratch: &Path) -> Result<Self, StateDbError> {
        let failed =
            |what: &str, cause: &io::Error| StateDbError(format!("{}: {what}: {cause}", file.display()));
        let source = fs::canonicalize(file).map_err(|cause| failed("it cannot be found", &cause))?;
        let database = open(&source).map_err(|cause| failed("it cannot be read", &cause))?;
        let is_file = database.metadata().is_ok_and(|meta| meta.is_file());
        if !is_file || !head(&database).is_ok_and(|head| head.starts_with(MAGIC)) {
            return Err(StateDbError(format!(
                "{} is no SQLite database; the reference keeps its sessions in the file `state.db` of its home",
                file.display()
            )));
        }
        let snapshot = Self::folder(scratch).map_err(|cause| failed("it cannot be copied", &cause))?;
        for _ in 0..TRIES {
            if snapshot.copy(&source).map_err(|cause| failed("it cannot be copied", &cause))? {
                return Ok(snapshot);
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "the thread is a command's, which has no other work"
            )]
            std::thread::sleep(SETTLES);
        }
        Err(StateDbError(format!(
            "{} is written to all the time; end the program that has it open, then try again",
            file.display()
        )))
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.join("state.db")
    }

    fn folder(scratch: &Path) -> io::Result<Self> {
        let name = format!("import.{}", uuid::Uuid::now_v7().simple());
        let path = scratch.join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Whether the copy is of one moment.
    fn copy(&self, source: &Path) -> io::Result<bool> {
        let before = State::of(source)?;
        if before.is_fresh() {
            return Ok(false);
        }
        for suffix in ["", "-wal", "-journal"] {
            let to = beside(&self.path(), suffix);
            if suffix.is_empty() || beside(source, suffix).exists() {
                copy(&beside(source, suffix), &to)?;
            } else {
                remove(&to)?;
            }
        }
        Ok(State::of(source)? == before)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "the copy of a database was not removed");
        }
    }
}

/// What must stay as it is while a database is copied.
#[derive(PartialEq)]
struct State {
    database: Option<Stamp>,
    journal: Option<Stamp>,
    /// The log may grow meanwhile.
    log: Option<Vec<u8>>,
}

#[derive(PartialEq)]
struct Stamp {
    inode: u64,
    length: u64,
    changed: (i64, i64),
    head: Vec<u8>,
}

impl State {
    fn of(source: &Path) -> io::Result<Self> {
        let log = read(&beside(source, "-wal"), |file| Ok(head(file)?.into_iter().take(32).collect()))?;
        Ok(Self {
            database: read(source, Stamp::of)?,
            journal: read(&beside(source, "-journal"), Stamp::of)?,
            // One that was emptied and one that is not there are the same.
            log: log.filter(|head: &Vec<u8>| !head.is_empty()),
        })
    }

    fn is_fresh(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        [&self.database, &self.journal].into_iter().flatten().any(|stamp| {
            let (seconds, nanos) = stamp.changed;
            let changed = u64::try_from(seconds).map(Duration::from_secs).unwrap_or_default()
                + u32::try_from(nanos).map(|nanos| Duration::new(0, nanos)).unwrap_or_default();
            // One from the future says nothing.
            now.checked_sub(changed).is_some_and(|age| age < SETTLES)
        })
    }
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let meta = file.metadata()?;
        let changed = (meta.mtime(), meta.mtime_nsec());
        Ok(Self { inode: meta.ino(), length: meta.len(), changed, head: head(file)? })
    }
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Never waits: a pipe is no database.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

fn head(file: &File) -> io::Result<Vec<u8>> {
    use std::os::unix::fs::FileExt as _;
    let mut bytes = vec![0; HEAD];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

fn read<T>(path: &Path, what: impl FnOnce(&File) -> io::Result<T>) -> io::Result<Option<T>> {
    match open(path) {
        Ok(file) => what(&file).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// For the owner alone, whoever may read the original.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = match open(from) {
        Ok(file) => file,
        // Gone since it was seen: what is compared afterwards tells whether that matters.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return remove(to),
        Err(error) => return Err(error),
    };
    let length = from.metadata()?.len();
    let mut to = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(to)?;
    // A log may grow faster than it is copied.
    io::copy(&mut from.by_ref().take(length), &mut to).map(drop)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
