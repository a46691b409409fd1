//! Changing files of the profile's own folder, which a person may be changing at the same time.

use rustix::{
    fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with},
    io::Errno,
};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How long a lock is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Keeps every other writer of ours out, of this process and of others, until it is dropped. Blocking.
///
/// # Errors
///
/// Somebody else holds it for too long; it cannot be made.
pub fn lock(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let begun = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK | Errno::INTR) if begun.elapsed() < PATIENCE => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "on the blocking pool, where a lock may be waited for"
                )]
                thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A folder for the owner alone, with those above it.
pub fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// All of a small file; `None`: it is not there.
///
/// # Errors
///
/// It is longer than `most` bytes, no UTF-8, or cannot be read.
pub fn read(path: &Path, most: u64) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(most + 1).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it is longer than {most} bytes")));
    }
    String::from_utf8(bytes).map(Some).map_err(|_utf8| io::Error::other("it is not UTF-8 text"))
}

/// Puts `text` in the place of what was `expected` there; `false`: it was something else by then, and still is. A crash
/// leaves the one or the other.
///
/// # Errors
///
/// The file cannot be written.
pub fn replace(path: &Path, expected: Option<&str>, text: &str) -> io::Result<bool> {
    let aside = path.with_extension(format!("{}.tmp", uuid::Uuid::now_v7().simple()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    let done = file.write_all(text.as_bytes()).and_then(|()| {
        if let Ok(before) = fs::metadata(path) {
            file.set_permissions(before.permissions())?;
        }
        file.sync_all()?;
        swap(&aside, path, expected)
    });
    // What is aside now is the old text, or the new one that found no place.
    let cleared = fs::remove_file(&aside);
    let done = done?;
    if expected.is_some() && done {
        cleared?;
    }
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(done)
}

/// Puts `aside` in the place of `path` and looks afterwards whether what came out is what was expected: so nothing that
/// somebody writes at the same moment is lost.
fn swap(aside: &Path, path: &Path, expected: Option<&str>) -> io::Result<bool> {
    let Some(expected) = expected else {
        return match renameat_with(CWD, aside, CWD, path, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(error.into()),
        };
    };
    let exchange = || renameat_with(CWD, aside, CWD, path, RenameFlags::EXCHANGE);
    match exchange() {
        Ok(()) if fs::read(aside)? == expected.as_bytes() => Ok(true),
        Ok(()) => {
            exchange()?;
            Ok(false)
        }
        // It was deleted meanwhile.
        Err(Errno::NOENT) => Ok(false),
        // A file system that cannot exchange: what is left is to look first.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            let same = fs::read(path)? == expected.as_bytes();
            if same {
                fs::rename(aside, path)?;
                // So that there is something to clear away, as in the other ways.
                fs::write(aside, "")?;
            }
            Ok(same)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_as_it_was_expected() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("A.md");
        let is = |text: &str| assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert!(replace(&path, None, "one").unwrap());
        assert!(!replace(&path, None, "two").unwrap(), "it is there already");
        is("one");
        assert!(replace(&path, Some("one"), "two").unwrap());
        assert!(!replace(&path, Some("one"), "three").unwrap());
        is("two");
        fs::remove_file(&path).unwrap();
        assert!(!replace(&path, Some("two"), "three").unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left aside");
    }

    #[test]
    fn one_writer_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("below/.lock");
        let counted = std::sync::atomic::AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _held = lock(&path).unwrap();
                    let before = counted.load(std::sync::atomic::Ordering::SeqCst);
                    // Whoever came in between would have read the same number.
                    thread::yield_now();
                    counted.store(before + 1, std::sync::atomic::Ordering::SeqCst);
                });
            }
        });
        assert_eq!(counted.into_inner(), 8);
    }
}
