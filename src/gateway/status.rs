//! What a gateway says of its profiles: in the start table, over the control socket, to tests.

use crate::{
    actors::TenantState,
    config::{ProfileConfig, Provider},
    domain::ProfileName,
    sandbox::Sandbox,
};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Starting,
    Serving,
    /// Crashed; will be opened again.
    Restarting,
    Failed,
    Stopped,
}

impl State {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Restarting => "restarting",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// Where the keys of a profile come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// `API_SERVER_KEY` of its `.env`.
    Env,
    /// Keys of its store.
    Stored(usize),
    /// Made at this start, to be shown once.
    JustMade,
    Unknown,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProfileStatus {
    pub name: ProfileName,
    pub state: State,
    /// Why it failed or restarts, and what to do.
    pub reason: Option<String>,
    /// Where it listens; `None` while it does not.
    pub address: Option<SocketAddr>,
    /// It speaks TLS there.
    #[serde(default)]
    pub tls: bool,
    /// What `/v1/models` calls the agent.
    pub model: String,
    /// The model behind it, and who serves it.
    pub upstream: String,
    pub sandbox: String,
    /// The Landlock ABI that its wall uses; 0: none.
    #[serde(default)]
    pub abi: u32,
    /// Who holds the limits of its commands: `cgroup` or `rlimits`.
    #[serde(default)]
    pub limits: String,
    /// Who holds its workspace to the quota: `project_quota` of the file system, or the gateway's `watcher`.
    #[serde(default)]
    pub disk: String,
    /// What its commands may reach, as far as this machine holds them to it.
    pub network: String,
    /// Why its commands are refused: what came through when the gateway attacked its wall.
    #[serde(default)]
    pub breach: Option<String>,
    /// The user of this machine that its commands run as, where that is not the gateway's own.
    pub uid: Option<u32>,
    pub keys: KeyState,
}

impl ProfileStatus {
    #[must_use]
    pub fn new(name: ProfileName) -> Self {
        Self {
            name,
            state: State::Stopped,
            reason: None,
            address: None,
            tls: false,
            model: String::new(),
            upstream: String::new(),
            sandbox: String::new(),
            abi: 0,
            limits: String::new(),
            disk: String::new(),
            network: String::new(),
            breach: None,
            uid: None,
            keys: KeyState::Unknown,
        }
    }

    /// What the profile's files say.
    pub(super) fn describe(&mut self, config: &ProfileConfig, sandbox: &Sandbox) {
        config.model_name.clone_into(&mut self.model);
        self.upstream = upstream(config);
        let sandbox = sandbox.at_most(config.terminal.sandbox_most);
        sandbox.level.name().clone_into(&mut self.sandbox);
        self.abi = sandbox.abi;
        sandbox.machine.holder().0.clone_into(&mut self.limits);
        sandbox.network(config.terminal.network.mode).name().clone_into(&mut self.network);
    }

    pub(super) fn set(&mut self, state: State, reason: Option<String>) {
        self.state = state;
        self.reason = reason;
    }

    /// The base of the profile's routes, with an address that a client on this machine can use.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        let mut address = self.address?;
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() {
                [127, 0, 0, 1].into()
            } else {
                std::net::Ipv6Addr::LOCALHOST.into()
            });
        }
        Some(base_url(address, self.tls))
    }
}

/// The base of a listener's routes.
#[must_use]
pub fn base_url(address: SocketAddr, tls: bool) -> String {
    format!("{}://{address}/v1", if tls { "https" } else { "http" })
}

/// The model behind a profile as a person would name it.
#[must_use]
pub fn upstream(config: &ProfileConfig) -> String {
    let model = &config.model;
    match &model.provider {
        Provider::Demo => "demo (built in)".to_owned(),
        Provider::OpenAi { base_url } if model.default.is_empty() => base_url.clone(),
        Provider::OpenAi { base_url } | Provider::Hermes { base_url } => {
            format!("{} at {base_url}", model.default)
        }
    }
}

/// What this machine's wall means for a profile whose `terminal.sandbox` is above it.
#[must_use]
pub fn floor_warning(config: &ProfileConfig, sandbox: &Sandbox) -> Option<String> {
    let why = sandbox.at_most(config.terminal.sandbox_most).below(config.terminal.sandbox)?;
    let name = &config.name;
    Some(format!(
        "`terminal.sandbox`: every command of `{name}` will be refused: {why}; lower it, or mend that"
    ))
}

/// What the front is to see of a state.
pub(super) fn tenant_state(state: State, reason: Option<&str>) -> TenantState {
    match state {
        State::Serving => TenantState::Serving,
        State::Starting | State::Restarting => TenantState::Restarting,
        State::Failed => TenantState::Failed(reason.unwrap_or("failed").to_owned()),
        State::Stopped => TenantState::Stopped,
    }
}
