//! Servers that bring tools of their own: `mcp_servers`.

use super::{
    ConfigError, Secret,
    expand::is_env_name,
    settings::{Found, Settings},
};
use std::time::Duration;
use url::Url;

const LONGEST_NAME: usize = 32;

/// A server that speaks MCP.
#[derive(Debug, Clone)]
pub struct McpServer {
    /// `[A-Za-z0-9_-]`, 32 characters at most.
    pub name: String,
    pub transport: McpTransport,
    /// `timeout`: of one call, 120 s.
    pub timeout: Duration,
    /// `connect_timeout`: until its tools are known, 10 s.
    pub connect_timeout: Duration,
    /// `tools.include`: the server's own names; `None`: all.
    pub include: Option<Vec<String>>,
    /// `tools.exclude`
    pub exclude: Vec<String>,
}

/// How a server is reached.
#[derive(Debug, Clone)]
pub enum McpTransport {
    /// Over HTTP. The operator has named it, so no network policy is asked.
    Http {
        url: Url,
        /// Sent with every request; the values may be secrets.
        headers: Vec<(String, Secret)>,
    },
    /// By its standard input and output. It runs behind the wall of the profile's commands.
    Stdio(McpCommand),
}

/// What is run.
#[derive(Debug, Clone)]
pub struct McpCommand {
    /// `command`: a path, or a name that is looked up in `PATH`.
    pub program: String,
    /// `args`: no secrets, since other processes can read them.
    pub args: Vec<String>,
    /// `env`: beside what every command of the profile has.
    pub env: Vec<(String, Secret)>,
    /// `cwd`: in the workspace or another folder of the profile; `None`: the workspace.
    pub cwd: Option<String>,
}

impl McpServer {
    /// Whether the agent is to have this tool of the server.
    #[must_use]
    pub fn takes(&self, tool: &str) -> bool {
        let named = |names: &[String]| names.iter().any(|name| name == tool);
        self.include.as_deref().is_none_or(named) && !named(&self.exclude)
    }
}

pub(super) fn read(settings: &Settings<'_>) -> Result<Vec<McpServer>, ConfigError> {
    let mut servers = Vec::new();
    for named in settings.names("mcp_servers") {
        let name = &named.text;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(plain) {
            let text =
                format!("is no name for a server: letters, digits, `_` and `-`, {LONGEST_NAME} at most");
            return Err(named.place.error(text));
        }
        let of = Section { settings, path: format!("mcp_servers.{name}") };
        if !settings.bool(&of.at("enabled"), true)? {
            continue;
        }
        let transport = match (settings.yaml(&of.at("url"))?, settings.yaml(&of.at("command"))?) {
            (Some(url), None) => of.http(&url)?,
            (None, Some(command)) => McpTransport::Stdio(of.command(&command)?),
            (Some(_), Some(command)) => {
                return Err(command.place.error("stands beside a `url`: a server is one or the other"));
            }
            (None, None) => return Err(named.place.error("has neither `url` nor `command`")),
        };
        servers.push(McpServer {
            name: name.clone(),
            transport,
            timeout: settings.duration(&of.at("timeout"), 1..=3_600, 120)?,
            connect_timeout: settings.duration(&of.at("connect_timeout"), 1..=60, 10)?,
            include: of.texts("tools.include")?,
            exclude: of.texts("tools.exclude")?.unwrap_or_default(),
        });
    }
    Ok(servers)
}

/// The settings of one server.
struct Section<'a> {
    settings: &'a Settings<'a>,
    path: String,
}

impl Section<'_> {
    fn at(&self, member: &str) -> String {
        format!("{}.{member}", self.path)
    }

    fn texts(&self, member: &str) -> Result<Option<Vec<String>>, ConfigError> {
        let listed = self.settings.yaml_list(&self.at(member))?;
        Ok(listed.map(|listed| listed.into_iter().map(|one| one.text).collect()))
    }

    fn http(&self, url: &Found) -> Result<McpTransport, ConfigError> {
        let address = Url::parse(url.text.trim()).ok();
        let address = address.filter(|address| matches!(address.scheme(), "http" | "https"));
        let wrong = || url.place.error("must be an address such as https://mcp.example.org/mcp");
        let headers = self.named("headers")?;
        let headers = headers.into_iter().map(|(name, value)| (name.text, Secret::new(value.text.trim())));
        Ok(McpTransport::Http { url: address.ok_or_else(wrong)?, headers: headers.collect() })
    }

    fn command(&self, command: &Found) -> Result<McpCommand, ConfigError> {
        if command.text.trim().is_empty() {
            return Err(command.place.error("is empty: it names a program, such as `npx`"));
        }
        let settings = self.settings;
        if let Some(place) = settings.reference(&self.at("args")) {
            let text = "names an entry of .env: other processes can read arguments; hand it over in `env`";
            return Err(place.error(text));
        }
        let args = settings.yaml_list_whole(&self.at("args"))?.unwrap_or_default();
        let cwd = settings.yaml(&self.at("cwd"))?;
        let env = self.named("env")?;
        if let Some((name, _)) = env.iter().find(|(name, _)| !is_env_name(&name.text)) {
            return Err(name.place.error("is no name for a variable: letters, digits and `_`"));
        }
        let all = [command].into_iter().chain(&args).chain(&cwd).chain(env.iter().map(|(_, value)| value));
        if let Some(broken) = all.into_iter().find(|found| found.text.contains('\0')) {
            return Err(broken.place.error("has a zero byte in it"));
        }
        Ok(McpCommand {
            program: command.text.trim().to_owned(),
            args: args.into_iter().map(|arg| arg.text).collect(),
            env: env.into_iter().map(|(name, value)| (name.text, Secret::new(value.text))).collect(),
            cwd: cwd.map(|cwd| cwd.text),
        })
    }

    /// The members of a small map, each with its value.
    fn named(&self, section: &str) -> Result<Vec<(Found, Found)>, ConfigError> {
        let section = self.at(section);
        let mut all = Vec::new();
        for name in self.settings.names(&section) {
            if let Some(value) = self.settings.yaml(&format!("{section}.{}", name.text))? {
                all.push((name, value));
            }
        }
        Ok(all)
    }
}
