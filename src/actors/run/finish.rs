//! The end of a run: its last event, and what the session keeps of it.

use super::{StopReason, drive::Driver};
use crate::{
    domain::{Code, Event, Failure, Finish, Message, OnDisconnect},
    store::{Change, SessionAppend},
};

/// How a turn ended.
pub(super) enum End {
    Completed(Finish),
    Failed(Failure),
    Stopped(StopReason),
}

impl Driver {
    /// Whether nobody would ever find the answer once its connection is gone.
    pub(super) fn lives_for_its_reader(&self) -> bool {
        self.spec.on_disconnect == OnDisconnect::Cancel
    }

    /// The end of a turn whose reader goes away with the gateway.
    pub(super) fn turned_out(&mut self) -> End {
        if self.log.record().started_at.is_some() {
            self.withdraw_pending();
            return End::Stopped(StopReason::Shutdown);
        }
        let text = "The gateway is shutting down; the turn had not begun.";
        End::Failed(Failure { retryable: true, ..Failure::new(Code::GatewayDraining, text) })
    }

    pub(super) async fn finish(mut self, end: End) {
        if matches!(end, End::Stopped(_)) {
            // Best effort: a log that refuses this one refuses the last event too, and says so below.
            drop(self.log.append(Event::RunStopping {}, std::mem::take(&mut self.changes)));
        }
        let finish = match &end {
            End::Completed(finish) => Some(*finish),
            End::Failed(_) | End::Stopped(_) => None,
        };
        let record = self.log.record();
        let (usage, text) = (record.usage, record.text);
        let event = match end {
            End::Completed(finish_reason) => Event::RunCompleted {
                output: text.clone(),
                usage,
                finish_reason,
                tool_calls: Vec::new(),
                pending_steer: None,
            },
            End::Failed(failure) => failed(failure, text.clone(), usage),
            End::Stopped(StopReason::Asked) => Event::RunCancelled { partial_output: text.clone(), usage },
            End::Stopped(StopReason::Shutdown) => {
                let why = "The gateway was shut down during this turn.";
                failed(
                    Failure { retryable: true, ..Failure::new(Code::Interrupted, why) },
                    text.clone(),
                    usage,
                )
            }
        };
        let mut changes = std::mem::take(&mut self.changes);
        changes.extend(self.transcript(finish, &text, usage));
        let run = self.spec.run_id;
        let written = match self.log.append(event, changes) {
            Ok(committed) => committed.await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::error!(%run, %error, "the end of a run could not be stored");
        }
    }

    /// What the session keeps. A turn that failed before it did or said anything leaves no trace there: the next one would
    /// only be confused by it.
    fn transcript(
        &mut self,
        finish: Option<Finish>,
        text: &str,
        usage: crate::domain::Usage,
    ) -> Option<Change> {
        let mut messages = self.spec.opening();
        messages.extend(self.turn.messages().iter().cloned());
        if finish.is_none() {
            close_open_calls(&mut messages);
            if self.turn.messages().is_empty() && text.is_empty() {
                return None;
            }
            let said = matches!(messages.last(), Some(Message::Assistant { tool_calls, .. }) if tool_calls.is_empty());
            let rest = unsaid(&messages, text);
            if !said && !rest.is_empty() {
                messages.push(Message::assistant(rest));
            }
        }
        Some(Change::SessionAppend(SessionAppend {
            session: self.spec.session.clone(),
            run_id: self.spec.run_id,
            source: "api_server",
            model: match &self.spec.upstream {
                Some(choice) => choice.model.clone(),
                None => self.tenant.config().model.default.clone(),
            },
            began_at: self.spec.created_at,
            messages,
            finish,
            usage,
        }))
    }
}

fn failed(failure: Failure, partial_output: String, usage: crate::domain::Usage) -> Event {
    let Failure { code, message, retryable, retry_after } = failure;
    Event::RunFailed { error: message, error_code: code, retryable, retry_after, partial_output, usage }
}

/// A history in which a call has no result is refused by every upstream.
fn close_open_calls(messages: &mut Vec<Message>) {
    let Some(at) = messages.iter().rposition(|message| matches!(message, Message::Assistant { .. })) else {
        return;
    };
    let Message::Assistant { tool_calls, .. } = &messages[at] else {
        return;
    };
    let results = messages.len() - at - 1;
    let open: Vec<Message> = tool_calls
        .iter()
        .skip(results)
        .map(|call| Message::Tool {
            tool_call_id: call.id.clone(),
            name: Some(call.name.clone()),
            content: r#"{"error": "the turn ended before this call finished", "code": "interrupted"}"#
                .to_owned(),
        })
        .collect();
    messages.extend(open);
}

/// Text that reached readers but is in no message: of a model call that was cut.
fn unsaid(messages: &[Message], text: &str) -> String {
    let mut rest = text;
    for message in messages {
        if let Message::Assistant { content, .. } = message
            && !content.is_empty()
        {
            rest = rest.strip_prefix("\n\n").unwrap_or(rest);
            rest = rest.strip_prefix(content.as_str()).unwrap_or(rest);
        }
    }
    rest.strip_prefix("\n\n").unwrap_or(rest).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ToolCall;

    #[test]
    fn a_cut_turn_leaves_a_history_that_an_upstream_accepts() {
        let call =
            |id: &str| ToolCall { id: id.to_owned(), name: "t".to_owned(), arguments: "{}".to_owned() };
        let mut messages = vec![
            Message::user("go"),
            Message::Assistant { content: "one".to_owned(), tool_calls: vec![call("a"), call("b")] },
            Message::Tool { tool_call_id: "a".to_owned(), name: None, content: "ok".to_owned() },
        ];
        close_open_calls(&mut messages);
        assert!(matches!(&messages[3], Message::Tool { tool_call_id, .. } if tool_call_id == "b"));
        assert_eq!(unsaid(&messages, "one\n\ntwo so f"), "two so f");
    }
}
