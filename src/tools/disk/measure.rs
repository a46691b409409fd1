//! How much a folder holds, however hostile what lies in it is: any depth, a million files, links, things that move
//! while they are counted.

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat},
    io::Errno,
};
use std::{
    collections::HashSet,
    ffi::{CStr, CString},
    io,
    os::fd::OwnedFd,
    path::Path,
};

/// Who has more is over any quota; a walk ends there.
pub const MOST_ENTRIES: u64 = 2_000_000;

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// On the disk: holes are nothing, a file with two names is one.
    pub bytes: u64,
    pub entries: u64,
    /// Folders that could not be looked into.
    pub closed: u64,
}

impl Size {
    pub const fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            entries: self.entries.saturating_add(other.entries),
            closed: self.closed.saturating_add(other.closed),
        }
    }
}

/// A folder on the way back up.
struct Above {
    device: u64,
    inode: u64,
    /// Folders in it that are still to be visited.
    pending: Vec<CString>,
}

struct Walk {
    size: Size,
    device: u64,
    /// Files with several names that were met already.
    seen: HashSet<u64>,
}

/// Counts what lies in a folder, on its own disk. Blocking: some microseconds for each entry. One descriptor is open at
/// a time, since the depth is the agent's to choose. A folder that is not there holds nothing.
///
/// # Errors
///
/// The folder cannot be opened, or the tree was changed under the walk so that the way back is lost.
pub fn measure(folder: &Path) -> io::Result<Size> {
    let mut current = match open(CWD, folder) {
        Ok(fd) => fd,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Size::default()),
        Err(error) => return Err(error.into()),
    };
    let mut here = fstat(&current)?;
    let mut walk = Walk { size: Size::default(), device: here.st_dev, seen: HashSet::new() };
    let mut pending = walk.list(&current)?;
    let mut above: Vec<Above> = Vec::new();
    loop {
        let Some(name) = pending.pop() else {
            let Some(up) = above.pop() else { return Ok(walk.size) };
            current = open(&current, c"..")?;
            here = fstat(&current)?;
            if (here.st_dev, here.st_ino) != (up.device, up.inode) {
                return Err(io::Error::other("a folder was moved while it was measured"));
            }
            pending = up.pending;
            continue;
        };
        let child = match open(&current, &*name) {
            Ok(child) => child,
            Err(Errno::ACCESS | Errno::PERM) => {
                walk.size.closed += 1;
                continue;
            }
            // Gone, or something else by now.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
            Err(error) => return Err(error.into()),
        };
        let inside = fstat(&child)?;
        if inside.st_dev != walk.device {
            continue;
        }
        let below = walk.list(&child)?;
        if walk.size.entries > MOST_ENTRIES {
            return Ok(walk.size);
        }
        // Without folders in it there is nothing to come back from.
        if below.is_empty() {
            continue;
        }
        above.push(Above { device: here.st_dev, inode: here.st_ino, pending });
        (current, here, pending) = (child, inside, below);
    }
}

impl Walk {
    /// Counts the members of a folder; gives back those that are folders.
    fn list(&mut self, folder: &OwnedFd) -> io::Result<Vec<CString>> {
        let mut folders = Vec::new();
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.size.entries += 1;
            if self.size.entries > MOST_ENTRIES {
                break;
            }
            let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            self.count(&stat);
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                folders.push(CStr::to_owned(name));
            }
        }
        Ok(folders)
    }

    fn count(&mut self, stat: &Stat) {
        let folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let again = stat.st_nlink > 1 && !folder && !self.seen.insert(stat.st_ino);
        if stat.st_dev == self.device && !again {
            let blocks = u64::try_from(stat.st_blocks).unwrap_or(0);
            self.size.bytes = self.size.bytes.saturating_add(blocks * 512);
        }
    }
}

fn open(at: impl rustix::fd::AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::mkdirat;
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn files_count_once_and_by_what_they_take() {
        let dir = folder();
        let empty = measure(dir.path()).unwrap();
        assert_eq!((empty.bytes, empty.entries), (0, 0));
        fs::create_dir(dir.path().join("a")).unwrap();
        let base = measure(dir.path()).unwrap().bytes;
        fs::write(dir.path().join("a/file"), vec![1; 1 << 20]).unwrap();
        fs::hard_link(dir.path().join("a/file"), dir.path().join("other")).unwrap();
        symlink("/", dir.path().join("root")).unwrap();
        symlink("a", dir.path().join("loop")).unwrap();
        fs::File::create(dir.path().join("hole")).unwrap().set_len(1 << 40).unwrap();
        let size = measure(dir.path()).unwrap();
        assert!((1 << 20..(1 << 20) + 65_536).contains(&(size.bytes - base)), "{size:?}");
        assert_eq!((size.entries, size.closed), (6, 0));
    }

    #[test]
    fn a_folder_that_is_not_there_holds_nothing() {
        let dir = folder();
        assert_eq!(measure(&dir.path().join("none")).unwrap(), Size::default());
        fs::write(dir.path().join("file"), "x").unwrap();
        assert_eq!(measure(&dir.path().join("file")).unwrap(), Size::default());
    }

    #[test]
    fn no_depth_hides_a_file() {
        const DEPTH: u64 = 3_000;
        let dir = folder();
        let mut at = open(CWD, dir.path()).unwrap();
        for _ in 0..DEPTH {
            mkdirat(&at, "deep", Mode::RWXU).unwrap();
            at = open(&at, "deep").unwrap();
        }
        let file = openat(&at, "file", OFlags::WRONLY | OFlags::CREATE, Mode::RUSR).unwrap();
        rustix::io::write(file, &[1; 8_192]).unwrap();
        let size = measure(dir.path()).unwrap();
        assert_eq!(size.entries, DEPTH + 1);
        assert!(size.bytes >= 8_192, "{size:?}");
        let before = fs::read_dir("/proc/self/fd").unwrap().count();
        measure(dir.path()).unwrap();
        assert!(fs::read_dir("/proc/self/fd").unwrap().count() < before + 50);
    }

    #[test]
    fn what_cannot_be_looked_into_is_told() {
        let dir = folder();
        let closed = dir.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        let size = measure(dir.path()).unwrap();
        // Root looks into everything.
        let expected = u64::from(!rustix::process::geteuid().is_root());
        assert_eq!((size.entries, size.closed), (1, expected));
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn a_tree_that_moves_under_the_walk_ends_it() {
        let dir = folder();
        for name in ["a", "b"] {
            fs::create_dir_all(dir.path().join(name).join("c/d/e/f")).unwrap();
        }
        let stop = std::sync::atomic::AtomicBool::new(false);
        let mut sizes = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = fs::rename(dir.path().join("a/c"), dir.path().join("b/x"));
                    let _ = fs::rename(dir.path().join("b/x"), dir.path().join("a/c"));
                }
            });
            for _ in 0..300 {
                sizes.extend(measure(dir.path()));
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        // Either it counted a tree that was there (a folder that moved before the walk more than once), or it says that it lost
        // the way: never what lies outside.
        assert!(sizes.iter().all(|size| size.entries <= 100), "{sizes:?}");
    }
}
