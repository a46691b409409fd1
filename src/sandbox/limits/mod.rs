//! How much of the machine one command may take, and what it is seen to take.

mod groups;
mod machine;

pub use groups::Groups;
pub use machine::{Excess, Machine, Seat};

use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};

/// Bounds of one command with all that it starts. They hold at every level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Processes and threads at once. The group's where there is one; else the helper counts.
    pub processes: u32,
    /// Processes and threads of the user whose uid the command has, those of others among them: a fence for the
    /// machine, which the kernel holds for every user but root.
    pub user_processes: u64,
    /// Memory in sum, and private memory of one process.
    pub memory_bytes: u64,
    /// Processor time in sum.
    pub cpu_seconds: u64,
    /// Size of one file.
    pub file_bytes: u64,
    /// Descriptors of one process.
    pub open_files: u64,
    /// A command that writes while less than this is free on the workspace's disk is killed.
    pub disk_reserve: u64,
    /// The control group that the command enters, made for it alone.
    pub group: Option<PathBuf>,
}

impl Default for Limits {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Self {
            processes: 512,
            user_processes: 8 * 512,
            memory_bytes: 4 * GIB,
            cpu_seconds: 3_600,
            file_bytes: 8 * GIB,
            open_files: 4_096,
            disk_reserve: 0,
            group: None,
        }
    }
}

/// Which limit a command was killed for, and the figure that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Breach {
    Processes(u32),
    /// Bytes.
    Memory(u64),
    /// Memory of a group above its own: of the profile's commands together, or of all.
    MemoryTogether,
    /// Seconds.
    CpuTime(u64),
    /// Bytes that are left on the disk.
    Disk(u64),
}

/// What a command takes, as its helper counts it where no control group does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Processes and threads.
    pub processes: u32,
    /// Bytes.
    pub memory: u64,
    /// So far.
    pub cpu: Duration,
    /// The same of the processes that are there now, finer: a command that slept has the same figure as before.
    pub ran: Duration,
    /// Bytes written to disks so far.
    pub written: u64,
}
