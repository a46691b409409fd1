//! Every file below a folder, in a tree that an agent may have built to mislead us.

use rustix::{
    fs::{CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat},
    io::Errno,
};
use std::{
    ffi::CString,
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
    time::Instant,
};

/// One open folder each; deeper ones are left.
const DEEPEST: usize = 200;

/// What a walk did not come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rest {
    /// Mounts, folders too deep, and what the visitor would not have or could not change.
    pub left: u64,
    /// Time was up.
    pub unfinished: bool,
}

/// Shows every file below `folder` to `visit`, a folder before what is in it. Blocking.
///
/// Each is opened first, as a mere place and without following a link, and what is looked at is that open file: names may
/// change meanwhile. What `visit` does not answer with `true` is left, and not looked into.
///
/// # Errors
///
/// The folder itself cannot be looked at.
pub fn each_below(
    folder: &OwnedFd,
    deadline: Instant,
    visit: &mut dyn FnMut(&OwnedFd, &Stat) -> Result<bool, Errno>,
) -> io::Result<Rest> {
    let device = fstat(folder)?.st_dev;
    let mut rest = Rest::default();
    let mut open = vec![Dir::new(look_into(folder)?)?];
    while let Some(folder) = open.last_mut() {
        if Instant::now() >= deadline {
            rest.unfinished = true;
            break;
        }
        let Some(entry) = folder.next() else {
            open.pop();
            continue;
        };
        let Ok(entry) = entry else {
            // A folder that cannot be read on; what lies above it can.
            rest.left += 1;
            open.pop();
            continue;
        };
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let name = CString::from(name);
        match member(folder.fd()?, &name, device, visit) {
            Ok(Member::Folder(_)) if open.len() >= DEEPEST => rest.left += 1,
            Ok(Member::Folder(deeper)) => open.push(Dir::new(deeper)?),
            Ok(Member::File) | Err(Errno::NOENT) => {}
            Ok(Member::Left) | Err(_) => rest.left += 1,
        }
    }
    Ok(rest)
}

enum Member {
    Folder(OwnedFd),
    File,
    Left,
}

fn member(
    above: BorrowedFd<'_>,
    name: &CString,
    device: u64,
    visit: &mut dyn FnMut(&OwnedFd, &Stat) -> Result<bool, Errno>,
) -> Result<Member, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(above, name, flags, Mode::empty())?;
    let stat = fstat(&file)?;
    // Something is mounted there, by somebody who may mount.
    if stat.st_dev != device || !visit(&file, &stat)? {
        return Ok(Member::Left);
    }
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        look_into(&file).map(Member::Folder)
    } else {
        Ok(Member::File)
    }
}

/// The same folder that was looked at, whatever bears its name by now.
pub fn look_into(folder: &OwnedFd) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(folder, ".", flags, Mode::empty())
}

/// The same ordinary file that was looked at.
pub fn look_at(file: &OwnedFd) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    openat(CWD, format!("/proc/self/fd/{}", file.as_raw_fd()), flags, Mode::empty())
}
