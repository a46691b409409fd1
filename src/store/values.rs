//! Values of many chats, one behind the other in a file beside the database.
//!
//! The database writes a value with its commit, and again whenever the leaf that has it is split or moved, several
//! times over. So a commit of many commands puts the longer values that chats leave into a *value file*, which is on disk
//! before the commit that names the [`Place`]s; the database keeps the places. Nothing in such a file is changed.
//! [Housekeeping](super::reclaim) removes one that nothing names, and takes the rest out of one that is mostly empty.
//!
//! A value lies there behind a crc32c over its record's key and itself: a place that is mistaken is found out.

use super::{StoreError, files, lock_of};
use std::{
    collections::VecDeque,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{Arc, Mutex},
};

/// Bytes from which a value file takes no more commits.
const FULL: usize = 32 << 20;
/// Files that are held open for readers.
const OPEN: usize = 4;
/// Memory that a writer keeps for the next commit.
const SPARE: usize = 1 << 20;
/// Bytes of the checksum in front of a value.
const CRC: usize = 4;

/// Where a value lies. As short as it can be: with its header it fits into the database's own nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: u32,
    offset: u32,
    length: u32,
}

impl Place {
    const WIDTH: usize = 12;

    pub(super) fn to_bytes(self) -> [u8; Self::WIDTH] {
        let mut bytes = [0; Self::WIDTH];
        bytes[..4].copy_from_slice(&self.file.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.offset.to_be_bytes());
        bytes[8..].copy_from_slice(&self.length.to_be_bytes());
        bytes
    }

    /// # Errors
    /// [`StoreError::Damaged`]: these are not the bytes of a place.
    pub(super) fn of_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let number = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
        let place = || Some(Self { file: number(0)?, offset: number(4)?, length: number(8)? });
        let place = place().filter(|_| bytes.len() == Self::WIDTH);
        place.ok_or_else(|| StoreError::Damaged("a value's place is cut".to_owned()))
    }

    /// Bytes of the file that it takes.
    pub(super) fn size(self) -> u64 {
        CRC as u64 + u64::from(self.length)
    }
}

/// Files by their number.
type Open = VecDeque<(u32, Arc<File>)>;

/// The folder of value files, for reading.
#[derive(Debug, Clone)]
pub(super) struct Values {
    folder: PathBuf,
    /// Used last, last.
    open: Arc<Mutex<Open>>,
}

impl Values {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, open: Arc::default() }
    }

    /// The value at `place` of the record with this key; `None`: its file was removed, since the value has moved.
    ///
    /// # Errors
    /// I/O; [`StoreError::Damaged`]: it is not what was written.
    pub(super) fn get(&self, key: &[u8], place: Place) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(file) = self.file(place.file)? else { return Ok(None) };
        let mut bytes = vec![0; CRC + place.length as usize];
        let read = match file.read_exact_at(&mut bytes, u64::from(place.offset)) {
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(StoreError::Damaged("a value file is cut".to_owned()));
            }
            read => read,
        };
        files::named(&self.folder, read)?;
        let value = bytes.split_off(CRC);
        if bytes != checksum(key, &value) {
            return Err(StoreError::Damaged("a value file is not what was written".to_owned()));
        }
        Ok(Some(value))
    }

    fn file(&self, number: u32) -> Result<Option<Arc<File>>, StoreError> {
        let mut open = lock_of(&self.open);
        if let Some(at) = open.iter().position(|(known, _)| *known == number) {
            let found = open.remove(at);
            let file = found.as_ref().map(|(_, file)| Arc::clone(file));
            open.extend(found);
            return Ok(file);
        }
        let file = match File::open(self.path(number)) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => Arc::new(files::named(&self.folder, opened)?),
        };
        if open.len() == OPEN {
            open.pop_front();
        }
        open.push_back((number, Arc::clone(&file)));
        Ok(Some(file))
    }

    /// All files with their sizes, oldest first.
    pub(super) fn list(&self) -> Result<Vec<(u32, u64)>, StoreError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => files::named(&self.folder, entries)?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = files::named(&self.folder, entry)?;
            if let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                found.push((number, files::named(&self.folder, entry.metadata())?.len()));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    pub(super) fn remove(&self, number: u32) -> Result<(), StoreError> {
        lock_of(&self.open).retain(|(known, _)| *known != number);
        files::named(&self.folder, fs::remove_file(self.path(number)))
    }

    fn path(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{number:010}"))
    }
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; CRC] {
    crc32c::crc32c_append(crc32c::crc32c(key), value).to_be_bytes()
}

/// The file that is being written. Only the store's writer has it.
pub(super) struct ValueWriter {
    values: Values,
    number: u32,
    /// Opened when the first value comes.
    file: Option<File>,
    /// Bytes that earlier commits wrote, or may have.
    length: usize,
    /// What this commit brings.
    fresh: Vec<u8>,
}

