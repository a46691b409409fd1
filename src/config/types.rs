//! What a profile's settings come to: typed, with every default filled in.

use super::{
    DelegationConfig, LimitsConfig, McpServer, MemoryConfig, NetworkConfig, PromptConfig, Secret,
    SkillsConfig, TlsConfig, WebConfig,
};
use crate::domain::{ModelChoice, OnBusy, ProfileName, ToolItems, ToolSelection, Unattended, Usage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

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
    pub access: AccessConfig,
    /// `server.tls`; without it the port speaks plain HTTP.
    pub tls: Option<TlsConfig>,
    /// `API_SERVER_KEY`: at least 16 characters, no placeholder.
    pub api_key: Option<Secret>,
    pub cors_origins: Vec<String>,
    /// What `/v1/models` calls the agent: `API_SERVER_MODEL_NAME`, else the profile's name, else `hermes-agent`
    /// for `default`.
    pub model_name: String,
    pub model: ModelConfig,
    pub selection: SelectionConfig,
    pub api: ApiConfig,
    pub approvals: ApprovalsConfig,
    pub terminal: TerminalConfig,
    pub agent: AgentConfig,
    pub compression: super::CompressionConfig,
    pub memory: MemoryConfig,
    pub prompt: PromptConfig,
    pub skills: SkillsConfig,
    /// `tools.enabled`, `tools.disabled`: which tools the agent has.
    pub tools: ToolSelection,
    pub delegation: DelegationConfig,
    pub web: WebConfig,
    /// `mcp_servers`
    pub mcp: Vec<McpServer>,
    /// `auxiliary.vision`: who is asked about images; `None`: whoever answers the turn.
    pub vision: Option<ModelChoice>,
    pub retention: RetentionConfig,
    pub responses: ResponsesConfig,
    /// Every entry of the profile's `.env`; never in the process environment.
    pub env: BTreeMap<String, Secret>,
}

/// What the machine's listeners believe of a request's head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessConfig {
    /// `server.allowed_hosts`: names, in lower case, under which a loopback listener may be asked for, beside `localhost`.
    pub allowed_hosts: Vec<String>,
    /// `server.trusted_proxies`: whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// The built-in rule-driven model; the default when nothing is configured.
    Demo,
    /// Any server that speaks OpenAI's chat completions.
    OpenAi { base_url: String },
    /// A profile of another gateway, used through its runs: its agent thinks and acts, not ours.
    Hermes { base_url: String },
}

/// `model.vision`: whether the upstream takes images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Vision {
    /// Images are sent; the upstream says itself when it cannot see.
    #[default]
    Auto,
    Yes,
    /// A request with an image is refused before anything is sent.
    No,
}

impl Vision {
    /// By the names in the configuration.
    pub const NAMES: [(&'static str, Self); 3] =
        [("auto", Self::Auto), ("true", Self::Yes), ("false", Self::No)];
}

/// One upstream: where it is, its key, and the model that answers there unless a request says otherwise.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    pub provider: Provider,
    pub vision: Vision,
    /// As configured: `demo`, `custom`, `openai`, `openrouter`, `moonshot`, `ollama` …
    pub provider_name: String,
    /// `model.default`. Of a provider that is only named below `providers` it may be empty: a request that chooses that
    /// provider has to name the model, too.
    pub default: String,
    /// `providers.NAME.models`: the only models that may be chosen there; empty means any.
    pub models: Vec<String>,
    /// `providers.NAME.options`: members of every call, unless the request has its own.
    pub options: Map<String, Value>,
    pub api_key: Option<Secret>,
    pub context_length: Option<u64>,
    /// `model.max_tokens`: of an answer whose client names no limit. `None`: what is left of the window, where that is known.
    pub max_tokens: Option<u64>,
    /// 10 s.
    pub connect_timeout: Duration,
    /// Until the first byte of the answer's head, 120 s.
    pub first_byte_timeout: Duration,
    /// Between two pieces of a body, 180 s.
    pub idle_timeout: Duration,
    /// `agent.api_max_retries`: attempts in all, 3.
    pub attempts: u32,
    /// `model.send_reasoning`: whether the upstream gets back what its model thought before it called tools. By default
    /// where the provider is known to refuse a conversation without it.
    pub send_reasoning: bool,
    /// `api_keys`: keys beside the first.
    pub more_keys: Vec<Secret>,
    /// `credential_pool_strategies.NAME`: the order in which its keys are used.
    pub pool: PoolStrategy,
    /// `prices`: what tokens cost there.
    pub prices: Option<Prices>,
}

/// What tokens cost, in billionths of a dollar for a thousand: a price per million in dollars, times 1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prices {
    pub input: u64,
    /// Of the input: what the upstream had cached.
    pub cached: u64,
    pub output: u64,
}

impl Prices {
    /// In billionths of a dollar.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> u64 {
        let cached = usage.cached_tokens.min(usage.input_tokens);
        let parts = [
            (usage.input_tokens - cached, self.input),
            (cached, self.cached),
            (usage.output_tokens, self.output),
        ];
        let sum = parts.iter().map(|(tokens, price)| u128::from(*tokens) * u128::from(*price)).sum::<u128>();
        u64::try_from((sum + 500) / 1_000).unwrap_or(u64::MAX)
    }
}

/// In which order the keys of a provider are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PoolStrategy {
    /// The first one, as long as it is not refused.
    #[default]
    FillFirst,
    RoundRobin,
    Random,
    LeastUsed,
}

