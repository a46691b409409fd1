//! What tools the agent has, and the bounds of those that have some: `tools`, `delegation`.

use super::{
    ConfigError, ModelConfig, SelectionConfig,
    settings::{Found, Settings},
};
use crate::domain::{ModelChoice, ToolSelection, is_tool_or_set};

/// `delegate_task`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegationConfig {
    /// `delegation.max_concurrent_children`: tasks of one call, 3.
    pub max_children: usize,
    /// `delegation.max_iterations`: model calls of one child, 50.
    pub max_turns: u32,
}

impl Default for DelegationConfig {
    fn default() -> Self {
        Self { max_children: 3, max_turns: 50 }
    }
}

pub(super) fn delegation(settings: &Settings<'_>) -> Result<DelegationConfig, ConfigError> {
    let usual = DelegationConfig::default();
    Ok(DelegationConfig {
        max_children: settings.number("delegation.max_concurrent_children", 1..=16, usual.max_children)?,
        max_turns: settings.number("delegation.max_iterations", 1..=10_000, usual.max_turns)?,
    })
}

/// `tools.enabled`, less `tools.disabled`. The reference's names for the same count, too; there, sets that exist only in
/// the reference are passed over.
pub(super) fn selection(settings: &Settings<'_>) -> Result<ToolSelection, ConfigError> {
    let theirs = |path: &str| -> Result<Option<Vec<String>>, ConfigError> {
        let listed = settings.yaml_list(path)?;
        Ok(listed.map(|listed| listed.into_iter().map(|one| one.text).collect()))
    };
    let enabled = match named(settings, "tools.enabled")? {
        Some(enabled) => Some(enabled),
        None => match theirs("platform_toolsets.api_server")? {
            Some(enabled) => Some(enabled),
            None => theirs("toolsets")?,
        },
    };
    let mut disabled = named(settings, "tools.disabled")?.unwrap_or_default();
    disabled.extend(theirs("agent.disabled_toolsets")?.unwrap_or_default());
    Ok(ToolSelection { enabled, disabled })
}

fn named(settings: &Settings<'_>, path: &str) -> Result<Option<Vec<String>>, ConfigError> {
    let name = |found: Found| {
        if is_tool_or_set(&found.text) {
            return Ok(found.text);
        }
        Err(found
            .place
            .error(format!("names no tool and no toolset: `{}`; `/v1/toolsets` lists them", found.text)))
    };
    let listed = settings.yaml_list(path)?;
    listed.map(|listed| listed.into_iter().map(name).collect()).transpose()
}

/// `auxiliary.vision.provider` and `.model`: one of the profile's upstreams, and a model of it.
pub(super) fn vision(
    settings: &Settings<'_>,
    own: &ModelConfig,
    selection: &SelectionConfig,
) -> Result<Option<ModelChoice>, ConfigError> {
    let some = |found: &Found| !matches!(found.text.trim(), "" | "auto");
    let provider = settings.yaml("auxiliary.vision.provider")?.filter(some);
    let model = settings.yaml("auxiliary.vision.model")?.filter(some);
    if provider.is_none() && model.is_none() {
        return Ok(None);
    }
    let name = provider.as_ref().map_or(&*own.provider_name, |named| named.text.trim());
    let upstream = match &provider {
        Some(named) if name != own.provider_name => selection.providers.get(name).ok_or_else(|| {
            let text =
                format!("names no upstream of this profile: `{}`; set it below `providers`", named.text);
            named.place.error(text)
        })?,
        Some(_) | None => own,
    };
    let model = model.map_or_else(|| upstream.default.clone(), |model| model.text.trim().to_owned());
    Ok(Some(ModelChoice { provider: name.to_owned(), model }))
}
