//! Where the messages of a transcript lie: those of one turn that fit into one value share a record, since a database
//! counts its work in records, hardly in bytes.

use super::writing::Draft;
use crate::store::{
    StoreError, codec,
    database::Database,
    keyspace::{Key, Table},
};
use serde_json::value::RawValue;
use std::borrow::Cow;

fn place(transcript: Key, number: u64) -> Key {
    transcript.with(&number.to_be_bytes())
}

/// Writes messages behind each other, the first of them at `first`, counted from 0.
pub(super) fn write(
    draft: &mut Draft<'_>,
    transcript: Key,
    first: u64,
    rows: &[Vec<u8>],
) -> Result<(), StoreError> {
    records(transcript, first, rows).try_for_each(|(key, json)| draft.put_json(key, &json))
}

/// The records that messages are written as.
pub(super) fn records(
    transcript: Key,
    first: u64,
    rows: &[Vec<u8>],
) -> impl Iterator<Item = (Key, Cow<'_, [u8]>)> {
    let (mut number, mut rest) = (first, rows);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (some, after) = rest.split_at(fitting(rest));
        let key = place(transcript, number);
        number += some.len() as u64;
        rest = after;
        Some(match some {
            [alone] => (key, Cow::Borrowed(alone.as_slice())),
            several => (key, Cow::Owned(list(several))),
        })
    })
}

/// How many of the first rows one value holds; one has a record of its own, however long it is.
fn fitting(rows: &[Vec<u8>]) -> usize {
    let mut size = 1;
    let fits = |row: &&Vec<u8>| {
        size += row.len() + 1;
        size <= codec::PART
    };
    rows.iter().take_while(fits).count().max(1)
}

fn list(rows: &[Vec<u8>]) -> Vec<u8> {
    [&b"["[..], &rows.join(&b','), b"]"].concat()
}

/// Hands out the messages `from..until` of a transcript, each with its place, as long as `visit` says `true`.
pub(in crate::store) fn each(
    db: &Database,
    transcript: Key,
    from: u64,
    until: u64,
    mut visit: impl FnMut(u64, &[u8]) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    if from >= until {
        return Ok(());
    }
    let first = place(transcript, from);
    // It may stand in the middle of a record.
    let begin = match from {
        0 => first,
        _ => db.last_key(Table::SessionMessage, place(transcript, 0), first.end())?.unwrap_or(first),
    };
    db.scan(Table::SessionMessage, begin, place(transcript, until), |key, json| {
        if !json.starts_with(b"[") {
            return if key.number() < from { Ok(true) } else { visit(key.number(), &json) };
        }
        let rows: Vec<&RawValue> = codec::from_json(&json)?;
        for (number, row) in (key.number()..until).zip(rows) {
            if number >= from && !visit(number, row.get().as_bytes())? {
                return Ok(false);
            }
        }
        Ok(true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::TranscriptId,
        store::{batch::Batch, payload::Payloads, sessions::transcript_key},
    };

    #[test]
    fn messages_read_back_one_by_one_however_they_lie_together() {
        let dir = tempfile::tempdir().unwrap();
        let payloads = Payloads::new(dir.path().join("payloads"));
        let database = Database::open(&dir.path().join("db"), &payloads, 1 << 20).unwrap();
        let row = |number: usize, length: usize| format!("{{\"{number}\":\"{}\"}}", "x".repeat(length));
        let lengths = [10, 10, 10, 5000, 10, 2000, 2000, 2000, 1, 0];
        let all: Vec<String> = (0..).zip(lengths).map(|(number, length)| row(number, length)).collect();
        let transcript = transcript_key(TranscriptId::new());
        // Two turns: the second one begins behind a list.
        let mut batch = Batch::default();
        let mut draft = Draft { database: &database, payloads: &payloads, batch: &mut batch, values: None };
        let rows: Vec<Vec<u8>> = all.iter().map(|row| row.clone().into_bytes()).collect();
        write(&mut draft, transcript, 0, &rows[..2]).unwrap();
        write(&mut draft, transcript, 2, &rows[2..]).unwrap();
        database.commit(&batch).unwrap();

        let mut records = 0;
        let count = |_: Key, _: Vec<u8>| {
            records += 1;
            Ok(true)
        };
        database.scan_all(Table::SessionMessage, transcript, count).unwrap();
        assert_eq!(records, 5, "0 and 1, 2, the long one, 4 to 6, 7 to 9");
        for from in 0..=lengths.len() {
            for until in from..=lengths.len() {
                let mut read = Vec::new();
                each(&database, transcript, from as u64, until as u64, |number, json| {
                    read.push((number, String::from_utf8(json.to_vec()).unwrap()));
                    Ok(true)
                })
                .unwrap();
                let expected: Vec<_> = (from as u64..).zip(all[from..until].iter().cloned()).collect();
                assert!(
                    read == expected,
                    "{from}..{until}: {:?}",
                    read.iter().map(|row| row.0).collect::<Vec<_>>()
                );
            }
        }
    }
}