impl PoolStrategy {
    /// By the names in the configuration.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("fill_first", Self::FillFirst),
        ("round_robin", Self::RoundRobin),
        ("random", Self::Random),
        ("least_used", Self::LeastUsed),
    ];
}

/// What a request may choose beside the profile's own model.
#[derive(Debug, Clone, Default)]
pub struct SelectionConfig {
    /// The upstreams below `providers`, by name, without the profile's own.
    pub providers: BTreeMap<String, ModelConfig>,
    /// `model_routes`: names that a request may use for a model.
    pub routes: BTreeMap<String, ModelRoute>,
    /// `direct_model_requests`: a bare `model` of an OpenAI request is the upstream's name of it.
    pub direct_model_requests: bool,
    /// `fallback_providers`: who is asked, in this order, when the profile's own upstream gives no answer.
    pub fallbacks: Vec<ModelConfig>,
}

/// What an alias stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRoute {
    /// The profile's own, or one of [`SelectionConfig::providers`].
    pub provider: String,
    pub model: String,
    /// Members of every call, unless the request has its own.
    pub options: Map<String, Value>,
}

#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// `gateway.api_server.max_concurrent_runs`, default 10, 0 = none.
    pub max_concurrent_runs: usize,
    /// `gateway.api_server.queue`: runs that may wait for a slot, default twice the cap.
    pub queue: usize,
    /// How long one may wait, 30 s.
    pub queue_timeout: Duration,
    /// `gateway.api_server.on_busy`: what becomes of a turn whose session has one at work, unless the request says so.
    pub on_busy: OnBusy,
    /// `gateway.api_server.max_body_bytes`, default 10,000,000.
    pub max_body_bytes: usize,
    /// `gateway.api_server.failed_turn_status: 200`: failures of chat completions in the reference's form.
    pub failed_turn_ok: bool,
    /// `display.platforms.api_server.show_reasoning`, else `display.show_reasoning`; default off.
    pub show_reasoning: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalMode {
    /// Ask for what the rules find. The default.
    Manual,
    /// Let another model look first; ask for what it is not sure of.
    Smart,
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
    /// `command_allowlist`: globs of simple commands that nobody is asked about.
    pub allow: Vec<String>,
    /// `auxiliary.approval`: who looks first in mode `smart`; `None`: the model of the turn.
    pub reviewer: Option<super::HelperConfig>,
    /// `auxiliary.approval.timeout`: how long that may take, 30 s. A person is asked then.
    pub review_timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SandboxLevel {
    None,
    Landlock,
    Strict,
}

impl SandboxLevel {
    /// As the configuration writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Landlock => "landlock",
            Self::Strict => "strict",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminalConfig {
    /// `terminal.sandbox`: the floor; below it terminal refuses. Default `landlock`.
    pub sandbox: SandboxLevel,
    /// `terminal.sandbox_most`: no higher level is used, whatever the machine can do. Default `strict`.
    pub sandbox_most: SandboxLevel,
    /// `terminal.unix_sockets`: at level `landlock`, commands may make Unix sockets. Default off.
    pub unix_sockets: bool,
    /// `terminal.timeout`, 180 s.
    pub timeout: Duration,
    /// Longest timeout that a call may ask for, 600 s.
    pub max_timeout: Duration,
    /// `terminal.background_max`: how long a command may go on in the background, 24 h.
    pub background_max: Duration,
    /// `terminal.env_passthrough`: names of entries of this profile's `.env` that commands see.
    pub env_passthrough: Vec<String>,
    /// `terminal.roots`: folders besides the workspace that commands and file tools see.
    pub roots: Vec<ExtraRoot>,
    pub network: NetworkConfig,
    /// `tool_output.max_bytes`, 50,000.
    pub max_output: usize,
    pub limits: LimitsConfig,
}

/// A folder besides the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraRoot {
    /// Absolute, with links followed as far as it exists.
    pub path: PathBuf,
    /// `mode: rw`; else commands and file tools only read there.
    pub writable: bool,
}

/// `agent.loop_guard`: what becomes of a turn that calls the same thing over and over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LoopGuard {
    /// The model reads a warning with the result.
    #[default]
    Warn,
    /// The same; when that does not help, it has to sum up without tools.
    Stop,
    Off,
}

impl LoopGuard {
    /// By the names in the configuration.
    pub const NAMES: [(&'static str, Self); 3] =
        [("warn", Self::Warn), ("stop", Self::Stop), ("off", Self::Off)];
}

#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// `agent.max_turns`, default 90: model calls per turn.
    pub max_turns: u32,
    pub loop_guard: LoopGuard,
    /// `tools.verbose`: tools are described with examples, which a small model may need.
    pub verbose_tools: bool,
}

#[derive(Debug, Clone)]
pub struct RetentionConfig {
    /// 7 days.
    pub runs: Duration,
    /// Sessions derived from a chat's text, 30 days.
    pub derived_sessions: Duration,
    /// 24 h.
    pub idempotency: Duration,
    /// Of the audit log, 365 days.
    pub audit: Duration,
}

#[derive(Debug, Clone)]
pub struct ResponsesConfig {
    /// `responses.stored`: how many can be asked for, the newest; 1,000.
    pub stored: usize,
    /// `responses.tool_items`: the form of the agent's own calls, unless a request names one.
    pub tool_items: ToolItems,
}
