//! Waiting: for an order, and for whatever ends a command, itself, the gateway, a signal, or one of its limits.

use super::{
    meter::Meter,
    signals::{Notice, Signals},
    start::{Staying, Word},
    tree::Tree,
};
use crate::sandbox::{Breach, Report, link::Inbox};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid},
};
use std::{
    io,
    os::{fd::AsFd, unix::net::UnixStream},
};

/// Why the wait is over.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Exited(i32),
    Signalled(i32),
    /// The command never ran.
    NotStarted(String),
    Over(Breach),
    /// By the gateway, or by the gateway's end.
    Told,
}

impl End {
    /// What the gateway is told; nothing when it was the gateway that ended it.
    pub fn report(self) -> Option<Report> {
        match self {
            Self::Exited(code) => Some(Report::Exited(code)),
            Self::Signalled(signal) => Some(Report::Signalled(signal)),
            Self::NotStarted(reason) => Some(Report::NotStarted(reason)),
            Self::Over(breach) => Some(Report::Over(breach)),
            Self::Told => None,
        }
    }
}

/// How often the machine is looked at. A fork bomb makes some hundred processes in that time.
const PERIOD: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Waits until an order comes, which may be long. `settle` is called now and then, until it says that it is done.
///
/// # Errors
///
/// The process that is to have it was killed meanwhile. Whoever waits with it must end, too, so that nobody gives it one.
pub fn until_order(
    orders: &UnixStream,
    inbox: &Inbox,
    below: Pid,
    mut settle: impl FnMut() -> bool,
) -> io::Result<()> {
    let mut settled = settle();
    // Kernels before 5.3 cannot say it; then the order finds it out.
    let Ok(end) = pidfd_open(below, PidfdFlags::empty()) else { return Ok(()) };
    while inbox.is_empty() {
        let mut fds = [PollFd::new(orders, PollFlags::IN), PollFd::new(&end, PollFlags::IN)];
        match poll(&mut fds, if settled { None } else { Some(&PERIOD) }) {
            Ok(0) => settled = settle(),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !fds[1].revents().is_empty() {
            return Err(io::Error::other("it was killed before it had an order"));
        }
        if !fds[0].revents().is_empty() {
            break;
        }
    }
    Ok(())
}

/// Waits for the end, and sees to it that it is one. `reap` is false only where a test wants something to be left. The
/// process that waits for the next order, or the shell that stays, ends with the command, unless that has left nothing:
/// then the second part is true.
pub fn to_the_end(
    control: &UnixStream,
    signals: &Signals,
    main: Pid,
    tree: &mut Tree,
    mut meter: Meter,
    reap: bool,
    stays: Option<&mut Staying>,
) -> io::Result<(End, bool)> {
    let shell = stays.is_some();
    let end = until_end(control, signals, main, tree, &mut meter, stays);
    let by_itself = matches!(end, Ok(End::Exited(_) | End::Signalled(_)));
    let goes_on = by_itself
        && if shell { ended(main).is_none() && tree.is_left_with(main) } else { tree.goes_on(main) };
    if reap && !goes_on {
        if let Some(group) = meter.group() {
            group.kill();
        }
        tree.kill_all(main, signals);
    }
    match (end?, meter.killed_by_group()) {
        (End::Exited(_) | End::Signalled(_), Some(breach)) => Ok((End::Over(breach), false)),
        (end, _) => Ok((end, goes_on)),
    }
}

fn until_end(
    control: &UnixStream,
    signals: &Signals,
    main: Pid,
    tree: &mut Tree,
    meter: &mut Meter,
    mut stays: Option<&mut Staying>,
) -> io::Result<End> {
    let mut behind = false;
    loop {
        behind = behind || tree.stand_back();
        // Nothing is waited for on what has an end already; its process's end comes as a signal.
        let shell = stays.as_ref().map_or(control.as_fd(), |shell| shell.as_fd());
        let mut fds =
            [control.as_fd(), signals.as_fd(), shell].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        match poll(&mut fds, Some(&PERIOD)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // After its order the gateway has nothing to say: a byte, an end and an error all mean the same.
        if !fds[0].revents().is_empty() {
            return Ok(End::Told);
        }
        let said = !fds[2].revents().is_empty();
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
            tree.reap_adopted(main);
        }
        if let Some(shell) = stays.as_mut().filter(|_| said) {
            match shell.word() {
                Ok(Some(Word::Exited(code))) => return Ok(End::Exited(code)),
                Ok(Some(Word::NotStarted(reason))) => return Ok(End::NotStarted(reason)),
                Ok(None) => {}
                Err(_) => stays = None,
            }
        }
        if let Some(breach) = meter.look(control, tree) {
            return Ok(End::Over(breach));
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
