//! What this machine can enforce, found by doing it.

use super::{
    ForkServer, Limits, Machine, Network, Order, Standing, Wall, Way, World, landlock,
    launch::run_blocking,
    limits::Groups,
    link::{Beginning, Report},
    tmp,
    view::View,
};
use crate::config::SandboxLevel;
use std::{path::Path, path::PathBuf, sync::Arc, time::Duration};

/// A whole sandbox takes some milliseconds; a machine under load some hundred.
const PATIENCE: Duration = Duration::from_secs(10);

/// From the best to the last resort. A user namespace leaves a command nothing even of its user's rights.
const WAYS: [Way; 3] = [
    Way { user_namespace: true, proc: true },
    Way { user_namespace: false, proc: true },
    Way { user_namespace: true, proc: false },
];

/// What this machine can enforce.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// The level in force.
    pub level: SandboxLevel,
    /// How level `strict` is built, where it is.
    pub way: Way,
    /// Landlock ABI; 0 = none.
    pub abi: u32,
    /// Why a higher level is not in force, or what is lacking at this one.
    pub reason: Option<String>,
    /// Whether it was seen to hold.
    pub standing: Standing,
    /// Walls that are left out, to show what each of them stops. Always empty but in tests: no setting leads here.
    pub omit: Vec<Wall>,
    /// Where helpers come from.
    pub helper: Arc<ForkServer>,
    /// The room that all commands share.
    pub machine: Arc<Machine>,
}

impl Sandbox {
    /// Runs a whole sandbox once: a kernel may know Landlock and still refuse it, a container may refuse seccomp, and
    /// some systems let a user namespace be made and then refuse every mount in it. Blocking, some milliseconds.
    #[must_use]
    pub fn probe(helper: PathBuf) -> Self {
        let mut found = Self {
            level: SandboxLevel::None,
            way: WAYS[0],
            abi: landlock::abi(),
            reason: None,
            standing: Standing::default(),
            omit: Vec::new(),
            helper: Arc::new(ForkServer::new(helper)),
            machine: Arc::new(Machine::new(Err("not asked for".to_owned()))),
        };
        if found.abi == 0 {
            found.reason = Some("this kernel has no Landlock, or it is not enabled".to_owned());
            return found;
        }
        let mut refusals = Vec::new();
        for way in WAYS {
            match trial(found.helper.program(), SandboxLevel::Strict, way) {
                Ok(()) => {
                    found.level = SandboxLevel::Strict;
                    found.way = way;
                    found.reason = lacking(found.abi, way);
                    return found;
                }
                Err(reason) => refusals.push(reason),
            }
        }
        match trial(found.helper.program(), SandboxLevel::Landlock, found.way) {
            Ok(()) => {
                found.level = SandboxLevel::Landlock;
                found.reason = refusals.into_iter().next();
            }
            Err(reason) => found.reason = Some(reason),
        }
        found
    }

    /// How level `strict` is built, as it is published. `None` at the other levels.
    #[must_use]
    pub const fn way_name(&self) -> Option<&'static str> {
        match (self.level, self.way.user_namespace) {
            (SandboxLevel::Strict, true) => Some("user_namespace"),
            (SandboxLevel::Strict, false) => Some("root"),
            (SandboxLevel::Landlock | SandboxLevel::None, _) => None,
        }
    }

    /// The same machine for a profile that wants no higher level than `most`.
    #[must_use]
    pub fn at_most(&self, most: SandboxLevel) -> Self {
        let mut capped = self.clone();
        if self.level > most {
            capped.level = most;
            capped.reason = Some("`terminal.sandbox_most` asks for no more".to_owned());
        }
        capped
    }

    /// Has control groups hold the limits, where this process may make some. It is moved into one of them. Blocking.
    #[must_use]
    pub fn with_groups(self) -> Self {
        Self { machine: Arc::new(Machine::new(Groups::claim())), ..self }
    }

    /// The same wall for one profile: what becomes known of it is not known of others.
    #[must_use]
    pub fn apart(self) -> Self {
        Self { standing: self.standing.of_another(), ..self }
    }

    /// Why no command may run where a profile asks for `floor`: half a sentence. `None`: they may.
    #[must_use]
    pub fn below(&self, floor: SandboxLevel) -> Option<String> {
        // Who asks for no wall misses nothing when it is broken.
        let breach = || (floor > SandboxLevel::None).then(|| self.standing.breach()).flatten();
        self.lacks(floor).or_else(breach)
    }

    /// As `below`, by what the machine has, whatever attacks have shown.
    #[must_use]
    pub fn lacks(&self, floor: SandboxLevel) -> Option<String> {
        let reason = self.reason.as_deref().unwrap_or("the reason is not known");
        (self.level < floor).then(|| {
            let (has, floor) = (self.level.name(), floor.name());
            format!("the sandbox level here is `{has}`, this profile asks for `{floor}` ({reason})")
        })
    }
}

/// Runs `true` behind the full wall.
fn trial(helper: &Path, level: SandboxLevel, way: Way) -> Result<(), String> {
    let dir = tmp::scratch().map_err(|error| format!("no folder for a trial: {error}"))?;
    let view = View::without(&[]);
    let world = World {
        level,
        readable: view.paths().to_vec(),
        links: view.links().to_vec(),
        writable: Vec::new(),
        workspace: dir.clone(),
        tmp: dir.clone(),
        known: Vec::new(),
        owner: None,
        user: "agent".into(),
        network: Network::Off,
        limits: Limits::default(),
        unix_sockets: false,
        omit: Vec::new(),
    };
    let order = Order {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), "true".into()],
        env: Vec::new(),
        dir: dir.clone(),
        terminal: None,
    };
    let report = run_blocking(helper, &Beginning { world, way, shell: None }, &order, PATIENCE);
    let _ = std::fs::remove_dir_all(&dir);
    match report {
        Ok(Report::Exited(0)) => Ok(()),
        Ok(Report::NotStarted(reason)) => Err(reason),
        Ok(other) => Err(format!("a trial command ended wrongly: {other:?}")),
        Err(error) => Err(format!("`{} sandbox-exec` does not work: {error}", helper.display())),
    }
}

fn lacking(abi: u32, way: Way) -> Option<String> {
    let lacks = match abi {
        0..=2 => {
            Some("Landlock before ABI 3 does not hold truncation of files; ABI 6 (Linux 6.12) is complete")
        }
        3..=5 => Some("Landlock before ABI 6 does not hold signals; ABI 6 (Linux 6.12) is complete"),
        6.. if !way.proc => Some(
            "commands have no /proc: parts of this machine's own are covered, so that none can be made anew",
        ),
        6.. => None,
    };
    lacks.map(str::to_owned)
}
