//! One process per store.

use super::{StoreError, files};
use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

/// The right to open a profile's store: an advisory lock on `state/lock` that holds the holder's pid.
///
/// The kernel gives it back when the process dies, however it dies; the pid is for people.
#[derive(Debug)]
pub struct ProfileLock(File);

impl ProfileLock {
    /// # Errors
    /// [`StoreError::Locked`] with the holder's pid; I/O.
    pub fn acquire(state_dir: &Path) -> Result<Self, StoreError> {
        files::create_dir(state_dir)?;
        let mut file = files::open_rw(&state_dir.join("lock"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { pid: pid_in(&mut file) });
            }
            Err(TryLockError::Error(cause)) => return Err(StoreError::io("state/lock", &cause)),
        }
        let mut this = Self(file);
        this.write_pid(&std::process::id().to_string())
            .map_err(|cause| StoreError::io("state/lock", &cause))?;
        Ok(this)
    }

    /// The process that holds the lock, if any does.
    #[must_use]
    pub fn holder(state_dir: &Path) -> Option<u32> {
        let mut file = File::open(state_dir.join("lock")).ok()?;
        let pid = pid_in(&mut file)?;
        // A pid that a killed process left behind is told from a holder without touching the lock, so that this
        // question never gets in the way of somebody who is just acquiring it.
        let alive = Path::new("/proc").join(pid.to_string()).exists();
        (alive && matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))).then_some(pid)
    }

    fn write_pid(&mut self, text: &str) -> std::io::Result<()> {
        self.0.set_len(0)?;
        self.0.rewind()?;
        self.0.write_all(text.as_bytes())
    }
}

impl Drop for ProfileLock {
    fn drop(&mut self) {
        // Best effort: what counts is the lock itself, which the kernel releases with the descriptor.
        let _ = self.write_pid("");
    }
}

fn pid_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        assert_eq!(ProfileLock::holder(&state), None, "no folder");

        let held = ProfileLock::acquire(&state).unwrap();
        let me = std::process::id();
        assert_eq!(ProfileLock::acquire(&state).unwrap_err(), StoreError::Locked { pid: Some(me) });
        assert_eq!(ProfileLock::holder(&state), Some(me));

        drop(held);
        assert_eq!(ProfileLock::holder(&state), None);
        ProfileLock::acquire(&state).unwrap();
    }

    #[test]
    fn a_pid_left_behind_is_not_a_holder() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lock"), std::process::id().to_string()).unwrap();
        assert_eq!(ProfileLock::holder(dir.path()), None);
    }
}
