//! The command's processes: everything below the helper, since it is their subreaper. Daemons, double forks and new
//! sessions do not leave it.

use super::signals::Signals;
use crate::sandbox::landlock;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{
        Pid, PidfdFlags, Signal, WaitOptions, getpid, getppid, kill_process, kill_process_group, pidfd_open,
        pidfd_send_signal, test_kill_process, wait, waitpid,
    },
};
use std::fs;

const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// How the tree can be killed.
#[derive(Debug, Clone, Copy)]
pub struct Tree {
    /// The kernel refuses our signals to everything outside the tree, so that "all processes" means the tree: killed
    /// in one call, in which nothing can fork.
    scoped: bool,
}

impl Tree {
    /// To be called before the command is started: it belongs to the tree from its birth.
    pub fn plant() -> Self {
        // The gateway started us and lies outside. If it could be signalled, the scope would not be what we think, and
        // "all" would be the whole machine.
        let outside_is_safe =
            || getppid().is_some_and(|gateway| test_kill_process(gateway) == Err(Errno::PERM));
        Self { scoped: landlock::scope_signals() && outside_is_safe() }
    }

    /// Kills and reaps until nothing is left. `main` was not reaped yet, so that its group's number is still its own.
    /// A process that the kernel holds fast keeps the helper here: without it nobody would end that process later.
    pub fn kill_all(self, main: Pid, signals: &Signals) {
        let _ = kill_process_group(main, Signal::KILL);
        loop {
            if self.scoped {
                // SAFETY: sends a signal; touches no memory. See `plant` for why this cannot reach others.
                unsafe { libc::kill(-1, libc::SIGKILL) };
            } else {
                // A stopped process makes no children: freeze first, or a fork bomb outruns us.
                while freeze_new() {}
                for child in children(getpid()) {
                    // Our own child: its number cannot be reused before we have reaped it.
                    let _ = kill_process(child, Signal::KILL);
                }
            }
            if reap_all() {
                return;
            }
            while signals.next().is_some() {}
            let _ = poll(&mut [PollFd::new(signals, PollFlags::IN)], Some(&PAUSE));
        }
    }
}

/// Processes below the helper; stops counting soon after `most`.
pub fn count(most: u32) -> u32 {
    let mut found = 0_u32;
    let mut open = vec![getpid()];
    while let Some(parent) = open.pop() {
        let children = children(parent);
        found = found.saturating_add(u32::try_from(children.len()).unwrap_or(u32::MAX));
        if found > most {
            break;
        }
        open.extend(children);
    }
    found
}

/// Collects adopted children that have ended, but leaves `main` for later.
pub fn reap_adopted(main: Pid) {
    for child in children(getpid()) {
        if child != main {
            let _ = waitpid(Some(child), WaitOptions::NOHANG);
        }
    }
}

/// Collects whatever has ended. True when no child is left.
fn reap_all() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

/// Kills grandchildren and deeper, stops direct children. True when it met one that may still have made others.
fn freeze_new() -> bool {
    let mut met = false;
    let mut open: Vec<Pid> = Vec::new();
    for child in children(getpid()) {
        let _ = kill_process(child, Signal::STOP);
        open.push(child);
    }
    while let Some(parent) = open.pop() {
        for child in children(parent) {
            met |= kill_child_of(parent, child);
            open.push(child);
        }
    }
    met
}

/// Kills a process that is not our own child, unless its number has come to mean another process meanwhile.
fn kill_child_of(parent: Pid, child: Pid) -> bool {
    let Ok(handle) = pidfd_open(child, PidfdFlags::empty()) else {
        return false;
    };
    // The handle is held: if the number still belongs to a child of `parent`, so does the handle.
    match status_of(child) {
        Some((state, above)) if above == parent.as_raw_nonzero().get() && state != 'Z' => {
            pidfd_send_signal(&handle, Signal::KILL).is_ok()
        }
        _ => false,
    }
}

/// State and parent, from `pid (any name) S ppid …`.
fn status_of(pid: Pid) -> Option<(char, i32)> {
    let text = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let text = String::from_utf8_lossy(&text);
    let (_name, rest) = text.rsplit_once(") ")?;
    let mut words = rest.split(' ');
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}

/// Children of all threads of a process.
fn children(pid: Pid) -> Vec<Pid> {
    let tasks = format!("/proc/{}/task", pid.as_raw_nonzero());
    let Ok(threads) = fs::read_dir(tasks) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for thread in threads.flatten() {
        let Ok(text) = fs::read_to_string(thread.path().join("children")) else {
            return children_by_scan(pid);
        };
        found.extend(text.split_ascii_whitespace().filter_map(pid_of));
    }
    found
}

/// For kernels that keep no list of children (and for threads that end while we look).
fn children_by_scan(parent: Pid) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let parent = parent.as_raw_nonzero().get();
    let pids = entries.flatten().filter_map(|entry| pid_of(entry.file_name().to_str()?));
    pids.filter(|&pid| status_of(pid).is_some_and(|(_, above)| above == parent)).collect()
}

fn pid_of(text: &str) -> Option<Pid> {
    text.parse().ok().and_then(Pid::from_raw)
}
