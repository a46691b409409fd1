//! The throw-away home: everything that an examination makes outside of it is written down in it first, so that the next
//! one removes what a process that was killed has left.

use super::site::NAMES;
use crate::sandbox::{Project, attack::Names, remove_tmp};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// Short, since the path of a socket is.
const PREFIX: &str = "iso-";
/// Held by the process that the home belongs to.
const LOCK: &str = "lock";
const LEAVINGS: &str = "leavings.json";
/// A home without a lock is being made, or was when its process was killed.
const OLD: Duration = Duration::from_mins(10);

/// What is made outside of the home.
#[derive(Default, Serialize, Deserialize)]
pub struct Leavings {
    /// Files in folders that all users share.
    pub shared: Vec<PathBuf>,
    pub names: Names,
}

/// Removed when dropped, with all that its leavings name.
pub struct Home {
    pub path: PathBuf,
    pub leavings: Leavings,
    _lock: File,
}

impl Home {
    /// Makes one in `folder`, and removes those there that nobody uses any more.
    pub fn make(folder: &Path) -> io::Result<Self> {
        sweep(folder);
        let name = uuid::Uuid::new_v4().simple().to_string();
        let path = folder.join(format!("{PREFIX}{}", &name[..8]));
        private(&path)?;
        let made = Self::occupy(&path, &name);
        if made.is_err() {
            let _ = fs::remove_dir_all(&path);
        }
        let (leavings, lock) = made?;
        Ok(Self { path, leavings, _lock: lock })
    }

    fn occupy(path: &Path, name: &str) -> io::Result<(Leavings, File)> {
        let (aside, place) = (path.join("new-lock"), path.join(LOCK));
        let lock = File::create(&aside)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        fs::rename(aside, place)?;
        let shared = ["/tmp", "/dev/shm"].map(|folder| Path::new(folder).join(format!("hermes-{name}")));
        let leavings = Leavings { shared: shared.into(), names: Names::default() };
        fs::write(path.join(LEAVINGS), serde_json::to_vec(&leavings)?)?;
        Ok((leavings, lock))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        clear(&self.path, &self.leavings);
    }
}

/// A folder that only its owner enters.
pub fn private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(folder)
}

/// The list goes last: whoever is killed meanwhile leaves it for the next one.
fn clear(home: &Path, leavings: &Leavings) {
    for path in &leavings.shared {
        let _ = fs::remove_file(path);
    }
    leavings.names.remove();
    for name in NAMES {
        let _ = remove_tmp(name, &home.join("profiles").join(name));
    }
    let workspace = |name| home.join("profiles").join(name).join("workspace");
    let projects: Vec<_> = NAMES.into_iter().filter_map(|name| Project::of(&workspace(name))).collect();
    for folder in ["profiles", "run"] {
        let _ = fs::remove_dir_all(home.join(folder));
    }
    for project in projects {
        let _ = project.forget();
    }
    let _ = fs::remove_dir_all(home);
}

fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let home = entry.path();
        // Held until it is removed.
        let _lock = match File::open(home.join(LOCK)) {
            Ok(lock) if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() => Some(lock),
            Ok(_) => continue,
            Err(_) if is_old(&home) => None,
            Err(_) => continue,
        };
        let leavings = fs::read(home.join(LEAVINGS)).ok();
        let leavings = leavings.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        clear(&home, &leavings);
    }
}

fn is_old(home: &Path) -> bool {
    let changed = fs::metadata(home).and_then(|data| data.modified());
    changed.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > OLD))
}
