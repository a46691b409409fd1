//! Which user of this machine belongs to which profile: `HOME/run/users`.
//!
//! Every profile of a root gateway gets a user (and a group of the same number) of its own, so that the kernel keeps the
//! files and processes of two profiles apart even where no other wall stands. Numbers are handed out upwards and come
//! round again only at the end of the range: files that a deleted profile left somewhere belong to nobody for long.

use crate::{domain::ProfileName, sandbox::Owner};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    ops::RangeInclusive,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// The file of a home, and the numbers that may be given out.
#[derive(Debug, Clone)]
pub struct Users {
    run: PathBuf,
    range: RangeInclusive<u32>,
    /// What was read last: to parse a thousand lines for each of a thousand profiles takes long.
    known: Arc<Mutex<Option<Known>>>,
}

/// The file's bytes, and what they say.
#[derive(Debug)]
struct Known {
    text: Vec<u8>,
    table: Arc<Table>,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Table {
    /// Where the search for a free number goes on.
    next: u32,
    profiles: BTreeMap<String, u32>,
}

impl Users {
    /// `run` is the home's `run` folder, which must exist.
    #[must_use]
    pub fn new(run: &Path, range: RangeInclusive<u32>) -> Self {
        Self { run: run.to_owned(), range, known: Arc::default() }
    }

    /// The user of a profile; a number is kept for it when it has none, or one outside of the range. Blocking.
    ///
    /// # Errors
    /// The file cannot be read or written, or no number is free.
    pub fn of(&self, name: &ProfileName) -> io::Result<Owner> {
        let _alone = self.lock()?;
        let table = self.read()?;
        let number = match table.profiles.get(name.as_str()) {
            Some(number) if self.range.contains(number) => *number,
            Some(_) | None => {
                let mut table = Table::clone(&table);
                let number = self.free(&table)?;
                table.profiles.insert(name.to_string(), number);
                table.next = number.wrapping_add(1);
                self.write(&table)?;
                number
            }
        };
        Ok(Owner { uid: number, gid: number })
    }

    /// Forgets a profile that is no more: another one of its name is somebody else. Blocking.
    ///
    /// # Errors
    /// As [`Users::of`].
    pub fn forget(run: &Path, name: &ProfileName) -> io::Result<()> {
        let users = Self::new(run, 0..=0);
        if !users.path().exists() {
            return Ok(());
        }
        let _alone = users.lock()?;
        let mut table = Table::clone(&*users.read()?);
        if table.profiles.remove(name.as_str()).is_some() { users.write(&table) } else { Ok(()) }
    }

    fn free(&self, table: &Table) -> io::Result<u32> {
        let (first, last) = (*self.range.start(), *self.range.end());
        let from = if self.range.contains(&table.next) { table.next } else { first };
        let mut numbers = (from..=last).chain(first..from);
        numbers.find(|number| table.profiles.values().all(|taken| taken != number)).ok_or_else(|| {
            io::Error::other(format!(
                "no number from {first} to {last} is free: widen `profiles.uids` in the home's config.yaml"
            ))
        })
    }

    fn path(&self) -> PathBuf {
        self.run.join("users")
    }

    /// Gateways of one home and the command line take their turns.
    fn lock(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let file =
            options.write(true).create(true).truncate(false).mode(0o600).open(self.run.join("users.lock"))?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    }

    fn read(&self) -> io::Result<Arc<Table>> {
        let text = match std::fs::read(self.path()) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Arc::default()),
            Err(error) => return Err(error),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| known.text == text) {
            return Ok(known.table.clone());
        }
        let table: Table = serde_json::from_slice(&text).map_err(|error| {
            io::Error::other(format!(
                "{} is damaged ({error}): put it back from a backup, or delete it, then all profiles get new numbers",
                self.path().display()
            ))
        })?;
        Ok(known.insert(Known { text, table: Arc::new(table) }).table.clone())
    }

    fn write(&self, table: &Table) -> io::Result<()> {
        let aside = self.run.join(format!(".users.{}", uuid::Uuid::now_v7().simple()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        let written = file
            .write_all(&serde_json::to_vec_pretty(table)?)
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&aside, self.path()));
        if written.is_err() {
            // What counts is why it could not be written.
            let _ = std::fs::remove_file(&aside);
        }
        written?;
        File::open(&self.run)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt as _};

    fn name(name: &str) -> ProfileName {
        ProfileName::parse(name).unwrap()
    }

    fn numbers(users: &Users, names: &[&str]) -> Vec<u32> {
        names.iter().map(|one| users.of(&name(one)).unwrap().uid).collect()
    }

    #[test]
    fn a_number_is_kept_and_not_given_out_again_soon() {
        let run = tempfile::tempdir().unwrap();
        let users = Users::new(run.path(), 100..=103);
        assert_eq!(numbers(&users, &["a", "b", "a"]), [100, 101, 100]);
        Users::forget(run.path(), &name("a")).unwrap();
        Users::forget(run.path(), &name("never")).unwrap();
        assert_eq!(numbers(&users, &["a", "c", "b"]), [102, 103, 101], "the new `a` is somebody else");
        assert_eq!(numbers(&users, &["d"]), [100], "the range has come round");
        let full = users.of(&name("e")).unwrap_err().to_string();
        assert!(full.contains("profiles.uids"), "{full}");
        let mode = fs::metadata(run.path().join("users")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn another_range_gives_other_numbers() {
        let run = tempfile::tempdir().unwrap();
        assert_eq!(numbers(&Users::new(run.path(), 100..=199), &["a", "b"]), [100, 101]);
        assert_eq!(numbers(&Users::new(run.path(), 300..=399), &["b", "a", "b"]), [300, 301, 300]);
    }

    #[test]
    fn many_that_ask_at_once_get_different_numbers() {
        let run = tempfile::tempdir().unwrap();
        let users = Users::new(run.path(), 100..=199);
        let mut all: Vec<u32> = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..8)
                .map(|at| {
                    scope.spawn({
                        let users = &users;
                        move || users.of(&name(&format!("p{at}"))).unwrap().uid
                    })
                })
                .collect();
            asked.into_iter().map(|one| one.join().unwrap()).collect()
        });
        all.sort_unstable();
        assert_eq!(all, (100..108).collect::<Vec<_>>());
    }

    #[test]
    fn a_damaged_file_is_told_and_left() {
        let run = tempfile::tempdir().unwrap();
        let (users, file) = (Users::new(run.path(), 100..=199), run.path().join("users"));
        let refused = || {
            let error = users.of(&name("a")).unwrap_err().to_string();
            assert!(error.contains("damaged"), "{error}");
        };
        for text in ["{", ""] {
            fs::write(&file, text).unwrap();
            refused();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        fs::remove_file(&file).unwrap();
        assert_eq!(numbers(&users, &["a", "a"]), [100, 100]);
        fs::write(&file, "").unwrap();
        refused();
    }

    #[test]
    fn what_another_process_gave_out_is_not_given_out_again() {
        let run = tempfile::tempdir().unwrap();
        let [ours, theirs] = [100..=199, 100..=199].map(|range| Users::new(run.path(), range));
        assert_eq!(numbers(&ours, &["a", "a"]), [100, 100]);
        assert_eq!(numbers(&theirs, &["b"]), [101]);
        assert_eq!(numbers(&ours, &["c", "b", "a"]), [102, 101, 100]);
        Users::forget(run.path(), &name("a")).unwrap();
        assert_eq!(numbers(&ours, &["a"]), [103], "it is somebody else");
    }
}
