//! The tools of one profile, and how a call finds its tool.

use super::{
    arguments::Arguments,
    code, delegate,
    failure::Failure,
    files,
    ground::{Footing, Ground},
    mcp, memory,
    parts::PromptParts,
    process, search, session_search, skills, specs, terminal, todo, verbose, vision, web,
};
use crate::{
    config::{NetworkMode, ProfileConfig, Vision},
    domain::{KeyId, Port, RunId, SessionId, ToolOutput, ToolSpec, Toolset},
    egress::Egress,
    sandbox::{Jail, Owner, Sandbox},
    store::{Store, StoreError},
};
use serde_json::Value;
use std::{
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// All tools of the profile's agent.
fn specs(config: &ProfileConfig, mcp: &mcp::Servers) -> Vec<ToolSpec> {
    let own = specs::ALL.iter().filter(|spec| missing(config, spec).is_none()).cloned();
    let own = own.map(|spec| if config.agent.verbose_tools { verbose::told(spec) } else { spec });
    own.chain(mcp.specs().into_iter().filter(|spec| config.tools.takes(spec))).collect()
}

/// Why an agent of this profile has not the tool.
fn missing(config: &ProfileConfig, spec: &ToolSpec) -> Option<&'static str> {
    if !config.tools.takes(spec) {
        return Some("left out by `tools.enabled` or `tools.disabled`");
    }
    if spec.name == "memory" && !config.memory.enabled && !config.memory.user_enabled {
        return Some("turned off by `memory.memory_enabled` and `memory.user_profile_enabled`");
    }
    if spec.name == "execute_code" && code::python().is_none() {
        return Some("there is no python3 in /usr/bin or /usr/local/bin");
    }
    let off = config.terminal.network.mode == NetworkMode::Off;
    match &*spec.name {
        "web_extract" if off => Some("the profile has no network (`terminal.network: off`)"),
        "vision_analyze" if config.model.vision == Vision::No && config.vision.is_none() => {
            Some("the model takes no images (`model.vision: false`), and `auxiliary.vision` names none")
        }
        "web_search" if config.web.search.is_none() => {
            Some("no service is configured (`web.search.provider`)")
        }
        _ => None,
    }
}

/// The tools of one profile, with what they need. Cheap to clone.
#[derive(Clone)]
pub struct Toolbox {
    pub(super) ground: Arc<Ground>,
    /// Made anew when other servers bring other tools.
    toolset: Arc<RwLock<Arc<Toolset>>>,
    mcp: Arc<mcp::Servers>,
}

/// Where a call happens.
pub struct CallContext<'a> {
    pub session: &'a SessionId,
    pub run: RunId,
    /// Cancelled by a stop: the tool and its whole process tree end at once.
    pub stop: &'a CancellationToken,
    /// Resolves when the tool may act: a helper process is started meanwhile, so that the start of the process and
    /// the flush of `tool.started` overlap.
    pub cleared: Pin<Box<dyn Future<Output = bool> + 'a>>,
    /// `None`: no turn makes this call, but the gateway itself, which tries its own walls.
    pub behalf: Option<Behalf<'a>>,
}

/// The turn that a call is made for: what tools need that keep or find something.
pub struct Behalf<'a> {
    pub store: &'a Store,
    /// Whose request the turn answers.
    pub key: &'a KeyId,
    /// `X-Hermes-Session-Key` of that request.
    pub session_key: Option<&'a str>,
    /// The conversation has read what strangers wrote: see [`brings_foreign_text`](crate::domain::brings_foreign_text).
    pub untrusted: bool,
    /// What a tool asks that starts work of its own.
    pub port: &'a dyn Port,
}

impl CallContext<'_> {
    /// Waits until the tool may act.
    pub(super) async fn clearance(&mut self) -> Result<(), Failure> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Failure::stopped()),
            cleared = &mut self.cleared => if cleared { Ok(()) } else { Err(Failure::not_cleared()) },
        }
    }
}

impl Toolbox {
    /// `user`: whom commands run as and files belong to, where that can be done.
    #[must_use]
    pub fn new(config: Arc<ProfileConfig>, sandbox: Sandbox, user: Option<Owner>, egress: Egress) -> Self {
        Self::on(Ground::new(config, sandbox, user, egress))
    }

