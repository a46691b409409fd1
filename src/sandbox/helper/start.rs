//! From an order to a running program.

use super::{
    confine::Confinement,
    group::{Door, Group},
    signals,
    terminal::{self, Terminal},
};
use crate::sandbox::{Order, Wall, World};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getpid, getppid, getrlimit, set_parent_process_death_signal,
    setpriority_process, setrlimit, setsid,
};
use std::{
    io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    process::Command,
};

/// What happens in the command's process between `fork` and `exec`.
pub struct Start {
    parent: Pid,
    /// The helper's own is better, so that it can always act.
    nice: i32,
    /// Into the command's control group.
    door: Option<Door>,
    limits: Vec<(Resource, u64)>,
    /// `None`: the parent is confined already.
    confinement: Option<Confinement>,
    /// What it reads from is its controlling terminal.
    on_terminal: bool,
}

impl Start {
    /// `fence`: how many processes and threads the kernel lets its user have, as far as it counts them.
    pub fn new(
        world: &World,
        nice: i32,
        fence: u64,
        group: Option<&Group>,
        confinement: Option<Confinement>,
    ) -> io::Result<Self> {
        let limits = &world.limits;
        // Where no group shares the processor out, everything else on the machine comes first.
        let nice = if group.is_some_and(Group::shares_cpu) { nice } else { 19 };
        let limits = vec![
            (Resource::Core, 0),
            (Resource::Fsize, limits.file_bytes),
            (Resource::Data, limits.memory_bytes),
            (Resource::Nofile, limits.open_files),
            (Resource::Nproc, fence),
            // Of one process. The sum is the helper's to count, and it comes first.
            (Resource::Cpu, limits.cpu_seconds + 2),
        ];
        let limits = if world.has(Wall::Rlimits) { limits } else { Vec::new() };
        let door = group.map(Group::door).transpose()?;
        Ok(Self { parent: getpid(), nice, door, limits, confinement, on_terminal: false })
    }

    /// Starts the command, on a terminal or with this standard input; a sentence when that failed.
    pub fn run(mut self, order: &Order, stdin: OwnedFd, terminal: Option<Terminal>) -> Result<Pid, String> {
        let mut command = Command::new(&order.program);
        command.args(&order.args).env_clear().envs(order.env.iter().map(|(name, value)| (name, value)));
        command.current_dir(&order.dir);
        self.on_terminal = terminal.is_some();
        match terminal.map(Terminal::ends).transpose() {
            Ok(Some([input, output, errors])) => command.stdin(input).stdout(output).stderr(errors),
            Ok(None) => command.stdin(stdin),
            Err(error) => return Err(format!("a terminal cannot be had: {error}")),
        };
        // SAFETY: this process has one thread, so the child of its fork may allocate and lock like any other process.
        unsafe { command.pre_exec(move || self.enter()) };
        let child = command.spawn().map_err(|error| {
            let (program, dir) = (order.program.display(), order.dir.display());
            format!("`{program}` could not be started in `{dir}`: {error}")
        })?;
        pid_of(&child).ok_or_else(|| "the child has no number".to_owned())
    }

    fn enter(&mut self) -> io::Result<()> {
        signals::restore()?;
        if let Some(door) = &self.door {
            door.enter()?;
        }
        setsid()?;
        if self.on_terminal {
            terminal::control()?;
        }
        stand_back();
        setpriority_process(None, self.nice)?;
        for &(resource, wanted) in &self.limits {
            lower(resource, wanted)?;
        }
        if let Some(confinement) = &mut self.confinement {
            confinement.enter()?;
        }
        // A helper that is killed outright cannot sweep up; at least the main process goes with it. Last: a change of
        // user clears it.
        die_with(self.parent)
    }
}

/// Has the kernel kill this process when its parent ends.
pub fn die_with(parent: Pid) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() == Some(parent) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
}

fn pid_of(child: &std::process::Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// Before anything else of the machine runs out of memory or processor time. Best effort: the niceness counts only
/// within a session where the kernel shares the processor out among sessions, and there the session needs its own.
pub fn stand_back() {
    let _ = std::fs::write("/proc/self/autogroup", "19");
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
}

/// Never raises: that would need a privilege.
fn lower(resource: Resource, wanted: u64) -> io::Result<()> {
    let hard = getrlimit(resource).maximum;
    let limit = hard.map_or(wanted, |hard| hard.min(wanted));
    Ok(setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?)
}
