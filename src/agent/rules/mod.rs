//! Rules on commands, as data: what somebody has to be asked about, and what nobody may allow.
//!
//! A rule looks at one program with its arguments, as [`shell`](super::shell) found it. Its examples are part of the row and are
//! held by a test. Rules catch accidents and misled models; the wall around commands is the sandbox, not they.

mod code;
mod delete;
mod disks;
mod files;
mod hidden;
mod infrastructure;
mod network;
mod own;
mod paths;
mod seen;
mod system;
#[cfg(test)]
mod tests;
mod versions;

use super::shell::Script;
pub use hidden::hides_a_blocked_command;
pub use seen::Seen;

/// What a rule demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Ask,
    /// Refused in every mode.
    Block,
}

/// What a rule is about; for people who read lists of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// Files and folders that are gone afterwards.
    Deletion,
    Disk,
    /// Files that others rely on: of the system, with credentials, read at start.
    Files,
    /// Text that becomes a program.
    Code,
    Network,
    /// Databases, containers, clusters, clouds.
    Infrastructure,
    /// Services, processes, accounts, settings.
    System,
    /// What version control cannot give back.
    Versions,
    /// The gateway and the agent's own limits.
    Own,
}

impl Category {
    /// As answers to clients name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deletion => "deletion",
            Self::Disk => "disk",
            Self::Files => "files",
            Self::Code => "code",
            Self::Network => "network",
            Self::Infrastructure => "infrastructure",
            Self::System => "system",
            Self::Versions => "versions",
            Self::Own => "own",
        }
    }
}

/// A row of the table.
pub struct Rule {
    /// Stable: standing permissions name it.
    pub id: &'static str,
    pub category: Category,
    pub severity: Severity,
    /// Completes "the command …".
    pub description: &'static str,
    /// Commands that it finds.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "examples are for readers and for the test that holds them")
    )]
    pub finds: &'static [&'static str],
    /// Commands that look alike and are left alone by it.
    #[cfg_attr(not(test), expect(dead_code, reason = "as `finds`"))]
    pub leaves: &'static [&'static str],
    pub test: fn(&Seen<'_>) -> bool,
}

/// All rules.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    let groups: [&[Rule]; 9] = [
        delete::RULES,
        disks::RULES,
        files::RULES,
        code::RULES,
        network::RULES,
        infrastructure::RULES,
        system::RULES,
        versions::RULES,
        own::RULES,
    ];
    groups.into_iter().flatten()
}

/// The rules that find something in a command, those that block first.
pub fn found(script: &Script, index: usize) -> Vec<&'static Rule> {
    let Some(seen) = Seen::new(script, index) else { return Vec::new() };
    let mut found: Vec<&Rule> = all().filter(|rule| (rule.test)(&seen)).collect();
    found.sort_by_key(|rule| rule.severity != Severity::Block);
    found
}
