//! In which messages a word is: lists of numbers, cut into chunks that fit into one value each.
//!
//! A chunk is its last number, then for each message the distance from the one before and how often the word is there
//! together with whose message it is. Its key says from which number on it counts.

use super::SearchRole;
use crate::store::codec::PART;

/// A chunk that is longer takes no more.
const FULL: usize = PART - 16;
/// How often a word counts in one message, at most.
const MOST: u32 = 63;

/// That a word is in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Posting {
    /// The message's number in the index.
    pub(super) doc: u32,
    pub(super) role: SearchRole,
    pub(super) count: u32,
}

/// A chunk that is being written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// From which number on it counts: its key.
    pub(super) first: u32,
    last: u32,
    bytes: Vec<u8>,
}

impl Chunk {
    pub(super) const fn new(first: u32) -> Self {
        Self { first, last: first, bytes: Vec::new() }
    }

    /// `None`: it was cut.
    pub(super) fn read(first: u32, value: &[u8]) -> Option<Self> {
        let (last, bytes) = value.split_first_chunk::<4>()?;
        Some(Self { first, last: u32::from_be_bytes(*last), bytes: bytes.to_vec() })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        [&self.last.to_be_bytes()[..], &self.bytes].concat()
    }

    pub(super) const fn is_full(&self) -> bool {
        self.bytes.len() >= FULL
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn push(&mut self, posting: Posting) {
        put(&mut self.bytes, posting.doc - self.last);
        put(&mut self.bytes, posting.count.clamp(1, MOST) << 2 | posting.role as u32);
        self.last = posting.doc;
    }

    pub(super) fn postings(&self) -> impl Iterator<Item = Posting> {
        let mut rest = self.bytes.as_slice();
        let mut doc = self.first;
        std::iter::from_fn(move || {
            doc = doc.checked_add(take(&mut rest)?)?;
            let what = take(&mut rest)?;
            Some(Posting { doc, role: SearchRole::of_bits(what), count: what >> 2 })
        })
    }
}

fn put(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn take(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_reads_back_as_it_was_written() {
        let roles = [SearchRole::User, SearchRole::Assistant, SearchRole::Tool, SearchRole::System];
        let docs = [7, 8, 200, 70_000, u32::MAX];
        let all: Vec<Posting> = docs
            .iter()
            .zip(roles.iter().cycle())
            .map(|(&doc, &role)| Posting { doc, role, count: doc % 60 + 1 })
            .collect();
        let mut chunk = Chunk::new(5);
        all.iter().for_each(|posting| chunk.push(*posting));
        let again = Chunk::read(5, &chunk.write()).unwrap();
        assert_eq!(again, chunk);
        assert_eq!(again.postings().collect::<Vec<_>>(), all);
        assert_eq!(Chunk::read(5, &[1, 2]), None);
    }
}
