//! What all commands of the gateway take together, added up by profile.
//!
//! Where control groups hold the sums, nobody reports here. Elsewhere each helper tells what its command takes, and the
//! largest command of a profile that takes too much is told to go: not the one that happened to ask last.

use super::{
    Limits, Usage,
    groups::{Groups, Leaf},
};
use crate::{config::LimitsConfig, domain::ProfileName};
use rustix::process::{Resource, getrlimit, getuid};
use std::{
    fs, io,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// What a profile may have of the machine's processes: a quarter stays for the others.
const SHARE: (u32, u32) = (3, 4);
/// What all commands may have: the rest is for the gateway and whatever else runs here.
const COMMANDS: (u32, u32) = (7, 8);

/// Helpers that wait for a command, of all profiles.
const SPARES: usize = 16;

/// The machine's room for commands.
#[derive(Debug)]
pub struct Machine {
    /// Processes and threads that this user, or this machine, can have.
    tasks: u32,
    memory: u64,
    groups: Result<Groups, String>,
    rows: Mutex<Vec<Row>>,
    spares: Arc<Semaphore>,
}

#[derive(Debug)]
struct Row {
    profile: ProfileName,
    seat: u64,
    bounds: Bounds,
    usage: Usage,
    evicted: Arc<Eviction>,
}

/// What all commands of one profile may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub memory: u64,
    pub processes: u32,
}

#[derive(Debug, Default)]
struct Eviction {
    why: OnceLock<Excess>,
    told: CancellationToken,
}

/// Which common bound a command has to go for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// Bytes of all commands of the profile.
    ProfileMemory(u64),
    /// Processes and threads of all commands of the profile.
    ProfileProcesses(u32),
    /// Processes and threads of all commands of all profiles.
    MachineProcesses(u32),
}

impl Machine {
    /// Reads what the machine has.
    #[must_use]
    pub fn new(groups: Result<Groups, String>) -> Self {
        let own = groups.as_ref().ok().map(Groups::inherited);
        let tasks = own.and_then(|own| own.tasks).into_iter().chain(task_bounds()).min();
        let memory = own.and_then(|own| own.memory).into_iter().chain(total_memory()).min();
        let tasks = tasks.map_or(u32::MAX, |tasks| u32::try_from(tasks).unwrap_or(u32::MAX));
        Self::of(tasks, memory.unwrap_or(u64::MAX), groups)
    }

    fn of(tasks: u32, memory: u64, groups: Result<Groups, String>) -> Self {
        let spares = Arc::new(Semaphore::new(SPARES));
        Self { tasks, memory, groups, rows: Mutex::new(Vec::new()), spares }
    }

    /// Room for one helper that waits for a command; `None` when enough of them do.
    #[must_use]
    pub fn room_for_a_spare(&self) -> Option<OwnedSemaphorePermit> {
        self.spares.clone().try_acquire_owned().ok()
    }

    /// Whether control groups hold the limits; else why not.
    ///
    /// # Errors
    ///
    /// The reason, as half a sentence.
    pub fn groups(&self) -> Result<(), &str> {
        self.groups.as_ref().map(|_groups| ()).map_err(String::as_str)
    }

    /// Who holds the limits of commands, as it is published, and why nobody better does.
    #[must_use]
    pub fn holder(&self) -> (&'static str, Option<&str>) {
        match self.groups() {
            Ok(()) => ("cgroup", None),
            Err(reason) => ("rlimits", Some(reason)),
        }
    }

    /// The bounds of a profile on this machine: nobody gets all of it.
    #[must_use]
    pub fn bounds(&self, config: &LimitsConfig) -> Bounds {
        Bounds {
            memory: config.profile_memory.min(self.memory / 4 * 3),
            processes: config.profile_processes.min(part(self.tasks, SHARE)),
        }
    }

    /// What one command of a profile may take.
    #[must_use]
    pub fn limits(&self, config: &LimitsConfig) -> Limits {
        let bounds = self.bounds(config);
        Limits {
            processes: config.processes.min(bounds.processes),
            user_processes: u64::from(part(self.tasks, COMMANDS)),
            memory_bytes: config.memory.min(bounds.memory),
            cpu_seconds: config.cpu_time.as_secs(),
            file_bytes: config.file_size.min(config.disk_quota),
            open_files: config.open_files,
            disk_reserve: config.disk_reserve,
            group: None,
        }
    }

