//! `hermes sandbox-exec`: one command's warden.
//!
//! It has one thread and does little: take world and order from descriptor 0, start the command behind the wall, wait, and
//! leave nothing behind. It ends with the command, or as soon as the gateway's end of the socket closes, whichever is
//! first; a gateway that was killed therefore leaves no command running.

mod confine;
mod group;
mod meter;
mod proc;
mod signals;
mod tree;
mod watch;

use super::{
    Order, World,
    link::{self, Inbox, Reply, Report},
};
use confine::Wall;
use group::Group;
use meter::Meter;
use proc::Proc;
use rustix::{
    io::fcntl_dupfd_cloexec,
    process::{Pid, getpid, getpriority_process, set_child_subreaper, setpriority_process},
};
use signals::Signals;
use std::{
    io::{self, Write},
    os::unix::{net::UnixStream, process::CommandExt},
    process::{Command, Stdio},
};
use tree::Tree;
use watch::End;

/// The exit code when the command never ran.
const NOT_STARTED: i32 = 125;

/// `hermes sandbox-exec`: reads what to do from descriptor 0, confines a child, runs the command in it.
/// Returns the exit code.
#[must_use]
pub fn helper_main() -> i32 {
    match serve() {
        Ok(code) => code,
        Err(error) => {
            // No gateway to report to: somebody typed this command.
            let _ = writeln!(io::stderr(), "hermes sandbox-exec is started by the gateway only: {error}");
            NOT_STARTED
        }
    }
}

fn serve() -> io::Result<i32> {
    close_inherited()?;
    let mut control = UnixStream::from(fcntl_dupfd_cloexec(io::stdin(), 3)?);
    let signals = Signals::block()?;
    let mut inbox = Inbox::default();
    let Some(world) = inbox.receive::<World>(&control)? else {
        return Ok(NOT_STARTED);
    };
    link::send(&mut control, &Reply::Ready, None)?;
    let Some(order) = inbox.receive::<Order>(&control)? else {
        return Ok(NOT_STARTED);
    };
    let stdin = inbox.take_fd().ok_or_else(|| io::Error::other("the order came without a standard input"))?;
    set_child_subreaper(Some(getpid()))?;
    let mut tree = Tree::plant(Proc::open()?);
    let nice = getpriority_process(None)?;
    // Among hundreds of busy processes the helper must still get to run. Refused to ordinary users.
    let _ = setpriority_process(None, -20);
    let group = world.limits.group.as_deref().map(Group::open).transpose();
    let started = group.map_err(|error| format!("its control group cannot be used: {error}"));
    let started = started.and_then(|group| {
        let meter = Meter::new(&world, group, &tree);
        let main = start(&world, &order, nice, meter.group(), stdin.into())?;
        Ok((main, meter))
    });
    let (main, mut meter) = match started {
        Ok(started) => started,
        Err(reason) => {
            report(&mut control, Report::NotStarted(reason));
            return Ok(NOT_STARTED);
        }
    };
    let end = watch::until_end(&control, &signals, main, &mut tree, &mut meter);
    if let Some(group) = meter.group() {
        group.kill();
    }
    tree.kill_all(main, &signals);
    let end = match (end?, meter.killed_by_group()) {
        (End::Exited(_) | End::Signalled(_), Some(breach)) => End::Over(breach),
        (end, _) => end,
    };
    let (report_, code) = match end {
        End::Exited(code) => (Report::Exited(code), code),
        End::Signalled(signal) => (Report::Signalled(signal), 128 + signal),
        End::Over(breach) => (Report::Over(breach), 128 + libc::SIGKILL),
        End::Told => return Ok(128 + libc::SIGKILL),
    };
    report(&mut control, report_);
    Ok(code)
}

/// Starts the command behind the wall; a sentence when that failed.
fn start(
    world: &World,
    order: &Order,
    nice: i32,
    group: Option<&Group>,
    stdin: Stdio,
) -> Result<Pid, String> {
    let door = group.map(Group::door).transpose();
    // Where no group shares the processor out, everything else on the machine comes first.
    let nice = if group.is_some_and(Group::shares_cpu) { nice } else { 19 };
    let wall = door.and_then(|door| Wall::prepare(world, nice, door));
    let mut wall = wall.map_err(|error| format!("the sandbox cannot be set up: {error}"))?;
    let mut command = Command::new(&order.program);
    command.args(&order.args).env_clear().envs(order.env.iter().map(|(name, value)| (name, value)));
    command.current_dir(&order.dir).stdin(stdin);
    // SAFETY: this process has one thread, so the child of its fork may allocate and lock like any other process.
    unsafe { command.pre_exec(move || wall.enter()) };
    let child = command.spawn().map_err(|error| {
        format!("`{}` could not be started in `{}`: {error}", order.program.display(), order.dir.display())
    })?;
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| "the child has no number".to_owned())
}

/// The gateway may be gone; then nobody needs the report.
fn report(control: &mut UnixStream, report: Report) {
    let _ = link::send(control, &Reply::Ended(report), None);
}

/// Descriptors that some library of the gateway opened without close-on-exec end here.
fn close_inherited() -> io::Result<()> {
    // SAFETY: nothing in this process owns a descriptor above 2 yet; it is called first.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
