//! A conversation that every upstream accepts: each call is followed by its one result, and there is no result without
//! its call.

use crate::domain::{Message, ToolCall};
use std::fmt;

/// The result of a call of a turn that ended before the call did.
pub const INTERRUPTED: &str = r#"{"error": "the turn ended before this call finished", "code": "interrupted", "hint": "part of it may have been done: look before you do it again"}"#;
/// The result of a call that the client never answered.
pub const NO_RESULT: &str =
    r#"{"error": "the client gave no result for this call", "code": "no_result", "hint": null}"#;

/// The id of a result whose call is nowhere before it, or has its result already.
#[derive(Debug, PartialEq, Eq)]
pub struct Stray(pub String);

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = &self.0;
        write!(
            f,
            "No open call has the id `{id}`: a tool's result must answer a call before it, and only once."
        )
    }
}

impl std::error::Error for Stray {}

/// Whether nothing needs mending. The parts are one conversation.
#[must_use]
pub fn is_whole(parts: &[&[Message]]) -> bool {
    let mut open: Vec<&str> = Vec::new();
    for message in parts.iter().copied().flatten() {
        match message {
            Message::Tool { tool_call_id, .. } => match open.iter().position(|id| id == tool_call_id) {
                Some(at) => drop(open.remove(at)),
                None => return false,
            },
            Message::System { .. } | Message::User { .. } | Message::Assistant { .. } if !open.is_empty() => {
                return false;
            }
            Message::Assistant { tool_calls, .. } => {
                open.extend(tool_calls.iter().map(|call| call.id.as_str()));
            }
            Message::System { .. } | Message::User { .. } => {}
        }
    }
    open.is_empty()
}

/// The conversation with each result behind its call, and `missing` as the result of a call that has none.
///
/// # Errors
///
/// [`Stray`]: a result that belongs nowhere.
pub fn mended(messages: Vec<Message>, missing: &str) -> Result<Vec<Message>, Stray> {
    let mut whole: Vec<Entry> = Vec::with_capacity(messages.len());
    for message in messages {
        match message {
            Message::Tool { tool_call_id, name, content } => {
                // Ids may come again in a long conversation: the newest open call of that id is meant.
                let slot = whole.iter_mut().rev().find_map(|entry| entry.open_slot(&tool_call_id));
                let Some(slot) = slot else {
                    return Err(Stray(tool_call_id));
                };
                *slot = Some(Message::Tool { tool_call_id, name, content });
            }
            Message::Assistant { content, tool_calls, reasoning } => {
                let results = vec![None; tool_calls.len()];
                let message = Message::Assistant { content, tool_calls, reasoning };
                whole.push(Entry { message, results });
            }
            message @ (Message::System { .. } | Message::User { .. }) => {
                whole.push(Entry { message, results: Vec::new() });
            }
        }
    }
    Ok(whole.into_iter().flat_map(|entry| entry.flatten(missing)).collect())
}

/// A message with the results of its calls.
struct Entry {
    message: Message,
    results: Vec<Option<Message>>,
}

impl Entry {
    fn calls(&self) -> &[ToolCall] {
        match &self.message {
            Message::Assistant { tool_calls, .. } => tool_calls,
            Message::System { .. } | Message::User { .. } | Message::Tool { .. } => &[],
        }
    }

    fn open_slot(&mut self, id: &str) -> Option<&mut Option<Message>> {
        let at = self.calls().iter().position(|call| call.id == id)?;
        self.results.get_mut(at).filter(|slot| slot.is_none())
    }

    fn flatten(self, missing: &str) -> Vec<Message> {
        let synthetic = self.calls().iter().map(|call| Message::Tool {
            tool_call_id: call.id.clone(),
            name: Some(call.name.clone()),
            content: missing.to_owned(),
        });
        let results: Vec<Message> =
            synthetic.zip(&self.results).map(|(none, result)| result.clone().unwrap_or(none)).collect();
        let mut all = vec![self.message];
        all.extend(results);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(ids: &[&str]) -> Message {
        let call =
            |id: &&str| ToolCall { id: (*id).to_owned(), name: "t".to_owned(), arguments: "{}".to_owned() };
        Message::calling("", ids.iter().map(call).collect())
    }

    fn result(id: &str) -> Message {
        Message::Tool { tool_call_id: id.to_owned(), name: None, content: "ok".to_owned() }
    }

    /// The messages as letters: `u`, `a`, the id of a result, or `-` before the id of a made-up one.
    fn mend(messages: &[Message]) -> Result<String, Stray> {
        let letters = |message: Message| match message {
            Message::User { .. } => "u".to_owned(),
            Message::Assistant { .. } => "a".to_owned(),
            Message::Tool { tool_call_id, content, .. } if content == NO_RESULT => format!("-{tool_call_id}"),
            Message::Tool { tool_call_id, .. } => tool_call_id,
            Message::System { .. } => "s".to_owned(),
        };
        let whole = mended(messages.to_vec(), NO_RESULT)?;
        assert!(is_whole(&[&whole]), "{whole:?}");
        Ok(whole.into_iter().map(letters).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn every_call_gets_its_one_result() {
        let user = || Message::user("x");
        let cases = [
            ("whole already", vec![user(), calls(&["1", "2"]), result("2"), result("1")], "u a 1 2"),
            ("never came", vec![user(), calls(&["1"]), user()], "u a -1 u"),
            ("some came", vec![calls(&["1", "2"]), result("2"), user()], "a -1 2 u"),
            ("late", vec![calls(&["1"]), user(), Message::assistant("so"), result("1")], "a 1 u a"),
            ("between", vec![calls(&["1"]), user(), result("1")], "a 1 u"),
            ("an id again", vec![calls(&["1"]), result("1"), calls(&["1"]), result("1")], "a 1 a 1"),
        ];
        for (case, messages, expected) in cases {
            assert_eq!(mend(&messages).as_deref(), Ok(expected), "{case}");
        }
    }

    #[test]
    fn a_result_without_a_call_is_named() {
        assert_eq!(mend(&[Message::user("x"), result("9")]), Err(Stray("9".to_owned())));
        assert_eq!(mend(&[calls(&["1"]), result("1"), result("1")]), Err(Stray("1".to_owned())));
        assert!(!is_whole(&[&[result("9")]]));
    }
}
