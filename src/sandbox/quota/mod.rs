//! The disk quota of a profile, held by the file system: a project of its own for the workspace, with hard limits.
//!
//! Where the workspace's file system counts projects and holds limits (ext4 and XFS, mounted with `prjquota`) and the
//! gateway may set them, the kernel refuses the write that would pass the quota. Which project it is stands in the
//! workspace's own inode and nowhere else: it comes along with a rename, and goes with the folder. What is made in the
//! workspace inherits the project.
//!
//! A file's owner may take it out of its project again wherever no user namespace forbids that, so commands are refused
//! the calls that do it (see [`super::seccomp`]), and the gateway goes on counting as a second line.

mod kernel;

pub(super) use kernel::LEAVING;

use super::below::{Rest, each_below, look_at, look_into};
use kernel::{Attributes, INHERIT, attributes, is_enforced, limit, set_attributes, usage};
use rustix::{
    fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat},
    thread::{CapabilitySet, capabilities},
};
use std::{
    io,
    os::fd::OwnedFd,
    path::Path,
    time::{Duration, Instant},
};

/// Projects that are ours: operators number theirs from 1. Which one a workspace gets hangs on its inode, and on which
/// are taken.
const FIRST: u32 = 1_000_000_000;
const COUNT: u32 = 1_000_000_000;
/// Taken numbers in a row after which something else is wrong.
const TRIES: u32 = 1_000;

/// What the file system's hold is called.
pub const PROJECT_QUOTA: &str = "project_quota";

/// How much a workspace may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    pub bytes: u64,
    /// Files and folders.
    pub entries: u64,
}

/// Has the file system hold a workspace to `room`; what is in it already is counted, and may stay. Blocking: at first
/// for as long as a walk over its files takes, then for some system calls.
///
/// # Errors
///
/// Why the file system does not hold it, as half a sentence.
pub fn hold(workspace: &OwnedFd, room: Room, patience: Duration) -> Result<(), String> {
    let folder = look_into(workspace).map_err(|error| format!("the workspace cannot be read: {error}"))?;
    let attributes =
        attributes(&folder).map_err(|_unknown| "the workspace's file system knows no projects".to_owned())?;
    if !is_enforced(&folder) {
        return Err("the workspace's file system is not mounted with project quotas (`prjquota`)".to_owned());
    }
    let rights = capabilities(None).map_err(|error| error.to_string())?.effective;
    if !rights.contains(CapabilitySet::SYS_ADMIN) {
        return Err("the gateway may not set project quotas (it lacks CAP_SYS_ADMIN)".to_owned());
    }
    let project = match attributes.project {
        0 => choose(&folder, attributes)?,
        ours if is_ours(ours) => ours,
        theirs => return Err(format!("the workspace belongs to project {theirs}, which is the operator's")),
    };
    let told = |error: io::Error| format!("project {project} cannot be set up: {error}");
    if attributes.flags & INHERIT == 0 && gather(workspace, &folder, project, patience).map_err(told)? {
        return Err("its files could not all be counted in time; the next start goes on".to_owned());
    }
    limit(&folder, project, room).map_err(told)
}

/// Which project of ours holds a workspace, remembered while the workspace goes.
#[derive(Debug)]
pub struct Project {
    number: u32,
    /// On the same file system.
    beside: OwnedFd,
}

impl Project {
    /// `None`: none does, or nobody can tell.
    #[must_use]
    pub fn of(workspace: &Path) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = openat(CWD, workspace, flags, Mode::empty()).ok()?;
        let number = attributes(&folder).ok()?.project;
        let beside = openat(CWD, workspace.parent()?, flags, Mode::empty()).ok()?;
        is_ours(number).then_some(Self { number, beside })
    }

    /// Takes its limits away: the number is free again once no file bears it.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn forget(self) -> io::Result<()> {
        limit(&self.beside, self.number, Room { bytes: 0, entries: 0 })
    }
}

/// A folder on the same disk as `folder` that is not in its project: what is free there is free on the disk, and not what
/// the project may still take. `None`: there is no such folder.
pub fn disk_of(folder: &Path) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = |path: &Path| openat(CWD, path, flags, Mode::empty()).ok();
    let own = open(folder)?;
    let device = fstat(&own).ok()?.st_dev;
    let above = folder.parent().and_then(open);
    // Something may be mounted just there.
    Some(above.filter(|above| fstat(above).is_ok_and(|stat| stat.st_dev == device)).unwrap_or(own))
}

/// Who holds a workspace to its quota, as it is published: the file system or the gateway.
#[must_use]
pub const fn disk_holder(held: bool) -> &'static str {
    if held { PROJECT_QUOTA } else { "watcher" }
}

