//! Values that are read from files, and read again only when one of the files has changed.

use std::{
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};

/// Seconds. No file system that is in use tells times less exactly than by two.
const SETTLES: u64 = 5;

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

    /// The last change is so long ago that another one would have another time.
    fn has_settled(&self) -> bool {
        let last = u64::try_from(self.modified.0.max(self.changed.0)).unwrap_or(u64::MAX);
        let now = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        last.saturating_add(SETTLES) < now
    }
}

/// Notes what was looked at while a value is read.
#[derive(Debug, Default)]
pub struct Watch {
    there: Vec<(PathBuf, Option<Stamp>)>,
    not_there: Vec<Without>,
}

impl Watch {
    /// To be called before the path is read: what changes meanwhile is then seen the next time.
    pub fn note(&mut self, path: &Path) {
        let stamp = Stamp::of(path);
        match Missing::on_the_way_to(path).filter(|_| stamp.is_none()) {
            Some(Missing { folder, name }) => self.without(folder, name),
            None => self.there.push((path.to_owned(), stamp)),
        }
    }

    fn without(&mut self, folder: &Path, name: &Path) {
        let known = self.not_there.iter().position(|without| without.folder == folder);
        let at = known.unwrap_or_else(|| {
            self.not_there.push(Without { folder: folder.to_owned(), stamp: None, names: Vec::new() });
            self.not_there.len() - 1
        });
        if let Some(Without { names, .. }) = self.not_there.get_mut(at)
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }
}

/// Why there is nothing at a path: the first folder on the way that does not have the next one, or the file.
struct Missing<'a> {
    folder: &'a Path,
    /// The whole path of what it does not have.
    name: &'a Path,
}

impl<'a> Missing<'a> {
    /// `None` also for a link that leads nowhere, and for what may not be looked at.
    fn on_the_way_to(path: &'a Path) -> Option<Self> {
        let mut missing = None;
        for name in path.ancestors() {
            match name.symlink_metadata() {
                Err(error) if error.kind() == ErrorKind::NotFound => missing = Some(name),
                Ok(_) if name.is_dir() => return missing.map(|missing| Self { folder: name, name: missing }),
                Ok(_) | Err(_) => return None,
            }
        }
        None
    }
}

/// A folder, and what it does not have: usually most of what is looked for, so that one look stands for many.
#[derive(Debug)]
struct Without {
    folder: PathBuf,
    /// That of the folder when it did not have them, if it had not changed for a while.
    stamp: Option<Stamp>,
    names: Vec<PathBuf>,
}

impl Without {
    fn holds(&mut self) -> bool {
        let stamp = Stamp::of(&self.folder);
        if stamp.is_some() && stamp == self.stamp {
            return true;
        }
        let gone =
            |name: &PathBuf| name.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        // Two changes that are nearer to each other than the clock of a file system can tell leave one stamp.
        self.stamp = stamp.filter(Stamp::has_settled);
        self.names.iter().all(gone)
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
    pub fn holds(&mut self) -> bool {
        let Watch { there, not_there } = &mut self.seen;
        there.iter().all(|(path, stamp)| Stamp::of(path) == *stamp)
            && not_there.iter_mut().all(Without::holds)
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
        let mut held = read();
        assert!(held.holds() && held.holds());
        fs::write(&later, "").unwrap();
        assert!(!held.holds(), "a file that was not there");
        let mut held = read();
        let aside = dir.path().join("aside");
        fs::write(&aside, "two").unwrap();
        fs::rename(&aside, &file).unwrap();
        assert!(!held.holds(), "another file of the same length");
        let mut held = read();
        fs::remove_file(&file).unwrap();
        assert!(!held.holds(), "one that is gone");
    }

    #[test]
    fn one_look_at_a_folder_stands_for_all_that_it_does_not_have() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["a", "b", "deep/er/c", "deep/d"].map(|name| dir.path().join(name));
        let mut held = Watched::read(|watch| names.iter().for_each(|name| watch.note(name)));
        let [without] = &mut held.seen.not_there[..] else { panic!("{:?}", held.seen) };
        assert_eq!(without.names, ["a", "b", "deep"].map(|name| dir.path().join(name)));
        assert!(without.holds());
        assert_eq!(without.stamp, None, "it has just been made");
        without.stamp = Stamp::of(dir.path());
        assert!(without.holds());

        fs::write(dir.path().join("other"), "").unwrap();
        assert!(without.holds(), "it still has none of them");
        assert_eq!(without.stamp, None, "it has just changed");
        without.stamp = Stamp::of(dir.path());
        fs::create_dir(dir.path().join("deep")).unwrap();
        assert!(!held.holds());
    }

    #[test]
    fn a_link_that_leads_nowhere_is_looked_at_itself() {
        let dir = tempfile::tempdir().unwrap();
        let (elsewhere, link) = (tempfile::tempdir().unwrap(), dir.path().join("a"));
        let file = elsewhere.path().join("file");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut held = Watched::read(|watch| watch.note(&link));
        assert!(held.holds() && held.seen.not_there.is_empty());
        fs::write(&file, "one").unwrap();
        assert!(!held.holds(), "no folder on the way has changed");
    }

    #[test]
    fn a_stamp_has_settled_when_its_last_change_is_old() {
        let now = i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
        let stamp = |modified, changed| Stamp {
            device: 1,
            inode: 1,
            length: 1,
            modified: (now + modified, 0),
            changed: (now + changed, 0),
        };
        let cases = [((-60, -60), true), ((-60, 0), false), ((0, -60), false), ((-60, 60), false)];
        for ((modified, changed), expected) in cases {
            assert_eq!(stamp(modified, changed).has_settled(), expected, "{modified} {changed}");
        }
    }
}
