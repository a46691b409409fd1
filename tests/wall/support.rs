//! A profile in a temporary home, with a secret beside its workspace, and a second profile as a neighbour.

use hermes_gateway::{
    audit::AuditLog,
    config::{
        AccessConfig, AgentConfig, ApiConfig, ApprovalMode, ApprovalsConfig, CompressionConfig, LimitsConfig,
        MemoryConfig, ModelConfig, NetworkConfig, ProfileConfig, Provider, ResponsesConfig, RetentionConfig,
        SandboxLevel, Secret, SelectionConfig, TerminalConfig,
    },
    domain::{ProfileName, RunId, SessionId, ToolItems, ToolOutput, Unattended},
    egress::{Egress, Listeners},
    redact::Redactor,
    sandbox::{self, Limits, Network, Owner, Sandbox, View, Way},
    tools::{CallContext, Toolbox},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

pub const SECRET: &str = "TOP-SECRET-7c1e";

/// What a helper or a command of a test may take to be there, or to be gone. Long: beside it run attacks whose walls were
/// taken away, and they were seen to keep a helper from the processor for 40 s.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Waits for a file that a command makes when it is ready; not for ever, since the command may have failed.
pub async fn appears(path: &Path) {
    let seen = async {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("no {}", path.display()));
}

pub struct World {
    pub home: tempfile::TempDir,
    pub config: Arc<ProfileConfig>,
    pub tools: Toolbox,
    pub sandbox: Sandbox,
    pub listeners: Listeners,
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut ProfileConfig)) -> Self {
        Self::at(&Sandbox::probe(env!("CARGO_BIN_EXE_hermes").into()), change)
    }

    /// One for each wall that this machine can build: `strict` in a user namespace, `strict` by root's rights,
    /// `landlock`.
    pub fn each() -> Vec<Self> {
        walls().into_iter().map(|sandbox| Self::at(&sandbox, |_| {})).collect()
    }

    /// What this world's wall is called in a failed assertion.
    pub fn wall(&self) -> String {
        let Sandbox { level, way, .. } = &self.sandbox;
        format!("{} {way:?}", level.name())
    }

    pub fn is_strict(&self) -> bool {
        self.sandbox.level == SandboxLevel::Strict
    }

    pub fn at(sandbox: &Sandbox, change: impl FnOnce(&mut ProfileConfig)) -> Self {
        Self::of(None, sandbox, change)
    }

    /// As where the gateway is root and keeps a user for the profile.
    pub fn owned(user: Owner, change: impl FnOnce(&mut ProfileConfig)) -> Self {
        Self::of(Some(user), &Sandbox::probe(env!("CARGO_BIN_EXE_hermes").into()), change)
    }

    fn of(user: Option<Owner>, sandbox: &Sandbox, change: impl FnOnce(&mut ProfileConfig)) -> Self {
        // Not below `/tmp`, which means the session's own folder to the file tools.
        let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let root = home.path().join("profiles/alice");
        for secret in ["profiles/alice/.env", "profiles/alice/state/db", "profiles/bob/.env", ".env"] {
            let path = home.path().join(secret);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, SECRET).unwrap();
        }
        if user.is_some() {
            // Else a user without rights could not walk to the workspace where no wall builds the path for him.
            fs::set_permissions(home.path(), fs::Permissions::from_mode(0o711)).unwrap();
        }
        let mut config = config(&root);
        change(&mut config);
        let config = Arc::new(config);
        let sandbox = sandbox.at_most(config.terminal.sandbox_most);
        let listeners = Listeners::default();
        let audit = AuditLog::new(&config.state_dir, Redactor::default());
        let egress =
            Egress::new(config.name.clone(), config.terminal.network.clone(), listeners.clone(), audit);
        let tools = Toolbox::new(Arc::clone(&config), sandbox.clone(), user, egress);
        Self { home, config, tools, sandbox, listeners }
    }

    /// A world without a profile: the home is all that can be written.
    pub fn bare(&self) -> sandbox::World {
        let view = View::without(&[]);
        sandbox::World {
            level: self.sandbox.level,
            readable: view.paths().to_vec(),
            links: view.links().to_vec(),
            writable: Vec::new(),
            workspace: self.home.path().into(),
            tmp: self.home.path().into(),
            known: Vec::new(),
            owner: None,
            user: "agent".into(),
            network: Network::Off,
            limits: Limits::default(),
            unix_sockets: false,
            omit: Vec::new(),
        }
    }

    pub fn workspace(&self) -> &Path {
        &self.config.workspace
    }

    pub async fn call(&self, name: &str, arguments: Value) -> Value {
        self.call_in("one", name, arguments).await
    }

    pub async fn call_in(&self, session: &str, name: &str, arguments: Value) -> Value {
        let output = self.raw(session, name, arguments, &CancellationToken::new(), true).await;
        serde_json::from_str(&output.text).unwrap()
    }

    pub async fn raw(
        &self,
        session: &str,
        name: &str,
        arguments: Value,
        stop: &CancellationToken,
        cleared: bool,
    ) -> ToolOutput {
        let session = SessionId::parse(session).unwrap();
        let cleared = Box::pin(std::future::ready(cleared));
        let context = CallContext { session: &session, run: RunId::new(), stop, cleared, behalf: None };
        self.tools.call(context, name, &arguments).await
    }

    /// Runs a command that must succeed in being run; returns its output and exit code.
    pub async fn sh(&self, command: &str) -> (String, i64) {
        let result = self.call("terminal", json!({ "command": command })).await;
        assert_eq!(result["error"], Value::Null, "{command}: {result}");
        (result["output"].as_str().unwrap().to_owned(), result["exit_code"].as_i64().unwrap())
    }
}

