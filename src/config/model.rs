//! Which model a profile thinks with unless a request says otherwise.

use super::{
    ConfigError, ModelConfig, Provider,
    known::nearest_of,
    provider::{self, HERMES},
    selection::Table,
    settings::{Found, Settings},
    upstream::{Entry, missing_in_yaml},
};

const MODEL_NAME_ENTRIES: [&str; 2] = ["HERMES_INFERENCE_MODEL", "HERMES_MODEL"];

pub(super) fn read(
    settings: &Settings<'_>,
    table: &Table,
    warnings: &mut Vec<String>,
) -> Result<ModelConfig, ConfigError> {
    refuse_proxy_mode(settings)?;
    let name = MODEL_NAME_ENTRIES.iter().find_map(|name| settings.env(name));
    let default = match name {
        Some(found) => Some(found),
        None => settings.yaml("model.default")?,
    };
    let name = provider_name(settings, default.as_ref(), table, warnings)?;
    let entry = Entry { name: &name, below: table.entry(&name), own: true };
    let model = entry.read(settings, default, warnings)?;
    match model.provider {
        Provider::OpenAi { .. } if model.default.is_empty() => {
            let message =
                format!("is missing: name the model that `{name}` shall run, `default: NAME` below `model:`");
            Err(missing_in_yaml(settings, "model.default", message))
        }
        Provider::OpenAi { .. } | Provider::Hermes { .. } | Provider::Demo => Ok(model),
    }
}

/// The reference's way to have another gateway do the turns: unread, turns would go to another model in silence.
fn refuse_proxy_mode(settings: &Settings<'_>) -> Result<(), ConfigError> {
    let Some(found) = settings.env("GATEWAY_PROXY_URL").or(settings.yaml("gateway.proxy_url")?) else {
        return Ok(());
    };
    if settings.yaml("model.provider")?.is_some_and(|found| provider::canonical(&found.text) == HERMES) {
        return Ok(());
    }
    let message = format!(
        "is not read: another gateway is a provider here. Write `provider: hermes` and `base_url: {}` below `model:`, and \
         `HERMES_API_KEY=KEY` into `.env`",
        found.text
    );
    Err(found.place.error(message))
}

/// The configured provider; without one, what the other settings imply; without any of them the demo.
fn provider_name(
    settings: &Settings<'_>,
    default: Option<&Found>,
    table: &Table,
    warnings: &mut Vec<String>,
) -> Result<String, ConfigError> {
    if let Some(found) = settings.yaml("model.provider")? {
        let name = provider::canonical(&found.text);
        if !name.is_empty() && name != "auto" {
            return known_provider(settings, &found, &name, table);
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
fn known_provider(
    settings: &Settings<'_>,
    found: &Found,
    name: &str,
    table: &Table,
) -> Result<String, ConfigError> {
    let known = name == "demo" || name == HERMES || provider::by_name(name).is_some();
    if known || table.entry(name).is_some() || settings.yaml("model.base_url")?.is_some() {
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
