//! Levels `landlock` and `none`: the helper's own world, the command confined or not, and the helper as its reaper.

use super::{
    KILLED, NOT_STARTED, code_of,
    confine::Confinement,
    group_of,
    meter::{Meter, disks},
    proc::Proc,
    receive_order, report,
    signals::Signals,
    start::{Start, stand_among_many},
    terminal,
    tree::Tree,
    watch,
};
use crate::sandbox::{
    Report, Shell, Wall, World,
    link::{self, Inbox, Reply},
};
use rustix::process::{getpid, set_child_subreaper};
use std::{io, os::unix::net::UnixStream};

pub fn serve(
    mut control: UnixStream,
    signals: &Signals,
    mut inbox: Inbox,
    world: &World,
    shell: Option<Shell>,
) -> io::Result<i32> {
    let reap = world.has(Wall::Reaper);
    if reap {
        set_child_subreaper(Some(getpid()))?;
    }
    let mut tree = Tree::plant(Proc::open()?, world);
    let nice = stand_among_many()?;
    // All processes and threads of the user are counted, the gateway's too: a last fence, not the limit.
    let fence = world.limits.user_processes;
    let prepared = group_of(world).and_then(|group| {
        let waiting = Confinement::prepare(world, world.owner)
            .and_then(|confinement| Start::new(world, nice, fence, group.as_ref(), Some(confinement)))
            .and_then(|start| start.fork(shell));
        Ok((group, waiting.map_err(|error| format!("the sandbox cannot be set up: {error}"))?))
    });
    let (group, waiting) = match prepared {
        Ok(prepared) => prepared,
        Err(reason) => {
            report(&mut control, Report::NotStarted(reason));
            return Ok(NOT_STARTED);
        }
    };
    link::send(&mut control, &Reply::Ready, None)?;
    if let Err(error) = watch::until_order(&control, &inbox, waiting.pid(), || tree.stand_back()) {
        report(&mut control, Report::NotStarted(error.to_string()));
        return Ok(NOT_STARTED);
    }
    let Some((order, stdin)) = receive_order(&control, &mut inbox)? else {
        return Ok(NOT_STARTED);
    };
    // The machine's own terminals are not in the command's view.
    let open = |window| terminal::open(window, world.owner, &mut control);
    let started = order.terminal.map(open).transpose();
    // What the command takes counts from its order on.
    let count = || Meter::new(world, group, disks(world), &tree);
    let started = started.and_then(|terminal| waiting.run(&order, &terminal.unwrap_or(stdin), count));
    let (main, meter) = match started {
        Ok(started) => started,
        Err(reason) => {
            report(&mut control, Report::NotStarted(reason));
            return Ok(NOT_STARTED);
        }
    };
    let end = watch::to_the_end(&control, signals, main, tree, meter, reap)?;
    let Some(ended) = end.report() else {
        return Ok(KILLED);
    };
    let code = code_of(&ended);
    report(&mut control, ended);
    Ok(code)
}
