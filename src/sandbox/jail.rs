//! Paths for tools that touch files inside the gateway: nothing outside two folders can be named.
//!
//! Each call opens the two folders and then names files relative to them, and the kernel walks the path
//! (`openat2`, `RESOLVE_BENEATH`): a link that leads out is refused whenever it was made, also between two of our own
//! steps.

use super::{tmp, view::real};
use rustix::{
    fs::{
        AtFlags, FileType, Mode, OFlags, RawMode, ResolveFlags, Stat, fchmod, fchown, fstat, mkdirat, openat,
        openat2, renameat, statat, unlinkat,
    },
    io::Errno,
};
use std::{
    fmt,
    fs::File,
    io::{self, Write},
    os::fd::{AsRawFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

/// Why a path cannot be used. `Display` names the path as the caller wrote it.
#[derive(Debug)]
pub enum JailError {
    /// Named outside the roots.
    Outside(String),
    /// A link on the way leads outside (or is absolute, which the kernel does not look into).
    Link(String),
    Missing(String),
    Folder(String),
    NotFolder(String),
    /// A device, a pipe, a socket.
    Special(String),
    Io(String, io::Error),
}

impl fmt::Display for JailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside(path) => write!(f, "`{path}` is outside the workspace"),
            Self::Link(path) => write!(f, "`{path}` passes a link that leads out of the workspace"),
            Self::Missing(path) => write!(f, "`{path}` does not exist"),
            Self::Folder(path) => write!(f, "`{path}` is a folder"),
            Self::NotFolder(path) => write!(f, "a part of `{path}` is not a folder"),
            Self::Special(path) => write!(f, "`{path}` is not a regular file"),
            Self::Io(path, error) => write!(f, "`{path}`: {error}"),
        }
    }
}

impl std::error::Error for JailError {}

#[derive(Debug)]
struct Root {
    dir: OwnedFd,
    /// As configured, and with links resolved: models repeat either.
    names: [PathBuf; 2],
    /// How its paths begin when they are shown.
    prefix: Option<&'static str>,
}

/// The two folders that a session's file tools may touch, held open.
#[derive(Debug)]
pub struct Jail {
    workspace: Root,
    tmp: Root,
}

/// A name inside one of the folders. What it leads to is found out anew at each use.
#[derive(Debug)]
pub struct Place<'a> {
    root: &'a Root,
    /// Without `.`, `..` and a leading slash; empty for the folder itself.
    relative: PathBuf,
    /// As the caller wrote it.
    shown: String,
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub created: bool,
    pub dirs_created: bool,
}

impl Jail {
    /// Opens both folders; makes them when they are missing.
    ///
    /// # Errors
    ///
    /// A folder cannot be made, or the temporary one is not ours.
    pub fn open(workspace: &Path, session_tmp: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = || openat(rustix::fs::CWD, workspace, flags, Mode::empty());
        let dir = match open() {
            Err(Errno::NOENT) => {
                std::fs::create_dir_all(workspace)?;
                open()?
            }
            other => other?,
        };
        Ok(Self {
            workspace: Root { dir, names: [workspace.to_owned(), real(workspace)], prefix: None },
            tmp: Root {
                dir: tmp::ensure(session_tmp)?,
                names: [session_tmp.to_owned(), real(session_tmp)],
                prefix: Some("/tmp"),
            },
        })
    }

    /// Finds out which folder a path means. Relative paths and `~` start at the workspace, wherever the terminal has
    /// gone meanwhile; `/tmp` is the session's own.
    ///
    /// # Errors
    ///
    /// [`JailError::Outside`].
    pub fn locate(&self, path: &str) -> Result<Place<'_>, JailError> {
        let outside = || JailError::Outside(path.to_owned());
        if path.contains('\0') {
            return Err(outside());
        }
        let asked = Path::new(path);
        let (root, rest) = if let Ok(rest) = asked.strip_prefix("~") {
            (&self.workspace, rest)
        } else if asked.is_relative() {
            (&self.workspace, asked)
        } else {
            let below = |root: &Root| root.names.iter().find_map(|name| asked.strip_prefix(name).ok());
            // The workspace may itself lie below `/tmp`.
            match (below(&self.workspace), below(&self.tmp), asked.strip_prefix("/tmp")) {
                (Some(rest), _, _) => (&self.workspace, rest),
                (None, Some(rest), _) | (None, None, Ok(rest)) => (&self.tmp, rest),
                (None, None, Err(_)) => return Err(outside()),
            }
        };
        let relative = lexical(rest).ok_or_else(outside)?;
        Ok(Place { root, relative, shown: path.to_owned() })
    }
}

/// Resolves `.` and `..` by text; `None` when that leads above the start.
fn lexical(path: &Path) -> Option<PathBuf> {
    let mut kept = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => kept.push(name),
            Component::ParentDir => {
                if !kept.pop() {
                    return None;
                }
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(kept)
}

impl Place<'_> {
    /// The path on this machine, for showing.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let [_, real] = &self.root.names;
        if self.relative.as_os_str().is_empty() { real.clone() } else { real.join(&self.relative) }
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

    /// Replaces the file as a whole, or leaves it as it was: the new text is written aside, then moved into place.
    /// Missing folders are made. A link is followed to the file that it means.
    ///
    /// # Errors
    ///
    /// See [`JailError`]; a full disk is [`JailError::Io`].
    pub fn write(&self, content: &[u8]) -> Result<Written, JailError> {
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
        let parent = self.resolve(OFlags::PATH | OFlags::DIRECTORY, self.parent())?;
        unlinkat(&parent, self.name()?, AtFlags::empty()).map_err(|error| self.failed(error))
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
        let meant = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))
            .map_err(|error| JailError::Io(self.shown.clone(), error))?;
        let [_, real] = &self.root.names;
        let relative = meant.strip_prefix(real).map_err(|_| JailError::Link(self.shown.clone()))?;
        Ok(Self { root: self.root, relative: relative.to_owned(), shown: self.shown.clone() })
    }

    fn parent(&self) -> &Path {
        match self.relative.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    fn name(&self) -> Result<&Path, JailError> {
        self.relative.file_name().map(Path::new).ok_or_else(|| JailError::Folder(self.shown.clone()))
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
                    match mkdirat(&dir, Path::new(part.as_os_str()), Mode::from_raw_mode(0o755)) {
                        Ok(()) | Err(Errno::EXIST) => self.resolve(flags, &reached)?,
                        Err(error) => return Err(self.failed(error)),
                    }
                }
                other => other?,
            };
        }
        Ok((dir, true))
    }

    fn resolve(&self, flags: OFlags, relative: &Path) -> Result<OwnedFd, JailError> {
        let walk = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        loop {
            match openat2(&self.root.dir, relative, flags | OFlags::CLOEXEC, Mode::empty(), walk) {
                // A rename somewhere on the machine disturbed the walk.
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other.map_err(|error| self.failed(error)),
            }
        }
    }

    fn failed(&self, error: Errno) -> JailError {
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

fn replace(parent: &OwnedFd, name: &Path, before: Option<&Stat>, content: &[u8]) -> io::Result<()> {
    let aside = format!(".hermes-{}.tmp", uuid::Uuid::now_v7().simple());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(parent, &aside, flags, Mode::from_raw_mode(0o644))?);
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