    /// A place for one more command of a profile. Blocking.
    ///
    /// # Errors
    ///
    /// The control groups of the gateway have become unusable.
    pub fn sit(self: &Arc<Self>, profile: &ProfileName, config: &LimitsConfig) -> io::Result<Seat> {
        let (bounds, mut limits) = (self.bounds(config), self.limits(config));
        let leaf =
            self.groups.as_ref().ok().map(|groups| groups.leaf(profile, bounds, &limits)).transpose()?;
        limits.group = leaf.as_ref().map(|leaf| leaf.path().to_owned());
        let evicted = Arc::new(Eviction::default());
        let mut rows = self.rows();
        let seat = rows.iter().map(|row| row.seat + 1).max().unwrap_or(0);
        let profile = profile.clone();
        rows.push(Row { profile, seat, bounds, usage: Usage::default(), evicted: Arc::clone(&evicted) });
        drop(rows);
        Ok(Seat { machine: Arc::clone(self), seat, limits, evicted, leaf })
    }

    fn rows(&self) -> MutexGuard<'_, Vec<Row>> {
        // Figures, each written in one go: what a panic left is as good as any.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, seat: u64, usage: Usage) {
        let mut rows = self.rows();
        let Some(row) = rows.iter_mut().find(|row| row.seat == seat) else { return };
        row.usage = usage;
        let (profile, bounds) = (row.profile.clone(), row.bounds);
        if let Some(excess) = excess(&rows, &profile, bounds, part(self.tasks, COMMANDS)) {
            evict(&rows, &profile, excess);
        }
    }
}

fn excess(rows: &[Row], profile: &ProfileName, bounds: Bounds, most: u32) -> Option<Excess> {
    let own = sum(rows, |row| row.profile == *profile);
    if own.memory > bounds.memory {
        return Some(Excess::ProfileMemory(own.memory));
    }
    if own.processes > bounds.processes {
        return Some(Excess::ProfileProcesses(own.processes));
    }
    let all = sum(rows, |_| true).processes;
    (all > most).then_some(Excess::MachineProcesses(all))
}

/// Tells the largest command to go: of the profile, or of the profile that has most.
fn evict(rows: &[Row], profile: &ProfileName, excess: Excess) {
    let processes = |profile: &ProfileName| sum(rows, |row| row.profile == *profile).processes;
    let profile = match excess {
        Excess::ProfileMemory(_) | Excess::ProfileProcesses(_) => profile,
        Excess::MachineProcesses(_) => {
            let all = rows.iter().map(|row| &row.profile);
            all.max_by_key(|profile| processes(profile)).unwrap_or(profile)
        }
    };
    let own = rows.iter().filter(|row| row.profile == *profile && row.stays());
    let largest = match excess {
        Excess::ProfileMemory(_) => own.max_by_key(|row| row.usage.memory),
        Excess::ProfileProcesses(_) | Excess::MachineProcesses(_) => {
            own.max_by_key(|row| row.usage.processes)
        }
    };
    if let Some(row) = largest {
        let _ = row.evicted.why.set(excess);
        row.evicted.told.cancel();
    }
}

/// Of all that were not told to go yet: the others are about to give back what they have.
fn sum(rows: &[Row], of: impl Fn(&Row) -> bool) -> Usage {
    rows.iter().filter(|row| row.stays() && of(row)).fold(Usage::default(), |sum, row| Usage {
        processes: sum.processes.saturating_add(row.usage.processes),
        memory: sum.memory.saturating_add(row.usage.memory),
        cpu: sum.cpu + row.usage.cpu,
        ran: sum.ran + row.usage.ran,
        written: sum.written.saturating_add(row.usage.written),
    })
}

impl Row {
    fn stays(&self) -> bool {
        self.evicted.why.get().is_none()
    }
}

/// One command's place. Given back when dropped.
#[derive(Debug)]
pub struct Seat {
    machine: Arc<Machine>,
    seat: u64,
    limits: Limits,
    evicted: Arc<Eviction>,
    leaf: Option<Leaf>,
}

