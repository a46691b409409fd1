//! Lines, and the chain that they are links of.
//!
//! A line is the JSON of an entry with its hash as the last member. The hash is blake3 of the hash before it (as text) and
//! of the line without the hash, byte for byte: nothing has to be written again to be checked.

use super::entry::{Act, Actor};
use crate::{
    domain::{Millis, timestamp},
    redact::Redactor,
};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// What stands before the first line.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Where a chain ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub seq: u64,
    pub hash: String,
}

impl End {
    pub(super) fn genesis() -> Self {
        Self { seq: 0, hash: GENESIS.to_owned() }
    }
}

#[derive(Serialize)]
struct Line<'a, T> {
    seq: u64,
    at: String,
    actor: &'a Actor,
    #[serde(flatten)]
    act: &'a T,
}

/// The beginning of every line.
#[derive(Deserialize)]
struct Head {
    seq: u64,
}

/// Writes the line behind `end`, which moves on to it.
pub(super) fn link(
    end: &mut End,
    at: Millis,
    actor: &Actor,
    act: &Act,
    redactor: &Redactor,
) -> serde_json::Result<String> {
    let seq = end.seq + 1;
    let mut line = serde_json::to_string(&Line { seq, at: timestamp(at), actor, act })?;
    if redactor.finds(line.as_bytes()) {
        // Hosts and names of tools are what an agent makes of them.
        let mut act = serde_json::to_value(act)?;
        act.as_object_mut().into_iter().flatten().filter(|(name, _)| *name != "act").for_each(|(_, told)| {
            redactor.clean_value(told);
        });
        line = serde_json::to_string(&Line { seq, at: timestamp(at), actor, act: &act })?;
    }
    let hash = hash(&end.hash, &line);
    line.pop();
    // Writing to a string cannot fail.
    let _ = writeln!(line, ",\"hash\":\"{hash}\"}}");
    *end = End { seq, hash };
    Ok(line)
}

/// A line without its line break, taken apart: what was hashed, and the hash that it claims.
pub(super) fn split(line: &str) -> Option<(String, &str)> {
    let (entry, rest) = line.rsplit_once(",\"hash\":\"")?;
    let hash = rest.strip_suffix("\"}")?;
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hash.then(|| (format!("{entry}}}"), hash))
}

/// The number of a line and the hash that it claims.
pub(super) fn end_of(line: &str) -> Option<End> {
    let (entry, hash) = split(line)?;
    let head: Head = serde_json::from_str(&entry).ok()?;
    Some(End { seq: head.seq, hash: hash.to_owned() })
}

pub(super) fn hash(before: &str, entry: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(before.as_bytes()).update(entry.as_bytes());
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_checked_as_it_stands() {
        let mut end = End::genesis();
        let first = link(&mut end, 0, &Actor::Gateway, &Act::ProfileStopped, &Redactor::default()).unwrap();
        let expected =
            r#"{"seq":1,"at":"1970-01-01T00:00:00.000+00:00","actor":"gateway","act":"profile.stopped""#;
        assert!(first.starts_with(expected), "{first}");
        let line = first.strip_suffix('\n').unwrap();
        let (entry, claimed) = split(line).unwrap();
        assert_eq!(hash(GENESIS, &entry), claimed);
        assert_eq!(end_of(line), Some(end.clone()));
        let second = link(&mut end, 0, &Actor::Gateway, &Act::ProfileStopped, &Redactor::default()).unwrap();
        assert_ne!(split(second.trim_end()).unwrap().1, claimed, "the same act again is another link");
    }
}
