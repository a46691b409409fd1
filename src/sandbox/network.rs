//! How much of a network policy this machine can hold.

use super::{Sandbox, Wall};
use crate::config::{NetworkMode, SandboxLevel};

/// Landlock knows ports from this version on: without them a command is let out nowhere, or everywhere.
pub const ABI_OF_PORTS: u32 = 4;

impl Sandbox {
    /// Whether commands that are bridged to a proxy have a network of their own, in which it listens.
    #[must_use]
    pub fn has_own_network(&self) -> bool {
        self.level >= SandboxLevel::Strict && !self.omit.contains(&Wall::NetNamespace)
    }

    /// What of `wanted` is in force here. Level `none` holds no command back from anything; and where Landlock knows no
    /// ports there is no way to a proxy and nowhere else, so that nothing is what remains.
    #[must_use]
    pub const fn network(&self, wanted: NetworkMode) -> NetworkMode {
        match (self.level, wanted) {
            (SandboxLevel::None, _) => NetworkMode::Full,
            (SandboxLevel::Landlock, NetworkMode::Allowlist | NetworkMode::Public)
                if self.abi < ABI_OF_PORTS =>
            {
                NetworkMode::Off
            }
            (SandboxLevel::Landlock | SandboxLevel::Strict, wanted) => wanted,
        }
    }
}
