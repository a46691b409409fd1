//! `hermes sandbox-exec`: what helpers are forked from, and the helper, one command's warden.
//!
//! It has one thread and does little: take world and order from its socket, start the command behind the wall, wait,
//! and leave nothing behind. It ends with the command, or as soon as the gateway's end of the socket closes, whichever
//! is first; a gateway that was killed therefore leaves no command running.

mod ahead;
mod confine;
mod flat;
mod group;
mod meter;
mod proc;
mod signals;
mod start;
mod strict;
mod terminal;
mod tree;
mod watch;

use super::{
    Order, Shell, Wall, World,
    fork_server::{self, Forked},
    link::{self, Beginning, Inbox, Reply, Report},
};
use crate::config::SandboxLevel;
use group::Group;
use rustix::{
    process::{Pid, PidfdFlags, pidfd_open},
    stdio::{dup2_stderr, dup2_stdin, dup2_stdout},
};
use signals::Signals;
use std::{
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

/// The exit code when the command never ran.
const NOT_STARTED: i32 = 125;
/// The exit code when the gateway ended it.
const KILLED: i32 = 128 + libc::SIGKILL;

/// `hermes sandbox-exec`: forks helpers as the gateway asks for them on descriptor 0. Returns the exit code, of a helper
/// or of the server that it was forked from.
#[must_use]
pub fn helper_main() -> i32 {
    let complain = |error: io::Error| {
        // No gateway to report to: somebody typed this command. Of a helper it goes to the command's output.
        let _ = writeln!(io::stderr(), "hermes sandbox-exec is started by the gateway only: {error}");
        NOT_STARTED
    };
    match serve_forks() {
        Ok(Some(ends)) => {
            let code = serve(ends).unwrap_or_else(complain);
            // SAFETY: ends this process at once. What it was forked with is not its own to clear up, and would take a
            // copy of each page that it touches.
            unsafe { libc::_exit(code) }
        }
        Ok(None) => 0,
        Err(error) => complain(error),
    }
}

/// The fork server. Comes back in each helper with what is its own, and with nothing when the gateway is gone.
fn serve_forks() -> io::Result<Option<[OwnedFd; 2]>> {
    // Whom it forked is the gateway's to wait for; the kernel collects them.
    signals::leave_children()?;
    while let Some(ends) = fork_server::next_request(io::stdin())? {
        let forked = match fork() {
            Ok(None) => return Ok(Some(ends)),
            // It waits for its world: nobody but a killer ends it before its number is looked up.
            Ok(Some(pid)) => {
                pidfd_open(pid, PidfdFlags::empty()).map(|handle| Forked { pid, handle }).map_err(Into::into)
            }
            Err(error) => Err(error),
        };
        drop(ends);
        fork_server::answer(io::stdin(), forked)?;
    }
    Ok(None)
}

fn serve([control, output]: [OwnedFd; 2]) -> io::Result<i32> {
    signals::restore()?;
    // Instead of the server's socket. Only the helper itself talks with the gateway, on one of its own.
    dup2_stdin(File::open("/dev/null")?)?;
    dup2_stdout(&output)?;
    dup2_stderr(&output)?;
    drop(output);
    let control = UnixStream::from(control);
    let mut inbox = Inbox::default();
    let Some(Beginning { world, way, shell }) = inbox.receive(&control)? else {
        return Ok(NOT_STARTED);
    };
    if world.has(Wall::CloseRange) {
        close_inherited([control.as_fd()].into_iter().chain(inbox.fds()))?;
    }
    let signals = Signals::block()?;
    if world.has(Wall::Keyring) {
        confine::leave_keyring();
    }
    match world.level {
        SandboxLevel::None | SandboxLevel::Landlock => flat::serve(control, &signals, inbox, &world, shell),
        SandboxLevel::Strict => strict::serve(control, &signals, inbox, &world, way, shell),
    }
}

/// Waits for the command and its standard input. `None`: there will be none.
fn receive_order(control: &UnixStream, inbox: &mut Inbox) -> io::Result<Option<(Order, OwnedFd)>> {
    let Some(order) = inbox.receive(control)? else {
        return Ok(None);
    };
    let stdin = inbox.take_fd();
    let stdin = stdin.ok_or_else(|| io::Error::other("the order came without a standard input"))?;
    Ok(Some((order, stdin)))
}

/// What the gateway says to a helper that is ready.
struct Errand {
    order: Order,
    stdin: OwnedFd,
    /// Another order will come.
    following: Option<Following>,
}

/// The command after this one, of which only this is known.
struct Following {
    shell: Shell,
    output: OwnedFd,
}

/// As [`receive_order`], from the gateway itself.
fn receive_errand(control: &UnixStream, inbox: &mut Inbox) -> io::Result<Option<Errand>> {
    let Some((order, shell)) = inbox.receive::<(Order, Option<Shell>)>(control)? else {
        return Ok(None);
    };
    let stdin = inbox.take_fd();
    let stdin = stdin.ok_or_else(|| io::Error::other("the order came without a standard input"))?;
    let following = shell.zip(inbox.take_fd()).map(|(shell, output)| Following { shell, output });
    Ok(Some(Errand { order, stdin, following }))
}

/// The command's control group, where the gateway has made one. To be opened before any wall is built.
fn group_of(world: &World) -> Result<Option<Group>, String> {
    let group = world.limits.group.as_deref().map(Group::open).transpose();
    group.map_err(|error| format!("its control group cannot be used: {error}"))
}

/// The gateway may be gone; then nobody needs the report.
fn report(control: &mut UnixStream, report: Report) {
    tell(control, &Reply::Ended(report));
}

fn tell(control: &mut UnixStream, ended: &Reply) {
    // What reads the output need not wait until this process has ended: its standard input is `/dev/null`.
    let _ = dup2_stdout(io::stdin()).and_then(|()| dup2_stderr(io::stdin()));
    let _ = link::send(control, ended, None);
}

/// The helper's own exit code, as a shell would have it.
const fn code_of(report: &Report) -> i32 {
    match report {
        Report::Exited(code) => *code,
        Report::Signalled(signal) => 128 + *signal,
        Report::Over(_) => KILLED,
        Report::NotStarted(_) => NOT_STARTED,
    }
}

/// `None` in the child.
fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: this process has one thread, so the child is as whole as the parent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        child => Ok(Pid::from_raw(child)),
    }
}

/// Descriptors that some library of the gateway opened without close-on-exec end here; `ours` stay.
fn close_inherited<'fd>(ours: impl Iterator<Item = BorrowedFd<'fd>>) -> io::Result<()> {
    let mut ours: Vec<u32> = ours.map(|fd| fd.as_raw_fd().cast_unsigned()).collect();
    ours.sort_unstable();
    let mut first = 3_u32;
    for (last, next) in ours.iter().map(|&fd| (fd - 1, fd + 1)).chain([(u32::MAX, u32::MAX)]) {
        // SAFETY: nothing in this process owns a descriptor above 2 but those that are left out.
        let done = first > last || unsafe { libc::syscall(libc::SYS_close_range, first, last, 0_u32) } == 0;
        if !done {
            return Err(io::Error::last_os_error());
        }
        first = next;
    }
    Ok(())
}
