//! Servers that bring tools of their own: `mcp_servers`.

use super::{ConfigError, Secret, settings::Settings};
use std::time::Duration;
use url::Url;

const LONGEST_NAME: usize = 32;

/// A server that speaks MCP over HTTP. The operator has named it, so no network policy is asked.
#[derive(Debug, Clone)]
pub struct McpServer {
    /// `[A-Za-z0-9_-]`, 32 characters at most.
    pub name: String,
    pub url: Url,
    /// Sent with every request; the values may be secrets.
    pub headers: Vec<(String, Secret)>,
    /// `timeout`: of one call, 120 s.
    pub timeout: Duration,
    /// `connect_timeout`: until its tools are known, 10 s.
    pub connect_timeout: Duration,
    /// `tools.include`: the server's own names; `None`: all.
    pub include: Option<Vec<String>>,
    /// `tools.exclude`
    pub exclude: Vec<String>,
}

impl McpServer {
    /// Whether the agent is to have this tool of the server.
    #[must_use]
    pub fn takes(&self, tool: &str) -> bool {
        let named = |names: &[String]| names.iter().any(|name| name == tool);
        self.include.as_deref().is_none_or(named) && !named(&self.exclude)
    }
}

pub(super) fn read(
    settings: &Settings<'_>,
    warnings: &mut Vec<String>,
) -> Result<Vec<McpServer>, ConfigError> {
    let mut servers = Vec::new();
    for named in settings.names("mcp_servers") {
        let (name, at) = (&named.text, |member: &str| format!("mcp_servers.{}.{member}", named.text));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(plain) {
            let text =
                format!("is no name for a server: letters, digits, `_` and `-`, {LONGEST_NAME} at most");
            return Err(named.place.error(text));
        }
        if !settings.bool(&at("enabled"), true)? {
            continue;
        }
        let Some(url) = settings.yaml(&at("url"))? else {
            if settings.yaml(&at("command"))?.is_none() {
                return Err(named.place.error("has no `url`"));
            }
            warnings.push(
                named.place.warning("has no effect: servers that are commands are not run; give a `url`"),
            );
            continue;
        };
        let address = Url::parse(url.text.trim()).ok();
        let address = address.filter(|address| matches!(address.scheme(), "http" | "https"));
        let texts = |member: &str| -> Result<Option<Vec<String>>, ConfigError> {
            let listed = settings.yaml_list(&at(member))?;
            Ok(listed.map(|listed| listed.into_iter().map(|one| one.text).collect()))
        };
        let mut headers = Vec::new();
        for header in settings.names(&at("headers")) {
            if let Some(value) = settings.yaml(&format!("{}.{}", at("headers"), header.text))? {
                headers.push((header.text, Secret::new(value.text.trim())));
            }
        }
        servers.push(McpServer {
            url: address
                .ok_or_else(|| url.place.error("must be an address such as https://mcp.example.org/mcp"))?,
            headers,
            timeout: settings.duration(&at("timeout"), 1..=3_600, 120)?,
            connect_timeout: settings.duration(&at("connect_timeout"), 1..=60, 10)?,
            include: texts("tools.include")?,
            exclude: texts("tools.exclude")?.unwrap_or_default(),
            name: name.clone(),
        });
    }
    Ok(servers)
}
