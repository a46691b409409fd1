//! One `chat.completion.chunk` as upstreams really send it: any member may be missing or null. Text is borrowed from
//! the event wherever it has no escapes; members whose shape varies stay raw until someone needs them.

use crate::domain::Usage;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use std::borrow::Cow;

#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    /// Missing in what is no chunk at all.
    #[serde(borrow, default)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    index: Option<u32>,
    #[serde(borrow, default)]
    delta: Option<Piece<'a>>,
    /// The whole answer, from a server that does not stream.
    #[serde(borrow, default)]
    message: Option<Piece<'a>>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Piece<'a> {
    #[serde(borrow, default)]
    pub(super) content: Option<Text<'a>>,
    #[serde(borrow, default)]
    reasoning_content: Option<Text<'a>>,
    #[serde(borrow, default)]
    reasoning: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Option<Vec<CallPiece<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct CallPiece<'a> {
    #[serde(default)]
    pub(super) index: Option<u32>,
    #[serde(borrow, default)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) function: Option<FunctionPiece<'a>>,
}

#[derive(Deserialize)]
pub(super) struct FunctionPiece<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<Text<'a>>,
    /// A string by the book; some servers send the object itself.
    #[serde(borrow, default)]
    pub(super) arguments: Option<&'a RawValue>,
}

/// serde borrows a `Cow` only when it is not inside an `Option`; hence this wrapper.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

#[derive(Deserialize)]
struct WireUsage<'a> {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    #[serde(default)]
    total_tokens: Option<u64>,
    #[serde(borrow, default)]
    prompt_tokens_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    completion_tokens_details: Option<&'a RawValue>,
}

/// One part of a count, by its name. A split in a form that we do not know must not cost the count itself.
fn part(split: Option<&RawValue>, name: &str) -> u64 {
    let split = split.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    split.and_then(|split| split.get(name)?.as_u64()).unwrap_or_default()
}

impl Chunk<'_> {
    /// What the call cost, when this chunk says it in a form that we know.
    pub(super) fn usage(&self) -> Option<Usage> {
        let wire: Option<WireUsage<'_>> = serde_json::from_str(self.usage?.get()).ok()?;
        let wire = wire?;
        let sum = wire.prompt_tokens.saturating_add(wire.completion_tokens);
        Some(Usage {
            input_tokens: wire.prompt_tokens,
            output_tokens: wire.completion_tokens,
            total_tokens: wire.total_tokens.unwrap_or(sum),
            cached_tokens: part(wire.prompt_tokens_details, "cached_tokens"),
            reasoning_tokens: part(wire.completion_tokens_details, "reasoning_tokens"),
        })
    }
}

impl<'a> Choice<'a> {
    /// We ask for one choice; a second one would be mixed into the text.
    pub(super) fn is_first(&self) -> bool {
        self.index.unwrap_or(0) == 0
    }

    /// A server that sends both sends its whole text so far as `message`.
    pub(super) fn piece(&self) -> Option<&Piece<'a>> {
        self.delta.as_ref().or(self.message.as_ref())
    }
}

impl Piece<'_> {
    /// Servers disagree on the name, and some send both with the same text.
    pub(super) fn reasoning(&self) -> &str {
        match text(self.reasoning_content.as_ref()) {
            "" => text(self.reasoning.as_ref()),
            named => named,
        }
    }
}

pub(super) fn text<'a>(member: Option<&'a Text<'_>>) -> &'a str {
    member.map_or("", |text| &text.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_escapes_is_borrowed() {
        let event = br#"{"choices":[{"delta":{"content":"hello"}}]}"#;
        let chunk: Chunk = serde_json::from_slice(event).unwrap();
        let choice = &chunk.choices.as_ref().unwrap()[0];
        let content = &choice.piece().unwrap().content;
        assert!(matches!(content, Some(Text(Cow::Borrowed("hello")))));
    }

    #[test]
    fn usage_is_read_leniently() {
        let usage = |input, output, total| {
            Some(Usage {
                input_tokens: input,
                output_tokens: output,
                total_tokens: total,
                ..Usage::default()
            })
        };
        let split = Some(Usage {
            input_tokens: 9,
            output_tokens: 8,
            total_tokens: 17,
            cached_tokens: 4,
            reasoning_tokens: 3,
        });
        let cases = [
            ("by the book", r#"{"prompt_tokens":2,"completion_tokens":3,"total_tokens":6}"#, usage(2, 3, 6)),
            ("no total", r#"{"prompt_tokens":2,"completion_tokens":3}"#, usage(2, 3, 5)),
            (
                "split",
                r#"{"prompt_tokens":9,"completion_tokens":8,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":1},
                    "completion_tokens_details":{"reasoning_tokens":3}}"#,
                split,
            ),
            (
                "a split of another shape",
                r#"{"prompt_tokens":9,"completion_tokens":8,"prompt_tokens_details":[1],
                    "completion_tokens_details":{"reasoning_tokens":null}}"#,
                usage(9, 8, 17),
            ),
            ("null", "null", None),
            ("another shape", r#"{"prompt_tokens":"many"}"#, None),
        ];
        for (case, text, expected) in cases {
            let event = format!(r#"{{"choices":[],"usage":{text}}}"#);
            let chunk: Chunk = serde_json::from_str(&event).unwrap();
            assert_eq!(chunk.usage(), expected, "{case}");
        }
    }
}
