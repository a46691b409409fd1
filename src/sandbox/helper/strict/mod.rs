//! Level `strict`: the command lives in namespaces of its own, below a process 1 of its own.
//!
//! ```text
//! helper  ── fork ──► process 1 ──────────── fork ──► command
//! on the machine      builds the world, confines      inherits all of it,
//! watches, kills      itself, forks, reaps            waits for its order
//! ```
//!
//! Process 1 is apart from the command because a process 1 ignores what would end others: `kill -TERM $$` would do
//! nothing. When it ends, the kernel kills everything that is left in its namespace, whatever that is doing.

mod build;
mod init;
mod mounts;

use super::{
    Errand, KILLED, NOT_STARTED, code_of, confine, fork,
    group::Group,
    group_of,
    meter::{Disk, Meter, disks},
    proc::Proc,
    receive_errand, report,
    signals::Signals,
    start::stand_among_many,
    tree::Tree,
    watch::{self, End},
};
use crate::sandbox::{
    Owner, Report, Shell, Wall, Way, World,
    link::{self, Inbox, Reply},
};
use mounts::Piece;
use rustix::{
    process::{DumpableBehavior, Pid, getegid, geteuid, getpid, set_child_subreaper, set_dumpable_behavior},
    thread::{CapabilitySet, UnshareFlags, capabilities, unshare_unsafe},
};
use std::{
    fs,
    io::{self, Write},
    os::{fd::AsFd, unix::net::UnixStream},
};

/// The user inside a user namespace: an ordinary one, so that starting a program leaves it without rights.
const INSIDE: u32 = 1_000;

/// What could not be done, for the sentence that says so.
type Step<T> = Result<T, String>;

fn step<T, E: std::fmt::Display>(what: &str, done: Result<T, E>) -> Step<T> {
    done.map_err(|error| format!("{what}: {error}"))
}

/// Process 1 as the helper sees it.
struct Init {
    pid: Pid,
    link: UnixStream,
    inbox: Inbox,
}

pub fn serve(
    mut control: UnixStream,
    signals: &Signals,
    mut inbox: Inbox,
    world: &World,
    way: Way,
    shell: Option<Shell>,
) -> io::Result<i32> {
    let nice = stand_among_many()?;
    let forked = prepare(world, way).and_then(|prepared| {
        let (ours, theirs) = step("a pair of sockets", UnixStream::pair())?;
        Ok((prepared, ours, theirs, step("fork", fork())?))
    });
    let (prepared, link, pid) = match forked {
        Ok((prepared, ours, theirs, None)) => {
            drop((ours, control, inbox));
            return Ok(init::run(theirs, world, way, prepared, nice, shell));
        }
        Ok((prepared, ours, theirs, Some(pid))) => {
            drop(theirs);
            (prepared, ours, pid)
        }
        Err(reason) => {
            report(&mut control, Report::NotStarted(reason));
            return Ok(NOT_STARTED);
        }
    };
    // Some of it was needed to write the maps.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let Prepared { pieces, owner: _, tree, group, disks } = prepared;
    drop(pieces);
    let mut tree = match tree {
        Plant::Namespace(proc) => Tree::of_namespace(proc, pid),
        Plant::Tree(tree) => tree,
    };
    let mut init = Init { pid, link, inbox: Inbox::default() };
    let handed = init.hand_on(&mut control, &mut inbox, &mut tree);
    let ended = match handed {
        Ok(Handed::Over) => {
            let meter = Meter::new(world, group, disks, &tree);
            let reap = world.has(Wall::PidNamespace) || world.has(Wall::Reaper);
            match watch::to_the_end(&control, signals, init.pid, &mut tree, meter, reap, None)?.0 {
                End::Exited(_) | End::Signalled(_) => Some(init.last_word()?),
                other @ (End::NotStarted(_) | End::Over(_) | End::Told) => other.report(),
            }
        }
        Ok(Handed::Failed(report)) => {
            tree.kill_all(init.pid, signals);
            Some(report)
        }
        Ok(Handed::Nothing) | Err(_) => {
            tree.kill_all(init.pid, signals);
            None
        }
    };
    let Some(ended) = ended else {
        return Ok(KILLED);
    };
    let code = code_of(&ended);
    report(&mut control, ended);
    Ok(code)
}

/// What became of the order.
enum Handed {
    /// Process 1 has it.
    Over,
    Failed(Report),
    /// None came: the gateway is gone.
    Nothing,
}

