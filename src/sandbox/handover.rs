//! Giving the files below a folder to another user, in a tree that an agent may have built to mislead us.

use super::{
    Owner,
    below::{Rest, each_below},
};
use rustix::fs::{AtFlags, FileType, Gid, Stat, Uid, chownat, fstat};
use std::{
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

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
    let (uid, gid) = (Some(Uid::from_raw(to.uid)), Some(Gid::from_raw(to.gid)));
    let mut given = 0;
    let mut give = |file: &OwnedFd, stat: &Stat| {
        if (stat.st_uid, stat.st_gid) != (to.uid, to.gid) {
            if !may_give(&top, to, stat) {
                return Ok(false);
            }
            // What was opened as a mere place cannot be given through its own descriptor.
            chownat(file, "", uid, gid, AtFlags::EMPTY_PATH)?;
            given += 1;
        }
        Ok(true)
    };
    let Rest { left, unfinished } = each_below(folder, Instant::now() + patience, &mut give)?;
    if !unfinished {
        chownat(folder, "", uid, gid, AtFlags::EMPTY_PATH)?;
        given += 1;
    }
    Ok(Handover { given, left, unfinished })
}

fn may_give(top: &Stat, to: Owner, stat: &Stat) -> bool {
    let one_name = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => true,
        FileType::RegularFile | FileType::Symlink | FileType::Fifo | FileType::Socket => stat.st_nlink == 1,
        // Its owner decides who may use a device.
        FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => return false,
    };
    // Half given by an earlier try: the user is there, the group not yet.
    let whose = stat.st_uid == top.st_uid || stat.st_uid == to.uid;
    whose && (one_name || stat.st_uid != 0)
}
