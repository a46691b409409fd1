//! Why the store says no.

use crate::domain::Code;
use std::{any::Any, fmt, io, panic};

/// Why the store said no. Each is an ordinary answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// Another process holds the profile's lock.
    Locked {
        pid: Option<u32>,
    },
    /// The store is not what it was when it was last written; nothing was changed. Says what was seen.
    Damaged(String),
    /// What was to be restored is not a whole backup of this profile; nothing was changed. Says what was seen.
    BadBackup(String),
    /// No space left.
    Full,
    Io(String),
    /// An event that the run's state does not allow: a bug of ours, nothing was written.
    Illegal(String),
    /// The store is being closed.
    Closed,
}

impl StoreError {
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Full => Code::StorageLow,
            Self::Illegal(_) => Code::Internal,
            Self::Locked { .. } | Self::Damaged(_) | Self::BadBackup(_) | Self::Io(_) | Self::Closed => {
                Code::StorageFailed
            }
        }
    }

    pub(super) fn io(what: &str, cause: &io::Error) -> Self {
        let kind = cause.kind();
        if matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Self::Full;
        }
        Self::Io(format!("{what}: {cause} ({kind:?})"))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { pid: Some(pid) } => write!(f, "the store is in use by process {pid}"),
            Self::Locked { pid: None } => f.write_str("the store is in use by another process"),
            Self::Damaged(what) => write!(f, "the store is damaged: {what}; restore it from a backup"),
            Self::BadBackup(what) => write!(f, "{what}; nothing was changed"),
            Self::Full => f.write_str("no space left on the store's disk"),
            Self::Io(what) => write!(f, "the store cannot be used: {what}"),
            Self::Illegal(what) => write!(f, "not a step of this run: {what}"),
            Self::Closed => f.write_str("the store is closed"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(cause) if cause.to_string().contains("could not acquire lock") => {
                Self::Locked { pid: None }
            }
            sled::Error::Io(cause) => Self::io("database", &cause),
            // The engine's own words hold an offset and a backtrace that it never fills in.
            sled::Error::Corruption { .. } => {
                Self::Damaged("its data cannot be read back as they were written".to_owned())
            }
            sled::Error::CollectionNotFound(_)
            | sled::Error::Unsupported(_)
            | sled::Error::ReportableBug(_) => Self::Io(error.to_string()),
        }
    }
}

/// One of many: a damaged one is told in the process's log, and takes the others with it nowhere.
pub(super) fn one_of_many<T>(read: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Err(StoreError::Damaged(what)) => {
            tracing::error!(what, "a record cannot be read and is passed over");
            Ok(None)
        }
        read => read,
    }
}

/// Runs a piece of work of the engine. sled answers some damage with a panic; to us that is damage like any other.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    // Nothing that the closure touches is used again as if it were whole: the caller reopens the database.
    panic::catch_unwind(panic::AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(StoreError::Damaged(format!("the engine gave up: {}", reason(&*panic)))))
}

fn reason(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given")
}
