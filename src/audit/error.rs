//! Why an entry is not in the log.

use std::{fmt, io};

/// An entry could not be written. The act that it stands for has to be refused, if it is one that gives power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditError {
    /// The disk is full.
    Full,
    Io(String),
    /// The log was closed: the profile stops.
    Closed,
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the audit log cannot be written, the disk is full; free some space"),
            Self::Io(cause) => write!(f, "the audit log cannot be written: {cause}"),
            Self::Closed => f.write_str("the audit log is closed, the profile stops"),
        }
    }
}

impl std::error::Error for AuditError {}

impl From<io::Error> for AuditError {
    fn from(error: io::Error) -> Self {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded].contains(&error.kind());
        if full { Self::Full } else { Self::Io(error.to_string()) }
    }
}
