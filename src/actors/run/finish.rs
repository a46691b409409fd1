//! The end of a run: its last event, and what the session keeps of it.

use super::{
    StopReason,
    drive::Driver,
    transcript::{self, Came},
};
use crate::{
    domain::{Code, Event, Failure, Finish, OnDisconnect, RunStatus, ToolCall, Usage, now},
    store::{Change, ClientCall, Committed, LogWriter, SessionAppend, StoreError},
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How a turn ended.
pub(super) enum End {
    Completed(Finish),
    /// The client has to run these.
    HandedOver(Vec<ToolCall>),
    Failed(Failure),
    Stopped(StopReason),
}

/// Writes down that the run is being stopped: at once, for what it is at may take its time to end. Written once.
pub(super) fn note_stop(log: &mut LogWriter, changes: &mut Vec<Change>) {
    if log.see(|record| record.status) != RunStatus::Stopping {
        // Best effort: a log that refuses this one refuses the last event too, and `finish` says so.
        drop(log.append(Event::RunStopping {}, std::mem::take(changes)));
    }
}

impl Driver {
    /// Whether nobody would ever find the answer once its connection is gone, or its parent.
    pub(super) fn lives_for_its_reader(&self) -> bool {
        self.spec.on_disconnect == OnDisconnect::Cancel || self.spec.parent.is_some()
    }

    /// The end of a turn whose reader goes away with the gateway.
    pub(super) fn turned_out(&mut self) -> End {
        if self.log.see(|record| record.started_at).is_some() {
            self.withdraw_pending();
            return End::Stopped(StopReason::Shutdown);
        }
        let text = "The gateway is shutting down; the turn had not begun.";
        End::Failed(Failure { retryable: true, ..Failure::new(Code::GatewayDraining, text) })
    }

    pub(super) async fn finish(&mut self, end: End) {
        let written = match self.end(end) {
            Ok(committed) => committed.await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::error!(run = %self.spec.run_id, %error, "the end of a run could not be stored");
        }
    }

    /// Writes the last event, with what the session keeps of the turn.
    fn end(&mut self, end: End) -> Result<Committed, StoreError> {
        if matches!(end, End::Stopped(_)) {
            note_stop(&mut self.log, &mut self.changes);
        }
        let finish = match &end {
            End::Completed(finish) => Some(*finish),
            End::HandedOver(_) => Some(Finish::ToolCalls),
            End::Failed(_) | End::Stopped(_) => None,
        };
        // A log that refuses the rest of the text refuses the last event too, which is told below.
        let _ = self.log.end_text();
        let (text, usage, cost) = self.log.see(|record| (record.text.clone(), record.usage, record.cost));
        if let End::HandedOver(_) = &end {
            // Whoever brings the results goes on with all that is on record, and that is said there.
            self.hear();
        }
        let pending_steer = self.pending_steer();
        let mut changes = std::mem::take(&mut self.changes);
        if let End::HandedOver(calls) = &end {
            changes.extend(calls.iter().map(|call| self.client_call(call)));
        }
        changes.extend(self.kept(&Came { text: &text, usage, cost, finish }).map(Change::SessionAppend));
        let completed = |output, finish_reason, tool_calls, pending_steer| Event::RunCompleted {
            output,
            usage,
            finish_reason,
            tool_calls,
            pending_steer,
        };
        let event = match end {
            End::Completed(finish) => completed(text, finish, Vec::new(), pending_steer),
            End::HandedOver(calls) => completed(text, Finish::ToolCalls, calls, pending_steer),
            End::Failed(failure) => failed(failure, text, usage, pending_steer),
            End::Stopped(StopReason::Asked) => {
                Event::RunCancelled { partial_output: text, usage, pending_steer }
            }
            End::Stopped(StopReason::Shutdown) => {
                let why = "The gateway was shut down during this turn.";
                let failure = Failure { retryable: true, ..Failure::new(Code::Interrupted, why) };
                failed(failure, text, usage, pending_steer)
            }
        };
        // Whoever hears of the end may ask again at once: the slot must be free by then.
        drop(self.slot.take());
        self.log.append(event, changes)
    }

    /// What the session keeps of the turn.
    fn kept(&mut self, came: &Came<'_>) -> Option<Box<SessionAppend>> {
        let config = self.tenant.config();
        let said = (std::mem::take(&mut self.opening), self.turn.take_messages());
        let prompt = self.prompt.clone();
        let mut kept = transcript::append(&self.spec, &config.model.default, said, came, prompt)?;
        if !kept.messages.is_empty() || self.spec.asks_to_compress().is_some() {
            kept.summary = self.room.pending.take();
        }
        Some(kept)
    }

    /// Notes how a call of the profile's own model ended; a turn that chose another says nothing of it.
    pub(super) fn asked_model(&self, error: Option<Code>) {
        let config = self.tenant.config();
        let chosen = self.spec.upstream.as_ref();
        if self.fallen == 0 && chosen.is_none_or(|choice| choice.provider == config.model.provider_name) {
            self.tenant.model_calls().ended(error);
        }
    }

    /// By which a later turn finds this one: on disk before the client hears of the call.
    fn client_call(&self, call: &ToolCall) -> Change {
        Change::ClientCall(ClientCall {
            key_id: self.spec.key_id.clone(),
            call_id: call.id.clone(),
            run_id: self.spec.run_id,
            created_at: now(),
        })
    }
}

impl Drop for Driver {
    /// A turn that nobody ended: its work panicked, or was cut off because it did not stop. It ends like any other that
    /// failed, so that its session has what it did and said, and nothing of it goes on elsewhere.
    fn drop(&mut self) {
        if self.log.is_closed() {
            return;
        }
        // A second panic while the first one unwinds would end the process. The hook has logged it.
        let _logged = catch_unwind(AssertUnwindSafe(|| self.abandon()));
    }
}

impl Driver {
    fn abandon(&mut self) {
        self.withdraw_pending();
        self.end_there();
        let why = "The run ended unexpectedly; the gateway's log has the cause.";
        let ended = self.end(End::Failed(Failure { retryable: true, ..Failure::new(Code::Internal, why) }));
        let (run, turn) = (self.spec.run_id, self.session.take());
        actix::spawn(async move {
            let stored = match ended {
                Ok(committed) => committed.await,
                Err(error) => Err(error),
            };
            if let Err(error) = stored {
                tracing::error!(%run, %error, "the end of an abandoned run could not be stored");
            }
            // The session's next turn finds this one in it.
            drop(turn);
        });
    }
}

fn failed(failure: Failure, partial_output: String, usage: Usage, pending_steer: Option<String>) -> Event {
    let Failure { code, message, retryable, retry_after } = failure;
    Event::RunFailed {
        error: message,
        error_code: code,
        retryable,
        retry_after,
        partial_output,
        usage,
        pending_steer,
    }
}
