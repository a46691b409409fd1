//! Settings: layers (default < home < profile < `.env` < command line), typed, complete, checked.
//!
//! CONTRACT STUB. The helper on config replaces bodies and adds files; names and fields below are what others use.

use crate::domain::{ProfileName, Unattended};
use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

/// A value that never shows itself: `Debug` and `Display` print `[secret]`; wiped when dropped.
#[derive(Clone)]
pub struct Secret(Arc<secrecy::SecretString>);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(secrecy::SecretString::from(text.into())))
    }

    /// The text itself. Grep for callers: each is a place where a secret leaves its box.
    #[must_use]
    pub fn reveal(&self) -> &str {
        secrecy::ExposeSecret::expose_secret(&*self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A mistake in a file: where it is, what it is, and what to write instead.
#[derive(Debug, Clone)]
pub struct ConfigError {
    pub file: PathBuf,
    pub line: Option<usize>,
    pub key: Option<String>,
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": `{key}`")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for ConfigError {}

/// A home as found on disk.
#[derive(Debug)]
pub struct Home {
    pub root: PathBuf,
    pub server: ServerConfig,
    /// Sorted by name, the profile `default` first. A profile with a broken file is here too, with its error.
    pub profiles: Vec<FoundProfile>,
    pub warnings: Vec<String>,
}

#[derive(Debug)]
pub struct FoundProfile {
    pub name: ProfileName,
    pub root: PathBuf,
    /// Whether a gateway without `-p` serves it.
    pub enabled: bool,
    pub config: Result<ProfileConfig, ConfigError>,
    /// Unknown keys with the nearest known one, and the like: one sentence each, with file and line.
    pub warnings: Vec<String>,
}

/// What concerns the whole machine; from the home's own files only.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// `server.workers`; default: number of cores.
    pub workers: usize,
    /// `gateway.max_concurrent_runs`: runs at once on the machine; default 256 x cores, 0 = no limit.
    pub max_concurrent_runs: usize,
    /// `agent.restart_drain_timeout`, default 30 s.
    pub drain_timeout: Duration,
}

/// Everything about one profile: complete, checked, immutable.
#[derive(Debug, Clone)]
pub struct ProfileConfig {
    pub name: ProfileName,
    /// `HOME/profiles/NAME`, or the home itself for `default`.
    pub root: PathBuf,
    /// `root/state` (created 0700 by the store).
    pub state_dir: PathBuf,
    /// `terminal.cwd`, default `root/workspace`.
    pub workspace: PathBuf,
    pub skills_dir: PathBuf,
    pub soul_file: PathBuf,
    pub listen: SocketAddr,
    /// `API_SERVER_KEY`: at least 16 characters, no placeholder.
    pub api_key: Option<Secret>,
    pub cors_origins: Vec<String>,
    /// What `/v1/models` calls the agent: `API_SERVER_MODEL_NAME`, else the profile's name, else `hermes-agent`
    /// for `default`.
    pub model_name: String,
    pub model: ModelConfig,
    pub api: ApiConfig,
    pub approvals: ApprovalsConfig,
    pub terminal: TerminalConfig,
    pub agent: AgentConfig,
    pub retention: RetentionConfig,
    /// Every entry of the profile's `.env`; never in the process environment.
    pub env: BTreeMap<String, Secret>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// The built-in rule-driven model; the default when nothing is configured.
    Demo,
    /// Any server that speaks OpenAI's chat completions.
    OpenAi { base_url: String },
}

#[derive(Debug, Clone)]
pub struct ModelConfig {
    pub provider: Provider,
    /// As configured: `demo`, `custom`, `openai`, `openrouter`, `moonshot`, `ollama` …
    pub provider_name: String,
    /// `model.default`.
    pub default: String,
    pub api_key: Option<Secret>,
    pub context_length: Option<u64>,
    /// 10 s.
    pub connect_timeout: Duration,
    /// Until the first byte of the answer's head, 120 s.
    pub first_byte_timeout: Duration,
    /// Between two pieces of a body, 180 s.
    pub idle_timeout: Duration,
    /// `agent.api_max_retries`: attempts in all, 3.
    pub attempts: u32,
}

#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// `gateway.api_server.max_concurrent_runs`, default 10, 0 = none.
    pub max_concurrent_runs: usize,
    /// `gateway.api_server.queue`: runs that may wait for a slot, default twice the cap.
    pub queue: usize,
    /// How long one may wait, 30 s.
    pub queue_timeout: Duration,
    /// `gateway.api_server.max_body_bytes`, default 10,000,000.
    pub max_body_bytes: usize,
    /// `gateway.api_server.failed_turn_status: 200`: failures of chat completions in the reference's form.
    pub failed_turn_ok: bool,
    /// `display.platforms.api_server.show_reasoning`, else `display.show_reasoning`; default off.
    pub show_reasoning: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalMode {
    /// Ask for what the rules find. The default; `smart` is read as this, with a warning, until it exists.
    Manual,
    /// Nothing is asked; what is blocked stays blocked.
    Off,
}

#[derive(Debug, Clone)]
pub struct ApprovalsConfig {
    pub mode: ApprovalMode,
    /// `approvals.timeout`, default 300 s; `never` = `None`.
    pub timeout: Option<Duration>,
    pub unattended: Unattended,
    /// `approvals.deny`: globs of commands that are refused.
    pub deny: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SandboxLevel {
    None,
    Landlock,
    Strict,
}

#[derive(Debug, Clone)]
pub struct TerminalConfig {
    /// `terminal.sandbox`: the floor; below it terminal refuses. Default `landlock`.
    pub sandbox: SandboxLevel,
    /// `terminal.timeout`, 180 s.
    pub timeout: Duration,
    /// Longest timeout that a call may ask for, 600 s.
    pub max_timeout: Duration,
    /// `terminal.env_passthrough`: names of entries of this profile's `.env` that commands see.
    pub env_passthrough: Vec<String>,
    /// `tool_output.max_bytes`, 50,000.
    pub max_output: usize,
}

#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// `agent.max_turns`, default 90: model calls per turn.
    pub max_turns: u32,
    pub memory_enabled: bool,
}

#[derive(Debug, Clone)]
pub struct RetentionConfig {
    /// 7 days.
    pub runs: Duration,
    /// Sessions derived from a chat's text, 30 days.
    pub derived_sessions: Duration,
    /// 24 h.
    pub idempotency: Duration,
}

/// Which profiles to read.
#[derive(Debug, Clone, Copy)]
pub enum Select<'a> {
    All,
    /// `-p NAME`: served even when its files do not enable it. Below its `.env` the documented names of the
    /// process environment count.
    One(&'a ProfileName),
}

/// The process environment, read once by `main` through this type and passed on as a value.
#[derive(Debug, Clone, Default)]
pub struct ProcessEnv(pub BTreeMap<String, String>);

impl ProcessEnv {
    #[must_use]
    pub fn capture() -> Self {
        Self(std::env::vars().collect())
    }
}

impl Home {
    /// Reads the home's files. Broken profiles are results inside; an error here is about the home itself.
    ///
    /// # Errors
    ///
    /// The home cannot be read, its own files are broken, or `-p` names a profile that does not exist.
    pub fn read(root: &std::path::Path, select: Select<'_>, env: &ProcessEnv) -> Result<Self, ConfigError> {
        let _ = (root, select, env);
        unimplemented!("config helper")
    }
}
