//! Removing what an agent left: however deep it is, whatever modes it has, and without following a link.

use rustix::{
    fs::{AtFlags, CWD, Dir, Mode, OFlags, chmod, fchmod, openat, renameat, unlinkat},
    io::Errno,
};
use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::Path,
};

/// Names that are read before they are acted on.
const PAGE: usize = 1_024;

/// [`remove_tree`] by path; only the last part may be somebody else's making.
///
/// # Errors
///
/// As there; also when there is nothing of that name.
pub fn remove_folder(path: &Path) -> io::Result<()> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let above = openat(CWD, above, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    remove_tree(above, &CString::new(name.as_encoded_bytes())?)
}

/// Removes a folder with all that is in it.
///
/// A tree can be deeper than a stack or a table of descriptors: a recursive removal would end this process. So folders
/// are not descended into; those inside a member are moved up beside it, each once, until nothing is deeper than two.
///
/// # Errors
///
/// Something cannot be removed, or somebody goes on making files.
pub(super) fn remove_tree(above: impl AsFd, name: &CStr) -> io::Result<()> {
    let above = above.as_fd();
    let top = match open(above, name) {
        Err(Errno::NOTDIR | Errno::LOOP) => return Ok(unlinkat(above, name, AtFlags::empty())?),
        other => other?,
    };
    loop {
        let members = page(&top)?;
        if members.is_empty() {
            return Ok(unlinkat(above, name, AtFlags::REMOVEDIR)?);
        }
        for member in members {
            remove_member(&top, &member)?;
        }
    }
}

fn remove_member(top: &OwnedFd, name: &CStr) -> io::Result<()> {
    if removed(top, name)? {
        return Ok(());
    }
    let folder = open(top.as_fd(), name)?;
    loop {
        let members = page(&folder)?;
        if members.is_empty() {
            return Ok(unlinkat(top, name, AtFlags::REMOVEDIR)?);
        }
        for member in members {
            if !removed(&folder, &member)? {
                // To be moved, a folder must be writable itself: its `..` changes.
                drop(open(folder.as_fd(), &member)?);
                renameat(&folder, &member, top, format!("moved-{}", uuid::Uuid::now_v7().simple()))?;
            }
        }
    }
}

/// Removes a file or an empty folder; false: it is a folder with something in it, or one that may not be looked into.
fn removed(folder: &OwnedFd, name: &CStr) -> io::Result<bool> {
    let gone = match unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => unlinkat(folder, name, AtFlags::REMOVEDIR),
        other => other,
    };
    match gone {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Opens a folder and lets its owner do everything there.
fn open(above: rustix::fd::BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let kept = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match openat(above, name, OFlags::RDONLY | kept, Mode::empty()) {
        Err(Errno::ACCESS) => {
            // Closed to its owner: a descriptor that is no more than a place can still be named.
            let place = openat(above, name, OFlags::PATH | kept, Mode::empty())?;
            chmod(format!("/proc/self/fd/{}", place.as_raw_fd()), Mode::RWXU)?;
            openat(above, name, OFlags::RDONLY | kept, Mode::empty())?
        }
        other => other?,
    };
    fchmod(&fd, Mode::RWXU)?;
    Ok(fd)
}

/// Some of the names in a folder.
fn page(folder: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
        if names.len() == PAGE {
            break;
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::mkdirat;
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    fn folder(path: &Path) -> OwnedFd {
        openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap()
    }

    #[test]
    fn a_tree_deeper_than_a_stack_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let top = folder(dir.path());
        mkdirat(&top, "deep", Mode::RWXU).unwrap();
        let mut at = openat(&top, "deep", OFlags::RDONLY, Mode::empty()).unwrap();
        for _ in 0..10_000 {
            mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = openat(&at, "d", OFlags::RDONLY, Mode::empty()).unwrap();
        }
        remove_tree(&top, c"deep").unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn closed_folders_links_and_many_files_are_removed_and_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, beside) = (dir.path().join("tree"), dir.path().join("beside"));
        fs::create_dir_all(tree.join("a/b/c")).unwrap();
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("kept"), "").unwrap();
        symlink(&beside, tree.join("link")).unwrap();
        symlink(&beside, tree.join("a/b/link")).unwrap();
        for number in 0..PAGE * 2 + 1 {
            fs::write(tree.join("a").join(number.to_string()), "").unwrap();
        }
        for closed in ["a/b/c", "a/b", "a", ""] {
            fs::set_permissions(tree.join(closed), fs::Permissions::from_mode(0o000)).unwrap();
        }
        let top = folder(dir.path());
        remove_tree(&top, c"tree").unwrap();
        assert!(!tree.exists() && beside.join("kept").exists());
        symlink(&beside, dir.path().join("link")).unwrap();
        remove_tree(&top, c"link").unwrap();
        assert!(beside.join("kept").exists() && !dir.path().join("link").exists());
    }
}