const fn is_ours(project: u32) -> bool {
    project >= FIRST && project - FIRST < COUNT
}

/// Takes a free project for the folder, and notes it in it.
fn choose(folder: &OwnedFd, attributes: Attributes) -> Result<u32, String> {
    let inode = fstat(folder).map_err(|error| error.to_string())?.st_ino;
    for project in candidates(inode) {
        let usage = || usage(folder, project).map_err(|error| format!("projects cannot be read: {error}"));
        if !usage()?.is_free() {
            continue;
        }
        set_attributes(folder, attributes.of(project, 0))
            .map_err(|error| format!("the workspace cannot be given a project: {error}"))?;
        // Another profile that starts at this moment may have found the same one free.
        if usage()?.entries <= 1 {
            return Ok(project);
        }
    }
    Err("no project is free".to_owned())
}

fn candidates(inode: u64) -> impl Iterator<Item = u32> {
    let first = inode % u64::from(COUNT);
    (0..TRIES).filter_map(move |step| {
        u32::try_from((first + u64::from(step)) % u64::from(COUNT)).ok().map(|offset| FIRST + offset)
    })
}

/// Puts what is in the workspace into its project, and last has it inherited, which therefore says that this was done.
/// True when time was up before.
fn gather(workspace: &OwnedFd, folder: &OwnedFd, project: u32, patience: Duration) -> io::Result<bool> {
    let top = fstat(folder)?;
    let mut put = |file: &OwnedFd, stat: &Stat| {
        let (opened, inherit) = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => (look_into(file)?, INHERIT),
            // A second name may be that of a file of somebody else.
            FileType::RegularFile if stat.st_uid != top.st_uid || (stat.st_uid == 0 && stat.st_nlink > 1) => {
                return Ok(false);
            }
            FileType::RegularFile => (look_at(file)?, 0),
            // Take next to no room, and cannot be opened for this.
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => return Ok(true),
        };
        put_into(&opened, project, inherit)?;
        Ok(true)
    };
    let Rest { left: _, unfinished } = each_below(workspace, Instant::now() + patience, &mut put)?;
    if !unfinished {
        put_into(folder, project, INHERIT)?;
    }
    Ok(unfinished)
}

fn put_into(file: &OwnedFd, project: u32, inherit: u32) -> rustix::io::Result<()> {
    let has = attributes(file)?;
    let wanted = has.of(project, inherit);
    if wanted == has { Ok(()) } else { set_attributes(file, wanted) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, OwnedFd) {
        let dir = tempfile::tempdir().unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, dir.path(), flags, Mode::empty()).unwrap();
        (dir, fd)
    }

    #[test]
    fn projects_are_ours_by_their_number_and_differ_by_inode() {
        let some: Vec<_> = candidates(5).take(3).collect();
        assert_eq!(some, [FIRST + 5, FIRST + 6, FIRST + 7]);
        let last = u64::from(COUNT) * 7 - 1;
        assert_eq!(candidates(last).take(2).collect::<Vec<_>>(), [FIRST + COUNT - 1, FIRST]);
        assert!(candidates(u64::MAX).all(is_ours) && candidates(3).count() == TRIES as usize);
        assert!([0, 1, FIRST - 1, FIRST + COUNT, u32::MAX].into_iter().all(|number| !is_ours(number)));
    }

    #[test]
    fn a_folders_disk_is_looked_at_from_beside_it() {
        let (dir, _fd) = folder();
        let inode = |fd: &OwnedFd| fstat(fd).unwrap().st_ino;
        let below = dir.path().join("below");
        assert!(disk_of(&below).is_none());
        std::fs::create_dir(&below).unwrap();
        let named = openat(CWD, dir.path(), OFlags::PATH, Mode::empty()).unwrap();
        assert_eq!(inode(&disk_of(&below).unwrap()), inode(&named));
        // Another disk begins just there.
        let mounted = openat(CWD, "/proc", OFlags::PATH, Mode::empty()).unwrap();
        assert_eq!(inode(&disk_of(Path::new("/proc")).unwrap()), inode(&mounted));
    }

    /// Whatever the machine has: either it holds, and then a write beyond it is refused, or it says why not and changes
    /// nothing.
    #[test]
    fn who_cannot_hold_says_why() {
        let (dir, fd) = folder();
        let room = Room { bytes: 1 << 20, entries: 100 };
        match hold(&fd, room, Duration::from_secs(5)) {
            Ok(()) => {
                let project = Project::of(dir.path()).unwrap();
                project.forget().unwrap();
            }
            Err(why) => {
                assert!(!why.is_empty() && !why.ends_with('.'), "{why}");
                assert!(Project::of(dir.path()).is_none(), "{why}");
            }
        }
    }
}
