//! `fallback_providers`: who is asked when the profile's own upstream gives no answer.

use super::{
    ConfigError, ModelConfig, Provider,
    provider::{self, HERMES},
    settings::{Found, Row, Settings},
    upstream::{self, Entry},
};
use serde_json::Map;
use std::collections::BTreeMap;

const MEMBERS: [&str; 4] = ["provider", "model", "base_url", "api_key"];

/// The rows of `fallback_providers`, and the reference's older `fallback_model` behind them.
///
/// # Errors
///
/// A row that names nobody who could be asked, or no model.
pub(super) fn read(
    settings: &Settings<'_>,
    providers: &BTreeMap<String, ModelConfig>,
    own: &ModelConfig,
    warnings: &mut Vec<String>,
) -> Result<Vec<ModelConfig>, ConfigError> {
    let mut rows = settings.yaml_rows("fallback_providers", "provider")?.unwrap_or_default();
    let older = settings.names("fallback_model");
    if let Some(first) = older.first() {
        let mut members = Vec::new();
        for name in &older {
            let found = settings.yaml(&name.place.key)?;
            members.extend(found.map(|found| (name.text.clone(), found)));
        }
        rows.push(Row { place: first.place.clone(), members });
    }
    rows.iter().map(|row| one(settings, row, providers, own, warnings)).collect()
}

fn one(
    settings: &Settings<'_>,
    row: &Row,
    providers: &BTreeMap<String, ModelConfig>,
    own: &ModelConfig,
    warnings: &mut Vec<String>,
) -> Result<ModelConfig, ConfigError> {
    if let Some((name, found)) = row.members.iter().find(|(name, _)| !MEMBERS.contains(&name.as_str())) {
        let message = format!("`{name}` is none of its members; they are {}", MEMBERS.join(", "));
        return Err(found.place.error(message));
    }
    let member = |name: &str| row.members.iter().find(|(member, _)| member == name).map(|(_, found)| found);
    let (base_url, model) = (member("base_url"), member("model"));
    let name = match (member("provider"), base_url) {
        (Some(found), _) => provider::canonical(&found.text),
        (None, Some(_)) => "custom".to_owned(),
        (None, None) => own.provider_name.clone(),
    };
    let known = if name == own.provider_name { Some(own) } else { providers.get(&name) };
    let mut config = match (base_url, known) {
        (Some(found), _) => elsewhere(settings, found, &name, own)?,
        (None, Some(known)) => known.clone(),
        (None, None) if provider::by_name(&name).is_some_and(|known| known.base_url.is_some()) => {
            Entry { name: &name, below: None, own: false }.read(settings, model.cloned(), warnings)?
        }
        (None, None) => {
            let message =
                format!("`{name}` is not configured: add its `base_url`, or an entry below `providers`");
            return Err(row.place.error(message));
        }
    };
    if let Some(found) = model {
        config.default.clone_from(&found.text);
    }
    if let Some(found) = member("api_key").filter(|found| !found.text.trim().is_empty()) {
        config.api_key = Some(upstream::sendable(found)?);
        config.more_keys.clear();
    }
    if config.default.trim().is_empty() {
        return Err(row.place.error(format!("names no model: add `model: NAME` for `{name}`")));
    }
    if matches!(config.provider, Provider::Hermes { .. }) || name == HERMES {
        return Err(row.place.error("is another gateway, whose agent cannot go on with a turn of ours"));
    }
    Ok(config)
}

/// An address of its own: nothing but patience is taken over.
fn elsewhere(
    settings: &Settings<'_>,
    base_url: &Found,
    name: &str,
    own: &ModelConfig,
) -> Result<ModelConfig, ConfigError> {
    upstream::check_url(base_url)?;
    let known = provider::by_name(name);
    let entries = known.map_or_else(
        || vec![upstream::default_entry(name)],
        |known| known.keys.iter().map(ToString::to_string).collect(),
    );
    let key = entries.iter().find_map(|entry| settings.env(entry));
    Ok(ModelConfig {
        provider: Provider::OpenAi { base_url: base_url.text.trim().trim_end_matches('/').to_owned() },
        provider_name: name.to_owned(),
        default: String::new(),
        models: Vec::new(),
        options: Map::new(),
        api_key: key.map(|found| upstream::sendable(&found)).transpose()?,
        more_keys: Vec::new(),
        context_length: None,
        max_tokens: None,
        prices: None,
        send_reasoning: provider::wants_reasoning(name),
        ..own.clone()
    })
}