impl Init {
    /// Hands "ready" to the gateway, and its order to process 1.
    fn hand_on(
        &mut self,
        control: &mut UnixStream,
        inbox: &mut Inbox,
        tree: &mut Tree,
    ) -> io::Result<Handed> {
        let gone =
            || Handed::Failed(Report::NotStarted("process 1 of the sandbox ended too early".to_owned()));
        match self.inbox.receive(&self.link)? {
            Some(Reply::Ready) => {}
            Some(Reply::Ended(report)) => return Ok(Handed::Failed(report)),
            Some(Reply::Usage(_) | Reply::Terminal | Reply::Done(_)) | None => return Ok(gone()),
        }
        let listener = self.inbox.take_fd();
        link::send(control, &Reply::Ready, listener.as_ref().map(AsFd::as_fd))?;
        drop(listener);
        if watch::until_order(control, inbox, self.pid, || tree.stand_back()).is_err() {
            return Ok(gone());
        }
        // A world of its own is one command's.
        let Some(Errand { order, stdin, following: _ }) = receive_errand(control, inbox)? else {
            return Ok(Handed::Nothing);
        };
        if link::send(&mut self.link, &order, Some(stdin.as_fd())).is_err() {
            return Ok(gone());
        }
        if order.terminal.is_none() {
            return Ok(Handed::Over);
        }
        match self.inbox.receive(&self.link)? {
            Some(Reply::Terminal) => {
                let terminal = self.inbox.take_fd();
                link::send(control, &Reply::Terminal, terminal.as_ref().map(AsFd::as_fd))?;
                Ok(Handed::Over)
            }
            Some(Reply::Ended(report)) => Ok(Handed::Failed(report)),
            Some(Reply::Ready | Reply::Usage(_) | Reply::Done(_)) | None => Ok(gone()),
        }
    }

    /// How the command ended, from the process 1 that is no more.
    fn last_word(&mut self) -> io::Result<Report> {
        match self.inbox.receive(&self.link)? {
            Some(Reply::Ended(report)) => Ok(report),
            // Killed from outside, by the machine's last resort when its memory is full, say.
            Some(Reply::Ready | Reply::Terminal | Reply::Usage(_) | Reply::Done(_)) | None => {
                Ok(Report::Signalled(libc::SIGKILL))
            }
        }
    }
}

/// What the helper did for process 1 beforehand.
struct Prepared {
    /// Taken by root's rights, while there are such. Else process 1 takes them itself.
    pieces: Option<Vec<Piece>>,
    /// Whom process 1 must become at the end; nobody when it is that user already.
    owner: Option<Owner>,
    tree: Plant,
    /// The command's control group.
    group: Option<Group>,
    disks: Vec<Disk>,
}

/// How everything below the helper will be found and killed.
enum Plant {
    Namespace(Proc),
    /// Where the processes are not in a namespace of their own.
    Tree(Tree),
}

fn prepare(world: &World, way: Way) -> Step<Prepared> {
    let group = group_of(world)?;
    let disks = disks(world);
    let proc = step("/proc", Proc::open())?;
    let tree = if world.has(Wall::PidNamespace) {
        Plant::Namespace(proc)
    } else {
        if world.has(Wall::Reaper) {
            step("a reaper", set_child_subreaper(Some(getpid())))?;
        }
        Plant::Tree(Tree::plant(proc, world))
    };
    let rights = step("the rights of this process", capabilities(None))?.effective;
    let mut pieces = None;
    if rights.contains(CapabilitySet::SYS_ADMIN) && world.has(Wall::MountView) {
        match mounts::pieces(world) {
            Ok(taken) => pieces = Some(taken),
            // Root of a user namespace, not of the machine.
            Err(error) if error.is_refusal() && way.user_namespace => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    let mut owner = world.owner.filter(|owner| owner.uid != geteuid().as_raw());
    if way.user_namespace
        && let Some(user) = owner.take()
    {
        step("becoming the profile's user", confine::become_user(user))?;
        // A change of user closes `/proc/self`, where the maps are written.
        step("opening /proc/self", set_dumpable_behavior(DumpableBehavior::Dumpable))?;
    }
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    // SAFETY: one thread, and no shared table of descriptors among the flags.
    let done = unsafe { unshare_unsafe(namespaces(world, way)) };
    step("namespaces (unshare)", done)?;
    if way.user_namespace && world.has(Wall::UserNamespace) {
        step("the user map", map("setgroups", "deny"))?;
        step("the user map", map("gid_map", &format!("{INSIDE} {gid} 1")))?;
        step("the user map", map("uid_map", &format!("{INSIDE} {uid} 1")))?;
    }
    Ok(Prepared { pieces, owner, tree, group, disks })
}

/// All but the mounts and the groups, which process 1 parts from itself: the helper goes on seeing the machine, and where
/// a command has a group, only process 1 is in it.
fn namespaces(world: &World, way: Way) -> UnshareFlags {
    let mut flags = UnshareFlags::empty();
    if way.user_namespace {
        flags.set(UnshareFlags::NEWUSER, world.has(Wall::UserNamespace));
    }
    flags.set(UnshareFlags::NEWPID, world.has(Wall::PidNamespace));
    flags.set(UnshareFlags::NEWNET, build::has_own_network(world));
    flags.set(UnshareFlags::NEWIPC, world.has(Wall::IpcNamespace));
    flags.set(UnshareFlags::NEWUTS, world.has(Wall::UtsNamespace));
    flags
}

/// The kernel takes each of these in one write only.
fn map(name: &str, text: &str) -> io::Result<()> {
    fs::OpenOptions::new().write(true).open(format!("/proc/self/{name}"))?.write_all(text.as_bytes())
}
