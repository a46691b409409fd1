//! Which model a profile thinks with: provider, address, key and time limits.

use super::{
    ConfigError, ModelConfig, Provider, Secret,
    known::nearest_of,
    provider,
    settings::{Found, Settings},
};

const MODEL_NAME_ENTRIES: [&str; 2] = ["HERMES_INFERENCE_MODEL", "HERMES_MODEL"];

pub(super) fn read(settings: &Settings<'_>, warnings: &mut Vec<String>) -> Result<ModelConfig, ConfigError> {
    let name = MODEL_NAME_ENTRIES.iter().find_map(|name| settings.env(name));
    let default = match name {
        Some(found) => Some(found),
        None => settings.yaml("model.default")?,
    };
    let provider_name = provider_name(settings, default.as_ref(), warnings)?;
    let (provider, api_key) = match provider_name.as_str() {
        "demo" => (Provider::Demo, None),
        name => {
            let base_url = base_url(settings, name)?;
            (Provider::OpenAi { base_url }, api_key(settings, name, warnings)?)
        }
    };
    let default = match (default, &provider) {
        (Some(found), _) => found.text,
        (None, Provider::Demo) => "demo".to_owned(),
        (None, Provider::OpenAi { .. }) => {
            let message = format!(
                "is missing: name the model that `{provider_name}` shall run, `default: NAME` below `model:`"
            );
            return Err(missing_in_yaml(settings, "model.default", message));
        }
    };
    Ok(ModelConfig {
        provider,
        provider_name,
        default,
        api_key,
        context_length: settings
            .yaml("model.context_length")?
            .map(|found| found.number(1_024..=100_000_000))
            .transpose()?,
        connect_timeout: settings.duration("model.connect_timeout", 1..=600, 10)?,
        first_byte_timeout: settings.duration("model.first_byte_timeout", 1..=3_600, 120)?,
        idle_timeout: settings.duration("model.idle_timeout", 1..=3_600, 180)?,
        attempts: settings.number("agent.api_max_retries", 1..=20, 3)?,
    })
}

/// The configured provider; without one, what the other settings imply; without any of them the demo.
fn provider_name(
    settings: &Settings<'_>,
    default: Option<&Found>,
    warnings: &mut Vec<String>,
) -> Result<String, ConfigError> {
    if let Some(found) = settings.yaml("model.provider")? {
        let name = found.text.trim().to_ascii_lowercase();
        if !name.is_empty() && name != "auto" {
            return known_provider(settings, &found, &name);
        }
    }
    if settings.yaml("model.base_url")?.is_some() {
        return Ok("custom".to_owned());
    }
    let with_key: Vec<_> = provider::KNOWN
        .iter()
        .filter(|known| known.base_url.is_some() && known.keys.iter().any(|key| settings.env(key).is_some()))
        .map(|known| known.names[0])
        .collect();
    match (default, with_key.as_slice()) {
        (None, []) => Ok("demo".to_owned()),
        (None, [first, ..]) => {
            warnings.push(format!(
                "{}: holds a key for `{first}`, but no model is configured, so the demo answers: set \
                 `model.provider: {first}` and `model.default`",
                settings.env.path.display()
            ));
            Ok("demo".to_owned())
        }
        (Some(_), [only]) => Ok((*only).to_owned()),
        (Some(found), []) if found.text == "demo" => Ok("demo".to_owned()),
        (Some(found), _) => {
            let message =
                "is set, but not who serves it: add `provider: NAME` or `base_url: URL` below `model:`";
            Err(found.place.error(message))
        }
    }
}

/// A name that is known, or that some `base_url` gives a meaning to.
fn known_provider(settings: &Settings<'_>, found: &Found, name: &str) -> Result<String, ConfigError> {
    if name == "demo" {
        return Ok(name.to_owned());
    }
    if let Some(known) = provider::by_name(name) {
        return Ok(known.names[0].to_owned());
    }
    if settings.yaml("model.base_url")?.is_some() || settings.yaml(&own_key(name, "base_url"))?.is_some() {
        return Ok(name.to_owned());
    }
    let names: Vec<_> = provider::names().collect();
    let near = nearest_of(name, names.iter().copied());
    let hint = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    Err(found.place.error(format!(
        "is not a known provider; {hint}known are {}; any other needs `model.base_url`",
        names.join(", ")
    )))
}

/// `model.base_url`, else `providers.NAME.base_url`, else where that provider is known to be.
fn base_url(settings: &Settings<'_>, name: &str) -> Result<String, ConfigError> {
    let configured = match settings.yaml("model.base_url")? {
        Some(found) => Some(found),
        None => settings.yaml(&own_key(name, "base_url"))?,
    };
    if let Some(found) = configured {
        check_url(&found)?;
        return Ok(found.text.trim().trim_end_matches('/').to_owned());
    }
    let known = provider::by_name(name).and_then(|known| known.base_url);
    known.map(str::to_owned).ok_or_else(|| {
        let message = format!(
            "is missing: `{name}` needs the server's address, such as `base_url: http://127.0.0.1:8000/v1`"
        );
        missing_in_yaml(settings, "model.base_url", message)
    })
}

fn check_url(found: &Found) -> Result<(), ConfigError> {
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

/// `model.api_key`, else `providers.NAME.api_key`, else the provider's entry of `.env`.
fn api_key(
    settings: &Settings<'_>,
    name: &str,
    warnings: &mut Vec<String>,
) -> Result<Option<Secret>, ConfigError> {
    for path in ["model.api_key".to_owned(), own_key(name, "api_key")] {
        if let Some(found) = settings.yaml(&path)?.filter(|found| !found.text.trim().is_empty()) {
            return sendable(&found).map(Some);
        }
    }
    let named = settings.yaml(&own_key(name, "key_env"))?.map(|found| found.text);
    let known = provider::by_name(name);
    let usual = known.map_or_else(
        || vec![default_entry(name)],
        |known| known.keys.iter().map(ToString::to_string).collect(),
    );
    let entries: Vec<String> = named.into_iter().chain(usual).collect();
    if let Some(found) = entries.iter().find_map(|entry| settings.env(entry)) {
        return sendable(&found).map(Some);
    }
    if known.is_some_and(|known| known.needs_key) && settings.yaml("model.base_url")?.is_none() {
        let file = settings.env.path.display();
        warnings.push(format!(
            "{file}: `{}`: is not set, and `{name}` refuses requests without a key",
            entries[0]
        ));
    }
    Ok(None)
}

/// A key becomes a header; a line break or a letter beyond ASCII in it would fail every request.
fn sendable(found: &Found) -> Result<Secret, ConfigError> {
    let key = found.text.trim();
    if key.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(Secret::new(key))
    } else {
        Err(found.place.error("cannot be sent as a key: only visible ASCII characters without blanks can"))
    }
}

fn own_key(provider: &str, key: &str) -> String {
    format!("providers.{provider}.{key}")
}

/// `my-llm` → `MY_LLM_API_KEY`.
fn default_entry(provider: &str) -> String {
    let name: String = provider
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect();
    format!("{name}_API_KEY")
}

fn missing_in_yaml(settings: &Settings<'_>, key: &str, message: String) -> ConfigError {
    ConfigError { file: settings.yaml.path.clone(), line: None, key: Some(key.to_owned()), message }
}
