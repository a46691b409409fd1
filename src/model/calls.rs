//! Puts tool calls together from their pieces, in every way in which servers are known to cut them.

use super::{
    chunk::{CallPiece, text},
    halves,
};
use crate::domain::{Message, ToolCall};
use std::collections::HashSet;

/// More calls than this in one answer are taken for nonsense.
const MAX_CALLS: usize = 128;

/// Calls of one answer, in the order in which they began.
#[derive(Default)]
pub(super) struct Calls(Vec<Slot>);

struct Slot {
    index: Option<u32>,
    call: ToolCall,
}

impl Calls {
    /// Adds a piece and gives the number of bytes that it brought.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub(super) fn add(&mut self, piece: &CallPiece<'_>) -> Result<usize, &'static str> {
        let id = text(piece.id.as_ref());
        let function = piece.function.as_ref();
        let name = text(function.and_then(|function| function.name.as_ref()));
        let arguments = function.and_then(|function| function.arguments);

        let slot = self.slot(piece.index, id, name)?;
        if slot.call.id.is_empty() {
            id.clone_into(&mut slot.call.id);
        }
        // Some servers repeat the name in each piece, some send it in parts before the arguments begin.
        if slot.call.name != name && slot.call.arguments.is_empty() {
            slot.call.name.push_str(name);
        }
        let before = slot.call.arguments.len();
        match arguments.map(serde_json::value::RawValue::get) {
            None => {}
            Some(string) if string.starts_with('"') => {
                let whole = |_| serde_json::from_slice(&halves::left_out(string.as_bytes())?).ok();
                let piece: Option<String> = serde_json::from_str(string).map_or_else(whole, Some);
                slot.call.arguments.push_str(&piece.ok_or("tool call arguments that are no text")?);
            }
            Some(object) => slot.call.arguments.push_str(object),
        }
        Ok(slot.call.arguments.len() - before + name.len() + id.len())
    }

    /// The call that a piece belongs to. The index decides; but a new id together with a name begins a new call, since
    /// some servers send whole calls that all have index 0, and some send no index at all.
    fn slot(&mut self, index: Option<u32>, id: &str, name: &str) -> Result<&mut Slot, &'static str> {
        let known = match index {
            Some(_) => self.0.iter().rposition(|slot| slot.index == index),
            None if id.is_empty() => self.0.len().checked_sub(1),
            None => self.0.iter().rposition(|slot| slot.call.id == id),
        };
        let known = known.filter(|&at| {
            let call = &self.0[at].call;
            let other_id = !id.is_empty() && !call.id.is_empty() && call.id != id;
            let whole_call =
                index.is_none() && id.is_empty() && !name.is_empty() && !call.arguments.is_empty();
            !(other_id && !name.is_empty() || whole_call)
        });
        let at = match known {
            Some(at) => at,
            None if self.0.len() == MAX_CALLS => return Err("too many tool calls"),
            None => {
                let call = ToolCall { id: String::new(), name: String::new(), arguments: String::new() };
                self.0.push(Slot { index, call });
                self.0.len() - 1
            }
        };
        Ok(&mut self.0[at])
    }

    /// The calls, each with a name, arguments and an id that no other call of the conversation has: results are
    /// matched to calls by it.
    ///
    /// # Errors
    /// A call without a name.
    pub(super) fn finish(self, conversation: &[&[Message]]) -> Result<Vec<ToolCall>, &'static str> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let mut used: HashSet<String> = earlier(conversation).map(|call| call.id.clone()).collect();
        let first = earlier(conversation).count();
        let mut calls = Vec::with_capacity(self.0.len());
        for (number, Slot { index: _, mut call }) in self.0.into_iter().enumerate() {
            if call.name.is_empty() {
                return Err("a tool call without a name");
            }
            if call.arguments.trim().is_empty() {
                call.arguments = "{}".to_owned();
            }
            if call.id.is_empty() || used.contains(&call.id) {
                call.id = fresh_id(first + number, &call.name, &used);
            }
            used.insert(call.id.clone());
            calls.push(call);
        }
        Ok(calls)
    }
}

