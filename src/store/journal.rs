//! `state/journal`: the commits that the database has taken in, and that its file may not have on the disk yet.
//!
//! To bring sled's own file to the disk takes two writes one behind the other and an fsync, and wakes its threads. So a
//! commit is written here, with one fsync, before sled is told of it, and sled writes when it likes. Now and then a
//! [checkpoint](super::checkpoint) brings its file to the disk and empties this one. What a crash leaves here is applied
//! again when the store opens: a commit says what is, not what changes, so it harms none that is there already.
//!
//! The file keeps its room when it is emptied, and commits are written over what was there: to make a file longer is a
//! change of the file system's own, for which an fsync waits until all that others wrote is on the disk, too. So the file
//! grows by large steps, and in zeroes.
//!
//! A commit lies here as a length (four bytes), a crc32c of the rest (four), the database's generation and the commit's
//! number (eight each, all little-endian), and its [`Batch`]. The file ends where the next one in order is not whole: that
//! one was never acknowledged. That nothing acknowledged is missing is for the [mark](super::mark) to say.

use super::{StoreError, batch::Batch, files, mark::Mark};
use std::{fs::File, os::unix::fs::FileExt, path::Path};

/// Length, crc, generation, number.
const HEAD: usize = 4 + 4 + 8 + 8;
/// Bytes from which on a checkpoint is due. Applying them again takes some 50 ms.
const FULL: u64 = 2 << 20;
/// The file grows by so much.
const STEP: u64 = 64 << 10;
/// No commit begins with it: instead of its beginning it ends the journal.
const NOTHING: [u8; 8] = [0; 8];

/// The open file. Only the store's writer has it.
pub(super) struct Journal {
    file: File,
    /// Behind the last commit.
    end: u64,
    /// The room that the file has.
    room: u64,
}

/// What a crash left.
pub(super) struct Found {
    /// The number of the first one; they follow each other.
    pub(super) first: u64,
    pub(super) batches: Vec<Batch>,
}

impl Found {
    /// The number of the commit that comes behind the last one.
    pub(super) fn next(&self) -> u64 {
        self.first.saturating_add(self.batches.len() as u64)
    }
}

impl Journal {
    /// Opens, or makes, the journal, and reads what it has of the database that the mark is of.
    pub(super) fn open(state_dir: &Path, mark: Mark) -> Result<(Self, Option<Found>), StoreError> {
        let path = state_dir.join("journal");
        let fresh = !path.exists();
        let file = files::open_rw(&path)?;
        if fresh {
            files::sync_parent(&path)?;
        }
        let bytes = files::named(&path, std::fs::read(&path))?;
        let found = read(&bytes, mark.generation);
        let room = bytes.len() as u64;
        // Behind whatever is there: it is to be applied, or to be thrown away, before the next commit.
        Ok((Self { file, end: room, room }, found))
    }

