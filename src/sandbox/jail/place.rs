//! A name inside the jail: showing it, looking at it, reading it.

use super::{JailError, Place, lexical, roots::Shown};
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2, statat},
    io::Errno,
};
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

/// A name in a folder.
#[derive(Debug)]
pub struct Member {
    pub name: OsString,
    pub kind: FileType,
}

impl<'a> Place<'a> {
    /// The path on this machine, for showing.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let root = self.root.path();
        if self.relative.as_os_str().is_empty() { root.to_owned() } else { root.join(&self.relative) }
    }

    /// The path as commands name it: at level `strict` the session's folder is `/tmp` itself.
    #[must_use]
    pub fn path_of_commands(&self, strict: bool) -> PathBuf {
        match self.root.shown {
            Shown::Tmp if strict => Path::new("/tmp").join(&self.relative),
            Shown::Tmp | Shown::Relative | Shown::Absolute => self.path(),
        }
    }

    /// The path as the model should write it next time: relative to the workspace, below `/tmp`, or absolute.
    #[must_use]
    pub fn shown_path(&self) -> String {
        match self.root.shown {
            Shown::Relative => self.relative().display().to_string(),
            Shown::Tmp => Path::new("/tmp").join(&self.relative).display().to_string(),
            Shown::Absolute => self.path().display().to_string(),
        }
    }

    /// Relative to its folder; `.` for the folder itself.
    #[must_use]
    pub fn relative(&self) -> &Path {
        if self.relative.as_os_str().is_empty() { Path::new(".") } else { &self.relative }
    }

    /// The same folder's member `relative`, as a walk found it.
    #[must_use]
    pub fn sibling(&self, relative: &Path) -> Option<Place<'a>> {
        let relative = lexical(relative)?;
        Some(Self { root: self.root, shown: relative.display().to_string(), relative })
    }

    /// Opens a regular file for reading. Never waits, whatever lies there.
    ///
    /// # Errors
    ///
    /// See [`JailError`].
    pub fn open(&self) -> Result<(File, Stat), JailError> {
        // Opening a device can act by itself, so it is looked at first; without `NONBLOCK` a named pipe that takes the
        // file's place meanwhile would hold us for ever.
        self.regular(&self.resolve(OFlags::PATH, self.relative())?)?;
        let fd = self.resolve(OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, self.relative())?;
        let stat = self.regular(&fd)?;
        Ok((File::from(fd), stat))
    }

    fn regular(&self, fd: &OwnedFd) -> Result<Stat, JailError> {
        let stat = fstat(fd).map_err(|error| self.failed(error))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(stat),
            FileType::Directory => Err(JailError::Folder(self.shown.clone())),
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Err(JailError::Special(self.shown.clone())),
        }
    }

    /// Opens a folder.
    ///
    /// # Errors
    ///
    /// See [`JailError`].
    pub fn open_dir(&self) -> Result<OwnedFd, JailError> {
        self.resolve(OFlags::RDONLY | OFlags::DIRECTORY, self.relative())
    }

    /// What lies there, links followed.
    ///
    /// # Errors
    ///
    /// See [`JailError`].
    pub fn kind(&self) -> Result<FileType, JailError> {
        let fd = self.resolve(OFlags::PATH, self.relative())?;
        let stat = fstat(&fd).map_err(|error| self.failed(error))?;
        Ok(FileType::from_raw_mode(stat.st_mode))
    }

    /// What lies in the folder, links as links, in no order. At most `most` of them; the flag says whether that is all.
    ///
    /// # Errors
    ///
    /// See [`JailError`].
    pub fn members(&self, most: usize) -> Result<(Vec<Member>, bool), JailError> {
        self.members_of(self.relative(), most)
    }

    /// Names in the folder that would hold this file, at most `most`.
    #[must_use]
    pub fn neighbours(&self, most: usize) -> Vec<String> {
        let (members, _) = self.members_of(self.parent(), most).unwrap_or_default();
        members.into_iter().map(|member| member.name.to_string_lossy().into_owned()).collect()
    }

    fn members_of(&self, folder: &Path, most: usize) -> Result<(Vec<Member>, bool), JailError> {
        let fd = self.resolve(OFlags::RDONLY | OFlags::DIRECTORY, folder)?;
        let mut members = Vec::new();
        for entry in Dir::read_from(&fd).map_err(|error| self.failed(error))? {
            let entry = entry.map_err(|error| self.failed(error))?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            if members.len() == most {
                return Ok((members, false));
            }
            // Not every file system tells the kind in its listing.
            let mut kind = entry.file_type();
            if kind == FileType::Unknown {
                let Ok(stat) = statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
                kind = FileType::from_raw_mode(stat.st_mode);
            }
            members.push(Member { name: name.to_owned(), kind });
        }
        Ok((members, true))
    }

    pub(super) fn parent(&self) -> &Path {
        match self.relative.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    pub(super) fn name(&self) -> Result<&Path, JailError> {
        self.relative.file_name().map(Path::new).ok_or_else(|| JailError::Folder(self.shown.clone()))
    }

    pub(super) fn resolve(&self, flags: OFlags, relative: &Path) -> Result<OwnedFd, JailError> {
        let walk = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        loop {
            match openat2(&self.root.dir, relative, flags | OFlags::CLOEXEC, Mode::empty(), walk) {
                // A rename somewhere on the machine disturbed the walk.
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other.map_err(|error| self.failed(error)),
            }
        }
    }

    pub(super) fn failed(&self, error: Errno) -> JailError {
        let shown = self.shown.clone();
        match error {
            Errno::XDEV => JailError::Link(shown),
            Errno::LOOP => JailError::Loop(shown),
            Errno::NOENT => JailError::Missing(shown),
            Errno::ISDIR => JailError::Folder(shown),
            Errno::NOTDIR => JailError::NotFolder(shown),
            Errno::NXIO | Errno::NODEV => JailError::Special(shown),
            other => JailError::Io(shown, other.into()),
        }
    }
}
