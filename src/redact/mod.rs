//! Secrets are taken out of everything that is kept or shown.
//!
//! ```text
//!  .env, config, keys ──► Secrets ──► forms ──► Table (one automaton)
//!                                                │
//!        texts, records ──► clean ◄──────────────┼──────────────► Stream ◄── deltas
//! ```
//!
//! A profile has one [`Redactor`], and whoever writes for the profile uses it: the writer of a run's log and of the
//! store's records, the audit log, a backup, the process's own log. What is downstream of these (streams, presenters,
//! replays) is clean because they are.
//!
//! It is a guard against accidents: a secret is found in the [forms](forms) that programs print it in. An agent that wants
//! to hide one can always write it in another form; what keeps it from having one at all is the wall.

mod forms;
mod records;
mod scan;
mod secrets;
mod stream;
mod table;

#[cfg(test)]
mod tests;

pub use secrets::Secrets;
pub use stream::Stream;

use crate::config::Secret;
use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError, RwLock, Weak},
};
use table::Table;

/// Whether something was taken out of a text.
#[must_use]
pub fn is_marked(text: &str) -> bool {
    text.contains(table::MARK)
}

/// Verified tokens that are remembered beside the profile's own secrets.
const LEARNT: usize = 64;

/// What finds the secrets of one profile. Cheap to clone; all clones are one. Its table is made at the first use and
/// again after each change.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<State>>);

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

#[derive(Default)]
struct State {
    own: Secrets,
    learnt: Vec<(Arc<str>, Secret)>,
    table: Option<Arc<Table>>,
    /// A table was made once: there is something to be found.
    used: bool,
}

impl Redactor {
    #[must_use]
    pub fn new(secrets: Secrets) -> Self {
        Self(Arc::new(RwLock::new(State { own: secrets, ..State::default() })))
    }

    /// Takes over other secrets, of a new configuration. Earlier ones are no longer found.
    pub fn replace(&self, secrets: Secrets) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        (state.own, state.table) = (secrets, None);
    }

    /// Adds a secret that came up while the profile serves, for instance the token of a key.
    pub fn learn(&self, name: &str, secret: &str) {
        let knows = |state: &State| state.learnt.iter().any(|(_, known)| known.reveal() == secret);
        // Asked with every request; hardly ever news.
        if knows(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if knows(&state) {
            return;
        }
        if state.learnt.len() >= LEARNT {
            state.learnt.remove(0);
        }
        state.learnt.push((name.into(), Secret::new(secret)));
        state.table = None;
    }

    /// The text without secrets.
    #[must_use]
    pub fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.table().clean(text)
    }

    /// Whether there is a secret in these bytes. In JSON it is found, too, however it is escaped.
    #[must_use]
    pub fn finds(&self, bytes: &[u8]) -> bool {
        let (table, mut hits) = (self.table(), Vec::new());
        table.read(&mut table.reader(), bytes, 0, false, &mut hits);
        !hits.is_empty()
    }

    /// For text that comes in pieces.
    #[must_use]
    pub fn stream(&self) -> Stream {
        Stream::new(self.table())
    }

    fn table(&self) -> Arc<Table> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = &state.table {
            return Arc::clone(table);
        }
        drop(state);
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let State { own, learnt, table, used } = &mut *state;
        *used = true;
        let table = table.get_or_insert_with(|| Arc::new(Table::new(own.iter().chain(learnt.iter()))));
        Arc::clone(table)
    }

    fn is_used(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).used
    }
}

/// The redactors of all profiles of a process, for the one thing that they share: its log.
#[derive(Debug, Clone, Default)]
pub struct Redactors(Arc<Mutex<Vec<Weak<RwLock<State>>>>>);

impl Redactors {
    /// Adds a profile's. It is forgotten when the profile is gone.
    pub fn add(&self, redactor: &Redactor) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(&redactor.0));
    }

    /// The text without the secrets of any profile that has had something to do.
    #[must_use]
    pub fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let all: Vec<Redactor> = {
            let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter().filter_map(Weak::upgrade).map(Redactor).collect()
        };
        let mut text = Redactor::default().clean(text);
        for redactor in all.iter().filter(|redactor| redactor.is_used()) {
            if let Cow::Owned(clean) = redactor.clean(&text) {
                text = Cow::Owned(clean);
            }
        }
        text
    }
}
