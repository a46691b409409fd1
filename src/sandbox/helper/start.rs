//! From an order to a running program.
//!
//! The command's process is there before its order is: it has entered everything that holds it, and waits. What is left
//! to do is to become the program; or, where the program is most likely a shell, it has become that shell and waits as one.

use super::{
    NOT_STARTED,
    ahead::Ahead,
    confine::Confinement,
    fork,
    group::{Door, Group},
    receive_order, signals, terminal,
};
use crate::sandbox::{
    Order, Shell, Wall, World,
    link::{self, Inbox},
};
use rustix::{
    process::{
        Pid, Resource, Rlimit, Signal, WaitOptions, getpid, getppid, getpriority_process, getrlimit,
        kill_process, set_parent_process_death_signal, setpriority_process, setrlimit, setsid, waitpid,
    },
    stdio::{dup2_stderr, dup2_stdout},
};
use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    process::Command,
};

/// How far the helper stands behind the gateway's threads.
const BEHIND: i32 = 5;
/// Why a command could not be started is a sentence.
const LONGEST_REASON: u64 = 4_096;
/// In nanoseconds; the kernel takes no longer one.
const LONGEST_SLICE: u64 = 100_000_000;

/// What happens in the command's process before its order. It can happen in another process again.
pub struct Start {
    parent: Pid,
    /// The helper's own is better, so that it can always act.
    nice: i32,
    /// Into the command's control group; `None` also where the parent is in it already.
    door: Option<Door>,
    limits: Vec<(Resource, u64)>,
    /// `None`: the parent is confined already.
    confinement: Option<Confinement>,
}

/// The command's process, which waits for its order.
pub struct Waiting {
    start: Start,
    pid: Pid,
    link: UnixStream,
    /// It waits as a shell.
    ahead: Option<Ahead>,
    /// Where it writes to, unless that is the helper's own output.
    output: Option<OwnedFd>,
    /// It is known to have entered everything that holds it.
    entered: bool,
}

impl Start {
    /// `fence`: how many processes and threads the kernel lets its user have, as far as it counts them.
    pub fn new(
        world: &World,
        nice: i32,
        fence: u64,
        group: Option<&Group>,
        confinement: Option<Confinement>,
    ) -> io::Result<Self> {
        let limits = &world.limits;
        // Where no group shares the processor out, everything else on the machine comes first.
        let nice = if group.is_some_and(Group::shares_cpu) { nice } else { 19 };
        let limits = vec![
            (Resource::Core, 0),
            (Resource::Fsize, limits.file_bytes),
            (Resource::Data, limits.memory_bytes),
            (Resource::Nofile, limits.open_files),
            (Resource::Nproc, fence),
            // Of one process. The sum is the helper's to count, and it comes first.
            (Resource::Cpu, limits.cpu_seconds + 2),
        ];
        let limits = if world.has(Wall::Rlimits) { limits } else { Vec::new() };
        // Process 1 of a world of its own, which is the one that is confined, has entered before.
        let door = group.filter(|_| confinement.is_some()).map(Group::door).transpose()?;
        Ok(Self { parent: getpid(), nice, door, limits, confinement })
    }

    /// Makes the command's process, which is not held by everything before [`Waiting::entered`] says so. With a shell it
    /// goes on to start that.
    pub fn fork(self, shell: Option<Shell>) -> io::Result<Waiting> {
        self.fork_onto(shell, None)
    }

    /// As [`Start::fork`], for a command that does not write to the helper's output.
    pub fn fork_onto(mut self, shell: Option<Shell>, output: Option<OwnedFd>) -> io::Result<Waiting> {
        // A machine that has no memory of that kind: then the process waits without a shell.
        let ahead = shell.and_then(|shell| Ahead::new(shell).ok());
        let (pid, link) = self.make(ahead.as_ref(), output.as_ref())?;
        Ok(Waiting { start: self, pid, link, ahead, output, entered: false })
    }

    fn make(&mut self, ahead: Option<&Ahead>, output: Option<&OwnedFd>) -> io::Result<(Pid, UnixStream)> {
        let (link, theirs) = UnixStream::pair()?;
        match fork()? {
            Some(pid) => Ok((pid, link)),
            None => {
                drop(link);
                self.wait(theirs, ahead, output);
                // SAFETY: ends this process at once. What its parent holds is not its own to clear up.
                unsafe { libc::_exit(NOT_STARTED) }
            }
        }
    }

