//! Which values of a configuration are secrets.
//!
//! Everything in a `.env` is one, unless it plainly is none: too much redacted is a nuisance, too little is a leak. Plainly
//! none are our own settings that are no keys, names that end like `_PORT` or `_REGION`, and values such as `true`, numbers,
//! addresses, paths and URLs without a password. A name with a word such as `KEY` or `TOKEN` in it is always believed.

use crate::config::{McpServer, McpTransport, ProfileConfig, Secret};
use std::{net::IpAddr, sync::Arc};
use url::Url;

/// Shorter values are words that any text has.
const SHORTEST: usize = 8;
/// Values whose name says that they are secrets.
const SHORTEST_NAMED: usize = 6;

/// Parts of a name that tell of a secret.
const TELLING: [&str; 9] = ["KEY", "TOKEN", "SECRET", "PASS", "PWD", "CREDENTIAL", "AUTH", "COOKIE", "SALT"];

/// Last words of names whose values are none.
const HARMLESS: [&str; 19] = [
    "HOST", "PORT", "REGION", "ZONE", "TZ", "TIMEZONE", "LOCALE", "LANG", "LEVEL", "MODE", "MODEL",
    "ENABLED", "DEBUG", "DIR", "PATH", "TIMEOUT", "VERSION", "ORIGINS", "ENV",
];

/// Settings of this program that may stand in a `.env` and are no secrets.
const SETTINGS: [&str; 7] = [
    "API_SERVER_ENABLED",
    "API_SERVER_HOST",
    "API_SERVER_PORT",
    "API_SERVER_CORS_ORIGINS",
    "API_SERVER_MODEL_NAME",
    "HERMES_INFERENCE_MODEL",
    "HERMES_MODEL",
];

/// The secrets of one profile, by the names that they are shown under.
#[derive(Clone, Default)]
pub struct Secrets(Vec<(Arc<str>, Secret)>);

impl Secrets {
    /// Those of a profile's `.env` and of its configuration.
    #[must_use]
    pub fn of(config: &ProfileConfig) -> Self {
        let mut all = Self::default();
        for (name, value) in &config.env {
            all.add_entry(name, value);
        }
        config.mcp.iter().for_each(|server| all.add_server(server));
        // Those that stand in `config.yaml` itself.
        let mut written = |name: &str, value: Option<&Secret>| {
            value.into_iter().for_each(|value| all.add(name, value));
        };
        written("API_SERVER_KEY", config.api_key.as_ref());
        written("model.api_key", config.model.api_key.as_ref());
        let search = config.web.search.as_ref();
        written("web.search.api_key", search.and_then(|search| search.api_key.as_ref()));
        for (name, upstream) in &config.selection.providers {
            written(&format!("providers.{name}.api_key"), upstream.api_key.as_ref());
        }
        for upstream in config.upstreams().chain(&config.selection.fallbacks) {
            let name = format!("a key of {}", upstream.provider_name);
            let keys = upstream.api_key.iter().chain(&upstream.more_keys);
            keys.for_each(|key| written(&name, Some(key)));
        }
        all
    }

    fn add_server(&mut self, server: &McpServer) {
        match &server.transport {
            McpTransport::Http { headers, .. } => {
                for (header, value) in headers {
                    let name = format!("mcp_servers.{}.headers.{header}", server.name);
                    self.add(&name, value);
                    // Behind the word that says what kind of credential it is.
                    let bare = value.reveal().split_once(' ').map(|(_, bare)| Secret::new(bare.trim()));
                    bare.into_iter().for_each(|bare| self.add(&name, &bare));
                }
            }
            // Like a `.env`, it holds what is a secret and what is none.
            McpTransport::Stdio(command) => {
                command.env.iter().for_each(|(name, value)| self.add_entry(name, value));
            }
        }
    }

    fn add_entry(&mut self, name: &str, value: &Secret) {
        let text = value.reveal();
        let telling = tells(name);
        if text.len() < SHORTEST_NAMED || !telling && (text.len() < SHORTEST || is_harmless(name, text)) {
            return;
        }
        self.add(name, value);
        // What of it is secret by itself: the lines of a key file, the password of an address.
        for line in text.split('\n').flat_map(|line| line.split("\\n")).map(str::trim) {
            if line.len() >= 2 * SHORTEST && line != text && !line.starts_with("-----") {
                self.add(name, &Secret::new(line));
            }
        }
        if let Some(password) = password(text) {
            self.add(name, &Secret::new(password));
        }
    }