    fn on(ground: Ground) -> Self {
        let ground = Arc::new(ground);
        let mcp = Arc::new(mcp::Servers::new(&ground));
        let toolset = Arc::new(Toolset::new(specs(&ground.config, &mcp)));
        Self { ground, toolset: Arc::new(RwLock::new(toolset)), mcp }
    }

    /// Ends all background commands, all servers that are processes, and the helper that waits for the next command.
    pub async fn end_processes(&self) {
        tokio::join!(self.ground.jobs.end_all(), self.mcp.end(), self.ground.spare.ended());
    }

    /// The number of the process that waits for the next command of a session, if there is one.
    #[must_use]
    pub fn waiting_helper(&self, session: &SessionId) -> Option<u32> {
        self.ground.spare.pid(&self.ground.tmp(session))
    }

    /// A background command of a session that can be typed into.
    #[must_use]
    pub fn typist(&self, session: &SessionId, id: &str) -> Option<process::Typist> {
        self.ground.jobs.typist(session, id)
    }

    /// Ends the background commands of a session that is no more, and forgets them.
    ///
    /// # Errors
    ///
    /// What the store answers.
    pub async fn forget_session(&self, session: &SessionId, store: &Store) -> Result<(), StoreError> {
        self.ground.jobs.end_session(session).await;
        store.forget_processes(session).await
    }

    /// Opens the profile's folders and gives them to its user, once: what they are does not change any more until the
    /// profile's next start. Blocking.
    #[must_use]
    pub fn prepare(&self) -> Footing {
        self.ground.prepare()
    }

