//! What is laid out for attackers: secrets that are easily told from everything else, and processes to be attacked.

use super::sys::{Arg, NULL, call, number, open};
use rustix::{
    process::{DumpableBehavior, set_dumpable_behavior},
    thread::{CapabilitySet, CapabilitySets, set_capabilities},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    ffi::CString,
    fs::File,
    io::{self, Read, Write},
    os::fd::AsRawFd,
};

const MARK: &[u8] = b"hermes-canary-";
const DIGITS: usize = 32;

/// Whether these bytes hold a secret of ours: the mark with 32 hexadecimal digits behind it.
#[must_use]
pub fn canary(bytes: &[u8]) -> bool {
    let marked = bytes.windows(MARK.len() + DIGITS).filter(|part| part.starts_with(MARK));
    marked.into_iter().any(|part| part[MARK.len()..].iter().all(u8::is_ascii_hexdigit))
}

/// A new secret.
#[must_use]
pub fn new_canary() -> String {
    format!("hermes-canary-{}", uuid::Uuid::new_v4().simple())
}

/// What lies in the kernel under a name of ours. Kept on disk, so that whoever was killed meanwhile leaves nothing for good.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Names {
    /// Key of a shared memory segment, a message queue and a semaphore.
    pub ipc_key: i32,
    /// A POSIX message queue, and a key in the user's keyring.
    pub name: String,
}

const REMOVE: i64 = 0;
const USER_KEYRING: i64 = -4;

impl Default for Names {
    fn default() -> Self {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&uuid::Uuid::new_v4().as_bytes()[..4]);
        let name = format!("hermes-attack-{}", uuid::Uuid::now_v7().simple());
        Self { ipc_key: i32::from_ne_bytes(bytes) | 1, name }
    }
}

impl Names {
    /// Puts a secret into each: places that are no files. What this machine has not got is left out.
    ///
    /// # Errors
    ///
    /// The kernel has no room for one of System V's objects.
    pub fn lay(&self, secret: &str) -> io::Result<()> {
        let make = i64::from(libc::IPC_CREAT | libc::IPC_EXCL | 0o600);
        let key = || number(self.ipc_key);
        let segment = call(libc::SYS_shmget, [key(), number(4_096), number(make)])?;
        let segment = i32::try_from(segment).map_err(io::Error::other)?;
        super::sys::write_shared_memory(segment, secret.as_bytes())?;
        call(libc::SYS_msgget, [key(), number(make)])?;
        call(libc::SYS_semget, [key(), number(1), number(make)])?;
        let name = CString::new(self.name.as_str())?;
        let name = || Arg::In(name.as_bytes_with_nul());
        let flags = number(libc::O_CREAT | libc::O_RDWR | libc::O_CLOEXEC);
        // Of one short message: a user has room for nine of the usual ones. Flags, messages, bytes of one, and what is not read.
        let room = [0_i64, 1, 64, 0, 0, 0, 0, 0].map(i64::to_ne_bytes).concat();
        drop(open(libc::SYS_mq_open, [name(), flags, number(0o600), Arg::In(&room)]));
        let (kind, payload) = (Arg::In(c"user".to_bytes_with_nul()), secret.as_bytes());
        let length = number(i64::try_from(payload.len()).map_err(io::Error::other)?);
        let _ = call(libc::SYS_add_key, [kind, name(), Arg::In(payload), length, number(USER_KEYRING)]);
        Ok(())
    }

    /// Removes what there is of them.
    pub fn remove(&self) {
        const SEARCH: i64 = 10;
        const UNLINK: i64 = 9;
        let key = || number(self.ipc_key);
        if let Ok(segment) = call(libc::SYS_shmget, [key(), number(0), number(0)]) {
            let _ = call(libc::SYS_shmctl, [number(segment), number(REMOVE), NULL]);
        }
        if let Ok(messages) = call(libc::SYS_msgget, [key(), number(0)]) {
            let _ = call(libc::SYS_msgctl, [number(messages), number(REMOVE), NULL]);
        }
        if let Ok(semaphore) = call(libc::SYS_semget, [key(), number(0), number(0)]) {
            let _ = call(libc::SYS_semctl, [number(semaphore), number(0), number(REMOVE)]);
        }
        let Ok(name) = CString::new(self.name.as_str()) else { return };
        let name = || Arg::In(name.as_bytes_with_nul());
        let _ = call(libc::SYS_mq_unlink, [name()]);
        let kind = Arg::In(c"user".to_bytes_with_nul());
        let found = call(libc::SYS_keyctl, [number(SEARCH), number(USER_KEYRING), kind, name(), number(0)]);
        if let Ok(key) = found {
            let _ = call(libc::SYS_keyctl, [number(UNLINK), number(key), number(USER_KEYRING)]);
        }
    }
}

/// What a decoy says of itself.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Decoy {
    /// Where its secret lies in its memory.
    pub address: u64,
    /// Its descriptor of the file that it was told to open.
    pub file: i32,
}

/// `decoy FILE`: holds a secret in its environment, its memory and a descriptor, without any right of its own, until its
/// standard input ends.
pub fn decoy(words: &[String], environment: &[(String, String)]) -> io::Result<()> {
    let [path] = words else {
        return Err(io::Error::other("a decoy wants one file"));
    };
    let file = File::open(path)?;
    let secret = environment.iter().find(|(name, _)| name == "SECRET").map(|(_, value)| value.clone());
    let mut memory = secret.unwrap_or_default().into_bytes();
    memory.resize(1_024, 0);
    drop_rights()?;
    let address = memory.as_ptr().addr() as u64;
    writeln!(io::stdout(), "{}", json!(Decoy { address, file: file.as_raw_fd() }))?;
    io::stdin().read_to_end(&mut Vec::new())?;
    // Held until here.
    drop((std::hint::black_box(memory), file));
    Ok(())
}

/// A process with more rights than the attacker's could not be looked into even without a wall.
fn drop_rights() -> io::Result<()> {
    for capability in CapabilitySet::all().iter() {
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_told_from_what_only_looks_like_one() {
        assert!(canary(format!("TOKEN={}\n", new_canary()).as_bytes()));
        assert!(!canary(b"hermes-canary-") && !canary(MARK) && !canary(b""));
        assert!(!canary(b"hermes-canary-0123456789abcdef0123456789abcdeg"));
    }
}
