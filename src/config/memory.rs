//! `memory`: what the agent remembers, and who has to agree.

use super::{ConfigError, settings::Settings};

/// Whose memory a turn has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MemoryScoping {
    /// The profile's, whoever asks.
    #[default]
    Profile,
    /// Each `X-Hermes-Session-Key` has its own; a turn without one has the profile's.
    Key,
}

impl MemoryScoping {
    /// By the names in the configuration.
    pub const NAMES: [(&'static str, Self); 2] = [("profile", Self::Profile), ("key", Self::Key)];
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryConfig {
    /// `memory.memory_enabled`: `MEMORY.md`. Default on.
    pub enabled: bool,
    /// `memory.user_profile_enabled`: `USER.md`. Default on.
    pub user_enabled: bool,
    /// `memory.memory_char_limit`, 2,200.
    pub limit: usize,
    /// `memory.user_char_limit`, 1,375.
    pub user_limit: usize,
    pub scope: MemoryScoping,
    /// `memory.write_approval`: every write of the agent waits for a person. Default off.
    pub write_approval: bool,
    /// `memory.approve_after_untrusted`: a write of the agent waits for a person when the conversation has read what
    /// strangers wrote. Default on.
    pub approve_after_untrusted: bool,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            user_enabled: true,
            limit: 2_200,
            user_limit: 1_375,
            scope: MemoryScoping::Profile,
            write_approval: false,
            approve_after_untrusted: true,
        }
    }
}

pub(super) fn read(settings: &Settings<'_>) -> Result<MemoryConfig, ConfigError> {
    let usual = MemoryConfig::default();
    let limit = |path, usual| settings.number(path, 100..=20_000, usual);
    let flag = |path, usual| settings.bool(path, usual);
    Ok(MemoryConfig {
        enabled: flag("memory.memory_enabled", usual.enabled)?,
        user_enabled: flag("memory.user_profile_enabled", usual.user_enabled)?,
        limit: limit("memory.memory_char_limit", usual.limit)?,
        user_limit: limit("memory.user_char_limit", usual.user_limit)?,
        scope: settings.choice("memory.scope", &MemoryScoping::NAMES, usual.scope)?,
        write_approval: flag("memory.write_approval", usual.write_approval)?,
        approve_after_untrusted: flag("memory.approve_after_untrusted", usual.approve_after_untrusted)?,
    })
}
