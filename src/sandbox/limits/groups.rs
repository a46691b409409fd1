//! Control groups (version 2): the limits of a command, a profile and all commands, held by the kernel in sum.
//!
//! ```text
//! the group that the gateway was started in      delegated to it, and nobody else in it
//! └── hermes-PID
//!     ├── gateway                                the gateway itself: groups with limits hold no processes
//!     └── PROFILE                                the profile's sums
//!         └── NUMBER                             one command
//! ```

use super::{Limits, machine::Bounds};
use crate::domain::ProfileName;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

const NEEDED: [&str; 2] = ["memory", "pids"];
const WELCOME: [&str; 1] = ["cpu"];
/// Of the processor, against 100 for each profile with commands at work.
const GATEWAY_WEIGHT: u32 = 1_000;
/// What is left in a group after a kill ends within milliseconds; who is held by the kernel longer is left to the next
/// start of a gateway.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// Groups of this gateway's own.
#[derive(Debug)]
pub struct Groups {
    /// `hermes-PID`.
    base: PathBuf,
    controllers: Vec<&'static str>,
    inherited: Inherited,
    next: AtomicU64,
}

/// Limits of the group that the gateway was started in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inherited {
    pub tasks: Option<u64>,
    pub memory: Option<u64>,
}

impl Groups {
    /// Makes groups below the one that this process is in, and moves this process into one of them. Blocking.
    ///
    /// # Errors
    ///
    /// Why there will be none, as half a sentence.
    pub fn claim() -> Result<Self, String> {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let own = own_folder(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"))?;
        Self::claim_in(&own, std::process::id())
    }

    fn claim_in(own: &Path, process: u32) -> Result<Self, String> {
        let offered = read_words(&own.join("cgroup.controllers"));
        let missing = NEEDED.iter().find(|name| !offered.iter().any(|word| word == *name));
        if let Some(missing) = missing {
            return Err(format!("the control group `{}` has no controller `{missing}`", own.display()));
        }
        sweep(own);
        // The machine's own root is the one group that may hold processes beside groups with limits.
        let root = !own.join("cgroup.type").exists();
        let others = read_words(&own.join("cgroup.procs"));
        if !root && others.iter().any(|word| *word != process.to_string()) {
            return Err(format!(
                "other processes are in the gateway's control group `{}`: start it as a service with `Delegate=yes`",
                own.display()
            ));
        }
        let base = own.join(format!("hermes-{process}"));
        let controllers: Vec<_> = NEEDED
            .into_iter()
            .chain(WELCOME)
            .filter(|name| offered.iter().any(|word| word == name))
            .collect();
        let inherited = Inherited {
            tasks: read_number(&own.join("pids.max")),
            memory: read_number(&own.join("memory.max")),
        };
        let groups = Self { base, controllers, inherited, next: AtomicU64::new(0) };
        groups.settle(own, process).map_err(|error| {
            // Back where it was; a half-made tree is worse than none.
            let _ = fs::write(own.join("cgroup.procs"), process.to_string());
            let _ = fs::remove_dir(groups.base.join("gateway"));
            let _ = fs::remove_dir(&groups.base);
            format!("the control group `{}` is not the gateway's to divide: {error}", own.display())
        })?;
        Ok(groups)
    }

    fn settle(&self, own: &Path, process: u32) -> io::Result<()> {
        let gateway = self.base.join("gateway");
        fs::create_dir_all(&gateway)?;
        fs::write(gateway.join("cgroup.procs"), process.to_string())?;
        self.open_to_children(own)?;
        self.open_to_children(&self.base)?;
        self.weigh(&gateway, GATEWAY_WEIGHT)
    }

    /// Limits of the group that the gateway was started in.
    pub const fn inherited(&self) -> Inherited {
        self.inherited
    }

    /// A group for one command of a profile.
    pub fn leaf(&self, profile: &ProfileName, bounds: Bounds, limits: &Limits) -> io::Result<Leaf> {
        let above = self.base.join(profile.as_str());
        make(&above)?;
        self.open_to_children(&above)?;
        set(&above, bounds.memory, bounds.processes)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = above.join(number.to_string());
        make(&path)?;
        let leaf = Leaf(path);
        // At `strict` process 1 of the command's world is in there, too.
        set(&leaf.0, limits.memory_bytes, limits.processes.saturating_add(1))?;
        // A command of which one process is gone would go on in a way that nobody foresaw.
        write_if_there(&leaf.0.join("memory.oom.group"), "1")?;
        Ok(leaf)
    }

    fn open_to_children(&self, group: &Path) -> io::Result<()> {
        let words: Vec<String> = self.controllers.iter().map(|name| format!("+{name}")).collect();
        fs::write(group.join("cgroup.subtree_control"), words.join(" "))
    }

    fn weigh(&self, group: &Path, weight: u32) -> io::Result<()> {
        if self.controllers.contains(&"cpu") {
            fs::write(group.join("cpu.weight"), weight.to_string())?;
        }
        Ok(())
    }
}

/// The group of one command.
#[derive(Debug)]
pub struct Leaf(PathBuf);

impl Leaf {
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Kills what is left in it and takes it away: on the blocking pool where there is one.
    pub fn remove(self) {
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || remove(&self.0))),
            Err(_no_runtime) => remove(&self.0),
        }
    }
}

