//! Values that are read from files, and read again only when one of the files has changed.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What stands for the content of a file or the names in a folder: it changes when they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// Also for what is renamed or whose rights change.
    changed: (i64, i64),
}

impl Stamp {
    /// `None`: there is nothing.
    fn of(path: &Path) -> Option<Self> {
        let has = path.metadata().ok()?;
        Some(Self {
            device: has.dev(),
            inode: has.ino(),
            length: has.len(),
            modified: (has.mtime(), has.mtime_nsec()),
            changed: (has.ctime(), has.ctime_nsec()),
        })
    }
}

/// Notes what was looked at while a value is read.
#[derive(Debug, Default)]
pub struct Watch(Vec<(PathBuf, Option<Stamp>)>);

impl Watch {
    /// To be called before the path is read: what changes meanwhile is then seen the next time.
    pub fn note(&mut self, path: &Path) {
        self.0.push((path.to_owned(), Stamp::of(path)));
    }
}

/// A value, and what it was read from.
#[derive(Debug)]
pub struct Watched<T> {
    seen: Watch,
    pub value: Arc<T>,
}

impl<T> Watched<T> {
    pub fn read(read: impl FnOnce(&mut Watch) -> T) -> Self {
        let mut seen = Watch::default();
        let value = Arc::new(read(&mut seen));
        Self { seen, value }
    }

    /// Whether nothing that it was read from has changed. Blocking.
    pub fn holds(&self) -> bool {
        self.seen.0.iter().all(|(path, stamp)| Stamp::of(path) == *stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_change_of_any_kind_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let (file, later) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&file, "one").unwrap();
        let read = || {
            Watched::read(|watch| {
                watch.note(&file);
                watch.note(&later);
            })
        };
        let held = read();
        assert!(held.holds() && held.holds());
        fs::write(&later, "").unwrap();
        assert!(!held.holds(), "a file that was not there");
        let held = read();
        let aside = dir.path().join("aside");
        fs::write(&aside, "two").unwrap();
        fs::rename(&aside, &file).unwrap();
        assert!(!held.holds(), "another file of the same length");
        let held = read();
        fs::remove_file(&file).unwrap();
        assert!(!held.holds(), "one that is gone");
    }
}
