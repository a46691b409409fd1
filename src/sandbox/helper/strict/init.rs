//! Process 1 of a sandbox: builds the world, confines itself, starts the command, collects what ends.

use super::{Prepared, Step, build, step};
use crate::sandbox::{
    Report, Shell, Wall, Way, World,
    helper::{
        NOT_STARTED,
        confine::Confinement,
        receive_order,
        start::{Start, Waiting, go_first_when_memory_ends},
        terminal, watch,
    },
    link::{self, Inbox, Reply},
};
use rustix::{
    io::Errno,
    process::{
        DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus, set_dumpable_behavior,
        set_parent_process_death_signal, wait,
    },
    system::uname,
};
use std::{
    net::TcpListener,
    os::{fd::AsFd, unix::net::UnixStream},
};

/// The life of process 1. Its exit code says nothing; the last message does.
pub fn run(
    mut link: UnixStream,
    world: &World,
    way: Way,
    prepared: Prepared,
    nice: i32,
    shell: Option<Shell>,
) -> i32 {
    let report = match begin(&link, world, way, prepared, nice, shell) {
        Ok((listener, waiting)) => {
            let sent = link::send(&mut link, &Reply::Ready, listener.as_ref().map(AsFd::as_fd));
            drop(listener);
            let mut inbox = Inbox::default();
            let told = sent.and_then(|()| watch::until_order(&link, &inbox, waiting.pid(), || true));
            let order = told.and_then(|()| receive_order(&link, &mut inbox));
            let Ok(Some((order, stdin))) = order else {
                return NOT_STARTED;
            };
            let open = |window| terminal::open(window, None, &mut link);
            let terminal = order.terminal.map(open).transpose();
            let ran = terminal.and_then(|terminal| waiting.run(&order, &terminal.unwrap_or(stdin), |_| ()));
            match ran {
                Ok((main, ())) => until_ended(main),
                Err(reason) => Report::NotStarted(reason),
            }
        }
        Err(reason) => Report::NotStarted(reason),
    };
    // Nobody hears it when the helper is gone; then this process is about to be killed.
    let _ = link::send(&mut link, &Reply::Ended(report), None);
    0
}

/// How many processes the kernel lets the command's user have. In a user namespace it counts those of this one command:
/// then nothing outruns the helper, which looks now and then. Where it counts all of the user's, it is a last fence.
fn fence(world: &World, way: Way) -> u64 {
    let own = way.user_namespace && world.has(Wall::UserNamespace) && counts_by_namespace();
    if own { u64::from(world.limits.processes) * 2 } else { world.limits.user_processes }
}

/// From Linux 5.14 on.
fn counts_by_namespace() -> bool {
    let release = uname();
    let mut numbers = release.release().to_str().unwrap_or_default().split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(5)), Some(Ok(minor))) => minor >= 14,
        (Some(Ok(major)), _) => major > 5,
        _ => false,
    }
}

type Begun = (Option<TcpListener>, Waiting);

fn begin(
    link: &UnixStream,
    world: &World,
    way: Way,
    prepared: Prepared,
    nice: i32,
    shell: Option<Shell>,
) -> Step<Begun> {
    let Prepared { pieces, owner, tree: _, group, disks } = prepared;
    // The helper's alone: they lie outside of the view.
    drop(disks);
    die_with_helper(link)?;
    // For the command as well: it will not be able to.
    go_first_when_memory_ends();
    // Before its namespace is made: the root of that is the group that its maker is in, and above it stand names.
    if let Some(group) = &group {
        step("its control group", group.door().and_then(|door| door.enter()))?;
    }
    let listener = build::world(world, way, pieces, owner)?;
    let confinement = Confinement::prepare(world, owner);
    step("the confinement", confinement.and_then(|mut confinement| confinement.enter()))?;
    if world.has(Wall::Dumpable) {
        step("closing /proc/1", set_dumpable_behavior(DumpableBehavior::NotDumpable))?;
    }
    // A change of user has cleared it.
    die_with_helper(link)?;
    let start = Start::new(world, nice, fence(world, way), group.as_ref(), None);
    let waiting = start.and_then(|start| start.fork(shell)).and_then(Waiting::entered);
    Ok((listener, waiting.map_err(|error| format!("the sandbox cannot be set up: {error}"))?))
}

/// The helper cannot be named from in here, so its number cannot show whether it has died meanwhile; its end of the
/// socket does.
fn die_with_helper(link: &UnixStream) -> Step<()> {
    step("the death signal", set_parent_process_death_signal(Some(Signal::KILL)))?;
    let mut byte = [0];
    let flags = rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT;
    match rustix::net::recv(link, &mut byte, flags) {
        Ok((0, _)) => Err("the helper is gone".to_owned()),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Everything that has lost its parent is ours to collect.
fn until_ended(main: Pid) -> Report {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == main => return as_report(status),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Report::NotStarted(format!("waiting for the command: {error}")),
        }
    }
}

fn as_report(status: WaitStatus) -> Report {
    let signalled = status.terminating_signal().map(Report::Signalled);
    signalled.or_else(|| status.exit_status().map(Report::Exited)).unwrap_or(Report::Exited(NOT_STARTED))
}