    /// Whose the agent's commands and files are, once the folders were opened; `None`: the gateway's own user's.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        self.ground.owner()
    }

    /// Why the file system does not hold the workspace to its quota, once the folders were opened; `None`: it does.
    #[must_use]
    pub fn unheld(&self) -> Option<String> {
        self.ground.unheld()
    }

    /// What the profile's own files bring into the prompt of a session, as they were at `since` or later.
    pub async fn prompt_parts(&self, session_key: Option<&str>, since: Instant) -> Arc<PromptParts> {
        let scope = memory::scope(&self.ground.config.memory, session_key);
        self.ground.parts(scope, since).await
    }

    /// Only tools that would work here: below the sandbox floor `terminal` is still listed, and refuses with the
    /// reason.
    #[must_use]
    pub fn toolset(&self) -> Arc<Toolset> {
        self.toolset.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks other servers for their tools, where these are not known; waits no longer than each server's limit says.
    pub async fn discover(&self) {
        if self.mcp.discover().await {
            let toolset = Toolset::new(specs(&self.ground.config, &self.mcp));
            let mut held = self.toolset.write().unwrap_or_else(PoisonError::into_inner);
            if held.schema() != toolset.schema() {
                *held = Arc::new(toolset);
            }
        }
    }

    /// Sets of other servers that bring no tools now, each with the reason.
    #[must_use]
    pub fn trouble(&self) -> Vec<(String, String)> {
        self.mcp.trouble()
    }

    /// Why tools that come with the product are not in the toolset, by name.
    #[must_use]
    pub fn missing(&self) -> Vec<(&'static ToolSpec, &'static str)> {
        let config = &self.ground.config;
        specs::ALL.iter().filter_map(|spec| Some((spec, missing(config, spec)?))).collect()
    }

    /// Runs a call. Never panics, never errs: what goes wrong is in the output (`{"error", "code", "hint"}`).
    pub async fn call(&self, context: CallContext<'_>, name: &str, arguments: &Value) -> ToolOutput {
        let done = match Arguments::of(name, arguments) {
            Ok(_) if name.starts_with("mcp_") => self.foreign(context, name, arguments).await,
            Ok(arguments) => self.dispatch(context, name, arguments).await,
            Err(failure) => Err(failure),
        };
        match done {
            Ok(output) => output,
            Err(failure) => failure.output(),
        }
    }

    async fn dispatch(
        &self,
        context: CallContext<'_>,
        name: &str,
        arguments: Arguments<'_>,
    ) -> Result<ToolOutput, Failure> {
        match name {
            "execute_code" => code::call(&self.ground, &self.toolset(), context, &arguments).await,
            "process" => process::call(&self.ground, context, &arguments).await,
            "terminal" => terminal::call(&self.ground, context, &arguments).await,
            "read_file" => {
                let asked = files::Read::parse(&arguments)?;
                let turn = context.stop.run_until_cancelled(self.ground.documents.acquire());
                let _turn = if asked.names_document() { turn.await } else { None };
                self.blocking(context, move |jail| asked.run(jail)).await.map(ToolOutput::from)
            }
            "write_file" => {
                let (asked, strict) = (files::Write::parse(&arguments)?, self.ground.is_strict());
                self.writing(context, &arguments, move |jail| asked.run(jail, strict))
                    .await
                    .map(ToolOutput::from)
            }
            "patch" => {
                let (asked, strict) = (files::Patch::parse(&arguments)?, self.ground.is_strict());
                self.writing(context, &arguments, move |jail| asked.run(jail, strict))
                    .await
                    .map(ToolOutput::from)
            }
            "search_files" => {
                let asked = search::Search::parse(&arguments)?;
                // The one file tool that may take long: it looks at the token itself.
                let stop = context.stop.clone();
                self.blocking(context, move |jail| asked.run(jail, &stop)).await.map(ToolOutput::from)
            }
            "memory" => memory::call(&self.ground, context, &arguments).await,
            // The turn asks before any call runs; what comes here was called from within another tool.
            "clarify" => Err(Failure::new("not_available", "only the agent itself can ask, not a script")),
            "delegate_task" => delegate::call(&self.ground.config.delegation, context, &arguments).await,
            "skill_manage" => skills::manage(&self.ground, context, &arguments).await,
            "skill_view" => skills::view(&self.ground, context, &arguments).await,
            "skills_list" => skills::list(&self.ground, context, &arguments).await,
            "todo" => todo::call(context, &arguments).await.map(ToolOutput::from),
            "web_extract" => {
                let patience = self.ground.config.web.timeout;
                web::extract(&self.ground.egress, patience, context, &arguments).await
            }
            "vision_analyze" => vision::call(&self.ground, context, &arguments).await,
            "web_search" => web::search(&self.ground.config.web, context, &arguments).await,
            "session_search" => session_search::call(context, &arguments).await.map(ToolOutput::from),
            other => Err(self.unknown(other)),
        }
    }

    /// A tool of another server.
    async fn foreign(
        &self,
        mut context: CallContext<'_>,
        name: &str,
        arguments: &Value,
    ) -> Result<ToolOutput, Failure> {
        context.clearance().await?;
        let called = context.stop.run_until_cancelled(self.mcp.call(name, arguments)).await;
        called.ok_or_else(Failure::stopped)?.unwrap_or_else(|| Err(self.unknown(name)))
    }

    /// Tells the model what there is instead.
    fn unknown(&self, name: &str) -> Failure {
        Failure::new("unknown_tool", format!("there is no tool `{name}`"))
            .hint(format!("available tools: {}", self.toolset().names()))
    }

    /// File work that may take more of the disk: about as much as the call is long.
    async fn writing<T: Send + 'static>(
        &self,
        context: CallContext<'_>,
        arguments: &Arguments<'_>,
        work: impl FnOnce(&Jail) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (disk, bytes) = (Arc::clone(&self.ground.disk), arguments.length());
        let admitted = move |jail: &Jail| disk.admit(bytes).and_then(|()| work(jail));
        self.blocking(context, admitted).await
    }

    /// File work, off the thread that serves the profile's streams. A stop waits for it, since half a write is worse
    /// than a late answer; all of it is bounded.
    async fn blocking<T: Send + 'static>(
        &self,
        mut context: CallContext<'_>,
        work: impl FnOnce(&Jail) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        context.clearance().await?;
        let ground = Arc::clone(&self.ground);
        let session = context.session.clone();
        let task = tokio::task::spawn_blocking(move || {
            let done = ground.jail(&session)?.enter(work);
            done.unwrap_or_else(|error| Err(Failure::io("the agent's rights could not be taken on", &error)))
        });
        task.await.unwrap_or_else(|_panic| Err(Failure::internal("the tool failed unexpectedly")))
    }
}
