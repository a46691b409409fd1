//! The listener of a profile: whether, where, with which key and for which web pages. Nothing here is inherited.

use super::{
    ConfigError, Secret,
    error::Place,
    settings::{Found, Settings, split},
};
use crate::domain::ProfileName;
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// The port of the profile `default`.
pub const DEFAULT_PORT: u16 = 8642;

/// Where `config.yaml` may name a setting of the listener; the reference has all three places.
pub(super) const PLACES: [&str; 3] =
    ["gateway.api_server", "platforms.api_server.extra", "platforms.api_server"];

const MIN_KEY: usize = 16;
/// Of a key behind which other machines may knock.
const MIN_GENERATED: usize = 32;

/// Keys that stand in examples and templates: whoever reads them can use them.
const PLACEHOLDERS: [&str; 14] = [
    "change-me",
    "changeme",
    "change_me",
    "change-this",
    "your-key",
    "your_key",
    "yourkey",
    "your-api",
    "your_api",
    "your-secret",
    "your_secret",
    "placeholder",
    "example-key",
    "replace-me",
];

pub(super) struct Listen {
    pub address: SocketAddr,
    pub api_key: Option<Secret>,
    pub cors_origins: Vec<String>,
    pub model_name: String,
}

pub(super) fn read(settings: &Settings<'_>, name: &ProfileName) -> Result<Listen, ConfigError> {
    let port = match port(settings)? {
        Some(port) => port,
        None if *name == ProfileName::home() => DEFAULT_PORT,
        None => {
            let message =
                "is missing: each profile has a port of its own; add a line such as `API_SERVER_PORT=8643`";
            return Err(settings.missing("API_SERVER_PORT", message));
        }
    };
    let host = host(settings)?;
    Ok(Listen {
        address: SocketAddr::new(host, port),
        api_key: api_key(settings, host.is_loopback())?,
        cors_origins: cors_origins(settings)?,
        model_name: model_name(settings, name)?,
    })
}

/// Whether the files switch the listener on or off; `None` when they say nothing of it.
///
/// `API_SERVER_ENABLED` decides; else a key alone switches it on, as in the reference; else `config.yaml` decides.
pub(super) fn enabled(settings: &Settings<'_>) -> Result<Option<bool>, ConfigError> {
    if let Some(found) = settings.env("API_SERVER_ENABLED") {
        return found.bool().map(Some);
    }
    if settings.env("API_SERVER_KEY").is_some() {
        return Ok(Some(true));
    }
    setting(settings, "enabled")?.map(|found| found.bool()).transpose()
}

/// Whether a home's own files speak of an API server at all.
pub(super) fn is_mentioned(settings: &Settings<'_>) -> bool {
    let entry = settings
        .env
        .entries
        .iter()
        .any(|(name, entry)| name.starts_with("API_SERVER_") && !entry.value.reveal().is_empty());
    entry || settings.own_has("gateway.api_server") || settings.own_has("platforms.api_server")
}

/// The configured port, if any; 0 lets the system choose (for tests).
pub(super) fn port(settings: &Settings<'_>) -> Result<Option<u16>, ConfigError> {
    let found = env_or_yaml(settings, "API_SERVER_PORT", "port")?;
    found.map(|found| found.number(0..=u16::MAX)).transpose()
}

/// Where the port stands, or would.
pub(super) fn port_place(settings: &Settings<'_>) -> Place {
    match env_or_yaml(settings, "API_SERVER_PORT", "port") {
        Ok(Some(found)) => found.place,
        Ok(None) | Err(_) => settings.place("API_SERVER_PORT"),
    }
}

fn setting(settings: &Settings<'_>, key: &str) -> Result<Option<Found>, ConfigError> {
    for place in PLACES {
        if let Some(found) = settings.yaml(&format!("{place}.{key}"))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn env_or_yaml(settings: &Settings<'_>, entry: &str, key: &str) -> Result<Option<Found>, ConfigError> {
    match settings.env(entry) {
        Some(found) => Ok(Some(found)),
        None => setting(settings, key),
    }
}

fn host(settings: &Settings<'_>) -> Result<IpAddr, ConfigError> {
    let Some(found) = env_or_yaml(settings, "API_SERVER_HOST", "host")? else {
        return Ok(Ipv4Addr::LOCALHOST.into());
    };
    let text = found.text.trim();
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| {
        found.place.error(
            "must be an IP address: `127.0.0.1` (this machine only), `0.0.0.0` (every network), `::1` …",
        )
    })
}

/// Long and varied enough that nobody made it up.
fn looks_generated(key: &str) -> bool {
    let letters: BTreeSet<u8> = key.bytes().collect();
    key.len() >= MIN_GENERATED && letters.len() >= 10
}

fn api_key(settings: &Settings<'_>, loopback: bool) -> Result<Option<Secret>, ConfigError> {
    let Some(found) = env_or_yaml(settings, "API_SERVER_KEY", "key")? else {
        return Ok(None);
    };
    let key = found.text.trim();
    if key.is_empty() {
        return Ok(None);
    }
    let lower = key.to_ascii_lowercase();
    let why = if key.contains("$(") || PLACEHOLDERS.iter().any(|known| lower.starts_with(known)) {
        "is a placeholder that anyone can guess".to_owned()
    } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        "must be visible ASCII characters without blanks, since it travels in a header".to_owned()
    } else if key.len() < MIN_KEY {
        format!("has fewer than {MIN_KEY} characters")
    } else if key.bytes().all(|byte| Some(byte) == key.bytes().next()) {
        "is one character over and over".to_owned()
    } else if !loopback && !looks_generated(key) {
        format!(
            "is none that was generated (at least {MIN_GENERATED} random characters), which a listener needs that other \
             machines reach"
        )
    } else {
        return Ok(Some(Secret::new(key)));
    };
    let file = settings.env.path.display();
    let line = format!("echo \"API_SERVER_KEY=$(openssl rand -hex 32)\" >> '{file}'");
    Err(found.place.error(format!("{why}: type `{line}`")))
}

fn cors_origins(settings: &Settings<'_>) -> Result<Vec<String>, ConfigError> {
    let mut origins = match settings.env("API_SERVER_CORS_ORIGINS") {
        Some(found) => split(&found),
        None => Vec::new(),
    };
    if origins.is_empty() {
        for place in PLACES {
            if let Some(found) = settings.yaml_list(&format!("{place}.cors_origins"))? {
                origins = found;
                break;
            }
        }
    }
    origins.iter().map(origin).collect()
}

/// An origin as browsers send it: scheme and host, with a port where it is not the usual one, and no path.
fn origin(found: &Found) -> Result<String, ConfigError> {
    let text = found.text.trim().trim_end_matches('/');
    let host = text.split_once("://").map(|(_, host)| host);
    let plain = |host: &str| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ', '*']);
    if text == "*" || host.is_some_and(plain) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(found
            .place
            .error("must be origins such as `https://chat.example.org` or `http://localhost:3000`, or `*`"))
    }
}

fn model_name(settings: &Settings<'_>, name: &ProfileName) -> Result<String, ConfigError> {
    let Some(found) = env_or_yaml(settings, "API_SERVER_MODEL_NAME", "model_name")? else {
        let home = *name == ProfileName::home();
        return Ok(if home { "hermes-agent" } else { name.as_str() }.to_owned());
    };
    let text = found.text.trim();
    if text.is_empty() || text.chars().count() > 256 || text.chars().any(char::is_control) {
        return Err(found.place.error("must be 1 to 256 characters without line breaks"));
    }
    Ok(text.to_owned())
}