    /// In the child. Comes back only when there will be no command; whoever waits at the other end is told why.
    fn wait(&mut self, mut link: UnixStream, ahead: Option<&Ahead>, output: Option<&OwnedFd>) {
        let onto = output.map_or(Ok(()), |output| dup2_stdout(output).and_then(|()| dup2_stderr(output)));
        let entered = onto.map_err(Into::into).and_then(|()| self.enter());
        let entered = entered.map_err(|error: io::Error| error.to_string());
        if link::send(&mut link, &entered, None).is_err() || entered.is_err() {
            return;
        }
        let error = match ahead {
            Some(ahead) => ahead.become_shell(&link),
            None => match receive_order(&link, &mut Inbox::default()) {
                Ok(Some((order, stdin))) => become_program(&order, stdin),
                Ok(None) | Err(_) => return,
            },
        };
        let _ = write!(link, "{error}");
    }

    fn enter(&mut self) -> io::Result<()> {
        signals::restore()?;
        if let Some(door) = &self.door {
            door.enter()?;
        }
        setsid()?;
        go_first_when_memory_ends();
        give_way(self.nice)?;
        for &(resource, wanted) in &self.limits {
            lower(resource, wanted)?;
        }
        if let Some(confinement) = &mut self.confinement {
            confinement.enter()?;
        }
        // A helper that is killed outright cannot sweep up; at least the main process goes with it. Last: a change of
        // user clears it.
        die_with(self.parent)
    }
}

/// Comes back only when that fails. `stdin`: what it reads from, or its terminal.
fn become_program(order: &Order, stdin: OwnedFd) -> io::Error {
    let mut command = Command::new(&order.program);
    command.args(&order.args).env_clear().envs(order.env.iter().map(|(name, value)| (name, value)));
    command.current_dir(&order.dir);
    if order.terminal.is_some() {
        let ends = terminal::control(&stdin).and_then(|()| Ok((stdin.try_clone()?, stdin.try_clone()?)));
        match ends {
            Ok((output, errors)) => command.stdout(output).stderr(errors),
            Err(error) => return error,
        };
    }
    command.stdin(stdin).exec()
}

/// What is told of a program that could not be started.
pub fn not_started(order: &Order, why: &str) -> String {
    format!("`{}` could not be started in `{}`: {why}", order.program.display(), order.dir.display())
}

/// Waits until a command's process has entered everything that holds it.
fn until_entered(link: &UnixStream) -> io::Result<()> {
    match Inbox::default().receive(link)? {
        Some(Ok(())) => Ok(()),
        Some(Err(reason)) => Err(io::Error::other::<String>(reason)),
        None => Err(io::Error::other("the command's process was killed")),
    }
}

/// A shell that carries out one order after the other.
pub struct Staying {
    waiting: Waiting,
    /// What it has said of the order.
    said: Vec<u8>,
}

/// How a shell that stays came through an order.
pub enum Word {
    Exited(i32),
    /// The command never ran, and why.
    NotStarted(String),
}

impl Staying {
    pub const fn pid(&self) -> Pid {
        self.waiting.pid
    }

    /// For another order.
    pub fn again(self) -> Waiting {
        self.waiting
    }

    /// What it says, when there is something to read. `None`: that was not all.
    pub fn word(&mut self) -> io::Result<Option<Word>> {
        let mut piece = [0; 256];
        let got = (&self.waiting.link).read(&mut piece)?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.said.extend_from_slice(&piece[..got]);
        let Some(line) = self.said.strip_suffix(b"\n") else { return Ok(None) };
        let line = String::from_utf8_lossy(line);
        Ok(Some(match line.strip_prefix('!') {
            Some(reason) => Word::NotStarted(reason.lines().next().unwrap_or_default().to_owned()),
            None => Word::Exited(line.parse().map_err(io::Error::other)?),
        }))
    }
}

impl AsFd for Staying {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.waiting.link.as_fd()
    }
}

impl Waiting {
    /// What a shell that stays is to be told of this order; nothing when it is another process, or the order for one.
    pub fn words(&self, order: &Order, stdin: &OwnedFd) -> Option<Vec<u8>> {
        self.ahead.as_ref().filter(|ahead| ahead.stays())?.words(order, stdin)
    }

