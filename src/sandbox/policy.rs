//! What one command may do: the one message from the gateway to a helper.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything that a helper needs to know. Nothing of it comes from the helper's own environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Absolute path of the program, then its arguments (without a zeroth one).
    pub program: PathBuf,
    pub args: Vec<String>,
    /// The whole environment of the command.
    pub env: Vec<(String, String)>,
    /// Where the command starts.
    pub dir: PathBuf,
    /// Folders that the command may change.
    pub writable: Vec<PathBuf>,
    /// Files and folders that it may read and execute. What does not exist is skipped.
    pub readable: Vec<PathBuf>,
    /// Landlock and seccomp on. Off only at sandbox level `none`.
    pub confine: bool,
    pub limits: Limits,
}

/// Bounds that hold at every level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Processes of one command at once. The helper counts them itself, since the kernel's own limit does not hold
    /// for root and counts all of a user's processes otherwise.
    pub processes: u32,
    /// Size of one file.
    pub file_bytes: u64,
    /// Private memory of one process.
    pub memory_bytes: u64,
    /// Descriptors of one process.
    pub open_files: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Self { processes: 1_024, file_bytes: 8 * GIB, memory_bytes: 4 * GIB, open_files: 4_096 }
    }
}