    fn add(&mut self, name: &str, value: &Secret) {
        if value.reveal().len() >= SHORTEST_NAMED
            && self.0.iter().all(|(_, known)| known.reveal() != value.reveal())
        {
            self.0.push((name.into(), value.clone()));
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Arc<str>, Secret)> {
        self.0.iter()
    }
}

/// For tests and for whoever has secrets that are in no configuration.
impl<'a> FromIterator<(&'a str, &'a str)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(entries: I) -> Self {
        let mut all = Self::default();
        entries.into_iter().for_each(|(name, value)| all.add_entry(name, &Secret::new(value)));
        all
    }
}

fn tells(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    TELLING.iter().any(|word| name.contains(word))
}

fn is_harmless(name: &str, value: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let last = upper.rsplit('_').next().unwrap_or(&upper);
    SETTINGS.contains(&upper.as_str()) || HARMLESS.contains(&last) || is_plain(value.trim())
}

/// A value that says by itself that it is no secret.
fn is_plain(value: &str) -> bool {
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit() || b".,+-_: ".contains(&byte));
    let is_path = value.starts_with('/') || value.starts_with("~/") || value.starts_with("./");
    let is_word = matches!(
        value.to_ascii_lowercase().as_str(),
        "disabled" | "localhost" | "production" | "development"
    );
    is_number
        || is_word
        || is_path && !value.contains(' ')
        || value.parse::<IpAddr>().is_ok()
        || is_public_url(value)
}

/// A URL that has neither a password nor a query, nor a path that could be a token.
fn is_public_url(value: &str) -> bool {
    let Ok(url) = Url::parse(value) else { return false };
    let short = |part: &str| part.len() < 2 * SHORTEST;
    url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.path().split('/').all(short)
}

/// The password of `scheme://user:password@host`, as it stands there.
fn password(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_plainly_is_none_is_no_secret() {
        let cases = [
            ("OPENAI_API_KEY", "sk-1234567890", true),
            ("DB_PASSWORD", "hunter2", true),
            ("WHATEVER", "correct horse battery", true),
            ("NOTES", "short", false),
            ("API_SERVER_PORT", "86438643", false),
            ("API_SERVER_MODEL_NAME", "my-own-agent", false),
            ("TELEGRAM_CHAT", "123456789", false),
            ("PIN_TOKEN", "123456789", true),
            ("AWS_REGION", "eu-central-1", false),
            ("AWS_REGION_KEY", "eu-central-1", true),
            ("FEATURE", "disabled", false),
            ("CACHE", "/var/cache/agent", false),
            ("BIND", "192.168.100.200", false),
            ("SERVICE", "https://api.example.com/v1", false),
            ("SERVICE", "https://hooks.example.com/services/T0000000/abcdefghijklmnopqrstuvwx", true),
            ("SERVICE", "https://user:pw@example.com", true),
            ("SERVICE", "https://example.com/?sig=1", true),
        ];
        for (name, value, expected) in cases {
            let secrets: Secrets = [(name, value)].into_iter().collect();
            assert_eq!(
                secrets.0.iter().any(|(_, found)| found.reveal() == value),
                expected,
                "{name}={value}"
            );
        }
    }

    #[test]
    fn parts_that_are_secret_by_themselves_count_too() {
        let key =
            "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END KEY-----";
        let secrets: Secrets =
            [("KEY_FILE", key), ("DATABASE", "postgres://app:s3cret-pw@db.example.com/app")]
                .into_iter()
                .collect();
        let found: Vec<&str> = secrets.0.iter().map(|(_, secret)| secret.reveal()).collect();
        let parts = ["MIIEvQIBADANBgkqhkiG9w0B", "AQEFAASCBKcwggSjAgEAAoIB", "s3cret-pw"];
        assert!(parts.iter().all(|part| found.contains(part)), "{found:?}");
        assert_eq!(found.len(), 5, "{found:?}");
    }
}
