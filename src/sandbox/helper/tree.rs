//! The command's processes: everything below the helper, since it is their subreaper. Daemons, double forks and new
//! sessions do not leave it.

use super::{proc::Proc, signals::Signals};
use crate::sandbox::{Wall, World, landlock, limits::Usage};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{
        Pid, PidfdFlags, Signal, WaitOptions, getpid, getppid, kill_process, kill_process_group, pidfd_open,
        pidfd_send_signal, test_kill_process, wait, waitpid,
    },
};
use std::{collections::HashSet, time::Duration};

const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// The processes below the helper, and how they can be killed.
pub struct Tree {
    proc: Proc,
    /// The kernel refuses our signals to everything outside the tree, so that "all processes" means the tree: killed
    /// in one call, in which nothing can fork.
    scoped: bool,
    /// Process 1 of a namespace that holds all the others: they end with it.
    init: Option<Pid>,
    /// Sessions that were made to stand back already.
    weakened: HashSet<Pid>,
    /// What the helper has for the next command. It takes no part in this one.
    next: Option<Pid>,
    /// Processor time and bytes written of the commands before this one.
    before: (Duration, u64),
}

impl Tree {
    /// To be called before the command is started: it belongs to the tree from its birth.
    pub fn plant(proc: Proc, world: &World) -> Self {
        // The gateway started us and lies outside. If it could be signalled, the scope would not be what we think, and
        // "all" would be the whole machine.
        let outside_is_safe =
            || getppid().is_some_and(|gateway| test_kill_process(gateway) == Err(Errno::PERM));
        let scoped = world.has(Wall::Scope) && landlock::scope_signals() && outside_is_safe();
        Self { proc, scoped, init: None, weakened: HashSet::new(), next: None, before: Default::default() }
    }

    /// Everything in the namespace whose process 1 is `init`, our child.
    pub fn of_namespace(proc: Proc, init: Pid) -> Self {
        let (weakened, before) = (HashSet::new(), Default::default());
        Self { proc, scoped: false, init: Some(init), weakened, next: None, before }
    }

    pub const fn proc(&self) -> &Proc {
        &self.proc
    }

    /// Kills and reaps until nothing is left. `main` was not reaped yet, so that its group's number is still its own.
    /// A process that the kernel holds fast keeps the helper here: without it nobody would end that process later.
    pub fn kill_all(&mut self, main: Pid, signals: &Signals) {
        self.next = None;
        if let Some(init) = self.init {
            let _ = kill_process(init, Signal::KILL);
            // The kernel lets us collect a process 1 when nothing is left below it.
            while matches!(waitpid(Some(init), WaitOptions::empty()), Err(Errno::INTR)) {}
            return;
        }
        let _ = kill_process_group(main, Signal::KILL);
        loop {
            if self.scoped {
                // SAFETY: sends a signal; touches no memory. See `plant` for why this cannot reach others.
                unsafe { libc::kill(-1, libc::SIGKILL) };
            } else {
                // A stopped process makes no children: freeze first, or a fork bomb outruns us.
                while self.freeze_new() {}
                for child in self.children(getpid()) {
                    // Our own child: its number cannot be reused before we have reaped it.
                    let _ = kill_process(child, Signal::KILL);
                }
            }
            if reap_all() {
                return;
            }
            while signals.next().is_some() {}
            let _ = poll(&mut [PollFd::new(signals, PollFlags::IN)], Some(&PAUSE));
        }
    }

    /// `next` waits for the order after the one that was given.
    pub const fn prepare(&mut self, next: Pid) {
        self.next = Some(next);
    }

    /// Whether there is a next command's process and it can be used: nothing but it has outlived `main`, which is
    /// reaped then.
    pub fn goes_on(&mut self, main: Pid) -> bool {
        let Some(next) = self.next else { return false };
        self.reap_adopted(main);
        let waits = self.proc.stat(next).is_some_and(|stat| stat.state != 'Z');
        if !waits || self.children(getpid()).into_iter().any(|child| child != main && child != next) {
            return false;
        }
        while matches!(waitpid(Some(main), WaitOptions::empty()), Err(Errno::INTR)) {}
        true
    }

    /// Whether nothing but `main` is left, and nothing below that.
    pub fn is_left_with(&self, main: Pid) -> bool {
        self.reap_adopted(main);
        self.children(getpid()) == [main] && self.proc.family(main) == (1, Vec::new())
    }

    /// What was taken until now is not the next command's.
    pub fn begin(&mut self) {
        self.before = Default::default();
        let live = self.below().into_iter().filter_map(|pid| self.proc.stat(pid)).map(|stat| stat.cpu);
        self.before = (reaped_cpu() + live.sum::<Duration>(), self.written());
    }

    /// What was the next command's process is this one's.
    pub const fn forget_next(&mut self) {
        self.next = None;
    }

    /// Processes and threads below the helper; stops counting soon after `most`.
    pub fn count(&self, most: u32) -> u32 {
        let mut found = 0_u32;
        let mut open = self.below();
        while let Some(pid) = open.pop() {
            let (threads, children) = self.proc.family(pid);
            // Process 1 is ours, not the command's.
            found = found.saturating_add(if self.init == Some(pid) { 0 } else { threads });
            if found > most {
                break;
            }
            open.extend(children);
        }
        found
    }

