//! What an operator says about the prompt and the skills.

use super::{ConfigError, settings::Settings};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptConfig {
    /// `platform_hints.api_server`: how answers are read; `None`: in a chat, with markdown.
    pub hint: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkillsConfig {
    /// `skills.external_dirs`: folders with more skills, which the agent only reads.
    pub external_dirs: Vec<PathBuf>,
    /// `skills.disabled`: names of skills that are left out.
    pub disabled: Vec<String>,
    /// `skills.guard_agent_created`: what the agent writes is scanned. Default on.
    pub guard: bool,
}

impl Default for SkillsConfig {
    fn default() -> Self {
        Self { external_dirs: Vec::new(), disabled: Vec::new(), guard: true }
    }
}

pub(super) fn prompt(settings: &Settings<'_>) -> Result<PromptConfig, ConfigError> {
    let hint = settings.yaml("platform_hints.api_server")?.map(|found| found.text);
    Ok(PromptConfig { hint })
}

/// `root`: where relative paths begin.
pub(super) fn skills(
    settings: &Settings<'_>,
    root: &Path,
    warnings: &mut Vec<String>,
) -> Result<SkillsConfig, ConfigError> {
    let mut external_dirs = Vec::new();
    for found in settings.yaml_list_whole("skills.external_dirs")?.unwrap_or_default() {
        if found.text.trim().is_empty() {
            return Err(found.place.error("holds an empty path"));
        }
        let path = root.join(found.text.trim());
        if !path.is_dir() {
            warnings
                .push(found.place.warning("names a folder that is not there; it is left out until it is"));
        }
        external_dirs.push(path);
    }
    let disabled = settings.yaml_list("skills.disabled")?.unwrap_or_default();
    Ok(SkillsConfig {
        external_dirs,
        disabled: disabled.into_iter().map(|found| found.text).collect(),
        guard: settings.bool("skills.guard_agent_created", true)?,
    })
}
