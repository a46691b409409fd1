//! What happens in the command's process between `fork` and `exec`.

use super::{group::Door, signals};
use crate::{
    config::SandboxLevel,
    sandbox::{self, World, landlock, seccomp::Filters},
};
use ::landlock::RulesetCreated;
use rustix::{
    process::{
        Pid, Resource, Rlimit, Signal, getpid, getppid, getrlimit, set_parent_process_death_signal,
        setpriority_process, setrlimit, setsid,
    },
    thread::{
        CapabilitySet, CapabilitySets, clear_ambient_capability_set, remove_capability_from_bounding_set,
        set_capabilities, set_no_new_privs,
    },
};
use std::io;

/// Everything prepared, so that the child has only system calls to make.
pub struct Wall {
    helper: Pid,
    /// The helper's own is better, so that it can always act.
    nice: i32,
    /// Into the command's control group.
    door: Option<Door>,
    limits: [(Resource, u64); 6],
    rules: Option<RulesetCreated>,
    filters: Option<Filters>,
}

impl Wall {
    pub fn prepare(world: &World, nice: i32, door: Option<Door>) -> io::Result<Self> {
        let confined = world.level > SandboxLevel::None;
        let rules = || landlock::rules(world).map_err(io::Error::other);
        let filters = || Filters::new().map_err(io::Error::other);
        let rules = (confined && world.has(sandbox::Wall::Landlock)).then(rules).transpose()?;
        let filters = (confined && world.has(sandbox::Wall::Seccomp)).then(filters).transpose()?;
        let limits = &world.limits;
        Ok(Self {
            helper: getpid(),
            nice,
            door,
            limits: [
                (Resource::Core, 0),
                (Resource::Fsize, limits.file_bytes),
                (Resource::Data, limits.memory_bytes),
                (Resource::Nofile, limits.open_files),
                // Counts all processes and threads of the user, the gateway's too: a last fence, not the limit.
                (Resource::Nproc, limits.user_processes),
                // Of one process. The sum is the helper's to count, and it comes first.
                (Resource::Cpu, limits.cpu_seconds + 2),
            ],
            rules,
            filters,
        })
    }

    pub fn enter(&mut self) -> io::Result<()> {
        signals::restore()?;
        if let Some(door) = &self.door {
            door.enter()?;
        }
        setsid()?;
        stand_back();
        // A helper that is killed outright cannot sweep up; at least the main process goes with it.
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() != Some(self.helper) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        setpriority_process(None, self.nice)?;
        for (resource, wanted) in self.limits {
            lower(resource, wanted)?;
        }
        set_no_new_privs(true)?;
        if let Some(rules) = self.rules.take() {
            drop_capabilities()?;
            landlock::enter(rules)?;
        }
        match &self.filters {
            Some(filters) => filters.enter(),
            None => Ok(()),
        }
    }
}

/// Before anything else of the machine runs out of memory or processor time. Best effort: the niceness counts only
/// within a session where the kernel shares the processor out among sessions, and there the session needs its own.
fn stand_back() {
    let _ = std::fs::write("/proc/self/autogroup", "19");
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
}

/// Never raises: that would need a privilege.
fn lower(resource: Resource, wanted: u64) -> io::Result<()> {
    let hard = getrlimit(resource).maximum;
    let limit = hard.map_or(wanted, |hard| hard.min(wanted));
    Ok(setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?)
}

/// Root's commands are those of an ordinary user with number 0: modes and owners hold for them, and Landlock has no rule
/// for `chown` nor for what lies outside the file system.
///
/// Running a program would give root everything back, up to the bounding set; that set is emptied, and where this root
/// may not do so `no_new_privs` (set before) holds the program to what its caller had: nothing.
fn drop_capabilities() -> io::Result<()> {
    let _ = clear_ambient_capability_set();
    let session = libc::KEYCTL_JOIN_SESSION_KEYRING;
    // SAFETY: a null name asks for a new, unnamed keyring; the kernel reads no memory of ours. Best effort: some
    // containers refuse it, and the filter refuses all keyring calls anyway.
    unsafe { libc::syscall(libc::SYS_keyctl, session, std::ptr::null::<libc::c_char>()) };
    let held = rustix::thread::capabilities(None)?.permitted;
    for capability in CapabilitySet::all().iter() {
        // Fails for those that this kernel does not know, and all at once for an ordinary user.
        if remove_capability_from_bounding_set(capability).is_err() && held.is_empty() {
            break;
        }
    }
    let none = CapabilitySet::empty();
    Ok(set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?)
}
