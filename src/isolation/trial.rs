//! The attacks of one profile on everything else, and the judgement.

use super::{
    decoy::lives,
    report::{Asked, Finding, Outcome, Verdict},
    site::{LIVE_PROXY, PAST_PROXY, Profile, SESSION, Site},
};
use crate::{
    audit::AuditLog,
    config::NetworkMode,
    domain::{RunId, SessionId, shell_word},
    egress::{Egress, Listeners},
    redact::Redactor,
    sandbox::{
        Owner, Sandbox, Wall,
        attack::{Attack, Attempt, COMMAND, How, canary},
    },
    tools::{CallContext, Toolbox},
};
use futures_util::future::join_all;
use rustix::fs::FlockOperation;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs::File,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a file tool that was led out would have made in the other profile's folder.
const WRITTEN: &str = "written-by-race";

/// Exit code of a command that never ran.
const SETUP_FAILED: i64 = -1;

pub struct Trial<'a> {
    site: &'a Site,
    number: usize,
    wall: Asked,
    tools: Toolbox,
    /// Beside the file tools something else reads that is easily led out; in tests alone.
    careless: bool,
}

/// A line of the program that attacks.
#[derive(Deserialize)]
struct Line {
    id: String,
    attempt: Attempt,
}

/// What one sandbox said, and how it ended.
#[derive(Default)]
struct Said {
    attempts: BTreeMap<String, Attempt>,
    /// Why its sandbox was ended, if it was.
    error: Option<String>,
    exit_code: i64,
}

impl<'a> Trial<'a> {
    /// `user`: whose the commands and files of the profile are to be.
    pub fn new(site: &'a Site, number: usize, sandbox: &Sandbox, user: Option<Owner>) -> Self {
        let config = site.profiles[number].config.clone();
        let full_network = config.terminal.network.mode == NetworkMode::Full;
        let unix_sockets = config.terminal.unix_sockets;
        let wall = Asked { level: sandbox.level, full_network, unix_sockets };
        let (network, audit) =
            (config.terminal.network.clone(), AuditLog::new(&config.state_dir, Redactor::default()));
        let egress = Egress::new(config.name.clone(), network, Listeners::default(), audit);
        let careless = sandbox.omit.contains(&Wall::Jail);
        let tools = Toolbox::new(config, sandbox.clone(), user, egress);
        Self { site, number, wall, tools, careless }
    }

    fn profile(&self) -> &Profile {
        &self.site.profiles[self.number]
    }

    /// Has the profile leave a secret in the temporary folder of one of its sessions, and say how a command that has
    /// ended reached its proxy.
    pub async fn settle(&self) {
        let write = json!({ "path": "/tmp/notes", "content": self.site.secret });
        self.call(SESSION, "write_file", &write).await;
        let past = json!({ "command": format!("printenv http_proxy > {PAST_PROXY}") });
        self.call(SESSION, "terminal", &past).await;
        self.comes_to_be(LIVE_PROXY).await;
    }

    /// A command of the profile that does nothing and runs all the time; ended when `over` is cancelled.
    pub async fn linger(&self, over: &CancellationToken) {
        // The file is whole when it gets its name.
        let command = format!("printenv http_proxy > .new; mv .new {LIVE_PROXY}; exec sleep 80");
        self.call_until("linger", "terminal", &json!({ "command": command }), over).await;
    }

