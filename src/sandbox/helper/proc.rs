//! What the kernel tells of processes, read through a `/proc` that was opened before any wall was built: the helper's
//! own view of the file system may later be that of the command.

use rustix::{
    fs::{CWD, Dir, Mode, OFlags, openat},
    io::Errno,
    param::{clock_ticks_per_second, page_size},
    process::Pid,
};
use std::{fs::File, io, io::Read, os::fd::OwnedFd, time::Duration};

/// More than any of the files that are read whole here; lists of children may be longer.
const ROOM: usize = 1 << 10;

/// A held `/proc`.
pub struct Proc(OwnedFd);

/// The machine's memory in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub total: u64,
    /// To be had without swapping.
    pub available: u64,
    /// In shared segments and memory files.
    pub shared: u64,
}

/// One line of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub state: char,
    pub parent: i32,
    pub session: i32,
    pub threads: u32,
    /// Its own processor time and that of the children it has waited for.
    pub cpu: Duration,
    /// Pages in memory, shared ones too: never less than what it really takes.
    pub resident: u64,
}

impl Stat {
    /// Whether the process that it is of has begun a session.
    pub const fn leads(&self, pid: Pid) -> bool {
        self.session == pid.as_raw_nonzero().get()
    }
}

impl Proc {
    pub fn open() -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, "/proc", flags, Mode::empty())?))
    }

    /// None: it is gone.
    pub fn stat(&self, pid: Pid) -> Option<Stat> {
        parse_stat(&self.text(&format!("{}/stat", pid.as_raw_nonzero()))?)
    }

    /// What a process takes for itself, shared memory by its share. None where the kernel does not say.
    pub fn proportional(&self, pid: Pid) -> Option<u64> {
        let text = self.text(&format!("{}/smaps_rollup", pid.as_raw_nonzero()))?;
        let of = |name| kibibytes(&text, name);
        // What comes from files can be had again and is nobody's burden.
        Some(of("Pss_Anon:")? + of("Pss_Shmem:").unwrap_or(0) + of("SwapPss:").unwrap_or(0))
    }

    /// Bytes that a process and the children it has waited for have written to disks. None where the kernel does not
    /// say: the process hides.
    pub fn written(&self, pid: Pid) -> Option<u64> {
        let text = self.text(&format!("{}/io", pid.as_raw_nonzero()))?;
        text.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok())
    }

    /// Time on a processor, to the nanosecond, of a process's first thread. None where the kernel does not count it.
    pub fn ran(&self, pid: Pid) -> Option<Duration> {
        let text = self.text(&format!("{}/schedstat", pid.as_raw_nonzero()))?;
        text.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
    }

    /// The machine's memory.
    pub fn memory(&self) -> Option<Memory> {
        let text = self.text("meminfo")?;
        let of = |name| kibibytes(&text, name);
        Some(Memory { total: of("MemTotal:")?, available: of("MemAvailable:")?, shared: of("Shmem:")? })
    }

    /// Tasks on the whole machine: the number after the slash in `0.00 0.01 0.05 1/234 5678`.
    pub fn machine_tasks(&self) -> Option<u32> {
        let text = self.text("loadavg")?;
        let (_running, rest) = text.split_once('/')?;
        rest.split_once(' ')?.0.parse().ok()
    }

    /// How many threads a process has, and the children of all of them.
    pub fn family(&self, pid: Pid) -> (u32, Vec<Pid>) {
        let tasks = format!("{}/task", pid.as_raw_nonzero());
        let Some(threads) = self.numbers(&tasks) else {
            return (0, Vec::new());
        };
        let mut found = Vec::new();
        for thread in &threads {
            let Some(text) = self.text(&format!("{tasks}/{}/children", thread.as_raw_nonzero())) else {
                found = self.children_by_scan(pid);
                break;
            };
            found.extend(text.split_ascii_whitespace().filter_map(pid_of));
        }
        (u32::try_from(threads.len()).unwrap_or(u32::MAX), found)
    }

    /// For kernels that keep no list of children (and for threads that end while we look).
    fn children_by_scan(&self, parent: Pid) -> Vec<Pid> {
        let parent = parent.as_raw_nonzero().get();
        let all = self.numbers(".").unwrap_or_default();
        all.into_iter().filter(|&pid| self.stat(pid).is_some_and(|stat| stat.parent == parent)).collect()
    }

    /// Weakens a session against others, where the kernel shares the processor out among sessions: there `nice` counts
    /// only within one. Best effort; ordinary users may do it ten times a second on the whole machine.
    pub fn weaken_session(&self, leader: Pid) -> bool {
        let path = format!("{}/autogroup", leader.as_raw_nonzero());
        let file = openat(&self.0, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
        match file {
            Ok(file) => rustix::io::write(file, b"19").is_ok(),
            // A kernel without such groups needs nothing.
            Err(error) => error == Errno::NOENT,
        }
    }

    fn numbers(&self, path: &str) -> Option<Vec<Pid>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat(&self.0, path, flags, Mode::empty()).ok()?;
        let entries = Dir::new(dir).ok()?.filter_map(Result::ok);
        Some(entries.filter_map(|entry| pid_of(entry.file_name().to_str().ok()?)).collect())
    }

    fn text(&self, path: &str) -> Option<String> {
        let file = openat(&self.0, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let mut text = Vec::with_capacity(ROOM);
        File::from(file).read_to_end(&mut text).ok()?;
        // A program's name may hold any bytes.
        Some(String::from_utf8_lossy(&text).into_owned())
    }
}

