//! Tools of other servers, by the Model Context Protocol: over HTTP, or of a process of the profile's own behind the wall.
//!
//! A server is asked for its tools by the first turn that could use them, and again when it says that they have changed, or
//! a minute later; one that does not answer is left alone for a while. A turn that has begun keeps the tools that it began
//! with. What servers say is text of strangers: names and sizes are bounded, and no tool of theirs counts as one that only
//! reads.

mod client;
mod events;
mod http;
mod lines;
mod live;
mod message;
mod process;
mod stderr;
mod stdio;

use super::{failure::Failure, ground::Ground};
use crate::{
    config::McpServer,
    domain::{ToolOutput, ToolSpec},
};
use client::{Client, Listed};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How long a list of tools is believed.
const FRESH: Duration = Duration::from_secs(60);
/// A server that failed is asked again after this, then after twice as long, up to the longest.
const BACKOFF: Duration = Duration::from_secs(5);
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);
const MOST_TOOLS: usize = 64;
const LONGEST_NAME: usize = 64;
const LONGEST_DESCRIPTION: usize = 1_000;
const LARGEST_SCHEMA: usize = 8 << 10;

/// Whether a server has other tools than it was known to have. All clones are one.
#[derive(Clone, Default)]
pub struct News(Arc<AtomicBool>);

impl News {
    pub fn note(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_there(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn take(&self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The servers of one profile.
pub struct Servers {
    all: Vec<Server>,
    /// One round of asking at a time.
    asking: tokio::sync::Mutex<()>,
}

struct Server {
    config: McpServer,
    client: Client,
    news: News,
    known: Mutex<Known>,
}

/// What a server has said so far.
#[derive(Default)]
struct Known {
    /// With the server's own names.
    tools: Vec<(String, ToolSpec)>,
    /// Why there are none.
    trouble: Option<String>,
    failures: u32,
    ask_again: Option<Instant>,
}

impl Servers {
    pub fn new(ground: &Arc<Ground>) -> Self {
        let server = |config: &McpServer| {
            let news = News::default();
            let client = Client::new(config.clone(), ground, news.clone());
            Server { client, news, config: config.clone(), known: Mutex::default() }
        };
        let all = ground.config.mcp.iter().map(server).collect();
        Self { all, asking: tokio::sync::Mutex::default() }
    }

    /// Ends their processes, and waits until nothing of them is left.
    pub async fn end(&self) {
        join_all(self.processes().map(stdio::Stdio::ended)).await;
    }

    fn processes(&self) -> impl Iterator<Item = &stdio::Stdio> {
        self.all.iter().filter_map(|server| server.client.process())
    }

    /// Asks the servers whose tools are not known, or no longer. True: somebody was asked.
    pub async fn discover(&self) -> bool {
        if !self.all.iter().any(Server::is_due) {
            return false;
        }
        let _round = self.asking.lock().await;
        let due: Vec<&Server> = self.all.iter().filter(|server| server.is_due()).collect();
        join_all(due.iter().map(|server| server.ask())).await;
        true
    }

    /// All tools that are known.
    pub fn specs(&self) -> Vec<ToolSpec> {
        self.all
            .iter()
            .flat_map(|server| server.known().tools.iter().map(|(_, spec)| spec.clone()).collect::<Vec<_>>())
            .collect()
    }

    /// Names of sets, each with why its server has brought no tools.
    pub fn trouble(&self) -> Vec<(String, String)> {
        let of = |server: &Server| Some((set(&server.config.name), server.known().trouble.clone()?));
        self.all.iter().filter_map(of).collect()
    }

    /// Calls a tool by the name that the model knows; `None`: no server has it.
    pub async fn call(&self, name: &str, arguments: &Value) -> Option<Result<ToolOutput, Failure>> {
        let (server, tool) = self.all.iter().find_map(|server| {
            let tool = server.known().tools.iter().find(|(_, spec)| spec.name == name)?.0.clone();
            Some((server, tool))
        })?;
        Some(server.client.call(&tool, arguments).await)
    }
}

impl Server {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Values are replaced whole, so a panic leaves nothing half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_due(&self) -> bool {
        let known = self.known();
        // Who failed is left alone whatever he says.
        let has_news = known.trouble.is_none() && self.news.is_there();
        has_news || known.ask_again.is_none_or(|at| Instant::now() >= at)
    }

    async fn ask(&self) {
        // First: what changes while it answers is asked for again.
        self.news.take();
        let listed = tokio::time::timeout(self.config.connect_timeout, self.client.tools()).await;
        let listed =
            listed.unwrap_or_else(|_elapsed| Err(Failure::new("timeout", "it does not answer in time")));
        let mut known = self.known();
        match listed {
            Ok(listed) => {
                *known = Known { tools: self.specs(listed), ask_again: after(FRESH), ..Known::default() }
            }
            Err(failure) => {
                let wait = BACKOFF.saturating_mul(1 << known.failures.min(8)).min(LONGEST_BACKOFF);
                let trouble = failure.to_string();
                tracing::warn!(server = self.config.name, trouble, "an MCP server brings no tools");
                let failures = known.failures.saturating_add(1);
                *known =
                    Known { tools: Vec::new(), trouble: Some(trouble), failures, ask_again: after(wait) };
            }
        }
    }

    /// The tools that the agent is to have, under names that no other tool has.
    fn specs(&self, listed: Vec<Listed>) -> Vec<(String, ToolSpec)> {
        let mut specs: Vec<(String, ToolSpec)> = Vec::new();
        for Listed { name, description, schema } in listed {
            let shown = shown(&self.config.name, &name);
            let taken = specs.iter().any(|(_, spec)| spec.name == shown);
            if !self.config.takes(&name) || taken || specs.len() == MOST_TOOLS {
                continue;
            }
            let schema = schema.filter(|schema| schema["type"] == "object").map(|schema| schema.to_string());
            let spec = ToolSpec {
                name: shown.into(),
                description: description.chars().take(LONGEST_DESCRIPTION).collect::<String>().into(),
                parameters: schema
                    .filter(|schema| schema.len() <= LARGEST_SCHEMA)
                    .unwrap_or_else(|| json!({ "type": "object" }).to_string())
                    .into(),
                read_only: false,
                toolset: set(&self.config.name).into(),
                emoji: "🧩",
            };
            specs.push((name, spec));
        }
        specs
    }
}

fn after(wait: Duration) -> Option<Instant> {
    Instant::now().checked_add(wait)
}

fn set(server: &str) -> String {
    format!("mcp_{}", plain(server))
}

/// As the model knows the tool.
fn shown(server: &str, tool: &str) -> String {
    let whole = format!("{}_{}", set(server), plain(tool));
    whole.chars().take(LONGEST_NAME).collect()
}

/// Letters that every upstream takes in a name.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}