/// Calls that the model made earlier in the conversation.
pub(super) fn earlier<'a>(conversation: &'a [&'a [Message]]) -> impl Iterator<Item = &'a ToolCall> {
    conversation.iter().copied().flatten().flat_map(|message| match message {
        Message::Assistant { tool_calls, .. } => tool_calls.as_slice(),
        Message::System { .. } | Message::User { .. } | Message::Tool { .. } => &[],
    })
}

/// `call_<n>_<name>`, with the first free n from `number` on.
pub(super) fn fresh_id(number: usize, name: &str, used: &HashSet<String>) -> String {
    (number..).map(|n| format!("call_{n}_{name}")).find(|id| !used.contains(id)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The calls as `id name arguments`, one after the other.
    fn assemble(pieces: &[&str]) -> Result<String, &'static str> {
        let mut calls = Calls::default();
        for piece in pieces {
            calls.add(&serde_json::from_str(piece).unwrap())?;
        }
        let calls = calls.finish(&[])?;
        let shown = calls.iter().map(|call| format!("{} {} {}", call.id, call.name, call.arguments));
        Ok(shown.collect::<Vec<_>>().join(", "))
    }

    /// Case, pieces, calls.
    const CASES: &[(&str, &[&str], &str)] = &[
        (
            "by the book",
            &[
                r#"{"index":0,"id":"a","type":"function","function":{"name":"x","arguments":""}}"#,
                r#"{"index":0,"function":{"arguments":"{\"k\":"}}"#,
                r#"{"index":0,"function":{"arguments":"1}"}}"#,
            ],
            r#"a x {"k":1}"#,
        ),
        (
            "two, interleaved",
            &[
                r#"{"index":0,"id":"a","function":{"name":"x","arguments":"{"}}"#,
                r#"{"index":1,"id":"b","function":{"name":"y","arguments":"{"}}"#,
                r#"{"index":0,"function":{"arguments":"}"}}"#,
                r#"{"index":1,"function":{"arguments":"}"}}"#,
            ],
            "a x {}, b y {}",
        ),
        (
            "id and name repeated, then empty or null",
            &[
                r#"{"index":0,"id":"a","function":{"name":"x","arguments":"{"}}"#,
                r#"{"index":0,"id":"a","function":{"name":"x","arguments":"\"k\":"}}"#,
                r#"{"index":0,"id":"","function":{"name":null,"arguments":"1}"}}"#,
            ],
            r#"a x {"k":1}"#,
        ),
        (
            "name in parts",
            &[
                r#"{"index":0,"id":"a","function":{"name":"read_"}}"#,
                r#"{"index":0,"function":{"name":"file"}}"#,
                r#"{"index":0,"function":{"arguments":"{}"}}"#,
            ],
            "a read_file {}",
        ),
        (
            "whole calls, all with index 0",
            &[
                r#"{"index":0,"id":"a","function":{"name":"x","arguments":"{}"}}"#,
                r#"{"index":0,"id":"b","function":{"name":"x","arguments":"{}"}}"#,
            ],
            "a x {}, b x {}",
        ),
        (
            "whole calls without index and id",
            &[
                r#"{"function":{"name":"x","arguments":"{}"}}"#,
                r#"{"function":{"name":"x","arguments":"{}"}}"#,
            ],
            "call_0_x x {}, call_1_x x {}",
        ),
        (
            "no index, pieces by id",
            &[
                r#"{"id":"a","function":{"name":"x","arguments":"{"}}"#,
                r#"{"id":"b","function":{"name":"y","arguments":"{"}}"#,
                r#"{"id":"a","function":{"arguments":"}"}}"#,
                r#"{"id":"b","function":{"arguments":"}"}}"#,
            ],
            "a x {}, b y {}",
        ),
        (
            "arguments as an object",
            &[r#"{"id":"a","function":{"name":"x","arguments":{"k":1}}}"#],
            r#"a x {"k":1}"#,
        ),
        ("no arguments", &[r#"{"id":"a","function":{"name":"x"}}"#], "a x {}"),
        (
            "one id twice",
            &[
                r#"{"index":0,"id":"a","function":{"name":"x"}}"#,
                r#"{"index":1,"id":"a","function":{"name":"y"}}"#,
            ],
            "a x {}, call_1_y y {}",
        ),
    ];

    #[test]
    fn calls_are_put_together_however_they_are_cut() {
        for (case, pieces, expected) in CASES {
            assert_eq!(assemble(pieces).as_deref(), Ok(*expected), "{case}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(assemble(&[r#"{"index":0,"id":"a"}"#]), Err("a tool call without a name"));
        let mut calls = Calls::default();
        let many = (0..1000).map(|index| format!(r#"{{"index":{index},"function":{{"name":"x"}}}}"#));
        let refused =
            many.into_iter().find_map(|piece| calls.add(&serde_json::from_str(&piece).unwrap()).err());
        assert_eq!(refused, Some("too many tool calls"));
    }

    #[test]
    fn an_id_of_an_earlier_turn_is_not_used_again() {
        let call = ToolCall { id: "call_1_x".to_owned(), name: "x".to_owned(), arguments: "{}".to_owned() };
        let before = [Message::calling("", vec![call])];
        let mut calls = Calls::default();
        let piece = r#"{"index":0,"id":"call_1_x","function":{"name":"x"}}"#;
        calls.add(&serde_json::from_str(piece).unwrap()).unwrap();
        assert_eq!(calls.finish(&[&before]).unwrap()[0].id, "call_2_x");
    }
}
