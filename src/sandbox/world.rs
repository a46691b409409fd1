//! What a helper is told: the world that its commands live in, and then one command.

use super::Limits;
use crate::config::SandboxLevel;
use rustix::fs::fstat;
use serde::{Deserialize, Serialize};
use std::{
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

/// What holds for all commands of one profile and session. The helper gets it as soon as it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// At most the level that the machine was found to have.
    pub level: SandboxLevel,
    /// Files and folders that commands may read and execute. What does not exist is skipped.
    pub readable: Vec<PathBuf>,
    /// Links of the machine whose targets are readable: at level `strict` they are made anew.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Folders that they may change, beside the two that follow.
    pub writable: Vec<PathBuf>,
    /// Where they work. May be changed.
    pub workspace: PathBuf,
    /// The session's own temporary folder. May be changed; at level `strict` it is `/tmp`.
    pub tmp: PathBuf,
    /// Which folders the gateway meant by their names. One that bears such a name and is another is not used.
    pub known: Vec<Known>,
    /// Whose processes they are. `None`: the gateway's own user.
    pub owner: Option<Owner>,
    /// What that user is called inside.
    pub user: String,
    pub network: Network,
    pub limits: Limits,
    /// At level `landlock`: commands may make Unix sockets, and so reach every daemon of the machine that lets them.
    pub unix_sockets: bool,
    /// Walls that are left out, to show what each of them stops. Always empty but in tests: no setting leads here.
    pub omit: Vec<Wall>,
}

impl World {
    /// Folders that commands may change.
    pub(super) fn writable(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.workspace, &self.tmp].into_iter().chain(&self.writable)
    }

    pub(super) fn has(&self, wall: Wall) -> bool {
        !self.omit.contains(&wall)
    }

    /// Whether what was opened by this name is what the gateway meant.
    pub(super) fn is_known(&self, path: &Path, opened: impl AsFd) -> bool {
        let named: Vec<_> = self.known.iter().filter(|known| known.path == path).collect();
        named.is_empty() || Known::of(path, opened).is_ok_and(|opened| named.contains(&&opened))
    }
}

/// A folder of the machine, whatever its name leads to by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Known {
    /// What is open, by the name that a world uses for it.
    ///
    /// # Errors
    ///
    /// It cannot be looked at.
    pub fn of(path: &Path, opened: impl AsFd) -> io::Result<Self> {
        let stat = fstat(opened)?;
        Ok(Self { path: path.to_owned(), device: stat.st_dev, inode: stat.st_ino })
    }
}

/// One command. Nothing of it comes from the helper's own environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Absolute path of the program, then its arguments (without a zeroth one).
    pub program: PathBuf,
    pub args: Vec<String>,
    /// The whole environment of the command.
    pub env: Vec<(String, String)>,
    /// Where the command starts.
    pub dir: PathBuf,
    /// It gets a terminal, which the helper hands to the gateway. Else it reads what came with the order and writes
    /// to the helper's output.
    pub terminal: Option<Window>,
}

/// A shell that a helper starts before it has an order, so that its own start is over when one comes.
///
/// Its arguments are followed by the numbers of two descriptors. From the first one it reads a line, which says that there
/// is an order; then from the second one, from its beginning, words that end with a zero byte: the order's directory, each
/// variable that is new as `NAME=VALUE`, an empty word, and the arguments that follow [`stands_for`](Self::stands_for).
/// It closes both when it is where a fresh shell would begin. When it cannot get there it writes why to the first one, a
/// line that begins with `!`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shell {
    pub program: PathBuf,
    pub args: Vec<String>,
    /// How the arguments of an order begin that it does the work of.
    pub stands_for: Vec<String>,
    /// What every order for it has, too, whatever the values of `open` are by then.
    pub env: Vec<(String, String)>,
    /// Names of variables that an order may add, or give another value.
    pub open: Vec<String>,
    /// Where it is started.
    pub dir: PathBuf,
    /// It does so in a copy of itself, and then writes the copy's exit code to the first one, a line, and reads again.
    pub stays: bool,
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub rows: u16,
    pub columns: u16,
}

/// A user and group of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

impl Owner {
    /// The gateway's own user.
    pub(super) fn gateway() -> Self {
        Self { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() }
    }
}

/// What commands reach beside themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// Nothing.
    Off,
    /// One port of `127.0.0.1`, where the gateway's proxy answers. At level `strict` that address is inside: the helper
    /// listens there and hands the socket to the gateway. At level `landlock` it is the machine's own.
    Bridge { port: u16 },
    /// Whatever the machine reaches.
    Full,
}

/// How level `strict` is built on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// In a user namespace. Else with root's own rights, which a machine may allow where it allows no user namespaces.
    pub user_namespace: bool,
    /// With `/proc`. A container that has covered parts of its own lets nobody mount a fresh one in a user namespace.
    pub proc: bool,
}

/// One thing that holds a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wall {
    UserNamespace,
    MountView,
    PidNamespace,
    NetNamespace,
    IpcNamespace,
    UtsNamespace,
    CgroupNamespace,
    Landlock,
    Seccomp,
    Capabilities,
    NoNewPrivs,
    /// Setuid programs and device nodes on the folders of the view.
    Nosuid,
    /// No descriptor of the gateway but three.
    CloseRange,
    Keyring,
    Rlimits,
    /// Process 1 of the sandbox cannot be looked into.
    Dumpable,
    /// Nothing outlives its command.
    Reaper,
    /// The signals of the helper and of what it starts stay among them; for the kernel it is one more Landlock domain,
    /// which no program gains rights in.
    Scope,
    /// The helper's count of processes, memory and processor time.
    Meter,
    /// The gateway's look at how full the workspace is.
    Quota,
    /// The commands' environment is made of nothing. For tests, `terminal.env_passthrough` takes it away.
    Environment,
    /// The file tools walk from folders that are held open. For tests, the race runs beside a program that does not.
    Jail,
    /// What the proxy says of an address. For tests, `terminal.network_allow` takes it away.
    Addresses,
}
