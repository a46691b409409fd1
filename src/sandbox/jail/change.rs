//! Changing a file: as a whole, or not at all.

use super::{JailError, Place, roots::name_of};
use rustix::{
    fs::{
        AtFlags, FileType, Mode, OFlags, RawMode, Stat, fchmod, fchown, fstat, mkdirat, openat, renameat,
        statat, unlinkat,
    },
    io::Errno,
};
use std::{
    fs::File,
    io::{self, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub created: bool,
    pub dirs_created: bool,
}

impl Place<'_> {
    /// Replaces the file as a whole, or leaves it as it was: the new text is written aside, then moved into place.
    /// Missing folders are made. A link is followed to the file that it means.
    ///
    /// # Errors
    ///
    /// See [`JailError`]; a full disk is [`JailError::Io`].
    pub fn write(&self, content: &[u8]) -> Result<Written, JailError> {
        self.to_be_changed()?;
        let target = self.without_link()?;
        let (parent, dirs_created) = target.make_parent()?;
        let name = target.name()?;
        let before = match statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => Some(stat),
                FileType::Directory => return Err(JailError::Folder(self.shown.clone())),
                // A link that appeared this moment is one too: it would be replaced, not followed.
                FileType::Symlink
                | FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice
                | FileType::Unknown => return Err(JailError::Special(self.shown.clone())),
            },
            Err(Errno::NOENT) => None,
            Err(error) => return Err(self.failed(error)),
        };
        replace(&parent, name, before.as_ref(), content)
            .map_err(|error| JailError::Io(self.shown.clone(), error))?;
        Ok(Written { created: before.is_none(), dirs_created })
    }

    /// Removes a file (or a link, not what it means).
    ///
    /// # Errors
    ///
    /// See [`JailError`].
    pub fn remove(&self) -> Result<(), JailError> {
        self.to_be_changed()?;
        let parent = self.resolve(OFlags::PATH | OFlags::DIRECTORY, self.parent())?;
        unlinkat(&parent, self.name()?, AtFlags::empty()).map_err(|error| self.failed(error))
    }

    fn to_be_changed(&self) -> Result<(), JailError> {
        if self.root.writable { Ok(()) } else { Err(JailError::ReadOnly(self.shown.clone())) }
    }

    /// The place that a link means; itself for everything else.
    fn without_link(&self) -> Result<Self, JailError> {
        let same = || Self { root: self.root, relative: self.relative.clone(), shown: self.shown.clone() };
        let Ok(parent) = self.resolve(OFlags::PATH | OFlags::DIRECTORY, self.parent()) else {
            return Ok(same());
        };
        match statat(&parent, self.name()?, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {}
            _ => return Ok(same()),
        }
        let fd = self.resolve(OFlags::PATH, self.relative())?;
        let named =
            |name: io::Result<PathBuf>| name.map_err(|error| JailError::Io(self.shown.clone(), error));
        let (meant, root) = (named(name_of(&fd))?, named(self.root.name_now())?);
        let relative = meant.strip_prefix(root).map_err(|_| JailError::Link(self.shown.clone()))?;
        Ok(Self { root: self.root, relative: relative.to_owned(), shown: self.shown.clone() })
    }

    /// The folder of the file, and whether some of it had to be made.
    fn make_parent(&self) -> Result<(OwnedFd, bool), JailError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        match self.resolve(flags, self.parent()) {
            Err(JailError::Missing(_)) => {}
            other => return other.map(|dir| (dir, false)),
        }
        let mut reached = PathBuf::from(".");
        let mut dir = self.resolve(flags, &reached)?;
        for part in self.parent().components() {
            reached.push(part);
            dir = match self.resolve(flags, &reached) {
                Err(JailError::Missing(_)) => {
                    match mkdirat(&dir, Path::new(part.as_os_str()), Mode::from_raw_mode(0o777)) {
                        Ok(()) | Err(Errno::EXIST) => self.resolve(flags, &reached)?,
                        Err(error) => return Err(self.failed(error)),
                    }
                }
                other => other?,
            };
        }
        Ok((dir, true))
    }
}

fn replace(parent: &OwnedFd, name: &Path, before: Option<&Stat>, content: &[u8]) -> io::Result<()> {
    let aside = format!(".hermes-{}.tmp", uuid::Uuid::now_v7().simple());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(parent, &aside, flags, Mode::from_raw_mode(0o666))?);
    let done = file.write_all(content).and_then(|()| {
        if let Some(before) = before {
            keep_owner_and_mode(&file, before)?;
        }
        renameat(parent, &aside, parent, name)?;
        Ok(())
    });
    if done.is_err() {
        let _ = unlinkat(parent, &aside, AtFlags::empty());
    }
    done
}

/// A script stays executable; a user's file that root edits stays the user's.
fn keep_owner_and_mode(file: &File, before: &Stat) -> io::Result<()> {
    let now = fstat(file)?;
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid) {
        let owner = rustix::fs::Uid::from_raw(before.st_uid);
        let _ = fchown(file, Some(owner), Some(rustix::fs::Gid::from_raw(before.st_gid)));
    }
    let mode: RawMode = before.st_mode & 0o777;
    Ok(fchmod(file, Mode::from_raw_mode(mode))?)
}
