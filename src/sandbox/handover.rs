//! Giving the files below a folder to another user, in a tree that an agent may have built to mislead us.

use super::Owner;
use rustix::{
    fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fstat, openat},
    io::Errno,
};
use std::{
    ffi::CString,
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

/// One open folder each; deeper ones keep their owner.
const DEEPEST: usize = 200;

/// What a handover came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Handover {
    pub given: u64,
    /// Files of somebody else, other names of files that may lie elsewhere, mounts, folders too deep: left as they are.
    pub left: u64,
    /// Time was up. What was given stays given, so the next one goes on.
    pub unfinished: bool,
}

/// Gives the folder and what lies below it to `to`, and last the folder itself, which therefore says whether it was
/// done before. Blocking.
///
/// Every file is opened first, without following a link, and what is looked at and given is that open file: names may
/// change meanwhile. Only what belongs to the folder's present owner is given. That owner's own files may have further
/// names elsewhere and are still his; but where he is root, a file with two names may be one of the machine's own, linked
/// to from here, and is left.
///
/// # Errors
///
/// The folder itself cannot be looked at or given.
pub fn hand_over(folder: &OwnedFd, to: Owner, patience: Duration) -> io::Result<Handover> {
    let top = fstat(folder)?;
    if (top.st_uid, top.st_gid) == (to.uid, to.gid) {
        return Ok(Handover::default());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut walk = Walk { to, top, deadline: Instant::now() + patience, done: Handover::default() };
    walk.below(openat(folder, ".", flags, Mode::empty())?)?;
    if !walk.done.unfinished {
        let (uid, gid) = walk.ids();
        // A folder that was opened as a mere place cannot be given through its own descriptor.
        chownat(folder, "", uid, gid, AtFlags::EMPTY_PATH)?;
        walk.done.given += 1;
    }
    Ok(walk.done)
}

struct Walk {
    to: Owner,
    top: Stat,
    deadline: Instant,
    done: Handover,
}

impl Walk {
    fn ids(&self) -> (Option<Uid>, Option<Gid>) {
        (Some(Uid::from_raw(self.to.uid)), Some(Gid::from_raw(self.to.gid)))
    }

    fn below(&mut self, top: OwnedFd) -> io::Result<()> {
        let mut open = vec![Dir::new(top)?];
        while let Some(folder) = open.last_mut() {
            if Instant::now() >= self.deadline {
                self.done.unfinished = true;
                return Ok(());
            }
            let Some(entry) = folder.next() else {
                open.pop();
                continue;
            };
            let Ok(entry) = entry else {
                // A folder that cannot be read on; what lies above it can.
                self.done.left += 1;
                open.pop();
                continue;
            };
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let name = CString::from(name);
            let above = folder.fd()?;
            match self.member(above, &name) {
                Ok(Some(_)) if open.len() >= DEEPEST => self.done.left += 1,
                Ok(Some(deeper)) => open.push(Dir::new(deeper)?),
                Ok(None) | Err(Errno::NOENT) => {}
                Err(_) => self.done.left += 1,
            }
        }
        Ok(())
    }

    /// Gives one member; a folder comes back to be looked into.
    fn member(
        &mut self,
        above: rustix::fd::BorrowedFd<'_>,
        name: &CString,
    ) -> Result<Option<OwnedFd>, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(above, name, flags, Mode::empty())?;
        let stat = fstat(&file)?;
        if stat.st_dev != self.top.st_dev {
            // Something is mounted there, by somebody who may mount.
            self.done.left += 1;
            return Ok(None);
        }
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if (stat.st_uid, stat.st_gid) != (self.to.uid, self.to.gid) {
            if !self.may_give(&stat) {
                self.done.left += 1;
                return Ok(None);
            }
            let (uid, gid) = self.ids();
            chownat(&file, "", uid, gid, AtFlags::EMPTY_PATH)?;
            self.done.given += 1;
        }
        if !is_folder {
            return Ok(None);
        }
        // The same folder that was just looked at, whatever bears its name by now.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(&file, ".", flags, Mode::empty()).map(Some)
    }

    fn may_give(&self, stat: &Stat) -> bool {
        let one_name = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => true,
            FileType::RegularFile | FileType::Symlink | FileType::Fifo | FileType::Socket => {
                stat.st_nlink == 1
            }
            // Its owner decides who may use a device.
            FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => return false,
        };
        // Half given by an earlier try: the user is there, the group not yet.
        let whose = stat.st_uid == self.top.st_uid || stat.st_uid == self.to.uid;
        whose && (one_name || stat.st_uid != 0)
    }
}