    /// Returns when the disk has the commit.
    pub(super) fn append(&mut self, mark: Mark, batch: &Batch) -> Result<(), StoreError> {
        let body = batch.as_bytes();
        let length = u32::try_from(body.len())
            .map_err(|_wide| StoreError::Illegal("a commit of over 4 GiB".to_owned()))?;
        let mut entry = Vec::with_capacity(HEAD + body.len());
        entry.extend_from_slice(&length.to_le_bytes());
        entry.extend_from_slice(&[0; 4]);
        entry.extend_from_slice(&mark.generation.to_le_bytes());
        entry.extend_from_slice(&mark.commit.to_le_bytes());
        entry.extend_from_slice(body);
        let crc = crc32c::crc32c(&entry[8..]);
        entry[4..8].copy_from_slice(&crc.to_le_bytes());
        let end = self.end + entry.len() as u64;
        if end > self.room {
            let room = end.next_multiple_of(STEP);
            entry.resize(entry.len() + usize::try_from(room - end).unwrap_or(0), 0);
        }
        let written = self.file.write_all_at(&entry, self.end).and_then(|()| self.file.sync_data());
        if let Err(cause) = written {
            // It is told as failed. Should this fail too, it is found when the database is opened anew.
            let _ = self.file.write_all_at(&NOTHING, self.end);
            return Err(StoreError::io("journal", &cause));
        }
        self.room = self.room.max(self.end + entry.len() as u64);
        self.end = end;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn lose_the_disk(&mut self) {
        self.file = files::unconfirming();
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// It is time for a checkpoint.
    pub(super) const fn is_full(&self) -> bool {
        self.end >= FULL
    }

    /// Everything in it is on the disk elsewhere. Not synced: what comes back after a crash is applied once more.
    pub(super) fn clear(&mut self) -> Result<(), StoreError> {
        self.file.write_all_at(&NOTHING, 0).map_err(|cause| StoreError::io("journal", &cause))?;
        self.end = 0;
        Ok(())
    }
}

fn read(mut bytes: &[u8], generation: u64) -> Option<Found> {
    let mut found: Option<Found> = None;
    while let Some((number, batch, rest)) = next(bytes, generation) {
        let found = found.get_or_insert_with(|| Found { first: number, batches: Vec::new() });
        if number != found.next() {
            break;
        }
        found.batches.push(batch);
        bytes = rest;
    }
    found
}

fn next(bytes: &[u8], generation: u64) -> Option<(u64, Batch, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (checked, after) = rest.split_at_checked(length.checked_add(16)?)?;
    if crc32c::crc32c(checked).to_le_bytes() != *crc {
        return None;
    }
    let (of, rest) = checked.split_first_chunk::<8>()?;
    let (number, body) = rest.split_first_chunk::<8>()?;
    let ours = u64::from_le_bytes(*of) == generation;
    ours.then_some((u64::from_le_bytes(*number), Batch::from_bytes(body)?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark { generation: 7, commit: 0, length: 0 };

    fn batch(number: u64) -> Batch {
        let mut batch = Batch::default();
        batch.insert(&number.to_be_bytes(), &[b"value"]);
        batch
    }

    /// A journal of the commits 5, 6 and 7.
    fn of_three(dir: &Path) -> Vec<u8> {
        let (mut journal, found) = Journal::open(dir, MARK).unwrap();
        assert!(found.is_none() && journal.is_empty());
        for commit in 5..8 {
            journal.append(Mark { commit, ..MARK }, &batch(commit)).unwrap();
        }
        let mut bytes = std::fs::read(dir.join("journal")).unwrap();
        assert_eq!(bytes.len() as u64, STEP);
        bytes.truncate(usize::try_from(journal.end).unwrap());
        bytes
    }

    fn numbers(bytes: &[u8], generation: u64) -> Option<(u64, u64)> {
        read(bytes, generation).map(|found| (found.first, found.next() - 1))
    }

    #[test]
    fn a_journal_ends_where_it_was_cut_or_touched() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = of_three(dir.path());
        assert_eq!(numbers(&bytes, 7), Some((5, 7)));
        assert_eq!(numbers(&bytes, 8), None, "another database's");
        let one = bytes.len() / 3;
        for end in 0..bytes.len() {
            let whole = end / one;
            let expected = (whole > 0).then(|| (5, 4 + whole as u64));
            assert_eq!(numbers(&bytes[..end], 7), expected, "cut at {end}");
            let mut touched = bytes.clone();
            touched[end] ^= 1;
            assert_eq!(numbers(&touched, 7), expected, "touched at {end}");
        }
        for end in [0, one, bytes.len()] {
            let zeroes = [&bytes[..end], &[0; 100]].concat();
            assert_eq!(numbers(&zeroes, 7), numbers(&bytes[..end], 7), "and zeroes");
        }
        let out_of_order = [&bytes[..one], &bytes[2 * one..]].concat();
        assert_eq!(numbers(&out_of_order, 7), Some((5, 5)));
    }

    #[test]
    fn what_was_cleared_is_gone_and_the_next_commits_are_read_alone() {
        let dir = tempfile::tempdir().unwrap();
        of_three(dir.path());
        let open = || Journal::open(dir.path(), MARK).unwrap();
        let (mut journal, found) = open();
        assert_eq!(found.unwrap().batches.len(), 3);
        journal.clear().unwrap();
        assert!(journal.is_empty() && open().1.is_none());
        // Over the first of the three. What is left of the others is not read behind it.
        for commit in 8..200 {
            journal.append(Mark { commit, ..MARK }, &batch(commit)).unwrap();
            let found = open().1.map(|found| (found.first, found.next()));
            assert_eq!(found, Some((8, commit + 1)));
        }
        let room = std::fs::metadata(dir.path().join("journal")).unwrap().len();
        let mut large = Batch::default();
        large.insert(b"key", &[&[1; 100_000]]);
        journal.append(Mark { commit: 200, ..MARK }, &large).unwrap();
        assert_eq!(open().1.unwrap().next(), 201, "beyond the room of {room}");
    }
}
