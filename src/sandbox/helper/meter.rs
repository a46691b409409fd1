//! What the command takes, held against its limits.

use super::{group::Group, tree::Tree};
use crate::sandbox::{
    Wall, World,
    limits::{Breach, Limits, Usage},
    link::{self, Reply},
    quota::disk_of,
};
use rustix::{
    fd::OwnedFd,
    fs::{fstat, fstatvfs},
};
use std::{
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

/// Between two looks at a command that is far from its limits, and at one that is near.
const CALM: Duration = Duration::from_millis(250);
const NEAR: Duration = Duration::from_millis(50);
/// Looking may take one part in so many of the time: what large processes share is dear to find out.
const THRIFT: u32 = 10;
/// Whoever has written less than this is not the one who fills the disk.
const INNOCENT: u64 = 16 << 20;
/// Less than this part of the machine's memory left, and somebody must go.
const SCARCE: u64 = 32;
/// Whoever takes less than this part of its own limit does not have to.
const MODEST: u64 = 16;

/// Looks now and then.
pub struct Meter {
    limits: Limits,
    /// It looks at all; only tests do without.
    counts: bool,
    group: Option<Group>,
    /// Machine tasks up to which no tree can be too large: one read instead of one for each process.
    quiet: u32,
    disks: Vec<Disk>,
    /// Shared memory of the whole machine when the command began.
    shared: u64,
    told: Usage,
    next: Instant,
    next_count: Instant,
}

pub struct Disk {
    /// A folder on it.
    folder: OwnedFd,
    free_at_start: u64,
}

impl Meter {
    pub fn new(world: &World, group: Option<Group>, disks: Vec<Disk>, tree: &Tree) -> Self {
        let limits = world.limits.clone();
        let quiet = tree.proc().machine_tasks().unwrap_or(0).saturating_add(limits.processes / 2);
        let shared = tree.proc().memory().map_or(0, |memory| memory.shared);
        let disks = disks.into_iter().map(Disk::begin).collect();
        let counts = world.has(Wall::Meter);
        let (told, next) = (Usage::default(), Instant::now());
        Self { limits, counts, group, quiet, disks, shared, told, next, next_count: next }
    }

    /// To be called every few milliseconds; most of the calls do next to nothing.
    pub fn look(&mut self, gateway: &UnixStream, tree: &mut Tree) -> Option<Breach> {
        if !self.counts {
            return None;
        }
        let counted = self.group.as_ref().is_some_and(Group::counts);
        let start = Instant::now();
        if !counted
            && start >= self.next_count
            && tree.proc().machine_tasks().is_none_or(|now| now > self.quiet)
        {
            let count = tree.count(self.limits.processes);
            let now = Instant::now();
            self.next_count = now + (now - start) * THRIFT;
            if count > self.limits.processes {
                return Some(Breach::Processes(count));
            }
        }
        let start = Instant::now();
        if start < self.next {
            return None;
        }
        let (usage, breach) = match &self.group {
            Some(group) if counted => {
                let (cpu, written) = (group.cpu(), tree.written());
                let usage = Usage { cpu, ran: cpu, written, ..Usage::default() };
                (usage, self.cpu_breach(usage.cpu))
            }
            Some(_) | None => {
                let usage = tree.usage(self.limits.memory_bytes / 4);
                (usage, self.breach(usage, tree))
            }
        };
        self.tell(gateway, usage);
        let near = self.is_near(usage);
        let period = if near { NEAR } else { CALM };
        self.next = Instant::now() + period.max(start.elapsed() * THRIFT);
        breach.or_else(|| self.disk_breach(tree))
    }

    /// What ended the command although nobody here did: the kernel, for its group's memory.
    pub fn killed_by_group(&self) -> Option<Breach> {
        let group = self.group.as_ref()?;
        let own = || {
            if group.is_full() { Breach::Memory(self.limits.memory_bytes) } else { Breach::MemoryTogether }
        };
        group.out_of_memory().then(own)
    }

    pub const fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    fn breach(&self, usage: Usage, tree: &Tree) -> Option<Breach> {
        if usage.processes > self.limits.processes {
            return Some(Breach::Processes(usage.processes));
        }
        if usage.memory > self.limits.memory_bytes || self.burdens(usage, tree) {
            return Some(Breach::Memory(usage.memory));
        }
        self.cpu_breach(usage.cpu)
    }

    fn cpu_breach(&self, cpu: Duration) -> Option<Breach> {
        (cpu.as_secs() >= self.limits.cpu_seconds).then_some(Breach::CpuTime(cpu.as_secs()))
    }

    /// The machine itself is short of memory, and this command is part of the reason. Memory files and shared segments
    /// that no process maps are in nobody's sum: whoever ran while they grew answers for them.
    fn burdens(&self, usage: Usage, tree: &Tree) -> bool {
        let Some(machine) = tree.proc().memory() else { return false };
        let hidden = machine.shared.saturating_sub(self.shared);
        machine.available < machine.total / SCARCE
            && usage.memory.max(hidden) > self.limits.memory_bytes / MODEST
    }

    fn is_near(&self, usage: Usage) -> bool {
        usage.memory > self.limits.memory_bytes / 4 || usage.processes > self.limits.processes / 2
    }

    /// The gateway adds up the commands of one profile. A gateway that is late misses a figure, and gets the next one.
    fn tell(&mut self, gateway: &UnixStream, usage: Usage) {
        let grown = |was: u64, is: u64| is.abs_diff(was) > was / 8 + (1 << 20);
        let processes = usage.processes.abs_diff(self.told.processes) > 8;
        // Who works, and who fills the disk.
        let works = usage.written != self.told.written || usage.ran != self.told.ran;
        if (processes || works || grown(self.told.memory, usage.memory))
            && link::try_send(gateway, &Reply::Usage(usage)).is_ok()
        {
            self.told = usage;
        }
    }

    fn disk_breach(&self, tree: &Tree) -> Option<Breach> {
        let reserve = self.limits.disk_reserve;
        self.disks.iter().find_map(|disk| {
            let free = disk.free()?;
            if free >= reserve || free >= disk.free_at_start {
                return None;
            }
            // Space can also be taken without writing, and that nobody counts: when half of the reserve is gone,
            // nobody is innocent any more.
            let desperate = free < reserve / 2 && disk.free_at_start - free > INNOCENT * 4;
            (desperate || tree.written() > INNOCENT).then_some(Breach::Disk(free))
        })
    }
}

impl Disk {
    /// What the command takes counts from here on.
    fn begin(self) -> Self {
        Self { free_at_start: self.free().unwrap_or(0), ..self }
    }

    fn free(&self) -> Option<u64> {
        let stat = fstatvfs(&self.folder).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// The disks that the command writes to, each once. To be opened by whoever can walk to them, the helper before it
/// becomes the profile's user.
pub fn disks(world: &World) -> Vec<Disk> {
    let opened = [&world.workspace, &world.tmp].into_iter().filter_map(|folder| disk_of(folder));
    let mut seen = Vec::new();
    let mut disks = Vec::new();
    for folder in opened {
        let Ok(stat) = fstat(&folder) else { continue };
        if !seen.contains(&stat.st_dev) {
            seen.push(stat.st_dev);
            disks.push(Disk { folder, free_at_start: 0 });
        }
    }
    disks
}