    /// What the tree takes of the machine, now and so far. Where the simple sum of memory is over `doubt`, shared
    /// pages are counted once: a server that forked has most of its pages in common with its children.
    ///
    /// On the way, sessions are put behind the gateway's.
    pub fn usage(&mut self, doubt: u64) -> Usage {
        let mut all = Vec::new();
        let mut leaders = HashSet::new();
        let mut usage = Usage { cpu: reaped_cpu(), written: self.written(), ..Usage::default() };
        let mut open = self.below();
        while let Some(pid) = open.pop() {
            let Some(stat) = self.proc.stat(pid) else { continue };
            usage.cpu += stat.cpu;
            usage.ran += self.proc.ran(pid).unwrap_or_default();
            if self.init != Some(pid) {
                usage.processes = usage.processes.saturating_add(stat.threads);
                usage.memory += stat.resident;
                all.push(pid);
            }
            if stat.leads(pid) {
                leaders.insert(pid);
            }
            open.extend(self.children(pid));
        }
        usage.cpu = usage.cpu.saturating_sub(self.before.0);
        self.weaken(leaders);
        if usage.memory > doubt {
            // Who hides its map of memory is taken at the simple figure; who is about to end has neither.
            let simple = |pid| self.proc.stat(pid).map_or(0, |stat| stat.resident);
            let real = |&pid: &Pid| self.proc.proportional(pid).unwrap_or_else(|| simple(pid));
            usage.memory = all.iter().map(real).sum();
        }
        usage
    }

    /// Puts each session that was begun behind the gateway's; false: the kernel has let us do too much of that lately.
    pub fn stand_back(&mut self) -> bool {
        let mut leaders = HashSet::new();
        let mut open = self.children(getpid());
        while let Some(pid) = open.pop() {
            leaders.extend(self.proc.stat(pid).filter(|stat| stat.leads(pid)).map(|_| pid));
            open.extend(self.children(pid));
        }
        self.weaken(leaders)
    }

    fn weaken(&mut self, leaders: HashSet<Pid>) -> bool {
        let all = leaders.len();
        let done = |pid: &Pid| self.weakened.contains(pid) || self.proc.weaken_session(*pid);
        self.weakened = leaders.into_iter().filter(done).collect();
        self.weakened.len() == all
    }

    /// Bytes written to disks so far. Who hides has written more than anybody.
    pub fn written(&self) -> u64 {
        let mut sum = self.proc.written(getpid()).unwrap_or(0);
        let mut open = self.below();
        while let Some(pid) = open.pop() {
            let live = self.proc.stat(pid).is_some_and(|stat| stat.state != 'Z');
            // Process 1 hides by our own order, and writes nothing.
            let unknown = if live && self.init != Some(pid) { u64::MAX } else { 0 };
            sum = sum.saturating_add(self.proc.written(pid).unwrap_or(unknown));
            open.extend(self.children(pid));
        }
        sum.saturating_sub(self.before.1)
    }

    /// Collects adopted children that have ended, but leaves `main` for later.
    pub fn reap_adopted(&self, main: Pid) {
        for child in self.below() {
            if child != main {
                let _ = waitpid(Some(child), WaitOptions::NOHANG);
            }
        }
    }

    /// The first processes of the command.
    fn below(&self) -> Vec<Pid> {
        self.children(getpid()).into_iter().filter(|&child| self.next != Some(child)).collect()
    }

    fn children(&self, pid: Pid) -> Vec<Pid> {
        self.proc.family(pid).1
    }

    /// Kills grandchildren and deeper, stops direct children. True when it met one that may still have made others.
    fn freeze_new(&self) -> bool {
        let mut met = false;
        let mut open: Vec<Pid> = Vec::new();
        for child in self.children(getpid()) {
            let _ = kill_process(child, Signal::STOP);
            open.push(child);
        }
        while let Some(parent) = open.pop() {
            for child in self.children(parent) {
                met |= self.kill_child_of(parent, child);
                open.push(child);
            }
        }
        met
    }

    /// Kills a process that is not our own child, unless its number has come to mean another process meanwhile.
    fn kill_child_of(&self, parent: Pid, child: Pid) -> bool {
        let Ok(handle) = pidfd_open(child, PidfdFlags::empty()) else {
            return false;
        };
        // The handle is held: if the number still belongs to a child of `parent`, so does the handle.
        match self.proc.stat(child) {
            Some(stat) if stat.parent == parent.as_raw_nonzero().get() && stat.state != 'Z' => {
                pidfd_send_signal(&handle, Signal::KILL).is_ok()
            }
            _ => false,
        }
    }
}

/// Processor time of everything below the helper that is no more.
fn reaped_cpu() -> Duration {
    let mut used = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel writes the whole of a structure whose size it knows; all zeroes are a valid one.
    let used = unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, used.as_mut_ptr());
        used.assume_init()
    };
    [used.ru_utime, used.ru_stime].into_iter().map(duration).sum()
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

/// Collects whatever has ended. True when no child is left.
fn reap_all() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}
