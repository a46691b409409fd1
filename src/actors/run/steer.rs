//! Words to a running turn: the next model call hears them.
//!
//! They are taken in at any moment of the turn, in the middle of a model call or of a tool too, and are on disk before
//! whoever spoke is told so. What comes after the last model call began is not lost in silence. Said beside the turn, it
//! is given back: the turn's last event repeats it. Said as a turn of its own that joined this one, it is owed an answer,
//! and the turn goes on with another model call.

use super::{RunActor, drive::Driver};
use crate::{
    domain::{Event, Message as ChatMessage},
    store::{Change, Committed, IdempotencyEntry, LogWriter, StoreError},
};
use actix::{Handler, Message, ResponseFuture};
use futures_util::FutureExt;
use tokio::sync::oneshot;

/// Command: say this to the running turn. `false`: the turn is over, or takes no such words.
#[derive(Debug, Message)]
#[rtype(result = "Result<bool, StoreError>")]
pub struct Steer {
    pub input: String,
    pub manner: Manner,
}

/// How words are said to a turn.
#[derive(Debug)]
pub enum Manner {
    /// Beside it: unheard, they are given back.
    Aside,
    /// They would be a turn of their own: the turn does not end well without having heard them.
    Joins {
        /// Kept together with the words: a retry finds the turn that they joined.
        idempotency: Option<IdempotencyEntry>,
    },
}

/// Words on their way to the driver.
pub(super) struct Said {
    pub(super) input: String,
    pub(super) manner: Manner,
    /// Gets what resolves when the words are on disk.
    taken: oneshot::Sender<Result<Committed, StoreError>>,
}

/// Words that no model call has heard yet.
pub(super) struct Unheard {
    input: String,
    /// They are owed an answer.
    owed: bool,
    /// They are among the turn's stored messages.
    stored: bool,
}

/// What the turn is at when something is said to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amid {
    /// Its answer comes before the words.
    ModelCall,
    /// The words come next.
    Other,
}

impl Handler<Steer> for RunActor {
    type Result = ResponseFuture<Result<bool, StoreError>>;

    fn handle(&mut self, Steer { input, manner }: Steer, _ctx: &mut Self::Context) -> Self::Result {
        let (taken, told) = oneshot::channel();
        // What is refused is dropped at once, so that nobody waits to be told.
        let sent = self.control.said.send(Said { input, manner, taken }).is_ok();
        Box::pin(async move {
            // A driver that has ended takes nothing any more.
            let (true, Ok(committed)) = (sent, told.await) else {
                return Ok(false);
            };
            committed?.await?;
            Ok(true)
        })
    }
}

/// Writes the words down and gives them back, unless they could not be written.
pub(super) fn take_in(
    log: &mut LogWriter,
    changes: &mut Vec<Change>,
    amid: Amid,
    said: Said,
) -> Option<Unheard> {
    let Said { input, manner, taken } = said;
    log.make_durable();
    let stored = amid == Amid::Other;
    if stored {
        // A run that is put aside before its next model call has the words in its messages alone.
        changes.push(Change::Message(ChatMessage::user(&input)));
    }
    let owed = match manner {
        Manner::Aside => false,
        Manner::Joins { idempotency } => {
            changes.extend(idempotency.map(Change::Idempotency));
            true
        }
    };
    let event = Event::RunSteered { accepted: true, input: input.clone() };
    match log.append(event, std::mem::take(changes)) {
        Ok(committed) => {
            // Whoever spoke may be gone; the words stay.
            let _gone = taken.send(Ok(committed));
            Some(Unheard { input, owed, stored })
        }
        Err(error) => {
            let _gone = taken.send(Err(error));
            None
        }
    }
}

impl Driver {
    /// Takes in what nobody has looked at yet, and lets the next model call hear it.
    pub(super) fn hear_all(&mut self) {
        while let Some(Some(said)) = self.inbox.said.recv().now_or_never() {
            self.unheard.extend(take_in(&mut self.log, &mut self.changes, Amid::Other, said));
        }
        self.hear();
    }

    /// Lets the next model call hear what was said since the last one began.
    pub(super) fn hear(&mut self) {
        self.store_unheard();
        for Unheard { input, .. } in self.unheard.drain(..) {
            self.turn.said(input);
        }
    }

    /// Puts words among the turn's stored messages, behind the answer that they did not wait for.
    pub(super) fn store_unheard(&mut self) {
        for unheard in self.unheard.iter_mut().filter(|unheard| !unheard.stored) {
            self.changes.push(Change::Message(ChatMessage::user(&unheard.input)));
            unheard.stored = true;
        }
    }

    /// Whether somebody waits for an answer to words that no model call has heard.
    pub(super) fn owes_an_answer(&self) -> bool {
        self.unheard.iter().any(|unheard| unheard.owed)
    }

    /// What no model call has heard, for the turn's last event.
    pub(super) fn pending_steer(&self) -> Option<String> {
        let words: Vec<&str> = self.unheard.iter().map(|unheard| unheard.input.as_str()).collect();
        (!words.is_empty()).then(|| words.join("\n"))
    }

    /// The other side's agent has given these words back: no model call of its heard them.
    pub(super) fn given_back(&mut self, input: String) {
        self.unheard = vec![Unheard { input, owed: false, stored: true }];
    }
}
