//! The folders of one profile, held open from the profile's start.

use super::super::{Owner, as_agent, view::real};
use crate::config::ExtraRoot;
use rustix::{
    fs::{Access, AtFlags, CWD, Mode, OFlags, accessat, openat},
    io::Errno,
};
use std::{
    fs::DirBuilder,
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::DirBuilderExt,
    },
    path::{Path, PathBuf},
};

/// A folder that file tools may name.
#[derive(Debug)]
pub struct Root {
    pub(super) dir: OwnedFd,
    /// As configured, and with links resolved: models repeat either.
    pub(super) names: [PathBuf; 2],
    pub(super) shown: Shown,
    pub(super) writable: bool,
}

/// How paths below a root are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Relative: the workspace.
    Relative,
    /// Below `/tmp`, whatever the folder is called on the machine.
    Tmp,
    /// As on the machine.
    Absolute,
}

/// All folders of a profile but the temporary ones of its sessions. What they are called may change meanwhile, what they
/// are may not: whoever can rename a folder above one of them cannot put another in its place.
#[derive(Debug)]
pub struct Roots {
    pub(super) workspace: Root,
    pub(super) extra: Vec<Root>,
    pub(super) owner: Option<Owner>,
}

impl Roots {
    /// Opens the workspace, which is made when it is missing, the extra roots, and the skills to read; of the latter
    /// two those that exist. `owner` is whose rights the file tools get.
    ///
    /// # Errors
    ///
    /// The workspace cannot be made or opened.
    pub fn open(
        workspace: &Path,
        extra: &[ExtraRoot],
        skills: &Path,
        owner: Option<Owner>,
    ) -> io::Result<Self> {
        let dir = match folder(workspace) {
            Err(Errno::NOENT) => {
                // What an agent writes is for its own user alone, like the rest of the profile.
                DirBuilder::new().recursive(true).mode(0o700).create(workspace)?;
                folder(workspace)?
            }
            other => other?,
        };
        let workspace = Root::new(dir, workspace, Shown::Relative, true);
        let skills = ExtraRoot { path: skills.to_owned(), writable: false };
        let mut found = Vec::new();
        for root in extra.iter().chain([&skills]) {
            match folder(&root.path) {
                Ok(dir) => found.push(Root::new(dir, &root.path, Shown::Absolute, root.writable)),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self { workspace, extra: found, owner })
    }

    /// Whose the agent's files and commands are; `None`: the gateway's own user's.
    #[must_use]
    pub const fn owner(&self) -> Option<Owner> {
        self.owner
    }

    #[must_use]
    pub const fn workspace(&self) -> &Root {
        &self.workspace
    }

    /// The roots beside the workspace that exist, skills included.
    #[must_use]
    pub fn extra(&self) -> &[Root] {
        &self.extra
    }
}

impl Root {
    pub(super) fn new(dir: OwnedFd, name: &Path, shown: Shown, writable: bool) -> Self {
        Self { dir, names: [name.to_owned(), real(name)], shown, writable }
    }

    /// Where it is on this machine, links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        let [_, real] = &self.names;
        real
    }

    #[must_use]
    pub const fn is_writable(&self) -> bool {
        self.writable
    }

    /// Whether an agent with the rights of `owner` can do there what it is meant to.
    ///
    /// # Errors
    ///
    /// The rights cannot be taken on.
    pub fn serves(&self, owner: Option<Owner>) -> io::Result<bool> {
        let mut asked = Access::READ_OK | Access::EXEC_OK;
        if self.writable {
            asked |= Access::WRITE_OK;
        }
        as_agent(owner, || accessat(&self.dir, ".", asked, AtFlags::EACCESS).is_ok())
    }

    /// Its present name on this machine, as the kernel knows it.
    pub(super) fn name_now(&self) -> io::Result<PathBuf> {
        name_of(&self.dir)
    }
}

/// What the kernel calls an open file.
pub(super) fn name_of(fd: &OwnedFd) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

fn folder(path: &Path) -> Result<OwnedFd, Errno> {
    openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}
