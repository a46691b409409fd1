//! How much of the machine a profile's commands may take: `terminal.limits.*` and the disk.

use super::{ConfigError, settings::Settings};
use std::time::Duration;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Bounds of one command and of one profile. One command is all that a tool call starts, however many processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitsConfig {
    /// `terminal.limits.memory`: of one command in sum, 4 GiB.
    pub memory: u64,
    /// `terminal.limits.processes`: processes and threads of one command at once, 512.
    pub processes: u32,
    /// `terminal.limits.cpu_time`: processor time of one command, added up over its processes, 1 h.
    pub cpu_time: Duration,
    /// `terminal.limits.file_size`: of one file that a command writes, 8 GiB.
    pub file_size: u64,
    /// `terminal.limits.open_files`: descriptors of one process, 4,096.
    pub open_files: u64,
    /// `terminal.limits.output`: what one command may print before it is killed, 1 GiB.
    pub output: u64,
    /// `terminal.limits.profile_memory`: of all commands of the profile in sum, 8 GiB.
    pub profile_memory: u64,
    /// `terminal.limits.profile_processes`: of all commands of the profile at once, 2,048.
    pub profile_processes: u32,
    /// `terminal.disk_quota`: of the workspace and the sessions' temporary folders, 50 GiB.
    pub disk_quota: u64,
    /// `terminal.disk_reserve`: what must stay free on the disk, 1 GiB.
    pub disk_reserve: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            memory: 4 * GIB,
            processes: 512,
            cpu_time: Duration::from_hours(1),
            file_size: 8 * GIB,
            open_files: 4_096,
            output: GIB,
            profile_memory: 8 * GIB,
            profile_processes: 2_048,
            disk_quota: 50 * GIB,
            disk_reserve: GIB,
        }
    }
}

/// # Errors
///
/// A value that cannot be read, or with which no shell would start.
pub(super) fn read(settings: &Settings<'_>) -> Result<LimitsConfig, ConfigError> {
    let usual = LimitsConfig::default();
    let size = |name: &str, least: u64, default: u64| {
        settings.yaml(name)?.map_or(Ok(default), |found| found.size(least..=1_024 * TIB))
    };
    Ok(LimitsConfig {
        memory: size("terminal.limits.memory", 32 * MIB, usual.memory)?,
        processes: settings.number("terminal.limits.processes", 8..=100_000, usual.processes)?,
        cpu_time: settings.duration("terminal.limits.cpu_time", 1..=86_400, usual.cpu_time.as_secs())?,
        file_size: size("terminal.limits.file_size", MIB, usual.file_size)?,
        open_files: settings.number("terminal.limits.open_files", 64..=1_000_000, usual.open_files)?,
        output: size("terminal.limits.output", MIB, usual.output)?,
        profile_memory: size("terminal.limits.profile_memory", 32 * MIB, usual.profile_memory)?,
        profile_processes: settings.number(
            "terminal.limits.profile_processes",
            8..=1_000_000,
            usual.profile_processes,
        )?,
        disk_quota: size("terminal.disk_quota", MIB, usual.disk_quota)?,
        disk_reserve: size("terminal.disk_reserve", 0, usual.disk_reserve)?,
    })
}
