//! A home with the profiles `alice` and `bob` in front of a scripted upstream. It stays while processes come and go.

use super::{PATIENCE, Process, bounded::bounded, sled_blobs, upstream::Upstream};
use serde_json::Value;
use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

const HERMES: &str = env!("CARGO_BIN_EXE_hermes");

pub struct Site {
    pub upstream: Upstream,
    pub home: PathBuf,
    _dir: TempDir,
}

impl Site {
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// `config` is YAML for every profile.
    pub async fn with(config: &str) -> Self {
        let (upstream, dir) = (Upstream::start().await, TempDir::new().unwrap());
        let site = Self { upstream, home: dir.path().join("home"), _dir: dir };
        for name in ["alice", "bob"] {
            let root = site.profile_dir(name);
            fs::create_dir_all(&root).unwrap();
            site.set_env(name, 0, Some(&key(name)));
            let model = format!(
                "model:\n  default: scripted\n  provider: custom\n  base_url: {}\n  api_key: sk-test\n{config}",
                site.upstream.url()
            );
            fs::write(root.join("config.yaml"), model).unwrap();
        }
        site
    }

    /// The home's own `config.yaml`.
    pub fn home_config(self, yaml: &str) -> Self {
        fs::write(self.home.join("config.yaml"), yaml).unwrap();
        self
    }

    pub fn set_env(&self, profile: &str, port: u16, key: Option<&str>) {
        let mut env = format!("API_SERVER_ENABLED=true\nAPI_SERVER_PORT={port}\n");
        if let Some(key) = key {
            env.push_str(&format!("API_SERVER_KEY={key}\n"));
        }
        fs::write(self.profile_dir(profile).join(".env"), env).unwrap();
    }

    pub fn profile_dir(&self, profile: &str) -> PathBuf {
        self.home.join("profiles").join(profile)
    }

    /// `hermes --home HOME` with nothing of this process's environment but the way to the programs.
    pub fn command(&self) -> Command {
        let mut command = Command::new(HERMES);
        command.env_clear().env("PATH", env!("PATH")).arg("--home").arg(&self.home).current_dir(&self.home);
        command
    }

    /// Serves the home.
    pub async fn start(&self) -> Process {
        Process::start(self.command(), &self.home).await
    }

    /// A command that must succeed; gives its standard output.
    pub fn hermes(&self, words: &[&str]) -> String {
        let mut command = self.command();
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let Output { status, stdout, stderr } =
            bounded(child.id(), PATIENCE, || child.wait_with_output().unwrap());
        assert!(status.success(), "{words:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    /// What `hermes gateway status` says of a profile.
    pub fn status(&self, profile: &str) -> Value {
        let all: Value = serde_json::from_str(&self.hermes(&["gateway", "status", "--json"])).unwrap();
        let profiles = all[0]["profiles"].as_array().unwrap();
        profiles.iter().find(|status| status["name"] == profile).unwrap().clone()
    }
}

impl Drop for Site {
    /// Over the whole suite, as in the others.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(sled_blobs(&self.home), Vec::<PathBuf>::new(), "sled wrote blobs");
        }
    }
}

/// The key that a profile has in its `.env`.
pub fn key(profile: &str) -> String {
    format!("{profile}-key-0123456789abcdef")
}
