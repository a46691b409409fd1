//! The way out: what agents may connect to, and the proxy through which their commands do it.
//!
//! ```text
//! command ──► proxy (a listener that only this command reaches, or a token) ──► Dialer ──► the world
//!                                                                                │
//!                                             name judged ─► looked up ─► each address judged ─► connected
//! ```
//!
//! A command has no network of its own: it speaks to a proxy in this process, which looks names up itself, judges every
//! address by the profile's policy, and connects to the very address that it judged. Tools of the gateway that fetch what
//! a model or a client names go through the same [`Dialer`].

mod address;
mod bounds;
mod dial;
mod environment;
mod grant;
mod journal;
mod judge;
mod listeners;
mod proxy;
mod reach;
mod refusal;
mod resolve;
mod target;
#[cfg(test)]
mod testing;

pub use address::Kind;
pub use bounds::Bounds;
pub use dial::{Dialed, Dialer};
pub use environment::NAMES as VARIABLES;
pub use grant::Grant;
pub use listeners::{Listeners, Listening};
pub use reach::Reach;
pub use refusal::{Refusal, Why};
pub use resolve::Resolve;
pub use target::{BadTarget, Name, Target};

use crate::{
    audit::AuditLog,
    config::NetworkConfig,
    domain::{ProfileName, RunId},
};
use grant::{Desk, Listening as Task};
use journal::Journal;
use proxy::Admission;
use std::{
    fmt, io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::net::TcpListener;

/// For whom connections are made, as it stands in the logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    Run(RunId),
    /// A process that serves all runs of the profile: an MCP server, by its name in the settings.
    McpServer(String),
}

impl From<RunId> for Whose {
    fn from(run: RunId) -> Self {
        Self::Run(run)
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(run) => run.fmt(f),
            Self::McpServer(name) => write!(f, "mcp_servers.{name}"),
        }
    }
}

/// The way out of one profile.
pub struct Egress {
    profile: ProfileName,
    config: NetworkConfig,
    audit: AuditLog,
    dialer: Arc<Dialer>,
    desk: Arc<Desk>,
    listeners: Listeners,
    bounds: Bounds,
    /// Made when a command first needs it.
    shared: Mutex<Option<Shared>>,
}

/// The listener that all commands of the profile reach, on the machine's own loopback.
struct Shared {
    port: u16,
    task: Task,
    _listening: Listening,
}

impl Egress {
    #[must_use]
    pub fn new(profile: ProfileName, config: NetworkConfig, listeners: Listeners, audit: AuditLog) -> Self {
        let dialer = Dialer::new(config.clone(), listeners.clone());
        Self::with(profile, config, listeners, audit, dialer, Bounds::default())
    }

    fn with(
        profile: ProfileName,
        config: NetworkConfig,
        listeners: Listeners,
        audit: AuditLog,
        dialer: Dialer,
        bounds: Bounds,
    ) -> Self {
        let (dialer, desk) = (Arc::new(dialer), Arc::default());
        Self { profile, config, audit, dialer, desk, listeners, bounds, shared: Mutex::default() }
    }

    /// Lets a process out, until the grant is dropped.
    ///
    /// # Errors
    ///
    /// The system has no random numbers.
    pub fn grant(&self, whose: impl Into<Whose>) -> io::Result<Grant> {
        Grant::new(self.reach(whose), &self.desk, self.bounds)
    }

    /// The way out for what the gateway itself fetches.
    #[must_use]
    pub fn reach(&self, whose: impl Into<Whose>) -> Reach {
        let journal = Journal::new(self.profile.clone(), whose.into(), self.audit.clone());
        Reach::new(self.dialer.clone(), journal)
    }

    /// The port of the shared listener, which asks for a token. Must be called within a runtime; the connections are
    /// carried on its thread.
    ///
    /// # Errors
    ///
    /// No socket is to be had.
    pub fn shared_port(&self) -> io::Result<u16> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = shared.as_ref().filter(|shared| !shared.task.0.is_finished()) {
            return Ok(shared.port);
        }
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let listener = TcpListener::from_std(listener)?;
        let admission = Admission::ByToken(self.desk.clone());
        let task = Task(tokio::spawn(proxy::accept(listener, admission, self.bounds)).abort_handle());
        *shared = Some(Shared { port, task, _listening: self.listeners.enter(port) });
        Ok(port)
    }

    /// What a command needs in its environment to use the proxy at this URL.
    #[must_use]
    pub fn environment(&self, proxy: &str) -> Vec<(&'static str, String)> {
        environment::variables(proxy, &self.config)
    }
}
