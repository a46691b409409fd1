//! A home with its profiles, and the gateway that serves it.

use super::{Client, Upstream, blobs::sled_blobs};
use hermes_gateway::{
    actors::{Editor, KeySpec, Rights, Tenant},
    config::ProcessEnv,
    domain::ProfileName,
    gateway::{Gateway, GatewayOptions, Selection},
    redact::Redactors,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;

/// What a test wants of its house beyond the usual.
#[derive(Default)]
pub struct Plan {
    /// YAML that is added to every profile's `config.yaml`.
    pub config: String,
    /// The home's own `config.yaml`.
    pub home_config: String,
    /// The section `model`, instead of one for the scripted upstream.
    pub model: Option<String>,
    /// The home's own `.env`: with a key in it, the profile `default` is served too.
    pub home_env: String,
    /// Entries that are added to alice's `.env`.
    pub alice_env: String,
    /// Worker threads beyond the first.
    pub more_workers: usize,
}

impl Plan {
    pub fn config(text: &str) -> Self {
        Self { config: text.to_owned(), ..Self::default() }
    }
}

/// A gateway with the profiles `alice` and `bob`, both in front of one scripted upstream.
pub struct House {
    pub gateway: Option<Gateway>,
    pub upstream: Upstream,
    pub home: PathBuf,
    workers: usize,
    /// What the process's log would be cleaned with.
    pub redactors: Redactors,
    _dir: TempDir,
}

impl House {
    /// alice and bob as they come.
    pub async fn open() -> Self {
        Self::with(Plan::default()).await
    }

    pub async fn with(plan: Plan) -> Self {
        let upstream = Upstream::start().await;
        let dir = TempDir::new().unwrap();
        let home = dir.path().join("home");
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("config.yaml"), &plan.home_config).unwrap();
        fs::write(home.join(".env"), &plan.home_env).unwrap();
        for name in ["alice", "bob"] {
            let scripted = || {
                format!(
                    "model:\n  default: scripted\n  provider: custom\n  base_url: {}\n  api_key: sk-test\n",
                    upstream.url()
                )
            };
            let model = plan.model.clone().unwrap_or_else(scripted);
            let more_env = if name == "alice" { plan.alice_env.as_str() } else { "" };
            furnish(&home, name, &format!("{model}{}", plan.config), more_env);
        }
        let mut house = Self {
            gateway: None,
            upstream,
            home,
            workers: 1 + plan.more_workers,
            redactors: Redactors::default(),
            _dir: dir,
        };
        house.start().await;
        house
    }

    /// Starts the gateway over the home as it is now.
    pub async fn start(&mut self) {
        let options = GatewayOptions {
            home: self.home.clone(),
            selection: Selection::All,
            env: ProcessEnv::default(),
            sandbox_helper: env!("CARGO_BIN_EXE_hermes").into(),
            workers: Some(self.workers),
            redactors: self.redactors.clone(),
        };
        self.gateway = Some(Gateway::start(options).await.unwrap());
    }

    /// Stops it in order, with `grace` for running turns.
    pub async fn stop(&mut self, grace: Duration) {
        if let Some(gateway) = self.gateway.take() {
            gateway.stop(grace).await;
        }
    }

    /// Ends the house.
    pub async fn close(mut self) {
        self.stop(Duration::ZERO).await;
    }

    pub fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    /// A client with the profile's own key.
    pub async fn client(&self, profile: &str) -> Client {
        Client::new(self.base(profile).await, Some(key(profile)))
    }

    /// A client with a new key of the profile, which has these rights.
    pub async fn holder(&self, profile: &str, rights: Rights) -> Client {
        let key =
            self.tenant(profile).await.create_key(KeySpec::new("test", rights), &Editor::Operator).await;
        self.client(profile).await.with_key(Some(key.unwrap().token.reveal()))
    }

    pub async fn alice(&self) -> Client {
        self.client("alice").await
    }

    pub async fn bob(&self) -> Client {
        self.client("bob").await
    }

    /// `http://127.0.0.1:PORT`
    pub async fn base(&self, profile: &str) -> String {
        let name = ProfileName::parse(profile).unwrap();
        let addr = self.gateway().addr(&name).await;
        format!("http://{}", addr.unwrap_or_else(|| panic!("`{profile}` does not listen")))
    }

    pub async fn tenant(&self, profile: &str) -> Arc<Tenant> {
        self.gateway().tenant(&ProfileName::parse(profile).unwrap()).await.unwrap()
    }

    pub fn profile_dir(&self, profile: &str) -> PathBuf {
        self.home.join("profiles").join(profile)
    }

    /// All entries of a profile's audit log that are on disk.
    pub fn audit(&self, profile: &str) -> Vec<Value> {
        let mut lines = Vec::new();
        for entry in fs::read_dir(self.profile_dir(profile).join("state/audit")).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        }
        lines
    }
}

impl Drop for House {
    /// Over the whole suite.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(sled_blobs(&self.home), Vec::<PathBuf>::new(), "sled wrote blobs");
        }
    }
}

/// The result of one call of a tool, as the model read it.
pub async fn called(house: &House, client: &Client, tool: &str, arguments: Value) -> Value {
    let run = client.run(&format!("@@tool {tool} {arguments}")).await;
    client.finished(&run).await;
    let requests = house.upstream.requests();
    let messages = requests.last().unwrap()["messages"].as_array().unwrap();
    let result = messages.iter().rev().find(|message| message["role"] == "tool").unwrap();
    serde_json::from_str(result["content"].as_str().unwrap()).unwrap()
}

/// The key that a test profile has in its `.env`.
pub fn key(profile: &str) -> String {
    format!("{profile}-key-0123456789abcdef")
}

fn furnish(home: &Path, name: &str, config: &str, more_env: &str) {
    let root = home.join("profiles").join(name);
    fs::create_dir_all(&root).unwrap();
    let env = format!("API_SERVER_ENABLED=true\nAPI_SERVER_PORT=0\nAPI_SERVER_KEY={}\n{more_env}", key(name));
    fs::write(root.join(".env"), env).unwrap();
    fs::write(root.join("config.yaml"), config).unwrap();
}
