//! The folders of one profile, held open from the profile's start.

use crate::{
    config::ExtraRoot,
    sandbox::{Handover, Owner, Room, guise::as_agent, handover::hand_over, quota, view::real},
};
use rustix::{
    fs::{Access, AtFlags, CWD, Gid, Mode, OFlags, accessat, chmod, chownat, fstat, openat},
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
    ptr,
    time::Duration,
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
    /// The last of `extra` is the profile's skills.
    skills: bool,
    /// What will not work, a sentence each.
    trouble: Vec<String>,
    /// Whether the file system holds the workspace to its quota; else why not.
    held: Result<(), String>,
}

impl Roots {
    /// Opens the workspace, which is made when it is missing, the extra roots, and the skills to read; of the latter
    /// two those that exist.
    ///
    /// # Errors
    ///
    /// The workspace cannot be made or opened.
    pub fn open(workspace: &Path, extra: &[ExtraRoot], skills: &Path) -> io::Result<Self> {
        let dir = match folder(workspace) {
            Err(Errno::NOENT) => {
                // What an agent writes is for its own user alone, like the rest of the profile.
                DirBuilder::new().recursive(true).mode(0o700).create(workspace)?;
                folder(workspace)?
            }
            other => other?,
        };
        let mut roots = Self {
            workspace: Root::new(dir, workspace, Shown::Relative, true),
            extra: Vec::new(),
            owner: None,
            skills: false,
            trouble: Vec::new(),
            held: Err("nobody has asked for it".to_owned()),
        };
        for ExtraRoot { path, writable } in extra {
            match folder(path) {
                Ok(dir) => roots.extra.push(Root::new(dir, path, Shown::Absolute, *writable)),
                Err(error) => roots.trouble.push(format!(
                    "`terminal.roots`: `{}` cannot be opened and is left out: {}",
                    path.display(),
                    io::Error::from(error)
                )),
            }
        }
        if let Ok(dir) = folder(skills) {
            roots.skills = true;
            roots.extra.push(Root::new(dir, skills, Shown::Absolute, false));
        }
        Ok(roots)
    }

    /// Whether `user` can walk to the workspace by its name.
    #[must_use]
    pub fn can_be_reached_by(&self, user: Owner) -> bool {
        let walk = || folder(self.workspace.path()).is_ok_and(|named| self.workspace.is(&named));
        as_agent(Some(user), walk).is_ok_and(|walked| walked)
    }

    /// Says whose the agent's files and commands are: `owner`'s, or those of the gateway's own user. A workspace that is
    /// the gateway's to give is given to that user, or taken back from `former`.
    ///
    /// # Errors
    ///
    /// The workspace cannot be given, or not looked at with the rights of its user.
    pub fn settle(
        mut self,
        owner: Option<Owner>,
        former: Option<Owner>,
        ours: bool,
        patience: Duration,
    ) -> io::Result<Self> {
        self.owner = owner;
        let has = fstat(&self.workspace.dir)?;
        let back = || former.filter(|former| former.uid == has.st_uid).map(|_former| Owner::gateway());
        if let Some(to) = owner.or_else(back).filter(|_| ours) {
            self.hand_over(to, patience)?;
        }
        if let (Some(owner), Some(skills)) = (owner, self.extra.last().filter(|_| self.skills)) {
            skills.lend(owner)?;
        }
        let roots = [&self.workspace].into_iter().chain(&self.extra);
        let closed: Vec<_> =
            roots.filter_map(|root| root.closed_to(owner).transpose()).collect::<Result<_, _>>()?;
        self.trouble.extend(closed);
        Ok(self)
    }

    /// Has the file system hold the workspace to `room`, where it can. Blocking, see there.
    pub fn hold(&mut self, room: Room, patience: Duration) {
        self.held = quota::hold(&self.workspace.dir, room, patience);
    }

    /// Whether the file system holds the workspace to its quota.
    ///
    /// # Errors
    ///
    /// Why not, as half a sentence.
    pub fn held(&self) -> Result<(), &str> {
        self.held.as_ref().copied().map_err(String::as_str)
    }

    fn hand_over(&mut self, to: Owner, patience: Duration) -> io::Result<()> {
        let path = self.workspace.path().display();
        let Handover { given: _, left, unfinished } = hand_over(&self.workspace.dir, to, patience)?;
        let Owner { uid, gid } = to;
        if unfinished {
            self.trouble.push(format!(
                "the workspace `{path}` has more files than could be given to its user {uid} at the start: type \
                 `chown -R {uid}:{gid} {path}`, or start again to go on"
            ));
        } else if left > 0 {
            self.trouble.push(format!(
                "{left} files of the workspace `{path}` belong to others or have names elsewhere, and were not given \
                 to its user {uid}; `chown -hR {uid}:{gid} {path}` gives them"
            ));
        }
        Ok(())
    }

    /// What will not work, a sentence each.
    #[must_use]
    pub fn trouble(&self) -> &[String] {
        &self.trouble
    }

    /// The first folder whose name leads elsewhere by now. Commands are told their folders by name.
    #[must_use]
    pub fn moved(&self) -> Option<&Root> {
        let mut roots = [&self.workspace].into_iter().chain(&self.extra);
        roots.find(|root| !folder(root.path()).is_ok_and(|named| root.is(&named)))
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

    /// Whether it is the folder of the profile's skills.
    pub(super) fn is_skills(&self, root: &Root) -> bool {
        self.skills && self.extra.last().is_some_and(|skills| ptr::eq(skills, root))
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

    fn is(&self, other: &OwnedFd) -> bool {
        let [ours, other] = [&self.dir, other].map(|fd| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino)));
        ours.is_ok() && ours == other
    }

    /// Lets a user in by his group, to read: the folder stays its owner's.
    fn lend(&self, to: Owner) -> io::Result<()> {
        let has = fstat(&self.dir)?;
        if has.st_gid != to.gid && has.st_mode & 0o005 != 0o005 {
            chownat(&self.dir, "", None, Some(Gid::from_raw(to.gid)), AtFlags::EMPTY_PATH)?;
            // A descriptor of a mere place cannot be changed, but it can be named.
            chmod(format!("/proc/self/fd/{}", self.dir.as_raw_fd()), Mode::from_raw_mode(0o750))?;
        }
        Ok(())
    }

    /// What an agent with the rights of `owner` misses there: a sentence with the line that gives it.
    fn closed_to(&self, owner: Option<Owner>) -> io::Result<Option<String>> {
        let (mut asked, mut verb) = (Access::READ_OK | Access::EXEC_OK, "read");
        if self.writable {
            (asked, verb) = (asked | Access::WRITE_OK, "write to");
        }
        if as_agent(owner, || accessat(&self.dir, ".", asked, AtFlags::EACCESS).is_ok())? {
            return Ok(None);
        }
        let Owner { uid, gid } = owner.unwrap_or_else(Owner::gateway);
        let path = self.path().display();
        Ok(Some(format!(
            "the agent runs as user {uid} and cannot {verb} `{path}`: type `chown -R {uid}:{gid} {path}`, or, where \
             others use it too, `setfacl -R -m u:{uid}:rwX -m d:u:{uid}:rwX {path}`"
        )))
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
