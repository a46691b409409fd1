//! What this machine can enforce, found by doing it.

use super::{
    Limits, Machine, Network, Order, World, landlock, launch::run_blocking, limits::Groups, link::Report,
    tmp, view::View,
};
use crate::config::SandboxLevel;
use std::{path::PathBuf, sync::Arc, time::Duration};

/// A whole sandbox takes some milliseconds; a machine under load some hundred.
const PATIENCE: Duration = Duration::from_secs(10);

/// What this machine can enforce.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// The level in force.
    pub level: SandboxLevel,
    /// Landlock ABI; 0 = none.
    pub abi: u32,
    /// Why a higher level is not in force.
    pub reason: Option<String>,
    /// The program that is started as `PROGRAM sandbox-exec`.
    pub helper: Arc<PathBuf>,
    /// The room that all commands share.
    pub machine: Arc<Machine>,
}

impl Sandbox {
    /// Runs a whole sandbox once: a kernel may know Landlock and still refuse it, and a container may refuse seccomp.
    /// Blocking, some milliseconds.
    #[must_use]
    pub fn probe(helper: PathBuf) -> Self {
        let abi = landlock::abi();
        let (level, reason) = if abi == 0 {
            (SandboxLevel::None, Some("this kernel has no Landlock, or it is not enabled".to_owned()))
        } else {
            match trial(&helper) {
                Ok(()) => (SandboxLevel::Landlock, lacking(abi)),
                Err(reason) => (SandboxLevel::None, Some(reason)),
            }
        };
        let machine = Machine::new(Err("not asked for".to_owned()));
        Self { level, abi, reason, helper: Arc::new(helper), machine: Arc::new(machine) }
    }

    /// Has control groups hold the limits, where this process may make some. It is moved into one of them. Blocking.
    #[must_use]
    pub fn with_groups(self) -> Self {
        Self { machine: Arc::new(Machine::new(Groups::claim())), ..self }
    }

    /// Why no command may run where a profile asks for `floor`: half a sentence. `None`: they may.
    #[must_use]
    pub fn below(&self, floor: SandboxLevel) -> Option<String> {
        let name = |level| match level {
            SandboxLevel::None => "none",
            SandboxLevel::Landlock => "landlock",
            SandboxLevel::Strict => "strict",
        };
        let reason = self.reason.as_deref().unwrap_or("the reason is not known");
        (self.level < floor).then(|| {
            let (has, floor) = (name(self.level), name(floor));
            format!("the sandbox level here is `{has}`, this profile asks for `{floor}` ({reason})")
        })
    }
}

/// Runs `true` behind the full wall.
fn trial(helper: &std::path::Path) -> Result<(), String> {
    let dir = tmp::scratch().map_err(|error| format!("no folder for a trial: {error}"))?;
    let world = World {
        level: SandboxLevel::Landlock,
        readable: View::without(&[]).paths().to_vec(),
        writable: Vec::new(),
        workspace: dir.clone(),
        tmp: dir.clone(),
        owner: None,
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
    };
    let report = run_blocking(helper, &world, &order, PATIENCE);
    let _ = std::fs::remove_dir_all(&dir);
    match report {
        Ok(Report::Exited(0)) => Ok(()),
        Ok(Report::NotStarted(reason)) => Err(reason),
        Ok(other) => Err(format!("a trial command ended wrongly: {other:?}")),
        Err(error) => Err(format!("`{} sandbox-exec` does not work: {error}", helper.display())),
    }
}

fn lacking(abi: u32) -> Option<String> {
    match abi {
        0..=2 => {
            Some("Landlock before ABI 3 does not hold truncation of files; ABI 6 (Linux 6.12) is complete")
        }
        3..=5 => Some("Landlock before ABI 6 does not hold signals; ABI 6 (Linux 6.12) is complete"),
        6.. => None,
    }
    .or(Some("the strict level is not built yet"))
    .map(str::to_owned)
}
