//! `state/mark`: how far the database had come, kept outside of it.
//!
//! sled opens a file that was cut short without a word and starts over from what it finds. So the writer notes here,
//! after each commit that is on disk, which database it was and the commit's number. A database that knows less than
//! its mark has lost something.

use super::{StoreError, files};
use std::{fs::File, os::unix::fs::FileExt, path::Path};

const MAGIC: &[u8; 4] = b"HMK1";
/// magic, generation, commit, length, crc32c.
const LENGTH: usize = 4 + 8 + 8 + 8 + 4;
/// The two copies lie in sectors of their own and are written in turn: a torn write costs one of them at most.
const SLOTS: [u64; 2] = [0, 4096];

/// Which database, and its last commit that is known to be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) generation: u64,
    pub(super) commit: u64,
    /// Bytes of the data file then. sled gives some back at times, so a shorter file is a reason to look, no proof.
    pub(super) length: u64,
}

/// The open file. It is not synced itself: it may lag behind the database, and never runs ahead of it.
pub(super) struct MarkFile(File);

impl MarkFile {
    pub(super) fn open(state_dir: &Path) -> Result<Self, StoreError> {
        files::open_rw(&state_dir.join("mark")).map(Self)
    }

    /// The newest whole copy; `None` in a new file.
    pub(super) fn read(&self) -> Result<Option<Mark>, StoreError> {
        let written = self.0.metadata().is_ok_and(|meta| meta.len() > 0);
        let newest = SLOTS.iter().filter_map(|&slot| self.slot(slot)).max_by_key(|mark| mark.commit);
        match newest {
            None if written => Err(StoreError::Damaged("the file `state/mark` cannot be read".to_owned())),
            found => Ok(found),
        }
    }

    fn slot(&self, offset: u64) -> Option<Mark> {
        let mut bytes = [0; LENGTH];
        self.0.read_exact_at(&mut bytes, offset).ok()?;
        let (body, crc) = bytes.split_at(LENGTH - 4);
        if &body[..4] != MAGIC || crc != crc32c::crc32c(body).to_be_bytes() {
            return None;
        }
        Some(Mark {
            generation: u64::from_be_bytes(body[4..12].try_into().ok()?),
            commit: u64::from_be_bytes(body[12..20].try_into().ok()?),
            length: u64::from_be_bytes(body[20..28].try_into().ok()?),
        })
    }

    pub(super) fn write(&self, mark: Mark) -> Result<(), StoreError> {
        let slot = if mark.commit.is_multiple_of(2) { SLOTS[0] } else { SLOTS[1] };
        self.write_slot(mark, slot)
    }

    /// Begins anew with another database: both copies, and synced.
    pub(super) fn reset(&self, mark: Mark) -> Result<(), StoreError> {
        for slot in SLOTS {
            self.write_slot(mark, slot)?;
        }
        self.0.sync_all().map_err(|cause| StoreError::io("mark", &cause))
    }

    fn write_slot(&self, mark: Mark, slot: u64) -> Result<(), StoreError> {
        let mut bytes = [0; LENGTH];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4..12].copy_from_slice(&mark.generation.to_be_bytes());
        bytes[12..20].copy_from_slice(&mark.commit.to_be_bytes());
        bytes[20..28].copy_from_slice(&mark.length.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_be_bytes());
        self.0.write_all_at(&bytes, slot).map_err(|cause| StoreError::io("mark", &cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_loss_of_the_copy_being_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = MarkFile::open(dir.path()).unwrap();
        assert_eq!(file.read().unwrap(), None);
        let mark = |commit| Mark { generation: 7, commit, length: 0 };
        file.reset(mark(0)).unwrap();
        file.write(mark(1)).unwrap();
        file.write(mark(2)).unwrap();
        assert_eq!(file.read().unwrap(), Some(mark(2)));
        file.0.write_all_at(&[0xff; 10], SLOTS[0]).unwrap();
        assert_eq!(file.read().unwrap(), Some(mark(1)));
        file.0.write_all_at(&[0xff; 10], SLOTS[1]).unwrap();
        assert!(matches!(file.read(), Err(StoreError::Damaged(_))));
    }
}
