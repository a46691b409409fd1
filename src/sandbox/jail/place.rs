//! A name inside the jail: showing it, looking at it, reading it.

use super::{JailError, Place, lexical};
use rustix::{
    fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2},
    io::Errno,
};
use std::{
    fs::File,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

impl Place<'_> {
    /// The path on this machine, for showing.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let [_, real] = &self.root.names;
        if self.relative.as_os_str().is_empty() { real.clone() } else { real.join(&self.relative) }
    }

    /// The path inside a sandbox of level `strict`, where the session's folder is `/tmp` itself.
    #[must_use]
    pub fn path_at_strict(&self) -> PathBuf {
        self.root.prefix.map_or_else(|| self.path(), |prefix| Path::new(prefix).join(&self.relative))
    }

    /// The path as the model should write it next time: relative to the workspace, or below `/tmp`.
    #[must_use]
    pub fn shown_path(&self) -> String {
        match self.root.prefix {
            Some(prefix) => Path::new(prefix).join(&self.relative).display().to_string(),
            None => self.relative().display().to_string(),
        }
    }

    /// Relative to its folder; `.` for the folder itself.
    #[must_use]
    pub fn relative(&self) -> &Path {
        if self.relative.as_os_str().is_empty() { Path::new(".") } else { &self.relative }
    }

    /// The same folder's member `relative`, as a walk found it.
    #[must_use]
    pub fn sibling(&self, relative: &Path) -> Option<Self> {
        let relative = lexical(relative)?;
        Some(Self { root: self.root, shown: relative.display().to_string(), relative })
    }

    /// Opens a regular file for reading. Never waits, whatever lies there.
    ///
    /// # Errors
    ///
    /// See [`JailError`].
    pub fn open(&self) -> Result<(File, Stat), JailError> {
        // Without `NONBLOCK` a named pipe would hold us for ever.
        let fd = self.resolve(OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, self.relative())?;
        let stat = fstat(&fd).map_err(|error| self.failed(error))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok((File::from(fd), stat)),
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

    /// Names in the folder that would hold this file, at most `most`.
    #[must_use]
    pub fn neighbours(&self, most: usize) -> Vec<String> {
        let Ok(fd) = self.resolve(OFlags::RDONLY | OFlags::DIRECTORY, self.parent()) else {
            return Vec::new();
        };
        let Ok(entries) = rustix::fs::Dir::new(fd) else {
            return Vec::new();
        };
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name != "." && name != "..").take(most).collect()
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
            Errno::XDEV | Errno::LOOP => JailError::Link(shown),
            Errno::NOENT => JailError::Missing(shown),
            Errno::ISDIR => JailError::Folder(shown),
            Errno::NOTDIR => JailError::NotFolder(shown),
            Errno::NXIO | Errno::NODEV => JailError::Special(shown),
            other => JailError::Io(shown, other.into()),
        }
    }
}
