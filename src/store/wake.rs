//! `state/wake`: what a start has to know of a store without opening it.

use super::{StoreError, files};
use crate::domain::Millis;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What `state/wake` says without opening the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// Some run has no terminal event: the store must be opened at start.
    pub open_runs: bool,
    /// When the next job is due.
    pub next_due_ms: Option<Millis>,
    /// How many keys the store holds that are not revoked.
    pub keys: usize,
}

impl Wake {
    /// `None`: there is no store yet. A file that cannot be read wakes the store: looking twice is harmless.
    #[must_use]
    pub fn read(state_dir: &Path) -> Option<Self> {
        match std::fs::read(state_dir.join("wake")) {
            Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap_or(Self::UNKNOWN)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                state_dir.join("db").exists().then_some(Self::UNKNOWN)
            }
            Err(_) => Some(Self::UNKNOWN),
        }
    }

    const UNKNOWN: Self = Self { open_runs: true, next_due_ms: None, keys: 0 };
}

/// The writer's side: says "open" before the first run opens, and "none open" only after the commit that made it so.
pub(super) struct WakeFile {
    path: PathBuf,
    on_disk: Wake,
}

impl WakeFile {
    /// Brings the file in line with what the opened store holds.
    pub(super) fn open(state_dir: &Path, found: Wake) -> Result<Self, StoreError> {
        let on_disk = Wake::read(state_dir);
        let path = state_dir.join("wake");
        if on_disk != Some(found) || !path.exists() {
            write(&path, found)?;
        }
        Ok(Self { path, on_disk: found })
    }

    pub(super) fn set(&mut self, change: impl FnOnce(&mut Wake)) -> Result<(), StoreError> {
        let mut wanted = self.on_disk;
        change(&mut wanted);
        if wanted != self.on_disk {
            write(&self.path, wanted)?;
            self.on_disk = wanted;
        }
        Ok(())
    }

    pub(super) const fn says_open(&self) -> bool {
        self.on_disk.open_runs
    }
}

fn write(path: &Path, wake: Wake) -> Result<(), StoreError> {
    let json = serde_json::to_vec(&wake).map_err(|error| StoreError::Io(error.to_string()))?;
    files::replace(path, &json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_wakes_the_store() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Wake::read(dir.path()), None);
        std::fs::create_dir(dir.path().join("db")).unwrap();
        assert_eq!(Wake::read(dir.path()), Some(Wake::UNKNOWN));
        std::fs::write(dir.path().join("wake"), "{\"open").unwrap();
        assert_eq!(Wake::read(dir.path()), Some(Wake::UNKNOWN));
        let hidden = tempfile::tempdir().unwrap();
        std::fs::create_dir(hidden.path().join("wake")).unwrap();
        assert_eq!(Wake::read(hidden.path()), Some(Wake::UNKNOWN), "there, but not to be read");
    }

    #[test]
    fn reads_back_as_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = WakeFile::open(dir.path(), Wake::default()).unwrap();
        file.set(|wake| wake.keys = 2).unwrap();
        let wanted = Wake { open_runs: false, next_due_ms: None, keys: 2 };
        assert_eq!(Wake::read(dir.path()), Some(wanted));
    }
}
