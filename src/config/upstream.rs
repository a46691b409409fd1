//! One upstream as the files describe it: its address, its key, and what may be asked of it.

use super::{
    ConfigError, ModelConfig, PoolStrategy, Prices, Provider, Secret, Vision,
    choice::ANY_AGENT,
    provider::{self, HERMES},
    settings::{Found, Settings},
};
use serde_json::{Map, Value};

/// Members of a call that the gateway writes itself.
const RESERVED: [&str; 8] =
    ["model", "messages", "tools", "tool_choice", "parallel_tool_calls", "stream", "stream_options", "n"];

/// An upstream to be read: its name, and where it stands below `providers` if it has an entry there.
pub(super) struct Entry<'a> {
    pub name: &'a str,
    pub below: Option<&'a Found>,
    /// It is the profile's own: what `model` says counts before its entry.
    pub own: bool,
}

impl Entry<'_> {
    fn at(&self, key: &str) -> Option<String> {
        self.below.map(|found| format!("{}.{key}", found.place.key))
    }

    fn yaml(&self, settings: &Settings<'_>, key: &str) -> Result<Option<Found>, ConfigError> {
        self.at(key).map_or(Ok(None), |path| settings.yaml(&path))
    }

    /// # Errors
    ///
    /// The first mistake in what is written about it.
    pub fn read(
        &self,
        settings: &Settings<'_>,
        default: Option<Found>,
        warnings: &mut Vec<String>,
    ) -> Result<ModelConfig, ConfigError> {
        let (provider, api_key) = match self.name {
            "demo" => (Provider::Demo, None),
            _ => (self.provider(settings)?, self.api_key(settings, warnings)?),
        };
        let default = match default {
            Some(found) => Some(found),
            None => self.yaml(settings, "default")?,
        };
        let models =
            self.at("models").map_or(Ok(None), |path| settings.yaml_list(&path))?.unwrap_or_default();
        let mut models: Vec<String> = models.into_iter().map(|found| found.text).collect();
        let default = match (default, &provider) {
            (Some(found), _) => found.text,
            (None, Provider::Demo) => "demo".to_owned(),
            (None, Provider::Hermes { .. }) => ANY_AGENT.to_owned(),
            (None, Provider::OpenAi { .. }) => models.first().cloned().unwrap_or_default(),
        };
        if !models.is_empty() && !models.contains(&default) {
            models.insert(0, default.clone());
        }
        let context_length = match (self.own, self.yaml(settings, "context_length")?) {
            (true, below) => settings.yaml("model.context_length")?.or(below),
            (false, below) => below,
        };
        let max_tokens = match (self.own, self.yaml(settings, "max_tokens")?) {
            (true, below) => settings.yaml("model.max_tokens")?.or(below),
            (false, below) => below,
        };
        let vision = match (self.own, self.yaml(settings, "vision")?) {
            (true, below) => settings.yaml("model.vision")?.or(below),
            (false, below) => below,
        };
        let send_reasoning = match (self.own, self.yaml(settings, "send_reasoning")?) {
            (true, below) => settings.yaml("model.send_reasoning")?.or(below),
            (false, below) => below,
        };
        let pool = format!("credential_pool_strategies.{}", self.name);
        Ok(ModelConfig {
            prices: self.prices(settings)?,
            more_keys: self.more_keys(settings, api_key.as_ref())?,
            pool: settings.choice(&pool, &PoolStrategy::NAMES, PoolStrategy::default())?,
            send_reasoning: send_reasoning
                .map_or_else(|| Ok(provider::wants_reasoning(self.name)), |found| found.bool())?,
            vision: vision.map_or(Ok(Vision::default()), |found| found.choice(&Vision::NAMES))?,
            provider,
            provider_name: self.name.to_owned(),
            default,
            models,
            options: self.options(settings)?,
            api_key,
            context_length: context_length.map(|found| found.number(1_024..=100_000_000)).transpose()?,
            max_tokens: max_tokens.map(|found| found.number(1..=100_000_000)).transpose()?,
            connect_timeout: settings.duration("model.connect_timeout", 1..=600, 10)?,
            first_byte_timeout: settings.duration("model.first_byte_timeout", 1..=3_600, 120)?,
            idle_timeout: settings.duration("model.idle_timeout", 1..=3_600, 180)?,
            attempts: settings.number("agent.api_max_retries", 1..=20, 3)?,
        })
    }

    fn provider(&self, settings: &Settings<'_>) -> Result<Provider, ConfigError> {
        let usual = self.name == HERMES;
        let modes = [("chat_completions", false), (HERMES, true)];
        let gateway = self.yaml(settings, "api_mode")?.map_or(Ok(usual), |found| found.choice(&modes))?;
        let base_url = self.base_url(settings)?;
        Ok(if gateway { Provider::Hermes { base_url } } else { Provider::OpenAi { base_url } })
    }

    /// `model.base_url`, else `providers.NAME.base_url`, else where that provider is known to be.
    fn base_url(&self, settings: &Settings<'_>) -> Result<String, ConfigError> {
        let above = if self.own { settings.yaml("model.base_url")? } else { None };
        let configured = above.map_or_else(|| self.yaml(settings, "base_url"), |found| Ok(Some(found)))?;
        if let Some(found) = configured {
            check_url(&found)?;
            return Ok(found.text.trim().trim_end_matches('/').to_owned());
        }
        let known = provider::by_name(self.name).and_then(|known| known.base_url);
        known.map(str::to_owned).ok_or_else(|| {
            let message = format!(
                "is missing: `{}` needs the server's address, such as `base_url: http://127.0.0.1:8000/v1`",
                self.name
            );
            match self.below.filter(|_| !self.own) {
                Some(found) => found.place.error(format!("`base_url` {message}")),
                None => missing_in_yaml(settings, "model.base_url", message),
            }
        })
    }

    /// `model.api_key`, else `providers.NAME.api_key`, else the provider's entry of `.env`.
    fn api_key(
        &self,
        settings: &Settings<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Secret>, ConfigError> {
        let above = self.own.then(|| "model.api_key".to_owned());
        // An inherited key belongs to the inherited address.
        let moved = self.own && settings.own_has("model.base_url") && !self.is_own_entry(settings);
        let below = self.at("api_key").filter(|_| !moved);
        for path in above.into_iter().chain(below) {
            if let Some(found) = settings.yaml(&path)?.filter(|found| !found.text.trim().is_empty()) {
                return sendable(&found).map(Some);
            }
        }
        let named = self.yaml(settings, "key_env")?.map(|found| found.text);
        let known = provider::by_name(self.name);
        let usual = known.map_or_else(
            || vec![default_entry(self.name)],
            |known| known.keys.iter().map(ToString::to_string).collect(),
        );
        let entries: Vec<String> = named.into_iter().chain(usual).collect();
        if let Some(found) = entries.iter().find_map(|entry| settings.env(entry)) {
            return sendable(&found).map(Some);
        }
        let elsewhere = self.own && settings.yaml("model.base_url")?.is_some() && self.name != HERMES;
        if known.is_some_and(|known| known.needs_key) && !elsewhere {
            let file = settings.env.path.display();
            warnings.push(format!(
                "{file}: `{}`: is not set, and `{}` refuses requests without a key",
                entries[0], self.name
            ));
        }
        Ok(None)
    }

    /// `model.prices`, else `providers.NAME.prices`: dollars for a million tokens. Without one for cached input, that costs
    /// as much as any other.
    fn prices(&self, settings: &Settings<'_>) -> Result<Option<Prices>, ConfigError> {
        let above = self.own.then(|| "model.prices".to_owned());
        for section in above.into_iter().chain(self.at("prices")) {
            let price = |name: &str| {
                let found = settings.yaml(&format!("{section}.{name}"))?;
                found.map(|found| found.price()).transpose()
            };
            let (input, cached, output) = (price("input")?, price("cached")?, price("output")?);
            if input.is_some() || output.is_some() {
                let input = input.unwrap_or_default();
                let output = output.unwrap_or_default();
                return Ok(Some(Prices { input, cached: cached.unwrap_or(input), output }));
            }
        }
        Ok(None)
    }

    /// `model.api_keys`, else `providers.NAME.api_keys`, without the one that stands as `api_key`.
    fn more_keys(&self, settings: &Settings<'_>, first: Option<&Secret>) -> Result<Vec<Secret>, ConfigError> {
        let above = self.own.then(|| "model.api_keys".to_owned());
        let moved = self.own && settings.own_has("model.base_url") && !self.is_own_entry(settings);
        let below = self.at("api_keys").filter(|_| !moved);
        let mut keys: Vec<Secret> = Vec::new();
        for path in above.into_iter().chain(below) {
            for found in settings.yaml_list_whole(&path)?.unwrap_or_default() {
                let key = sendable(&found)?;
                let known = first.into_iter().chain(&keys).any(|known| known.reveal() == key.reveal());
                if !known && !key.reveal().is_empty() {
                    keys.push(key);
                }
            }
        }
        Ok(keys)
    }

    fn is_own_entry(&self, settings: &Settings<'_>) -> bool {
        self.below.is_some_and(|found| found.place.file == settings.yaml.path)
    }

    fn options(&self, settings: &Settings<'_>) -> Result<Map<String, Value>, ConfigError> {
        self.at("options").map_or_else(|| Ok(Map::new()), |path| options(settings, &path))
    }
}

