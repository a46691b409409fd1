//! Waiting for whatever ends a command: itself, the gateway, a signal, or too many processes.

use super::{
    signals::{Notice, Signals},
    tree,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, WaitId, WaitIdOptions, waitid},
};
use std::{fs, io, os::unix::net::UnixStream};

/// Why the wait is over.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Exited(i32),
    Signalled(i32),
    Crowded(u32),
    /// By the gateway, or by the gateway's end.
    Told,
}

/// How often the number of processes is looked at. A fork bomb makes some hundred in that time.
const PERIOD: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

pub fn until_end(control: &UnixStream, signals: &Signals, main: Pid, most: u32) -> io::Result<End> {
    let quiet = machine_tasks().unwrap_or(0).saturating_add(most / 2);
    loop {
        let mut fds = [PollFd::new(control, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
        match poll(&mut fds, Some(&PERIOD)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // After its policy the gateway has nothing to say: a byte, an end and an error all mean the same.
        if !fds[0].revents().is_empty() {
            return Ok(End::Told);
        }
        let mut child_ended = false;
        while let Some(notice) = signals.next() {
            match notice {
                Notice::End => return Ok(End::Told),
                Notice::Child => child_ended = true,
            }
        }
        if child_ended {
            if let Some(end) = ended(main) {
                return Ok(end);
            }
            tree::reap_adopted(main);
        }
        // Walking the tree costs a read per process; the machine's own count is one read.
        if machine_tasks().is_none_or(|now| now > quiet) {
            let count = tree::count(most);
            if count > most {
                return Ok(End::Crowded(count));
            }
        }
    }
}

/// How the main process ended. It stays unreaped: its number must keep meaning its group until that is killed.
fn ended(main: Pid) -> Option<End> {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let status = waitid(WaitId::Pid(main), look).ok()??;
    let signalled = status.terminating_signal().map(End::Signalled);
    signalled.or_else(|| status.exit_status().map(End::Exited))
}

/// Tasks on the whole machine: the number after the slash in `0.00 0.01 0.05 1/234 5678`.
fn machine_tasks() -> Option<u32> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    let (_running, rest) = text.split_once('/')?;
    rest.split_once(' ')?.0.parse().ok()
}