    /// Lets a shell that stays carry out the order of these words.
    pub fn lend(self, words: &[u8]) -> io::Result<Staying> {
        if let Some(ahead) = &self.ahead {
            ahead.hand(&self.link, words)?;
        }
        Ok(Staying { waiting: self, said: Vec::new() })
    }

    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits until it has entered everything that holds it. To be called before it is told anything.
    pub fn entered(mut self) -> io::Result<Self> {
        if !std::mem::replace(&mut self.entered, true) {
            until_entered(&self.link)?;
        }
        Ok(self)
    }

    /// Lets it become the program, with this standard input, or on this terminal; a sentence when that failed. Until it
    /// has, `meanwhile` is done, which may make another process.
    pub fn run<T>(
        self,
        order: &Order,
        stdin: &OwnedFd,
        meanwhile: impl FnOnce(Start) -> T,
    ) -> Result<(Pid, T), String> {
        let gone = |error: io::Error| format!("the command's process is gone: {error}");
        let Self { mut start, mut pid, mut link, ahead, output, entered: _ } = self;
        let words = ahead.as_ref().and_then(|ahead| ahead.words(order, stdin));
        let sent = match (ahead, words) {
            (Some(ahead), Some(words)) => ahead.hand(&link, &words),
            (Some(_), None) => {
                // A shell that is not the one for this: it has done nothing, and never will.
                let _ = kill_process(pid, Signal::KILL);
                let _ = waitpid(Some(pid), WaitOptions::empty());
                (pid, link) = start.make(None, output.as_ref()).map_err(gone)?;
                until_entered(&link).map_err(gone)?;
                link::send(&mut link, order, Some(stdin.as_fd()))
            }
            (None, _) => link::send(&mut link, order, Some(stdin.as_fd())),
        };
        // The end of what it writes is to be its own.
        drop(output);
        let done = meanwhile(start);
        let mut reason = String::new();
        // Its end is closed by the program's start.
        match sent.and_then(|()| link.take(LONGEST_REASON).read_to_string(&mut reason)) {
            Ok(0) => return Ok((pid, done)),
            Ok(_) => reason = not_started(order, reason.trim_start_matches('!').trim_end()),
            Err(error) => reason = gone(error),
        }
        let _ = waitpid(Some(pid), WaitOptions::empty());
        Err(reason)
    }
}

/// Has the kernel kill this process when its parent ends.
pub fn die_with(parent: Pid) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() == Some(parent) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
}

/// Among hundreds of busy processes the helper must still get to run. Where the kernel shares the processor out among
/// sessions it does: each of the command's counts next to nothing against the gateway's, which the helper is in, and there
/// it goes behind the gateway's own threads. To go before others is refused to ordinary users.
///
/// Returns the niceness that the command may have at best.
pub fn stand_among_many() -> io::Result<i32> {
    let own = getpriority_process(None)?;
    let by_session =
        std::fs::read("/proc/sys/kernel/sched_autogroup_enabled").is_ok_and(|on| on.starts_with(b"1"));
    if by_session {
        let behind = own.max(BEHIND);
        setpriority_process(None, behind)?;
        return Ok(behind);
    }
    let _ = setpriority_process(None, -20);
    Ok(own)
}

/// What runs here never takes the processor from others by waking up, and gives it up at once when others do. Kernels
/// before 6.12 know nothing of slices, and none may know of batches: the niceness alone counts then.
fn give_way(nice: i32) -> io::Result<()> {
    /// `struct sched_attr` of the kernel, in its first version.
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        /// Nanoseconds: for ordinary tasks the slice, of which the shorter one goes first.
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    setpriority_process(None, nice)?;
    let attributes = Attributes {
        size: u32::try_from(size_of::<Attributes>()).map_err(io::Error::other)?,
        policy: libc::SCHED_BATCH.cast_unsigned(),
        flags: 0,
        nice,
        priority: 0,
        runtime: LONGEST_SLICE,
        deadline: 0,
        period: 0,
    };
    // SAFETY: the kernel reads as many bytes as the structure says that it has.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    Ok(())
}

/// Before anything else of the machine runs out of memory. Best effort.
pub fn go_first_when_memory_ends() {
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
}

/// Never raises: that would need a privilege.
fn lower(resource: Resource, wanted: u64) -> io::Result<()> {
    let hard = getrlimit(resource).maximum;
    let limit = hard.map_or(wanted, |hard| hard.min(wanted));
    Ok(setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?)
}
