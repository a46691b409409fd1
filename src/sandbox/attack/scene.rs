//! What an attacker is told. An agent that has been on a machine for a while knows all of this.

use super::Names;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where the things lie that an attack is after. It holds no secret, so that finding one means something.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scene {
    /// This program, where the sandbox can run it.
    pub program: PathBuf,
    pub home: PathBuf,
    pub own: Folders,
    pub other: Folders,
    pub outside: Outside,
    pub addresses: Addresses,
    pub planted: Planted,
    pub bounds: Bounds,
    /// Its own environment; read by the attacker itself.
    #[serde(default)]
    pub environment: Vec<(String, String)>,
}

/// The limits of the sandbox, for the attacks that go beyond them.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Bounds {
    pub processes: u32,
    /// Of one process, and in sum.
    pub memory_bytes: u64,
    pub file_bytes: u64,
    pub open_files: u64,
    /// Of the workspace.
    pub disk_bytes: u64,
    pub cpu_seconds: u64,
    /// For how long what takes too much stays, so that it can be noticed.
    pub stays_seconds: u64,
}

/// The files of one profile.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Folders {
    pub root: PathBuf,
    pub workspace: PathBuf,
    /// The temporary folder of its session.
    pub tmp: PathBuf,
    pub env: PathBuf,
    pub config: PathBuf,
    /// The folder of its store.
    pub state: PathBuf,
    /// A file with a secret in its workspace, and a link there whose text is one.
    pub notes: PathBuf,
    pub link: PathBuf,
}

impl Folders {
    /// A file that only the attack `id` changes.
    #[must_use]
    pub fn spare(&self, id: &str) -> PathBuf {
        self.root.join("spare").join(id)
    }
}

/// What runs on the machine beside the sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outside {
    /// The gateway.
    pub gateway: i32,
    /// The process that watches over the attacker's own sandbox; found out by the attacker itself.
    #[serde(default)]
    pub warden: i32,
    /// Descriptors that it has beside the first three; found out by the attacker itself.
    #[serde(default)]
    pub inherited: Vec<i32>,
    /// A process with a secret in its environment and its memory; the leader of its group.
    pub decoy: i32,
    /// Where in the memory of the decoy the secret lies.
    pub decoy_secret: u64,
    /// A descriptor of the decoy that is the other profile's `.env`.
    pub decoy_file: i32,
    /// A process that may be killed: its end shows that a signal came through.
    pub fragile: i32,
    /// Files with a secret in folders that all users share.
    pub shared: Vec<PathBuf>,
    /// In the kernel.
    pub names: Names,
}

/// Where somebody listens. Who connects is told a secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Addresses {
    /// The gateway's port of this profile and of the other one.
    pub own_port: u16,
    pub other_port: u16,
    /// A key that opens the own port.
    pub key: String,
    pub udp: u16,
    /// A port on which nobody listens, and to which somebody outside tries to connect.
    pub free: u16,
    pub control: PathBuf,
    pub shared_socket: PathBuf,
    /// Abstract names, without the zero byte.
    pub stream: String,
    pub datagram: String,
    /// How a command of this profile reached its proxy, which has ended, and how one of the other profile does, which
    /// runs: with their tokens. `None`: they have no proxy.
    pub past_proxy: Option<String>,
    pub other_proxy: Option<String>,
}

/// What an accomplice outside has left in the workspace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Planted {
    /// A copy of this program that runs as another user.
    pub setuid: Option<PathBuf>,
    /// A copy with a capability of its own.
    pub capable: Option<PathBuf>,
}
