//! The quota of a profile: its workspace and its sessions' temporary folders.
//!
//! Counting is a walk over all files, so it is done seldom: at first use, when the disk has lost so much that the quota
//! may be near, and now and then, since somebody else may have given space back meanwhile. A walk takes at most a
//! twentieth of the time, and there are never two of one profile at once. Files that were deleted and are still open
//! lie in no folder; they end with their command, and the disk's reserve is the bound for them.

mod figure;
mod measure;
mod watch;

pub use watch::Watch;

use super::{failure::Failure, units};
use crate::{
    config::LimitsConfig,
    sandbox::{Room, disk_of},
};
use figure::Figures;
use measure::{MOST_ENTRIES, Size, measure};
use rustix::fs::fstatvfs;
use std::{
    io,
    path::PathBuf,
    sync::{
        Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Between two walks for which there is no reason but time.
const SELDOM: Duration = Duration::from_secs(5);
/// The same while commands are at work: space can be taken without writing, and others may give some back meanwhile.
const SOON: Duration = Duration::from_millis(1_500);
/// Shares of the time that walks may take: without a reason, and with one.
const LEISURE: u32 = 20;
const HASTE: u32 = 4;
/// Less than this is not worth a walk.
const SMALL: u64 = 1 << 20;
/// What to do when there is no room.
pub const FREE_SOMETHING: &str =
    "delete what is not needed with the terminal (rm), or tell the user that the space is used up";

/// What a profile has on the disk, and may have.
#[derive(Debug)]
pub struct Disk {
    folders: Vec<PathBuf>,
    quota: u64,
    reserve: u64,
    /// The file system holds the workspace to the quota.
    held: AtomicBool,
    known: Mutex<Option<Known>>,
    walking: Mutex<()>,
    figures: Figures,
    blame: Mutex<Blame>,
}

/// Who goes for folders that hold too much leaves them as they are. That is not another one's fault.
#[derive(Debug, Clone, Copy, Default)]
struct Blame {
    /// For so much somebody went already.
    forgiven: Size,
    /// When somebody went; nobody has counted since.
    settling: Option<Instant>,
}

/// The last walk, and what was written through us since.
#[derive(Debug, Clone, Copy)]
struct Known {
    size: Size,
    /// Free on the disk when it began.
    free: u64,
    at: Instant,
    took: Duration,
}

impl Disk {
    pub fn new(folders: Vec<PathBuf>, limits: &LimitsConfig) -> Self {
        let (quota, reserve) = (limits.disk_quota, limits.disk_reserve);
        Self {
            folders,
            quota,
            reserve,
            held: AtomicBool::new(false),
            known: Mutex::default(),
            walking: Mutex::default(),
            figures: Figures::default(),
            blame: Mutex::default(),
        }
    }

    /// What a file system that counts by project is to hold the workspace to. `None`: there is no quota.
    pub fn room(&self) -> Option<Room> {
        (self.quota < u64::MAX).then_some(Room { bytes: self.quota, entries: MOST_ENTRIES })
    }

    /// Takes note of who holds the quota.
    pub fn set_held(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// What there may be before somebody has to go. Who was refused by the file system at the very quota has passed
    /// nothing, although the temporary folders count here and not there.
    fn bound(&self) -> u64 {
        let slack = if self.held.load(Ordering::Relaxed) { SMALL } else { 0 };
        self.quota.saturating_add(slack)
    }

    /// Whether a file tool may write so many bytes more. Blocking; long only when the quota is near.
    pub fn admit(&self, bytes: u64) -> Result<(), Failure> {
        if let Some(free) = self.free().filter(|free| free.saturating_sub(bytes) < self.reserve) {
            let (free, reserve) = (units::bytes(free), units::bytes(self.reserve));
            let text = format!(
                "only {free} are free on the disk, and {reserve} are to stay free (terminal.disk_reserve)"
            );
            return Err(Failure::new("no_space", text).hint(FREE_SOMETHING));
        }
        let over = |known: &Known| {
            known.size.bytes.saturating_add(bytes) > self.quota || known.size.entries > MOST_ENTRIES
        };
        let mut known = self.look();
        if known.as_ref().is_some_and(over) {
            // Something may have been deleted since.
            known = self.walk(HASTE);
        }
        match known.filter(over) {
            Some(known) => Err(Failure::new("quota_exceeded", self.full(known.size)).hint(FREE_SOMETHING)),
            None => {
                if let Some(known) = self.known().as_mut() {
                    known.size.bytes = known.size.bytes.saturating_add(bytes);
                }
                Ok(())
            }
        }
    }

    /// Counts, if there is reason to: what is added from now on is then seen as added. Blocking.
    pub fn count(&self) {
        self.look();
    }

    /// What is known, after a walk when there is reason for one.
    fn look(&self) -> Option<Known> {
        let Some(known) = *self.known() else { return self.walk(0) };
        let room = self.quota.saturating_sub(known.size.bytes);
        let lost = known.free.saturating_sub(self.free().unwrap_or(known.free));
        let (written, busy) = self.figures.since_count();
        if lost.max(written) > (room / 2).max(SMALL) || self.is_settling() {
            return self.walk(HASTE);
        }
        let seldom = if busy { SOON } else { SELDOM };
        if known.at.elapsed() > seldom { self.walk(LEISURE) } else { Some(known) }
    }

    /// Walks, unless one walk is under way, or the last one was so short ago that walking would take more than a
    /// `share`-th of the time. Gives what is known then.
    fn walk(&self, share: u32) -> Option<Known> {
        let known = *self.known();
        if known.is_some_and(|known| known.at.elapsed() < known.took * share) {
            return known;
        }
        let _walking = match self.walking.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return known,
        };
        let (free, start) = (self.free().unwrap_or(0), Instant::now());
        let size = self.measure(known.map(|known| known.size).unwrap_or_default());
        let walked = Known { size, free, at: Instant::now(), took: start.elapsed() };
        *self.known() = Some(walked);
        self.counted(size, start);
        Some(walked)
    }

    /// What a count means for who is to blame.
    fn counted(&self, size: Size, begun: Instant) {
        let mut blame = self.blame();
        let within = size.bytes <= self.bound() && size.entries <= MOST_ENTRIES;
        // A count that was under way when somebody went has not seen all.
        let settled = blame.settling.is_some_and(|went| went <= begun);
        if within && blame.settling.is_none() {
            blame.forgiven = Size::default();
        } else if settled {
            *blame = Blame { forgiven: if within { Size::default() } else { size }, settling: None };
        }
        self.figures.counted(within || settled);
    }

    /// What a command may come to, seeing what others went for already.
    fn forgiven(&self, most: Size) -> Size {
        let Size { bytes, entries, closed: _ } = self.blame().forgiven;
        Size { bytes: most.bytes.max(bytes), entries: most.entries.max(entries), closed: most.closed }
    }

    fn is_settling(&self) -> bool {
        self.blame().settling.is_some()
    }

    /// Somebody went.
    fn settle(&self) {
        self.blame().settling = Some(Instant::now());
    }

    fn blame(&self) -> MutexGuard<'_, Blame> {
        self.blame.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tree that moved twice while it was walked is taken for what it was, and for one that hides something.
    fn measure(&self, before: Size) -> Size {
        let whole =
            || self.folders.iter().try_fold(Size::default(), |sum, folder| Ok(sum.plus(measure(folder)?)));
        let hidden = Size { closed: before.closed.max(1), ..before };
        whole().or_else(|_: io::Error| whole()).unwrap_or(hidden)
    }

    /// What a command may come to. Of a profile that is over its quota already, it may delete and not add.
    fn most(&self, known: &Known) -> Size {
        let Size { bytes, entries, closed: _ } = known.size;
        Size { bytes: bytes.max(self.bound()), entries: entries.max(MOST_ENTRIES), closed: 0 }
    }

    fn full(&self, size: Size) -> String {
        if size.entries > MOST_ENTRIES {
            return format!("the workspace has more than {MOST_ENTRIES} files and folders");
        }
        let (has, quota) = (units::bytes(size.bytes), units::bytes(self.quota));
        format!("the workspace holds {has}, and {quota} are allowed (terminal.disk_quota)")
    }

    /// Free on the disk that has less.
    fn free(&self) -> Option<u64> {
        let disks = self.folders.iter().filter_map(|folder| fstatvfs(disk_of(folder)?).ok());
        disks.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)).min()
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        // One figure, written in one go: what a panic left is as good as any.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
