//! What an operator says about the prompt and the skills.

use super::{ConfigError, settings::Settings};
use std::path::{Path, PathBuf};

/// Characters of a personality: it is told in every call.
const MOST_PERSONALITY: usize = 4_000;
/// What `display.personality` may say where none is meant.
const NOBODY: [&str; 4] = ["", "none", "default", "neutral"];
const PERSONALITIES: &str = "agent.personalities";
const HINT: &str = "platform_hints.api_server";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptConfig {
    /// `platform_hints.api_server`: how answers are read; `None`: in a chat, with markdown.
    pub hint: Option<String>,
    /// `platform_hints.api_server.append`: what is added to that.
    pub more_hint: Option<String>,
    /// The one of `agent.personalities` that `display.personality` names.
    pub personality: Option<Personality>,
}

/// A way to speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Personality {
    pub name: String,
    pub text: String,
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

pub(super) fn prompt(
    settings: &Settings<'_>,
    warnings: &mut Vec<String>,
) -> Result<PromptConfig, ConfigError> {
    let text = |path: &str| Ok::<_, ConfigError>(settings.yaml(path)?.map(|found| found.text));
    let parts = settings.names(HINT);
    if let Some(other) = parts.iter().find(|part| !matches!(part.text.as_str(), "append" | "replace")) {
        return Err(other.place.error("is not known: `append` adds to the hint, `replace` takes its place"));
    }
    let (hint, more_hint) = if parts.is_empty() {
        (text(HINT)?, None)
    } else {
        (text(&format!("{HINT}.replace"))?, text(&format!("{HINT}.append"))?)
    };
    Ok(PromptConfig { hint, more_hint, personality: personality(settings, warnings)? })
}

/// The chosen one. All are looked at, so that a mistake shows before somebody chooses it.
fn personality(
    settings: &Settings<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<Personality>, ConfigError> {
    let mut known = Vec::new();
    for name in settings.names(PERSONALITIES) {
        if name.text.contains('.') {
            // Settings are found by dotted path.
            return Err(name.place.error("must not hold a dot"));
        }
        let path = format!("{PERSONALITIES}.{}", name.text);
        let below: Vec<_> = settings.names(&path);
        let found = if below.is_empty() {
            settings.yaml(&path)?
        } else {
            settings.yaml(&format!("{path}.system_prompt"))?
        };
        let Some(found) = found.filter(|found| !found.text.trim().is_empty()) else {
            return Err(name.place.error("has no text: write one, or `system_prompt` with one below it"));
        };
        if found.text.chars().count() > MOST_PERSONALITY {
            return Err(found.place.error(format!("is longer than {MOST_PERSONALITY} characters")));
        }
        known.push(Personality { name: name.text, text: found.text });
    }
    let Some(chosen) = settings.yaml("display.personality")? else { return Ok(None) };
    let name = chosen.text.trim();
    if NOBODY.contains(&name) {
        return Ok(None);
    }
    let names: Vec<String> = known.iter().map(|one| format!("`{}`", one.name)).collect();
    let found = known.into_iter().find(|one| one.name == name);
    if found.is_none() {
        // The reference brings some of its own, which a configuration may name.
        let there = if names.is_empty() { "none is there".to_owned() } else { names.join(", ") };
        let text = format!("names none of `{PERSONALITIES}` and has no effect: {there}");
        warnings.push(chosen.place.warning(text));
    }
    Ok(found)
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