/// Members that go into every call.
///
/// # Errors
///
/// It is no map, or names a member that is the gateway's.
pub(super) fn options(settings: &Settings<'_>, path: &str) -> Result<Map<String, Value>, ConfigError> {
    let place = |key: &str| {
        let below = settings.names(path).into_iter().find(|found| found.text == key);
        below.map_or_else(|| missing_in_yaml(settings, path, String::new()), |found| found.place.error(""))
    };
    match settings.json(path)? {
        None => Ok(Map::new()),
        Some(Value::Object(members)) => match members.keys().find(|key| RESERVED.contains(&key.as_str())) {
            None => Ok(members),
            Some(key) => {
                Err(ConfigError { message: "is written by the gateway itself".to_owned(), ..place(key) })
            }
        },
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(missing_in_yaml(settings, path, "must be a map of members: `temperature: 0.2`".to_owned()))
        }
    }
}

pub(super) fn check_url(found: &Found) -> Result<(), ConfigError> {
    let refuse = |why: &str| Err(found.place.error(format!("{why}, such as `http://127.0.0.1:8000/v1`")));
    let Ok(url) = url::Url::parse(found.text.trim()) else {
        return refuse("must be a web address");
    };
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return refuse("must begin with `http://` or `https://` and name a host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("must hold no credentials: put the key into `.env`, and write only the address here");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("must end before any `?` or `#`");
    }
    Ok(())
}

/// A key becomes a header; a line break or a letter beyond ASCII in it would fail every request.
pub(super) fn sendable(found: &Found) -> Result<Secret, ConfigError> {
    let key = found.text.trim();
    if key.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(Secret::new(key))
    } else {
        Err(found.place.error("cannot be sent as a key: only visible ASCII characters without blanks can"))
    }
}

/// `my-llm` → `MY_LLM_API_KEY`.
pub(super) fn default_entry(provider: &str) -> String {
    let name: String = provider
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect();
    format!("{name}_API_KEY")
}

pub(super) fn missing_in_yaml(settings: &Settings<'_>, key: &str, message: String) -> ConfigError {
    ConfigError { file: settings.yaml.path.clone(), line: None, key: Some(key.to_owned()), message }
}
