//! The command's processes: everything below the helper, since it is their subreaper. Daemons, double forks and new
//! sessions do not leave it.

use super::signals::Signals;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{
        Pid, PidfdFlags, Signal, WaitOptions, getpid, kill_process, pidfd_open, pidfd_send_signal,
        setpriority_process, wait,
    },
};
use std::{
    fs,
    time::{Duration, Instant},
};

/// A process in an uninterruptible sleep does not die before the kernel lets it; the helper does not wait for ever.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

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

/// Kills and reaps until nothing is left.
pub fn kill_all(signals: &Signals) {
    if matches!(wait_any(), Waited::Nobody) {
        return;
    }
    // Among hundreds of runnable processes we would hardly get to run. Refused to ordinary users.
    let _ = setpriority_process(None, -20);
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        // A stopped process makes no children: freeze first, or a fork bomb outruns us.
        while freeze_new() && started.elapsed() < PATIENCE {}
        for child in children(getpid()) {
            // Our own child: its number cannot be reused before we have reaped it.
            let _ = kill_process(child, Signal::KILL);
        }
        loop {
            match wait_any() {
                Waited::Reaped => {}
                Waited::Running => break,
                Waited::Nobody => return,
            }
        }
        while signals.next().is_some() {}
        let _ = poll(&mut [PollFd::new(signals, PollFlags::IN)], Some(&PAUSE));
    }
}

enum Waited {
    Reaped,
    Running,
    Nobody,
}

fn wait_any() -> Waited {
    match wait(WaitOptions::NOHANG) {
        Ok(Some(_)) | Err(Errno::INTR) => Waited::Reaped,
        Ok(None) => Waited::Running,
        Err(_) => Waited::Nobody,
    }
}

/// Kills grandchildren and deeper, stops direct children. True when it met one that may still have made others.
fn freeze_new() -> bool {
    let us = getpid();
    let mut met = false;
    let mut open: Vec<Pid> = Vec::new();
    for child in children(us) {
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
