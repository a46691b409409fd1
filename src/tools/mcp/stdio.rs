//! A server that is a process: one at a time, started when it is first needed, and again after it has died.

use super::{
    super::{failure::Failure, ground::Ground},
    News,
    live::Live,
    process,
};
use crate::config::{McpCommand, McpServer};
use serde_json::Value;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Who has lived for so long did not die of its start.
const SOUND: Duration = Duration::from_secs(60);
/// The second death in a row is followed by a rest, each further one by one twice as long.
const REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(300);
/// Longer only when the kernel holds a process fast.
const GRACE: Duration = Duration::from_secs(8);

/// Dropping it ends the process.
pub struct Stdio(Arc<Keeper>);

/// What the process's own task shares with its callers.
pub struct Keeper {
    /// `PROFILE/NAME`, as the log calls it.
    pub label: String,
    pub name: String,
    pub command: McpCommand,
    pub connect_timeout: Duration,
    pub ground: Arc<Ground>,
    pub news: News,
    /// The profile ends, or has other settings: it ends, and no other one is started.
    pub closing: CancellationToken,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    live: Option<Arc<Live>>,
    /// In a row.
    deaths: u32,
    rests_until: Option<Instant>,
    why: String,
}

impl Stdio {
    pub fn new(server: &McpServer, command: &McpCommand, ground: &Arc<Ground>, news: News) -> Self {
        Self(Arc::new(Keeper {
            label: format!("{}/{}", ground.config.name, server.name),
            name: server.name.clone(),
            command: command.clone(),
            connect_timeout: server.connect_timeout,
            ground: Arc::clone(ground),
            news,
            closing: CancellationToken::new(),
            kept: Mutex::default(),
        }))
    }

    /// Asks the process, which is started when there is none.
    pub async fn request(&self, method: &str, params: &Value) -> Result<Value, Failure> {
        let Self(keeper) = self;
        let live = keeper.live()?;
        tokio::select! {
            biased;
            () = live.greeted.cancelled() => {}
            () = live.over.cancelled() => return Err(keeper.not_there()),
        }
        live.ask(method, params).await.unwrap_or_else(|| Err(keeper.died_amid()))
    }

    /// Ends it, and waits until nothing of it is left; no other one is started.
    pub async fn ended(&self) {
        self.0.closing.cancel();
        let live = self.0.kept().live.clone();
        let Some(live) = live else { return };
        if timeout(GRACE, live.over.cancelled()).await.is_err() {
            tracing::warn!(server = self.0.label, "an MCP server does not end");
        }
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        self.0.closing.cancel();
    }
}

impl Keeper {
    fn live(self: &Arc<Self>) -> Result<Arc<Live>, Failure> {
        let mut kept = self.kept();
        if self.closing.is_cancelled() {
            let text = "the server has ended: the settings have changed since this turn began";
            return Err(Failure::new("mcp_server_ended", text).hint("the next turn has it again"));
        }
        if let Some(live) = &kept.live {
            return Ok(live.clone());
        }
        let rest = kept.rests_until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(rest) = rest.filter(|rest| !rest.is_zero()) {
            let text = format!("the server has ended {} times in a row: {}", kept.deaths, kept.why);
            return Err(Failure::new("mcp_server_ended", text)
                .hint(format!("it is started again in {} s at the earliest", rest.as_secs() + 1)));
        }
        let (live, to_write) = Live::new();
        let live = Arc::new(live);
        kept.live = Some(live.clone());
        drop(tokio::spawn(process::live(Arc::clone(self), live.clone(), to_write)));
        Ok(live)
    }

    /// The process, or the try to start one, has ended.
    pub fn note_end(&self, live: &Live, why: String) {
        let mut kept = self.kept();
        kept.deaths = if live.began.elapsed() >= SOUND { 1 } else { kept.deaths.saturating_add(1) };
        kept.rests_until = kept.deaths.checked_sub(2).and_then(|doublings| {
            let rest = REST.saturating_mul(1 << doublings.min(8)).min(LONGEST_REST);
            Instant::now().checked_add(rest)
        });
        if self.closing.is_cancelled() {
            tracing::info!(server = self.label, why, "an MCP server has ended");
        } else {
            tracing::warn!(server = self.label, why, deaths = kept.deaths, "an MCP server has ended");
        }
        kept.why = why;
        kept.live = None;
        drop(kept);
        // The next turn starts it again.
        self.news.note();
        live.over.cancel();
    }

    fn not_there(&self) -> Failure {
        Failure::new("mcp_server_ended", format!("the server has ended: {}", self.kept().why))
    }

    fn died_amid(&self) -> Failure {
        let text = format!("the server ended before it answered: {}", self.kept().why);
        Failure::new("mcp_server_ended", text)
            .hint("whether the call did its work is not known: look before you repeat it")
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic amid a change leaves at worst a wrong count of deaths.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