/// Every wall that this machine can build. Says so when the best one is not among them.
pub fn walls() -> Vec<Sandbox> {
    let best = Sandbox::probe(env!("CARGO_BIN_EXE_hermes").into());
    let mut walls = Vec::new();
    if best.level == SandboxLevel::Strict {
        let mut ways = vec![best.way];
        let by_root = Way { user_namespace: false, proc: true };
        if best.way != by_root && rustix::process::geteuid().is_root() {
            ways.push(by_root);
        }
        walls.extend(ways.into_iter().map(|way| Sandbox { way, ..best.clone() }));
    } else {
        let said = writeln!(std::io::stderr(), "level `strict` is not tested: {:?}", best.reason);
        said.unwrap();
    }
    walls.push(best.at_most(SandboxLevel::Landlock));
    walls
}

/// Live processes with `mark` as the beginning of their command line.
pub fn pids(mark: &str) -> Vec<u32> {
    let numbers =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let has_mark = |pid: &u32| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(mark.as_bytes()))
    };
    numbers.filter(has_mark).collect()
}

/// Waits until none of these processes is left.
pub async fn gone(mark: &str) {
    let start = Instant::now();
    while !pids(mark).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(30), "{} still run", pids(mark).len());
        tokio::task::yield_now().await;
    }
}

/// Waits for processes that were started and not waited for, so that a later count of 0 means something.
pub async fn running(mark: &str, count: usize) {
    let start = Instant::now();
    while pids(mark).len() < count {
        assert!(start.elapsed() < Duration::from_secs(30), "only {} of {count} run", pids(mark).len());
        tokio::task::yield_now().await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let tmp = hermes_gateway::sandbox::session_tmp(
            self.config.name.as_str(),
            &self.config.root,
            &SessionId::parse("x").unwrap(),
        );
        let _ = fs::remove_dir_all(tmp.parent().unwrap());
    }
}

/// None of these tests asks a model.
fn model() -> ModelConfig {
    let second = Duration::from_secs(1);
    ModelConfig {
        vision: hermes_gateway::config::Vision::Auto,
        provider: Provider::Demo,
        provider_name: "demo".into(),
        default: "demo".into(),
        models: Vec::new(),
        options: serde_json::Map::new(),
        api_key: None,
        context_length: None,
        max_tokens: None,
        connect_timeout: second,
        first_byte_timeout: second,
        idle_timeout: second,
        attempts: 1,
        send_reasoning: false,
        more_keys: Vec::new(),
        pool: hermes_gateway::config::PoolStrategy::default(),
        prices: None,
    }
}

fn config(root: &Path) -> ProfileConfig {
    let path = |name: &str| -> PathBuf { root.join(name) };
    let second = Duration::from_secs(1);
    ProfileConfig {
        compression: CompressionConfig::default(),
        access: AccessConfig::default(),
        tls: None,
        name: ProfileName::parse("alice").unwrap(),
        root: root.to_owned(),
        state_dir: path("state"),
        workspace: path("workspace"),
        skills_dir: path("skills"),
        soul_file: path("SOUL.md"),
        listen: ([127, 0, 0, 1], 0).into(),
        api_key: None,
        cors_origins: Vec::new(),
        model_name: "alice".into(),
        model: model(),
        selection: SelectionConfig::default(),
        api: ApiConfig {
            max_concurrent_runs: 0,
            queue: 0,
            queue_timeout: second,
            on_busy: hermes_gateway::domain::OnBusy::Queue,
            max_body_bytes: 1_000_000,
            failed_turn_ok: false,
            show_reasoning: false,
        },
        approvals: ApprovalsConfig {
            mode: ApprovalMode::Off,
            timeout: None,
            unattended: Unattended::Deny,
            deny: Vec::new(),
            allow: Vec::new(),
            reviewer: None,
            review_timeout: Duration::from_secs(30),
        },
        terminal: terminal(second),
        memory: MemoryConfig::default(),
        prompt: hermes_gateway::config::PromptConfig::default(),
        skills: hermes_gateway::config::SkillsConfig::default(),
        agent: AgentConfig {
            max_turns: 90,
            loop_guard: hermes_gateway::config::LoopGuard::Off,
            verbose_tools: false,
        },
        tools: hermes_gateway::domain::ToolSelection::default(),
        delegation: hermes_gateway::config::DelegationConfig::default(),
        web: hermes_gateway::config::WebConfig::default(),
        vision: None,
        mcp: Vec::new(),
        retention: RetentionConfig {
            runs: second,
            derived_sessions: second,
            idempotency: second,
            audit: second,
        },
        responses: ResponsesConfig { stored: 1_000, tool_items: ToolItems::default() },
        env: [("TOKEN".to_owned(), Secret::new("from-the-env-file"))].into(),
    }
}

fn terminal(second: Duration) -> TerminalConfig {
    TerminalConfig {
        sandbox: SandboxLevel::Landlock,
        sandbox_most: SandboxLevel::Strict,
        unix_sockets: false,
        timeout: second * 60,
        max_timeout: second * 600,
        background_max: second * 86_400,
        env_passthrough: Vec::new(),
        roots: Vec::new(),
        network: NetworkConfig::default(),
        max_output: 50_000,
        limits: LimitsConfig::default(),
    }
}
