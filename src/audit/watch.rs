//! What keeps the log short: of many like acts, one entry.

use super::entry::Act;
use crate::domain::{KeyId, Millis};
use std::collections::{HashMap, HashSet};

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
/// Wrong keys within a minute that are worth an entry: fewer are somebody's mistake.
const BURST: u64 = 5;
/// Network decisions of one hour that are written: an agent makes as many as it likes.
const DECISIONS: usize = 512;
/// Keys whose last entry is remembered.
const KEYS: usize = 1_024;

#[derive(Default)]
pub(super) struct Watch {
    /// The hour of each key's last entry.
    used: HashMap<KeyId, Millis>,
    /// When the present minute of failures began, and how many there were.
    failures: Option<(Millis, u64)>,
    hour: Millis,
    decisions: HashSet<blake3::Hash>,
}

impl Watch {
    pub(super) fn is_first_use(&mut self, key: &KeyId, now: Millis) -> bool {
        let hour = now.div_euclid(HOUR);
        if self.used.get(key) == Some(&hour) {
            return false;
        }
        if self.used.len() >= KEYS {
            self.used.clear();
        }
        self.used.insert(key.clone(), hour);
        true
    }

    /// How many there were in how many seconds, when that is worth an entry: at the fifth of a minute, and then at the
    /// first one after each minute that had some.
    pub(super) fn failed(&mut self, now: Millis) -> Option<(u64, u64)> {
        let (began, count) = *self.failures.get_or_insert((now, 0));
        let count = count + 1;
        if now - began < MINUTE {
            self.failures = Some((began, count));
            return (count == BURST).then(|| (count, seconds(now - began)));
        }
        self.failures = Some((now, 1));
        // Without this one; the first five have their entry already.
        (count - 1 > BURST).then(|| (count - 1 - BURST, seconds(MINUTE)))
    }

    /// The entries that a decision is worth.
    pub(super) fn is_new_decision(&mut self, decided: Act, now: Millis) -> Option<Act> {
        let hour = now.div_euclid(HOUR);
        if self.hour != hour {
            self.hour = hour;
            self.decisions.clear();
        }
        if self.decisions.len() > DECISIONS {
            return None;
        }
        let name =
            serde_json::to_vec(&decided).map_or_else(|_| blake3::hash(b""), |json| blake3::hash(&json));
        if !self.decisions.insert(name) {
            return None;
        }
        Some(if self.decisions.len() > DECISIONS { Act::NetworkMore } else { decided })
    }
}

fn seconds(time: Millis) -> u64 {
    u64::try_from(time / 1_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_entry_an_hour() {
        let (mut watch, key) = (Watch::default(), KeyId::env());
        let first = [0, 1, HOUR - 1, HOUR, HOUR + 1].map(|at| watch.is_first_use(&key, at));
        assert_eq!(first, [true, false, false, true, false]);
    }

    #[test]
    fn a_flood_of_wrong_keys_is_two_entries_a_minute() {
        let mut watch = Watch::default();
        let entries: Vec<_> = (0..100_000).filter_map(|at| watch.failed(at)).collect();
        assert_eq!(entries, [(5, 0), (59_995, 60), (5, 0)]);
        let mut quiet = Watch::default();
        assert_eq!((0..4).find_map(|at| quiet.failed(at)), None, "a mistake is no attack");
    }

    #[test]
    fn an_agent_cannot_fill_the_log_with_connections() {
        let mut watch = Watch::default();
        let decided = |port| Act::NetworkDecided {
            run: None,
            mcp_server: None,
            host: "example.org".to_owned(),
            port,
            address: None,
            allowed: false,
            why: "private".to_owned(),
        };
        assert!(watch.is_new_decision(decided(1), 0).is_some());
        assert!(watch.is_new_decision(decided(1), 0).is_none(), "the same again");
        let written = (2..u16::MAX).filter(|port| watch.is_new_decision(decided(*port), 0).is_some()).count();
        assert_eq!(written, DECISIONS, "the last one says that there were more");
        assert!(watch.is_new_decision(decided(1), HOUR).is_some(), "another hour");
    }
}
