//! What a request may choose: the providers of the table, and the aliases of `model_routes`.

use super::{
    ConfigError, ModelConfig, ModelRoute, SelectionConfig, fallback,
    known::nearest_of,
    listen, provider,
    settings::{Found, Settings},
    upstream::{self, Entry},
};
use std::collections::{BTreeMap, BTreeSet, btree_map::Entry::Vacant};

/// What may stand in an entry of `providers`.
const PROVIDER_KEYS: [&str; 13] = [
    "api_key",
    "api_keys",
    "api_mode",
    "base_url",
    "context_length",
    "default",
    "key_env",
    "max_tokens",
    "models",
    "options",
    "prices",
    "send_reasoning",
    "vision",
];
/// What may stand in an entry of `model_routes`.
const ROUTE_KEYS: [&str; 3] = ["model", "options", "provider"];

/// The entries of `providers`, by the name that counts.
pub(super) struct Table(BTreeMap<String, Found>);

impl Table {
    /// # Errors
    ///
    /// A name that no request could choose, or one provider under two names.
    pub fn read(settings: &Settings<'_>, warnings: &mut Vec<String>) -> Result<Self, ConfigError> {
        let mut table: BTreeMap<String, Found> = BTreeMap::new();
        for found in settings.names("providers") {
            let name = provider::canonical(&found.text);
            let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            if name.is_empty() || !name.bytes().all(word) || !found.text.bytes().all(word) {
                let message = "is no name for a provider: use letters, digits, `-` and `_`";
                return Err(found.place.error(message));
            }
            warn_of_unknown(settings, &found, &PROVIDER_KEYS, warnings);
            if let Some(first) = table.get(&name) {
                let message = format!("is the same provider as `{}`: keep one", first.place.key);
                return Err(found.place.error(message));
            }
            table.insert(name, found);
        }
        Ok(Self(table))
    }

    pub fn entry(&self, name: &str) -> Option<&Found> {
        self.0.get(name)
    }
}

/// Everything that a request may choose beside `own`, the profile's own upstream.
///
/// # Errors
///
/// A provider that cannot be reached as it is written; a route that leads nowhere.
pub(super) fn read(
    settings: &Settings<'_>,
    table: &Table,
    own: &ModelConfig,
    warnings: &mut Vec<String>,
) -> Result<SelectionConfig, ConfigError> {
    let mut providers = BTreeMap::new();
    for (name, found) in table.0.iter().filter(|(name, _)| **name != own.provider_name) {
        let entry = Entry { name, below: Some(found), own: false };
        providers.insert(name.clone(), entry.read(settings, None, warnings)?);
    }
    let mut routes = BTreeMap::new();
    for place in listen::PLACES {
        for found in settings.names(&format!("{place}.model_routes")) {
            if let Vacant(free) = routes.entry(found.text.clone()) {
                free.insert(route(settings, &found, &providers, own, warnings)?);
            }
        }
    }
    let fallbacks = fallback::read(settings, &providers, own, warnings)?;
    let direct_model_requests = settings.bool("direct_model_requests", false)?;
    Ok(SelectionConfig { providers, routes, direct_model_requests, fallbacks })
}

/// `fast: MODEL`, or `fast: {model: MODEL, provider: NAME, options: {…}}`.
fn route(
    settings: &Settings<'_>,
    alias: &Found,
    providers: &BTreeMap<String, ModelConfig>,
    own: &ModelConfig,
    warnings: &mut Vec<String>,
) -> Result<ModelRoute, ConfigError> {
    let path = &alias.place.key;
    if alias.text.contains('.') {
        // Settings are found by dotted path.
        return Err(alias.place.error("must not hold a dot: a route is a short name of your own"));
    }
    if settings.names(path).is_empty() {
        let model = settings.yaml(path)?.filter(|found| !found.text.trim().is_empty());
        let model = model.ok_or_else(|| alias.place.error("names no model: write `NAME: MODEL`"))?;
        let provider = own.provider_name.clone();
        return Ok(ModelRoute { provider, model: model.text, options: serde_json::Map::new() });
    }
    warn_of_unknown(settings, alias, &ROUTE_KEYS, warnings);
    let provider = match settings.yaml(&format!("{path}.provider"))? {
        None => own.provider_name.clone(),
        Some(found) => {
            let name = provider::canonical(&found.text);
            if name != own.provider_name && !providers.contains_key(&name) {
                let known: BTreeSet<&str> =
                    providers.keys().chain([&own.provider_name]).map(String::as_str).collect();
                let known: Vec<&str> = known.into_iter().collect();
                let message = format!(
                    "is not configured: write an entry for it below `providers`; there are {}",
                    known.join(", ")
                );
                return Err(found.place.error(message));
            }
            name
        }
    };
    let upstream = providers.get(&provider).unwrap_or(own);
    let model = settings.yaml(&format!("{path}.model"))?.map(|found| found.text);
    let model = model.unwrap_or_else(|| upstream.default.clone());
    if model.trim().is_empty() {
        return Err(alias.place.error(format!("names no model, and `{provider}` has no `default`")));
    }
    let options = upstream::options(settings, &format!("{path}.options"))?;
    Ok(ModelRoute { provider, model, options })
}

fn warn_of_unknown(settings: &Settings<'_>, entry: &Found, known: &[&str], warnings: &mut Vec<String>) {
    // What is inherited is the home's to mend.
    let own = |found: &Found| found.place.file == settings.yaml.path;
    for found in settings.names(&entry.place.key).into_iter().filter(own) {
        if !known.contains(&found.text.as_str()) {
            let near = nearest_of(&found.text, known.iter().copied());
            let hint = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
            warnings.push(found.place.warning(format!("is not known and has no effect{hint}")));
        }
    }
}