/// `pid (any name) S ppid …`: what follows the name is counted from its last bracket.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_name, rest) = text.rsplit_once(") ")?;
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let word = |number: usize| words.get(number - 3).copied();
    let number = |at: usize| word(at)?.parse::<u64>().ok();
    let ticks = number(14)? + number(15)? + number(16)? + number(17)?;
    Some(Stat {
        state: word(3)?.chars().next()?,
        parent: word(4)?.parse().ok()?,
        session: word(6)?.parse().ok()?,
        threads: word(20)?.parse().ok()?,
        cpu: Duration::from_millis(ticks * 1_000 / clock_ticks_per_second().max(1)),
        resident: number(24)? * page_size() as u64,
    })
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|count| count << 10)
}

fn pid_of(text: &str) -> Option<Pid> {
    text.parse().ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::getpid;

    #[test]
    fn a_line_of_stat_is_read_behind_whatever_a_program_calls_itself() {
        let rest = "S 7 9 5 0 -1 4194304 1 2 3 4 100 50 20 30 20 0 6 0 12345 999 11 18446744073709551615";
        for name in ["sh", "a b", ") R 1 1 1 (", "x) y"] {
            let stat = parse_stat(&format!("42 ({name}) {rest}\n")).unwrap();
            assert_eq!((stat.state, stat.parent, stat.session, stat.threads), ('S', 7, 5, 6), "{name}");
            assert_eq!(stat.resident, 11 * page_size() as u64);
            assert_eq!(stat.cpu.as_millis(), 200 * 1_000 / u128::from(clock_ticks_per_second()));
        }
        assert_eq!(parse_stat("42 (sh) S 1"), None);
    }

    #[test]
    fn this_process_is_seen_as_it_is() {
        let proc = Proc::open().unwrap();
        let stat = proc.stat(getpid()).unwrap();
        assert!(stat.threads >= 1 && stat.resident > 0, "{stat:?}");
        let own = proc.proportional(getpid()).unwrap();
        assert!(own > 0 && own <= stat.resident * 2, "{own} of {}", stat.resident);
        let memory = proc.memory().unwrap();
        assert!(memory.available <= memory.total && memory.shared <= memory.total, "{memory:?}");
        assert!(proc.machine_tasks().unwrap() > 0 && proc.written(getpid()).is_some());
    }

    #[test]
    fn a_child_is_found_both_ways() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let pid = Pid::from_child(&child);
        let proc = Proc::open().unwrap();
        assert!(proc.family(getpid()).1.contains(&pid));
        assert!(proc.children_by_scan(getpid()).contains(&pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(proc.stat(pid), None);
    }
}