impl ValueWriter {
    /// Goes on behind what the newest file has: what a crash left there without a name is in nobody's way.
    pub(super) fn open(values: Values) -> Result<Self, StoreError> {
        let (number, length) = values.list()?.last().copied().unwrap_or((0, 0));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Ok(Self { values, number, file: None, length, fresh: Vec::new() })
    }

    /// A new commit begins; what is left of one that failed is forgotten.
    pub(super) fn begin(&mut self) {
        self.fresh.clear();
        if self.length >= FULL {
            self.turn_over();
        }
    }

    /// No number is used twice: a reader may still hold what had it.
    pub(super) fn turn_over(&mut self) {
        (self.number, self.length, self.file) = (self.number + 1, 0, None);
    }

    /// Takes a value in; `None` when the file has no room for it.
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) -> Option<Place> {
        let offset = self.length + self.fresh.len();
        if self.fresh.len() + value.len() > FULL {
            return None;
        }
        let place = Place {
            file: self.number,
            offset: offset.try_into().ok()?,
            length: value.len().try_into().ok()?,
        };
        self.fresh.extend_from_slice(&checksum(key, value));
        self.fresh.extend_from_slice(value);
        Some(place)
    }

    /// Returns when the disk has all that was taken in: the commit that names the places comes after.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        if self.fresh.is_empty() {
            return Ok(());
        }
        let written = self.write();
        // Whatever becomes of the commit, no other one writes to these places.
        self.length += self.fresh.len();
        if written.is_err() {
            self.turn_over();
        }
        self.fresh.clear();
        // One of an unusual size is not kept for the next one.
        self.fresh.shrink_to(SPARE);
        written
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let folder = &self.values.folder;
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                files::create_dir(folder)?;
                let file = files::open_rw(&self.values.path(self.number))?;
                files::sync_parent(folder)?;
                files::sync_dir(folder)?;
                file
            }
        };
        files::named(folder, file.write_all_at(&self.fresh, self.length as u64))?;
        files::named(folder, file.sync_data())?;
        self.file = Some(file);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn lose_the_disk(&mut self) {
        self.file = Some(files::unconfirming());
    }

    /// The file that is not to be removed.
    pub(super) const fn current(&self) -> u32 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(dir: &std::path::Path) -> ValueWriter {
        ValueWriter::open(Values::new(dir.join("values"))).unwrap()
    }

    #[test]
    fn a_value_is_read_where_it_was_put_under_its_own_key_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(dir.path());
        let mut places = Vec::new();
        for commit in 0..3 {
            writer.begin();
            for number in 0..3 {
                let text = format!("{commit} {number}").repeat(100);
                places.push((writer.put(b"key", text.as_bytes()).unwrap(), text));
            }
            writer.flush().unwrap();
        }
        let values = Values::new(dir.path().join("values"));
        for (place, text) in &places {
            assert_eq!(Place::of_bytes(&place.to_bytes()).unwrap(), *place);
            assert_eq!(values.get(b"key", *place).unwrap().unwrap(), text.as_bytes());
            assert!(matches!(values.get(b"other", *place), Err(StoreError::Damaged(_))));
        }
        let beyond = Place { offset: 1 << 20, ..places[0].0 };
        assert!(matches!(values.get(b"key", beyond), Err(StoreError::Damaged(_))), "a file that was cut");
        assert!(Place::of_bytes(&[0; 11]).is_err());
        values.remove(0).unwrap();
        assert_eq!(values.get(b"key", places[0].0).unwrap(), None);
    }

    #[test]
    fn no_place_is_given_out_twice_whatever_becomes_of_a_commit() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(dir.path());
        writer.begin();
        let forgotten = writer.put(b"key", b"never flushed").unwrap();
        writer.begin();
        let first = writer.put(b"key", b"first").unwrap();
        assert_eq!(first.offset, forgotten.offset, "nobody has that place");
        writer.flush().unwrap();
        // As after a crash.
        let mut writer = self::writer(dir.path());
        writer.begin();
        let second = writer.put(b"key", b"second").unwrap();
        assert_eq!((second.file, u64::from(second.offset)), (first.file, first.size()));
        writer.flush().unwrap();
        // A folder that cannot be written to: the next try is another file.
        writer.turn_over();
        fs::remove_dir_all(dir.path().join("values")).unwrap();
        fs::write(dir.path().join("values"), "in the way").unwrap();
        writer.begin();
        let refused = writer.put(b"key", b"third").unwrap();
        assert!(writer.flush().is_err());
        fs::remove_file(dir.path().join("values")).unwrap();
        writer.begin();
        let third = writer.put(b"key", b"third").unwrap();
        assert!(third.file > refused.file);
        writer.flush().unwrap();
        assert_eq!(writer.values.get(b"key", third).unwrap().unwrap(), b"third");
    }
}
