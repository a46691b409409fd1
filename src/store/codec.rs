//! How a record becomes values of the database.
//!
//! A value is a byte for its kind, a crc32c over key and content, the number of parts, and content: JSON. sled keeps
//! large values in files of its own that no flush covers, so a record over 4 KiB is cut into parts under consecutive
//! keys of the same batch, and one over 1 MiB becomes a [payload file](super::payload) that the value names. What many
//! chats leave at once lies in a [value file](super::values).

use super::{StoreError, batch::Batch, keyspace::Key, payload, values::Place};
use serde::{Deserialize, Serialize};

/// Kind, crc, parts.
const HEADER: usize = 1 + 4 + 2;
/// No value is longer than 4 KiB, header included.
pub(super) const PART: usize = 4096 - HEADER;

/// What the content of a value is. Version 1 of the format; another one gets other bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Json = 1,
    /// The blake3 hash of a payload file that holds the JSON.
    Payload = 2,
    /// The [`Place`] of the JSON in a value file.
    Place = 3,
}

/// One value, taken apart and checked.
pub(super) struct Part<'a> {
    pub(super) kind: Kind,
    pub(super) parts: u16,
    pub(super) content: &'a [u8],
}

pub(super) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, StoreError> {
    to_json_of_about(128, value)
}

/// `length`: what it will take, roughly; more room is made where that is not enough.
pub(super) fn to_json_of_about<T: Serialize + ?Sized>(
    length: usize,
    value: &T,
) -> Result<Vec<u8>, StoreError> {
    let mut json = Vec::with_capacity(length);
    serde_json::to_writer(&mut json, value)
        .map_err(|error| StoreError::Io(format!("a record cannot be written: {error}")))?;
    Ok(json)
}

pub(super) fn from_json<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, StoreError> {
    serde_json::from_slice(json)
        .map_err(|error| StoreError::Damaged(format!("a record cannot be read: {error}")))
}

/// Puts a record into the batch. Parts that a longer predecessor leaves behind are never looked at: part 0 says how
/// many there are.
pub(super) fn put(
    batch: &mut Batch,
    payloads: &payload::Payloads,
    key: Key,
    json: &[u8],
) -> Result<(), StoreError> {
    if json.len() > payload::LARGE {
        let name = payloads.put(json)?;
        insert(batch, key, 0, Kind::Payload, 1, &name);
        return Ok(());
    }
    let parts = u16::try_from(json.len().div_ceil(PART).max(1))
        .map_err(|_wide| StoreError::Illegal("a record of too many parts".to_owned()))?;
    let mut rest = json;
    for part in 0..parts {
        let (content, after) = rest.split_at(rest.len().min(PART));
        insert(batch, key, part, Kind::Json, parts, content);
        rest = after;
    }
    Ok(())
}

/// Puts a record into the batch whose JSON lies in a value file.
pub(super) fn put_place(batch: &mut Batch, key: Key, place: Place) {
    insert(batch, key, 0, Kind::Place, 1, &place.to_bytes());
}

fn insert(batch: &mut Batch, key: Key, part: u16, kind: Kind, parts: u16, content: &[u8]) {
    let key = key.part(part);
    let crc = checksum(key.as_slice(), kind as u8, parts, content).to_be_bytes();
    batch.insert(key.as_slice(), &[&[kind as u8], &crc, &parts.to_be_bytes(), content]);
}

/// Over the key too: a value in another's place is found out.
fn checksum(key: &[u8], kind: u8, parts: u16, content: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(key), &[kind]);
    crc32c::crc32c_append(crc32c::crc32c_append(crc, &parts.to_be_bytes()), content)
}

pub(super) fn open<'a>(key: &[u8], value: &'a [u8]) -> Result<Part<'a>, StoreError> {
    let damaged = |what: &str| StoreError::Damaged(format!("a value {what}"));
    let (header, content) = value.split_at_checked(HEADER).ok_or_else(|| damaged("is cut"))?;
    let kind = match header[0] {
        1 => Kind::Json,
        2 => Kind::Payload,
        3 => Kind::Place,
        other => return Err(damaged(&format!("is of the unknown kind {other}"))),
    };
    let parts = u16::from_be_bytes([header[5], header[6]]);
    if header[1..5] != checksum(key, header[0], parts, content).to_be_bytes() {
        return Err(damaged("does not match its checksum"));
    }
    Ok(Part { kind, parts, content })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keyspace::Table;

    #[test]
    fn a_value_that_was_touched_or_moved_is_refused() {
        let key = Key::table(Table::Meta).part(0);
        let crc = checksum(key.as_slice(), 1, 1, b"{}").to_be_bytes();
        let good = [&[1][..], &crc, &[0, 1], b"{}"].concat();
        assert_eq!(open(key.as_slice(), &good).unwrap().content, b"{}");

        let touched = |at: usize| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            bytes
        };
        let cases = [
            ("kind", touched(0)),
            ("crc", touched(2)),
            ("parts", touched(6)),
            ("content", touched(8)),
            ("cut header", good[..5].to_vec()),
            ("cut content", good[..8].to_vec()),
        ];
        for (case, bytes) in cases {
            assert!(matches!(open(key.as_slice(), &bytes), Err(StoreError::Damaged(_))), "{case}");
        }
        assert!(open(Key::table(Table::Meta).part(1).as_slice(), &good).is_err(), "another key");
    }
}
