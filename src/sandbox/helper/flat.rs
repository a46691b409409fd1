//! Levels `landlock` and `none`: the helper's own world, the command confined or not, and the helper as its reaper.
//!
//! Nothing here is built for one command but its process: a helper goes on to the next order of its session, as long as
//! each command leaves nothing behind.

use super::{
    Errand, Following, KILLED, NOT_STARTED, code_of,
    confine::Confinement,
    group_of,
    meter::{Meter, disks},
    proc::Proc,
    receive_errand, report,
    signals::Signals,
    start::{Start, Staying, Waiting, not_started, stand_among_many},
    tell, terminal,
    tree::Tree,
    watch::{self, End},
};
use crate::sandbox::{
    Order, Report, Shell, Wall, World,
    link::{self, Inbox, Reply},
};
use rustix::process::{getpid, set_child_subreaper};
use std::{
    io,
    ops::ControlFlow,
    os::{fd::OwnedFd, unix::net::UnixStream},
};

/// One helper's commands.
struct Commands<'world> {
    control: UnixStream,
    signals: &'world Signals,
    inbox: Inbox,
    world: &'world World,
    tree: Tree,
}

pub fn serve(
    mut control: UnixStream,
    signals: &Signals,
    inbox: Inbox,
    world: &World,
    shell: Option<Shell>,
) -> io::Result<i32> {
    if world.has(Wall::Reaper) {
        set_child_subreaper(Some(getpid()))?;
    }
    let tree = Tree::plant(Proc::open()?, world);
    let nice = stand_among_many()?;
    // All processes and threads of the user are counted, the gateway's too: a last fence, not the limit.
    let fence = world.limits.user_processes;
    let prepared = group_of(world).and_then(|group| {
        let waiting = Confinement::prepare(world, world.owner)
            .and_then(|confinement| Start::new(world, nice, fence, group.as_ref(), Some(confinement)))
            .and_then(|start| start.fork(shell))
            .and_then(Waiting::entered);
        Ok((group, waiting.map_err(|error| format!("the sandbox cannot be set up: {error}"))?))
    });
    let (mut group, mut waiting) = match prepared {
        Ok(prepared) => prepared,
        Err(reason) => {
            report(&mut control, Report::NotStarted(reason));
            return Ok(NOT_STARTED);
        }
    };
    link::send(&mut control, &Reply::Ready, None)?;
    // A control group is one command's.
    let may_go_on = group.is_none() && world.has(Wall::Reaper);
    let mut commands = Commands { control, signals, inbox, world, tree };
    loop {
        let count = |commands: &Commands| Meter::new(world, group.take(), disks(world), &commands.tree);
        match commands.next(waiting, count, may_go_on)? {
            Next::Break(code) => return Ok(code),
            // It was forked while a command ran, which is no time to wait for it.
            Next::Continue(next) => match next.entered() {
                Ok(next) => {
                    waiting = next;
                    commands.tree.begin();
                }
                Err(error) => {
                    report(&mut commands.control, Report::NotStarted(error.to_string()));
                    return Ok(NOT_STARTED);
                }
            },
        }
    }
}

/// What becomes of the helper after a command: it ends with this exit code, or it has told the gateway that it waits for
/// another order.
type Next = ControlFlow<i32, Waiting>;

impl Commands<'_> {
    /// Waits for an order and carries it out.
    fn next(
        &mut self,
        waiting: Waiting,
        count: impl FnOnce(&Self) -> Meter,
        may_go_on: bool,
    ) -> io::Result<Next> {
        let Self { control, inbox, tree, .. } = &mut *self;
        if let Err(error) = watch::until_order(control, inbox, waiting.pid(), || tree.stand_back()) {
            return Ok(self.failed(error.to_string()));
        }
        let Some(Errand { order, stdin, following }) = receive_errand(control, inbox)? else {
            return Ok(Next::Break(NOT_STARTED));
        };
        let following = following.filter(|_| may_go_on);
        let Some(words) = waiting.words(&order, &stdin) else {
            return self.given(waiting, &order, stdin, following, count);
        };
        match waiting.lend(&words) {
            Ok(shell) => self.lent(shell, &order, count),
            Err(error) => Ok(self.failed(error.to_string())),
        }
    }

    /// By a shell that stays.
    fn lent(
        &mut self,
        mut shell: Staying,
        order: &Order,
        count: impl FnOnce(&Self) -> Meter,
    ) -> io::Result<Next> {
        let meter = count(self);
        let reap = self.world.has(Wall::Reaper);
        let (main, tree) = (shell.pid(), &mut self.tree);
        let ended =
            watch::to_the_end(&self.control, self.signals, main, tree, meter, reap, Some(&mut shell))?;
        match ended {
            (End::Exited(code), true) => {
                link::send(&mut self.control, &Reply::Done(Report::Exited(code)), None)?;
                Ok(Next::Continue(shell.again()))
            }
            (End::NotStarted(why), _) => Ok(self.failed(not_started(order, &why))),
            (end, _) => Ok(self.over(end.report())),
        }
    }

    /// By a process of its own.
    fn given(
        &mut self,
        waiting: Waiting,
        order: &Order,
        stdin: OwnedFd,
        following: Option<Following>,
        count: impl FnOnce(&Self) -> Meter,
    ) -> io::Result<Next> {
        // The machine's own terminals are not in the command's view.
        let open = |window| terminal::open(window, self.world.owner, &mut self.control);
        let started = order.terminal.map(open).transpose();
        // What the command takes counts from its order on. What is wrong with the next one will be told to the command
        // that meets it.
        let meanwhile = |start: Start| {
            let fork = |Following { shell, output }| start.fork_onto(Some(shell), Some(output)).ok();
            (count(self), following.and_then(fork))
        };
        let started = started.and_then(|terminal| waiting.run(order, &terminal.unwrap_or(stdin), meanwhile));
        let (main, (meter, next)) = match started {
            Ok(started) => started,
            Err(reason) => return Ok(self.failed(reason)),
        };
        if let Some(next) = &next {
            self.tree.prepare(next.pid());
        }
        let reap = self.world.has(Wall::Reaper);
        let tree = &mut self.tree;
        let (end, goes_on) = watch::to_the_end(&self.control, self.signals, main, tree, meter, reap, None)?;
        tree.forget_next();
        match (next, end.report()) {
            (Some(next), Some(report)) if goes_on => {
                tell(&mut self.control, &Reply::Done(report));
                Ok(Next::Continue(next))
            }
            (_, ended) => Ok(self.over(ended)),
        }
    }

    fn failed(&mut self, reason: String) -> Next {
        report(&mut self.control, Report::NotStarted(reason));
        Next::Break(NOT_STARTED)
    }

    /// `None`: the gateway ended it.
    fn over(&mut self, ended: Option<Report>) -> Next {
        let Some(ended) = ended else { return Next::Break(KILLED) };
        let code = code_of(&ended);
        report(&mut self.control, ended);
        Next::Break(code)
    }
}
