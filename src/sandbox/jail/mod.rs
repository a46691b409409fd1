//! Paths for tools that touch files inside the gateway: nothing outside two folders can be named.
//!
//! Each call opens the two folders and then names files relative to them, and the kernel walks the path
//! (`openat2`, `RESOLVE_BENEATH`): a link that leads out is refused whenever it was made, also between two of our own
//! steps.

mod change;
mod error;
mod place;

use super::{tmp, view::real};
use rustix::{
    fs::{Mode, OFlags, openat},
    io::Errno,
};
use std::{
    fs::DirBuilder,
    io,
    os::{fd::OwnedFd, unix::fs::DirBuilderExt},
    path::{Component, Path, PathBuf},
};

pub use change::Written;
pub use error::JailError;

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
                // What an agent writes is for the gateway's user alone, like the rest of the profile.
                DirBuilder::new().recursive(true).mode(0o700).create(workspace)?;
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