/// Groups of gateways that are no more. What still has processes cannot be removed.
fn sweep(own: &Path) {
    let entries = fs::read_dir(own).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("hermes-")) {
        for profile in folders(&entry.path()) {
            for leaf in folders(&profile) {
                let _ = fs::remove_dir(leaf);
            }
            let _ = fs::remove_dir(profile);
        }
        let _ = fs::remove_dir(entry.path());
    }
}

fn folders(above: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(above).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn remove(group: &Path) {
    for _ in 0..TRIES {
        match fs::remove_dir(group) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_occupied) => {
                let _ = fs::write(group.join("cgroup.kill"), "1");
                wait(PAUSE);
            }
        }
    }
    tracing::warn!(group = %group.display(), "a command's control group cannot be removed");
}

/// On the blocking pool, where a thread may sleep.
fn wait(pause: Duration) {
    let pause = rustix::time::Timespec { tv_sec: 0, tv_nsec: i64::from(pause.subsec_nanos()) };
    let _ = rustix::event::poll(&mut [], Some(&pause));
}

fn make(group: &Path) -> io::Result<()> {
    match fs::create_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn set(group: &Path, memory: u64, processes: u32) -> io::Result<()> {
    fs::write(group.join("memory.max"), memory.to_string())?;
    // Otherwise what does not fit into memory goes on in swap, at everybody's cost.
    write_if_there(&group.join("memory.swap.max"), "0")?;
    fs::write(group.join("pids.max"), processes.to_string())
}

fn write_if_there(path: &Path, text: &str) -> io::Result<()> {
    if path.exists() { fs::write(path, text) } else { Ok(()) }
}

fn read_words(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

/// `max` is no number.
fn read_number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The folder of the group of this process, from what the kernel says of it and of the mounts.
fn own_folder(groups: &str, mounts: &str) -> Result<PathBuf, String> {
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let own = own.ok_or("this machine has no control groups of version 2")?;
    let mount = mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut words = place.split(' ').skip(3);
        (kind.split(' ').next() == Some("cgroup2")).then_some((words.next()?, words.next()?))
    });
    let (root, point) = mount.ok_or("control groups of version 2 are not mounted")?;
    // A container sees a part of the tree: the mount then begins where its own group is.
    let below = own.strip_prefix(root.trim_end_matches('/')).unwrap_or(own);
    if below.split('/').any(|part| part == "..") {
        return Err("the gateway's control group is outside of what is mounted here".to_owned());
    }
    Ok(Path::new(point).join(below.trim_start_matches('/')))
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;
