//! When keys were last used: exact in memory, on disk now and then.

use crate::domain::{KeyId, Millis};
use std::collections::HashMap;

/// A key in steady use is written down once in this time.
const EVERY: Millis = 5 * 60 * 1000;

#[derive(Default)]
pub(super) struct Uses(HashMap<KeyId, Use>);

struct Use {
    last: Millis,
    written: Option<Millis>,
}

impl Uses {
    /// Only keys that were verified come here, so that there are no more entries than keys.
    pub fn note(&mut self, id: &KeyId, at: Millis) {
        match self.0.get_mut(id) {
            Some(one) => one.last = one.last.max(at),
            None => {
                self.0.insert(id.clone(), Use { last: at, written: None });
            }
        }
    }

    pub fn last(&self, id: &KeyId) -> Option<Millis> {
        self.0.get(id).map(|one| one.last)
    }

    /// The last use, if it is time to write it down; then it counts as written.
    pub fn due(&mut self, id: &KeyId) -> Option<Millis> {
        let one = self.0.get_mut(id)?;
        let due = one.written.is_none_or(|written| one.last - written >= EVERY);
        due.then(|| *one.written.insert(one.last))
    }

    pub fn unwritten(&mut self) -> Vec<(KeyId, Millis)> {
        let all = self.0.iter_mut().filter(|(_, one)| one.written.is_none_or(|written| written < one.last));
        all.map(|(id, one)| (id.clone(), *one.written.insert(one.last))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_steady_use_is_written_down_now_and_then() {
        let (mut uses, id) = (Uses::default(), KeyId::parse("aaaa").unwrap());
        let mut written = Vec::new();
        for second in 0..=900 {
            uses.note(&id, second * 1000);
            written.extend(uses.due(&id));
        }
        assert_eq!(written, [0, 300_000, 600_000, 900_000]);
        uses.note(&id, 901_000);
        assert_eq!((uses.due(&id), uses.last(&id)), (None, Some(901_000)));
        assert_eq!(uses.unwritten(), [(id.clone(), 901_000)], "at the end all is written");
        assert_eq!(uses.unwritten(), []);
    }
}
