//! Words to a running turn: the next model call hears them.
//!
//! They are taken in at any moment of the turn, in the middle of a model call or of a tool too, and are on disk before
//! whoever spoke is told so. What comes after the last model call began is not lost in silence: the turn's last event
//! repeats it.

use super::{RunActor, drive::Driver};
use crate::{
    domain::{Event, Message as ChatMessage},
    store::{Change, Committed, LogWriter, StoreError},
};
use actix::{Handler, Message, ResponseFuture};
use tokio::sync::oneshot;

/// Command: say this to the running turn. `false`: the turn is over.
#[derive(Debug, Message)]
#[rtype(result = "Result<bool, StoreError>")]
pub struct Steer(pub String);

/// Words on their way to the driver.
pub(super) struct Said {
    pub(super) input: String,
    /// Gets what resolves when the words are on disk.
    taken: oneshot::Sender<Result<Committed, StoreError>>,
}

impl Handler<Steer> for RunActor {
    type Result = ResponseFuture<Result<bool, StoreError>>;

    fn handle(&mut self, Steer(input): Steer, _ctx: &mut Self::Context) -> Self::Result {
        let (taken, told) = oneshot::channel();
        let sent = self.control.said.send(Said { input, taken });
        Box::pin(async move {
            // A driver that has ended takes nothing any more.
            let (Ok(()), Ok(committed)) = (sent, told.await) else {
                return Ok(false);
            };
            committed?.await?;
            Ok(true)
        })
    }
}

/// Writes the words down and gives them back, unless they could not be written.
pub(super) fn take_in(log: &mut LogWriter, changes: &mut Vec<Change>, said: Said) -> Option<String> {
    let Said { input, taken } = said;
    log.make_durable();
    // What was said before comes before it.
    changes.push(Change::Message(ChatMessage::user(&input)));
    let event = Event::RunSteered { accepted: true, input: input.clone() };
    match log.append(event, std::mem::take(changes)) {
        Ok(committed) => {
            // Whoever spoke may be gone; the words stay.
            let _gone = taken.send(Ok(committed));
            Some(input)
        }
        Err(error) => {
            let _gone = taken.send(Err(error));
            None
        }
    }
}

impl Driver {
    /// Lets the next model call hear what was said since the last one began.
    pub(super) fn hear(&mut self) {
        for input in self.unheard.drain(..) {
            self.turn.said(input);
        }
    }
}
