//! The way out for tools of the gateway itself that fetch what a model names.

use super::{
    dial::{Dialed, Dialer},
    journal::Journal,
    refusal::Refusal,
    target::Target,
};
use std::sync::Arc;

/// Connects for one run, by the profile's policy, and writes down what was decided.
pub struct Reach {
    dialer: Arc<Dialer>,
    journal: Journal,
}

impl Reach {
    pub(super) const fn new(dialer: Arc<Dialer>, journal: Journal) -> Self {
        Self { dialer, journal }
    }

    /// Looks the host up, judges each of its addresses and connects to one that passed. A redirect leads to a new
    /// target, which is to be asked for anew.
    ///
    /// # Errors
    ///
    /// The policy, or the network, has it otherwise.
    pub async fn connect(&self, target: &Target) -> Result<Dialed, Refusal> {
        let dialed = self.dialer.connect(target).await;
        match &dialed {
            Ok(dialed) => self.journal.allowed(target, dialed.address),
            Err(refusal) => self.journal.refused(refusal),
        }
        dialed
    }

    /// What was refused so far, a sentence each.
    pub(super) fn refusals(&self) -> Vec<String> {
        self.journal.told()
    }
}
