//! The gateway's attacks on itself, as data, and the program that tries them from inside a sandbox.
//!
//! An attack says what it tries and which walls stop it at each level. [`crate::isolation`] prepares two throw-away
//! profiles with secrets in all the places where the gateway keeps its own, starts `hermes sandbox-attack` as a command
//! of one of them, and compares what came of each attempt with what the level promises. Tests take the walls away, and
//! see the attempts succeed.
//!
//! Each attempt has a process of its own. Those that could harm a machine whose wall does not hold are bounded by
//! themselves: a fixed number of processes, bytes, seconds.

#![expect(
    clippy::disallowed_methods,
    reason = "the program that attacks is a process of its own and serves nobody"
)]

mod bait;
mod bombs;
mod command_line;
mod files;
mod hunt;
mod ipc;
mod kernel;
mod metadata;
mod mounts;
mod namespaces;
mod network;
mod proc;
mod processes;
mod proxy;
mod scene;
mod sockets;
mod stage;
mod sys;
mod system_files;

pub use bait::{Decoy, Names, canary, new_canary};
pub use scene::{Addresses, Bounds, Folders, Outside, Planted, Scene};
pub use stage::attack_main;

use super::Wall;
use crate::config::SandboxLevel;
use serde::{Deserialize, Serialize};

/// The command of this program that tries attacks; hidden, since only a sandbox has use for it.
pub const COMMAND: &str = "sandbox-attack";

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attempt {
    /// The kernel or the gateway said no, or what was wanted is not there.
    Refused(String),
    /// The process that tried it was ended by the kernel.
    Killed(String),
    /// It got what it wanted.
    Succeeded(String),
    /// This machine has not got what it takes: no such kernel feature, no such program.
    Absent(String),
    /// It did what it could; whether that worked can only be seen from outside.
    Done,
}

/// What a level promises about an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// It is refused, by these walls: without them it succeeds.
    Contained(&'static [Wall]),
    /// It is noticed, and its processes are killed; by these walls.
    Killed(&'static [Wall]),
    /// It succeeds, for this reason.
    Open(&'static str),
}

/// How an attack is carried out.
#[derive(Debug, Clone, Copy)]
pub enum How {
    /// In a process of its own, in one sandbox with the others.
    Together(fn(&Scene) -> Attempt),
    /// In a sandbox of its own, since it may take that down.
    Alone(fn(&Scene) -> Attempt),
    /// As `Alone`, while the gateway's file tools work in the same folder.
    Beside(fn(&Scene) -> Attempt),
}

/// One way to get out.
#[derive(Debug, Clone, Copy)]
pub struct Attack {
    pub id: &'static str,
    /// What it does: the rest of a sentence that begins with "a command".
    pub tries: &'static str,
    pub strict: Promise,
    pub landlock: Promise,
    pub how: How,
    /// It takes a moment and needs nothing prepared that outlives a gateway that is killed.
    pub quick: bool,
    /// A setting that asks for what the attack does.
    pub asked: Option<Setting>,
}

/// A setting that opens the wall in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// `terminal.network: full`
    FullNetwork,
    /// `terminal.unix_sockets: true`, at level `landlock`.
    UnixSockets,
}

impl Attack {
    const fn new(id: &'static str, tries: &'static str, how: How, quick: bool) -> Self {
        let promise = Promise::Contained(&[]);
        Self { id, tries, strict: promise, landlock: promise, how, quick, asked: None }
    }

    const fn together(id: &'static str, tries: &'static str, attempt: fn(&Scene) -> Attempt) -> Self {
        Self::new(id, tries, How::Together(attempt), true)
    }

    const fn alone(id: &'static str, tries: &'static str, attempt: fn(&Scene) -> Attempt) -> Self {
        Self::new(id, tries, How::Alone(attempt), false)
    }

    const fn beside(id: &'static str, tries: &'static str, attempt: fn(&Scene) -> Attempt) -> Self {
        Self::new(id, tries, How::Beside(attempt), false)
    }

    /// Contained at both levels, by these walls of each.
    const fn held(mut self, strict: &'static [Wall], landlock: &'static [Wall]) -> Self {
        self.strict = Promise::Contained(strict);
        self.landlock = Promise::Contained(landlock);
        self
    }

    /// Noticed and killed at both levels.
    const fn killed(mut self, strict: &'static [Wall], landlock: &'static [Wall]) -> Self {
        self.strict = Promise::Killed(strict);
        self.landlock = Promise::Killed(landlock);
        self
    }

    const fn asked_by(mut self, setting: Setting) -> Self {
        self.asked = Some(setting);
        self
    }

    const fn slow(mut self) -> Self {
        self.quick = false;
        self
    }

    /// Contained at `strict` alone.
    const fn open(mut self, strict: &'static [Wall], reason: &'static str) -> Self {
        self.strict = Promise::Contained(strict);
        self.landlock = Promise::Open(reason);
        self
    }

    /// What a level promises; nothing at level `none`.
    #[must_use]
    pub const fn promise(&self, level: SandboxLevel) -> Promise {
        match level {
            SandboxLevel::Strict => self.strict,
            SandboxLevel::Landlock => self.landlock,
            SandboxLevel::None => Promise::Open("there is no wall"),
        }
    }
}

/// All attacks, in the order in which they are tried.
#[must_use]
pub fn attacks() -> Vec<Attack> {
    let kinds = [
        files::ATTACKS,
        system_files::ATTACKS,
        metadata::ATTACKS,
        proc::ATTACKS,
        processes::ATTACKS,
        namespaces::ATTACKS,
        mounts::ATTACKS,
        kernel::ATTACKS,
        network::ATTACKS,
        sockets::ATTACKS,
        proxy::ATTACKS,
        ipc::ATTACKS,
        command_line::ATTACKS,
        hunt::ATTACKS,
        bombs::ATTACKS,
    ];
    kinds.concat()
}

/// The attack with this id.
#[must_use]
pub fn find(id: &str) -> Option<Attack> {
    attacks().into_iter().find(|attack| attack.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Held by code of the proxy, which cannot be had without.
    const BY_THE_PROXY: [&str; 4] =
        ["proxy-guessed-token", "proxy-no-token", "proxy-past-token", "proxy-other-token"];

    #[test]
    fn there_are_many_and_each_says_what_stops_it() {
        let all = attacks();
        assert!(all.len() >= 60, "{}", all.len());
        let ids: BTreeSet<_> = all.iter().map(|attack| attack.id).collect();
        assert_eq!(ids.len(), all.len(), "an id twice");
        for attack in &all {
            assert!(!matches!(attack.strict, Promise::Open(_)), "{}: strict holds all", attack.id);
            for promise in [attack.strict, attack.landlock] {
                match promise {
                    Promise::Contained(walls) | Promise::Killed(walls) => {
                        assert!(!walls.is_empty() || BY_THE_PROXY.contains(&attack.id), "{}", attack.id);
                    }
                    Promise::Open(reason) => assert!(!reason.is_empty(), "{}", attack.id),
                }
            }
        }
    }
}
