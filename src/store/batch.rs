//! What one commit changes in a database, whole or not at all.

/// The length of a value that is none: the key is removed.
const GONE: u32 = u32::MAX;

/// Values that are put or removed together. Of one key the last word counts.
///
/// In memory as in the [journal](super::journal), each change is the key's length in one byte, the value's in four
/// (little-endian), key, value.
#[derive(Default)]
pub(super) struct Batch(Vec<u8>);

impl Batch {
    /// `value`: its pieces. Keys are at most [35 bytes](super::keyspace::Key) long, values 4 KiB.
    pub(super) fn insert(&mut self, key: &[u8], value: &[&[u8]]) {
        let length = value.iter().map(|piece| piece.len()).sum::<usize>();
        self.note(key, u32::try_from(length).unwrap_or(GONE - 1), value);
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        self.note(key, GONE, &[]);
    }

    fn note(&mut self, key: &[u8], length: u32, value: &[&[u8]]) {
        self.0.push(u8::try_from(key.len()).unwrap_or(u8::MAX));
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(key);
        value.iter().for_each(|piece| self.0.extend_from_slice(piece));
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What [`Batch::as_bytes`] gave out; `None` for anything else.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut changes = Changes(bytes);
        changes.by_ref().for_each(drop);
        changes.0.is_empty().then(|| Self(bytes.to_vec()))
    }

    /// Keys with their values, or nothing where they are removed, in order.
    pub(super) fn changes(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        Changes(&self.0)
    }
}

impl From<&Batch> for sled::Batch {
    fn from(batch: &Batch) -> Self {
        let mut writes = Self::default();
        for (key, value) in batch.changes() {
            match value {
                Some(value) => writes.insert(key, value),
                None => writes.remove(key),
            }
        }
        writes
    }
}

/// Ends where the bytes do, or before what is no change.
struct Changes<'a>(&'a [u8]);

impl<'a> Iterator for Changes<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let (&key, rest) = self.0.split_first()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_at_checked(usize::from(key))?;
        let length = u32::from_le_bytes(*length);
        let (value, rest) = match length {
            GONE => (None, rest),
            length => {
                let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                (Some(value), rest)
            }
        };
        self.0 = rest;
        Some((key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_read_back_as_it_was_and_never_in_part() {
        let mut batch = Batch::default();
        batch.insert(b"a", &[b"1"]);
        batch.remove(b"b");
        batch.insert(b"c", &[]);
        batch.insert(b"a", &[&[7; 2_000], &[7; 3_000]]);
        let read = Batch::from_bytes(batch.as_bytes()).unwrap();
        let expected: [(&[u8], Option<&[u8]>); 4] =
            [(b"a", Some(b"1")), (b"b", None), (b"c", Some(b"")), (b"a", Some(&[7; 5_000]))];
        assert!(read.changes().eq(expected));
        let cut =
            (0..batch.as_bytes().len()).filter(|&end| Batch::from_bytes(&batch.as_bytes()[..end]).is_some());
        assert_eq!(cut.count(), 4, "between two changes only: how many there are is for the journal to know");
    }
}
