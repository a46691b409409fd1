//! The model's text on its way into the log.

use crate::{
    domain::{Code, Event, Retrying},
    model::{Again, Delta},
    store::{LogWriter, StoreError},
};
use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

/// Writes the model's deltas into the log.
pub(super) struct TextWriter<'a, 'log> {
    pub log: &'a RefCell<&'log mut LogWriter>,
    /// Text of an earlier model call stands before this one's: a blank line parts them.
    pub break_first: bool,
    pub reasoning: bool,
    pub wrote: bool,
    pub failed: Option<StoreError>,
    /// Who answers.
    pub provider: &'a str,
    pub model: &'a str,
    /// When the present attempt began.
    pub since: Instant,
    /// How long those before it took, and why they failed.
    pub attempts: Vec<(Duration, Code)>,
}

impl TextWriter<'_, '_> {
    pub fn write(&mut self, delta: &Delta<'_>) {
        let event = match *delta {
            Delta::Text(text) if self.break_first && !self.wrote => {
                Event::MessageDelta { delta: format!("\n\n{text}") }
            }
            Delta::Text(text) => Event::MessageDelta { delta: text.to_owned() },
            Delta::Reasoning(text) if self.reasoning => Event::ReasoningDelta { delta: text.to_owned() },
            Delta::Reasoning(_) => return,
            Delta::Again(again) => return self.again(&again),
        };
        self.wrote |= matches!(event, Event::MessageDelta { .. });
        if let Err(error) = self.log.borrow_mut().delta(event) {
            self.failed.get_or_insert(error);
        }
    }

    fn again(&mut self, again: &Again<'_>) {
        let Again { error, action, attempt, wait } = *again;
        let failure = error.failure();
        self.attempts.push((self.since.elapsed(), failure.code));
        self.since = Instant::now() + wait;
        let retrying = Event::RunRetrying(Box::new(Retrying {
            action,
            attempt,
            wait: wait.as_secs_f64(),
            error: failure.message,
            error_code: failure.code,
            provider: self.provider.to_owned(),
            model: self.model.to_owned(),
        }));
        match self.log.borrow_mut().append(retrying, Vec::new()) {
            // Nobody waits for the disk: the next fact brings it there.
            Ok(committed) => drop(committed),
            Err(error) => drop(self.failed.get_or_insert(error)),
        }
    }
}

/// The text of one model call, as the log has it: without what parts it from an earlier call's, when `broken` says that it
/// was parted.
pub(super) fn parted(mut logged: String, broken: bool) -> String {
    if broken && logged.starts_with("\n\n") {
        logged.drain(..2);
    }
    logged
}
