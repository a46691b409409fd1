//! Paths for tools that touch files inside the gateway: nothing outside the profile's folders can be named.
//!
//! The folders are opened once, at the profile's start; files are named relative to them, and the kernel walks the path
//! (`openat2`, `RESOLVE_BENEATH`): a link that leads out is refused whenever it was made, also between two of our own
//! steps. What the kernel then allows it allows to the agent, not to the gateway: see [`Jail::enter`].

mod change;
mod error;
mod peek;
mod place;
mod roots;

use super::{Known, guise::as_agent, tmp};
use std::{
    io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

pub use change::Written;
pub use error::JailError;
pub use place::Member;
use roots::Shown;
pub use roots::{Root, Roots};

/// What a session's file tools may touch: the profile's folders, and the session's own temporary one.
#[derive(Debug)]
pub struct Jail {
    roots: Arc<Roots>,
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
    /// Makes the session's temporary folder when it is missing.
    ///
    /// # Errors
    ///
    /// It cannot be made, or is not ours.
    pub fn open(roots: &Arc<Roots>, session_tmp: &Path) -> io::Result<Self> {
        let dir = tmp::ensure(session_tmp, roots.owner)?;
        let tmp = Root::new(dir, session_tmp, Shown::Tmp, true);
        Ok(Self { roots: roots.clone(), tmp })
    }

    /// Does file work with the rights of the agent. It must neither wait for other tasks nor start threads.
    ///
    /// # Errors
    ///
    /// The rights cannot be taken on; then nothing was done.
    pub fn enter<T>(&self, work: impl FnOnce(&Self) -> T) -> io::Result<T> {
        as_agent(self.roots.owner, || work(self))
    }

    /// All folders, as whoever builds a view of them by name has to find them.
    ///
    /// # Errors
    ///
    /// One of them cannot be looked at.
    pub fn known(&self) -> io::Result<Vec<Known>> {
        let Roots { workspace, extra, .. } = &*self.roots;
        [workspace, &self.tmp]
            .into_iter()
            .chain(extra)
            .map(|root| Known::of(root.path(), &root.dir))
            .collect()
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
        let workspace = &self.roots.workspace;
        let (root, rest) = if let Ok(rest) = asked.strip_prefix("~") {
            (workspace, rest)
        } else if asked.is_relative() {
            (workspace, asked)
        } else {
            // The workspace may itself lie below `/tmp`.
            let named = [workspace].into_iter().chain(&self.roots.extra).chain([&self.tmp]);
            let below = |root| below(root, asked).map(|rest| (root, rest));
            let tmp = || asked.strip_prefix("/tmp").ok().map(|rest| (&self.tmp, rest));
            named.into_iter().find_map(below).or_else(tmp).ok_or_else(outside)?
        };
        let relative = lexical(rest).ok_or_else(outside)?;
        Ok(Place { root, relative, shown: path.to_owned() })
    }
}

fn below<'a>(root: &Root, path: &'a Path) -> Option<&'a Path> {
    root.names.iter().find_map(|name| path.strip_prefix(name).ok())
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
