//! The control group of one command, from the helper's side. The gateway made it and removes it.

use rustix::{
    fs::{Access, AtFlags, CWD, Mode, OFlags, accessat, openat},
    io::{read, write},
};
use std::{io, os::fd::OwnedFd, path::Path, time::Duration};

/// The way into a group.
pub struct Door(OwnedFd);

impl Door {
    /// Moves the calling process in. What it starts is born there.
    pub fn enter(&self) -> io::Result<()> {
        write(&self.0, b"0")?;
        Ok(())
    }
}

/// Held open from before the wall is built: afterwards neither path nor user may lead there.
pub struct Group {
    dir: OwnedFd,
    procs: OwnedFd,
    memory: bool,
    processes: bool,
    cpu: bool,
}

impl Group {
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat(CWD, path, flags, Mode::empty())?;
        let procs = openat(&dir, "cgroup.procs", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        let has = |name: &str| accessat(&dir, name, Access::EXISTS, AtFlags::empty()).is_ok();
        let (memory, processes, cpu) = (has("memory.max"), has("pids.max"), has("cpu.weight"));
        Ok(Self { dir, procs, memory, processes, cpu })
    }

    /// For a child that is to go in.
    pub fn door(&self) -> io::Result<Door> {
        Ok(Door(self.procs.try_clone()?))
    }

    /// The kernel counts memory and processes here, so that nobody else has to.
    pub const fn counts(&self) -> bool {
        self.memory && self.processes
    }

    /// The kernel shares the processor out among groups.
    pub const fn shares_cpu(&self) -> bool {
        self.cpu
    }

    /// Processor time of the group so far.
    pub fn cpu(&self) -> Duration {
        Duration::from_micros(self.number("cpu.stat", "usage_usec").unwrap_or(0))
    }

    /// The kernel killed here because the memory was used up.
    pub fn out_of_memory(&self) -> bool {
        self.number("memory.events", "oom_kill").is_some_and(|count| count > 0)
    }

    /// It was its own memory that was used up, and not that of a group above it.
    pub fn is_full(&self) -> bool {
        self.number("memory.events", "oom").is_some_and(|count| count > 0)
    }

    /// Everything in it, in one call in which nothing can fork. Kernels before 5.14 do not know it.
    pub fn kill(&self) {
        let file = openat(&self.dir, "cgroup.kill", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
        let _ = file.and_then(|file| write(file, b"1"));
    }

    fn number(&self, file: &str, name: &str) -> Option<u64> {
        let file = openat(&self.dir, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let mut room = [0; 2_048];
        let got = read(file, &mut room).ok()?;
        let text = std::str::from_utf8(&room[..got]).ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }
}
