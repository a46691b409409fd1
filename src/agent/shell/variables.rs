//! Values of variables, as far as the text itself gives them.

use super::word::Word;
use std::collections::HashMap;

/// What the text has set. A name that is set to two values has none: which of them holds hangs on what runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables(HashMap<String, Option<String>>);

impl Variables {
    pub(super) fn set(&mut self, name: &str, value: &Word) {
        let value = (!value.is_unknown()).then(|| value.text.clone());
        self.0
            .entry(name.to_owned())
            .and_modify(|known| {
                if *known != value {
                    *known = None;
                }
            })
            .or_insert(value);
    }

    /// Set by something that is not followed: a loop, `read`, `printf -v`, arithmetic.
    pub(super) fn forget(&mut self, name: &str) {
        self.0.insert(name.to_owned(), None);
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(value) => value.as_deref(),
            None => from_outside(name),
        }
    }
}

/// Values that every shell starts with.
fn from_outside(name: &str) -> Option<&'static str> {
    match name {
        "HOME" => Some("~"),
        "HERMES_HOME" => Some("~/.hermes"),
        "IFS" => Some(" "),
        "PWD" => Some("."),
        _ => None,
    }
}