impl Seat {
    /// What the command may take.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Notes what it takes.
    pub fn update(&self, usage: Usage) {
        self.machine.update(self.seat, usage);
    }

    /// Resolves when it has to go.
    pub async fn evicted(&self) -> Excess {
        self.evicted.told.cancelled().await;
        let unsaid = Excess::MachineProcesses(0);
        self.evicted.why.get().copied().unwrap_or(unsaid)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.machine.rows().retain(|row| row.seat != self.seat);
        if let Some(leaf) = self.leaf.take() {
            leaf.remove();
        }
    }
}

const fn part(whole: u32, (some, of): (u32, u32)) -> u32 {
    whole / of * some
}

/// Whatever bounds the number of tasks here.
fn task_bounds() -> impl Iterator<Item = u64> {
    let read = |path| fs::read_to_string(path).ok()?.trim().parse().ok();
    let machine = ["/proc/sys/kernel/threads-max", "/proc/sys/kernel/pid_max"].into_iter().filter_map(read);
    // The kernel does not hold root to it.
    let user = getrlimit(Resource::Nproc).current.filter(|_| !getuid().is_root());
    machine.chain(user)
}

fn total_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    rest.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|count| count << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(tasks: u32) -> Arc<Machine> {
        Arc::new(Machine::of(tasks, 16 << 30, Err("not here".to_owned())))
    }

    fn seat(machine: &Arc<Machine>, profile: &str) -> Seat {
        machine.sit(&ProfileName::parse(profile).unwrap(), &LimitsConfig::default()).unwrap()
    }

    fn takes(processes: u32, gibibytes: u64) -> Usage {
        Usage { processes, memory: gibibytes << 30, ..Usage::default() }
    }

    fn why(seat: &Seat) -> Option<Excess> {
        seat.evicted.why.get().copied()
    }

    #[test]
    fn no_profile_gets_more_than_three_quarters_of_the_machine() {
        let roomy =
            LimitsConfig { profile_memory: 1 << 50, profile_processes: 1 << 20, ..LimitsConfig::default() };
        let bounds = machine(4_000).bounds(&roomy);
        assert_eq!(bounds, Bounds { memory: 12 << 30, processes: 3_000 });
        let usual = machine(1 << 20).bounds(&LimitsConfig::default());
        assert_eq!(usual, Bounds { memory: 8 << 30, processes: 2_048 });
        assert_eq!(seat(&machine(400), "a").limits().processes, 300);
    }

    #[test]
    fn the_largest_command_of_a_profile_goes_and_no_neighbour() {
        let machine = machine(1 << 20);
        let (big, small, bobs) = (seat(&machine, "a"), seat(&machine, "a"), seat(&machine, "b"));
        bobs.update(takes(10, 8));
        big.update(takes(10, 5));
        small.update(takes(10, 3));
        assert_eq!([&big, &small, &bobs].map(why), [None; 3], "8 GiB each are allowed");
        small.update(takes(10, 4));
        assert_eq!([&big, &small, &bobs].map(why), [Some(Excess::ProfileMemory(9 << 30)), None, None]);
        // What goes is not counted any more, and nobody else has to go for it.
        small.update(takes(10, 5));
        assert_eq!(why(&small), None);
        drop(big);
        small.update(takes(2_049, 5));
        assert_eq!(why(&small), Some(Excess::ProfileProcesses(2_049)));
    }

    #[test]
    fn when_all_together_take_too_much_the_greediest_profile_pays() {
        let machine = machine(2_000);
        let seats = ["a", "b", "b", "c"].map(|profile| seat(&machine, profile));
        seats[0].update(takes(700, 0));
        seats[1].update(takes(500, 0));
        seats[2].update(takes(400, 0));
        assert_eq!(seats.each_ref().map(why), [None; 4]);
        seats[3].update(takes(200, 0));
        assert_eq!(seats.each_ref().map(why), [None, Some(Excess::MachineProcesses(1_800)), None, None]);
    }

    #[tokio::test]
    async fn an_eviction_is_heard_also_by_who_listens_late() {
        let machine = machine(1 << 20);
        let seat = seat(&machine, "a");
        seat.update(takes(1, 9));
        assert_eq!(seat.evicted().await, Excess::ProfileMemory(9 << 30));
    }
}