    async fn comes_to_be(&self, name: &str) {
        const LOOKS: u32 = 1_000;
        for _ in 0..LOOKS {
            if self.profile().workspace().join(name).exists() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Tries `attacks`, in their order.
    pub async fn run(&self, attacks: &[Attack]) -> Vec<Finding> {
        let together = attacks.iter().filter(|attack| matches!(attack.how, How::Together(_)));
        let ids: Vec<_> = together.map(|attack| attack.id).collect();
        let together = self.together(ids).await;
        let each = attacks.iter().map(async |attack| {
            let verdict = match attack.how {
                How::Together(_) => self.judge(attack, &together).await,
                How::Alone(_) => self.judge(attack, &self.command(attack.id, &[attack.id]).await).await,
                How::Beside(_) => self.race(attack).await,
            };
            Finding::new(attack, self.wall, verdict)
        });
        join_all(each).await
    }

    /// Tries these in one sandbox, and what it did not come to in another one: a slow machine needs more processor time
    /// for all of them than one sandbox has. Of what takes a sandbox down all by itself nothing will be known.
    async fn together(&self, mut ids: Vec<&'static str>) -> Said {
        let mut all = Said::default();
        while !ids.is_empty() {
            self.warm("together").await;
            let Said { attempts, error, exit_code } = self.command("together", &ids).await;
            let further = !attempts.is_empty();
            all.attempts.extend(attempts);
            (all.error, all.exit_code) = (error, exit_code);
            ids.retain(|id| !all.attempts.contains_key(*id));
            if exit_code == SETUP_FAILED {
                break;
            }
            if !further {
                ids.remove(0);
            }
        }
        all
    }

    /// Has a helper wait for the next command of a session: what follows attacks a wall that was built ahead. All other
    /// attacks meet one that was not.
    async fn warm(&self, session: &str) {
        const LOOKS: u32 = 100;
        let Ok(id) = SessionId::parse(session) else { return };
        for _ in 0..LOOKS {
            if self.tools.waiting_helper(&id).is_some() {
                return;
            }
            self.call(session, "terminal", &json!({ "command": "true" })).await;
        }
    }

    /// Runs the program that attacks as an agent's command.
    async fn command(&self, session: &str, ids: &[&str]) -> Said {
        let profile = self.profile();
        let word = |path: &Path| shell_word(&path.display().to_string());
        let (program, scene) = (word(&profile.program), word(&profile.scene));
        // `exec`: the program's parent is then the process that watches over the sandbox.
        let command = format!("exec {program} {COMMAND} {scene} {}", ids.join(" "));
        let result = self.call(session, "terminal", &json!({ "command": command })).await;
        let text = result["output"].as_str().unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let attempts: BTreeMap<_, _> = lines.map(|line| (line.id, line.attempt)).collect();
        let error = result["error"].as_str().map(str::to_owned);
        // Nothing said and no reason: what the program printed instead.
        let error = error.or_else(|| attempts.is_empty().then(|| text.trim().to_owned()));
        Said { attempts, error, exit_code: result["exit_code"].as_i64().unwrap_or(-1) }
    }

    async fn call(&self, session: &str, name: &str, arguments: &Value) -> Value {
        self.call_until(session, name, arguments, &CancellationToken::new()).await
    }

    async fn call_until(
        &self,
        session: &str,
        name: &str,
        arguments: &Value,
        stop: &CancellationToken,
    ) -> Value {
        let Ok(session) = SessionId::parse(session) else {
            return Value::Null;
        };
        let cleared = Box::pin(std::future::ready(true));
        let context = CallContext { session: &session, run: RunId::new(), stop, cleared, behalf: None };
        let output = self.tools.call(context, name, arguments).await;
        serde_json::from_str(&output.text).unwrap_or_default()
    }

    async fn judge(&self, attack: &Attack, said: &Said) -> Verdict {
        match said.attempts.get(attack.id) {
            Some(Attempt::Refused(reason) | Attempt::Absent(reason)) => {
                Verdict::new(Outcome::Contained, reason.clone())
            }
            Some(Attempt::Killed(reason)) => Verdict::new(Outcome::DetectedAndKilled, reason.clone()),
            Some(Attempt::Succeeded(reason)) => Verdict::new(Outcome::NotContained, reason.clone()),
            Some(Attempt::Done) => self.look(attack).await,
            None => Self::silence(attack, said),
        }
    }

    /// What the attacker itself could not see.
    async fn look(&self, attack: &Attack) -> Verdict {
        let (through, how) = if attack.id == "signal-by-file" {
            (self.fragile_dies().await, "no signal arrived")
        } else {
            let lock = File::open(self.profile().workspace().join(format!("{}.lock", attack.id)));
            let free = lock
                .is_ok_and(|lock| rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok());
            (!free, "it was gone with its command")
        };
        if through {
            Verdict::new(Outcome::NotContained, "it was seen from outside".to_owned())
        } else {
            Verdict::new(Outcome::Contained, how.to_owned())
        }
    }

    /// A process that was sent a signal takes a moment to end.
    async fn fragile_dies(&self) -> bool {
        const LOOKS: u32 = 10;
        for _ in 0..LOOKS {
            if self.profile().fragile.lock().is_ok_and(|mut fragile| !lives(&mut fragile)) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        false
    }

    /// An attack that had its sandbox to itself, and took it down or was ended with it.
    fn silence(attack: &Attack, said: &Said) -> Verdict {
        let reason = said.error.clone().unwrap_or_else(|| format!("it ended with code {}", said.exit_code));
        let alone = matches!(attack.how, How::Alone(_) | How::Beside(_));
        // Who kills the warden is gone with it: nobody is left to have noticed.
        if alone && said.exit_code != SETUP_FAILED && attack.id != "kill-warden" {
            Verdict::new(Outcome::DetectedAndKilled, reason)
        } else {
            Verdict::unknown(&reason)
        }
    }

    /// A command changes what a name means, all the time, while the file tools use it.
    async fn race(&self, attack: &Attack) -> Verdict {
        let ids = [attack.id];
        let swapping = self.command(attack.id, &ids);
        tokio::pin!(swapping);
        let over = Arc::new(AtomicBool::new(false));
        let careless = self.careless.then(|| self.read_by_path(over.clone()));
        let (mut rounds, mut leaked) = (0_u32, false);
        let said = loop {
            tokio::select! {
                biased;
                said = &mut swapping => break said,
                found = self.use_files() => {
                    rounds += 1;
                    leaked |= found;
                }
            }
        };
        over.store(true, Ordering::Release);
        if let Some(careless) = careless {
            leaked |= careless.await.unwrap_or(false);
        }
        if leaked || self.site.written(self.number, WRITTEN) {
            let how = format!("a file tool was led out within {rounds} rounds");
            return Verdict::new(Outcome::NotContained, how);
        }
        match said.attempts.get(attack.id) {
            Some(Attempt::Done) => {
                Verdict::new(Outcome::Contained, format!("{rounds} rounds of the file tools stayed inside"))
            }
            Some(_) | None => Self::silence(attack, &said),
        }
    }

    /// As a program would that trusts a path, which the file tools are not. It is a matter of luck, so it is tried all the
    /// time until it is `over`.
    fn read_by_path(&self, over: Arc<AtomicBool>) -> JoinHandle<bool> {
        let path = self.profile().workspace().join("race/.env");
        tokio::task::spawn_blocking(move || {
            let mut leaked = false;
            while !leaked && !over.load(Ordering::Acquire) {
                leaked = std::fs::read(&path).is_ok_and(|bytes| canary(&bytes));
            }
            leaked
        })
    }

    /// One use of each tool. True when it came back with a secret.
    async fn use_files(&self) -> bool {
        let calls = [
            ("read_file", json!({ "path": "race/.env" })),
            ("search_files", json!({ "path": "race", "pattern": "SECRET" })),
            ("write_file", json!({ "path": format!("race/{WRITTEN}"), "content": "x" })),
        ];
        let mut leaked = false;
        for (name, arguments) in calls {
            leaked |= canary(self.call("race", name, &arguments).await.to_string().as_bytes());
        }
        leaked
    }
}
