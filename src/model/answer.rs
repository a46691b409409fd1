//! Puts the answer together from chunks, and hands out what is new of it.

use super::{
    ModelError,
    calls::Calls,
    chunk::{Chunk, Piece, text},
    halves, refusal,
    think::Thoughts,
};
use crate::domain::{Message, RetryAction, ToolCall, Usage};
use std::{borrow::Cow, time::Duration};

/// A longer answer is taken for nonsense; it would only fill the memory.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// A piece of the answer, as soon as it is there. Everything that came in one read is one piece. Never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delta<'a> {
    Text(&'a str),
    Reasoning(&'a str),
    /// Nothing of the answer: an attempt failed, and there will be another one. Never behind a text.
    Again(Again<'a>),
}

/// An attempt that failed, and what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again<'a> {
    pub error: &'a ModelError,
    pub action: RetryAction,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// Until the next one.
    pub wait: Duration,
}

/// The whole answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelAnswer {
    pub text: String,
    pub reasoning: String,
    /// Each with an id of its own in the conversation, a name, and arguments that are not blank.
    pub tool_calls: Vec<ToolCall>,
    /// `stop`, `length`, `tool_calls`, `content_filter` …, as the upstream wrote it.
    pub finish_reason: Option<String>,
    pub usage: Option<Usage>,
}

/// What a piece of an answer is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Reasoning,
}

/// An answer that is still coming in.
pub(super) struct Assembler<'a> {
    answer: ModelAnswer,
    calls: Calls,
    /// Finds those that stand in the text.
    thoughts: Thoughts,
    /// How much of text and reasoning has been handed out. Deltas are slices of the answer itself.
    handed_text: usize,
    handed_reasoning: usize,
    /// What the newest piece was: at a change of kind the older one goes out first, so that their order stays.
    newest: Kind,
    /// Bytes of text, reasoning and tool calls so far.
    size: usize,
    chunks: usize,
    on_delta: &'a mut dyn FnMut(Delta<'_>),
}

impl<'a> Assembler<'a> {
    pub(super) fn new(on_delta: &'a mut dyn FnMut(Delta<'_>)) -> Self {
        Self {
            answer: ModelAnswer::default(),
            calls: Calls::default(),
            thoughts: Thoughts::default(),
            handed_text: 0,
            handed_reasoning: 0,
            newest: Kind::Text,
            size: 0,
            chunks: 0,
            on_delta,
        }
    }

    /// Some of the answer has been handed out: the call cannot be repeated any more.
    pub(super) fn is_partial(&self) -> bool {
        self.handed_text + self.handed_reasoning > 0
    }

    /// The upstream has said why the answer ended; only usage may follow.
    pub(super) fn is_finished(&self) -> bool {
        self.answer.finish_reason.is_some()
    }

    /// Whether anything like a chunk has come.
    pub(super) fn has_begun(&self) -> bool {
        self.chunks > 0
    }

    /// Adds the data of one event.
    ///
    /// # Errors
    /// [`ModelError::Garbage`] when it is no chunk, [`ModelError::Upstream`] when it is an error object.
    pub(super) fn add(&mut self, event: &[u8]) -> Result<(), ModelError> {
        let mended;
        let chunk: Chunk<'_> = match serde_json::from_slice(event) {
            Ok(chunk) => chunk,
            Err(error) => {
                mended = readable(event);
                let again = mended.as_deref().and_then(|whole| serde_json::from_slice(whole).ok());
                again.ok_or_else(|| {
                    self.garbage(&format!("an event that is no chat completion chunk ({error})"))
                })?
            }
        };
        if let Some(error) = chunk.error.filter(|error| error.get() != "null") {
            self.flush();
            return Err(refusal::in_stream(error.get(), self.is_partial()));
        }
        if let Some(usage) = chunk.usage() {
            self.answer.usage = Some(usage);
        }
        let Some(choices) = chunk.choices else {
            return Ok(());
        };
        self.chunks += 1;
        for choice in choices.iter().filter(|choice| choice.is_first()) {
            if let Some(piece) = choice.piece() {
                self.add_piece(piece)?;
            }
            if let Some(reason) = choice.finish_reason.as_ref().filter(|reason| !reason.0.is_empty()) {
                self.answer.finish_reason = Some(reason.0.clone().into_owned());
            }
        }
        Ok(())
    }

    fn add_piece(&mut self, piece: &Piece<'_>) -> Result<(), ModelError> {
        // A model thinks before it speaks: in a chunk that has both, the reasoning is the older one.
        self.add_text(Kind::Reasoning, piece.reasoning());
        let mut thoughts = std::mem::take(&mut self.thoughts);
        thoughts.push(text(piece.content.as_ref()), &mut |kind, text| self.add_text(kind, text));
        self.thoughts = thoughts;
        for call in piece.tool_calls.iter().flatten() {
            match self.calls.add(call) {
                Ok(bytes) => self.size += bytes,
                Err(what) => return Err(self.garbage(what)),
            }
        }
        if self.size > MAX_ANSWER {
            return Err(self.garbage(&format!("an answer of more than {MAX_ANSWER} bytes")));
        }
        Ok(())
    }

    fn add_text(&mut self, kind: Kind, piece: &str) {
        if piece.is_empty() {
            return;
        }
        if self.newest != kind {
            self.flush();
            self.newest = kind;
        }
        self.size += piece.len();
        match kind {
            Kind::Text => self.answer.text.push_str(piece),
            Kind::Reasoning => self.answer.reasoning.push_str(piece),
        }
    }

    /// Hands out what has not been handed out yet; the end of a read.
    pub(super) fn flush(&mut self) {
        match self.newest {
            Kind::Text => {
                let new = &self.answer.text[self.handed_text..];
                if !new.is_empty() {
                    (self.on_delta)(Delta::Text(new));
                    self.handed_text = self.answer.text.len();
                }
            }
            Kind::Reasoning => {
                let new = &self.answer.reasoning[self.handed_reasoning..];
                if !new.is_empty() {
                    (self.on_delta)(Delta::Reasoning(new));
                    self.handed_reasoning = self.answer.reasoning.len();
                }
            }
        }
    }

    /// The end of the stream by the book. `conversation` is what the call was about: ids of calls are unique in it.
    ///
    /// # Errors
    /// [`ModelError::Garbage`] when a tool call has no name.
    pub(super) fn finish(mut self, conversation: &[&[Message]]) -> Result<ModelAnswer, ModelError> {
        std::mem::take(&mut self.thoughts).finish(&mut |kind, text| self.add_text(kind, text));
        self.flush();
        let calls = std::mem::take(&mut self.calls);
        match calls.finish(conversation) {
            Ok(calls) => self.answer.tool_calls = calls,
            Err(what) => return Err(self.garbage(what)),
        }
        Ok(self.answer)
    }

    /// An error about what came in; text that came before it is handed out first.
    pub(super) fn garbage(&mut self, what: &str) -> ModelError {
        self.flush();
        ModelError::Garbage { message: what.to_owned(), partial: self.is_partial() }
    }
}

/// An event with what no reader of JSON takes mended: bytes that are no UTF-8 are replaced, as every reader of event streams
/// does, and halves of letters are left out. `None`: it has neither.
fn readable(event: &[u8]) -> Option<Vec<u8>> {
    match String::from_utf8_lossy(event) {
        Cow::Borrowed(_) => halves::left_out(event),
        Cow::Owned(text) => Some(halves::left_out(text.as_bytes()).unwrap_or_else(|| text.into_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Seen {
        Text(String),
        Reasoning(String),
    }

    /// Feeds `reads`, each a list of events, and gives the deltas beside the answer.
    fn assemble(reads: &[&[&str]]) -> (Vec<Seen>, Result<ModelAnswer, ModelError>) {
        let mut seen = Vec::new();
        let mut on_delta = |delta: Delta<'_>| {
            seen.push(match delta {
                Delta::Text(text) => Seen::Text(text.to_owned()),
                Delta::Reasoning(text) => Seen::Reasoning(text.to_owned()),
                Delta::Again(again) => panic!("{again:?}"),
            });
        };
        let mut assembler = Assembler::new(&mut on_delta);
        let mut add_all = || {
            for read in reads {
                for event in *read {
                    assembler.add(event.as_bytes())?;
                }
                assembler.flush();
            }
            Ok(())
        };
        let answer = add_all().and_then(|()| assembler.finish(&[]));
        (seen, answer)
    }

    fn content(text: &str) -> String {
        serde_json::json!({ "choices": [{ "index": 0, "delta": { "content": text } }] }).to_string()
    }

    fn reasoning(text: &str) -> String {
        serde_json::json!({ "choices": [{ "delta": { "reasoning_content": text } }] }).to_string()
    }

    #[test]
    fn a_read_is_one_delta_and_kinds_keep_their_order() {
        let (r1, r2, t1, t2, empty) =
            (reasoning("r1"), reasoning("r2"), content("t1"), content("t2"), content(""));
        let (seen, answer) = assemble(&[&[&r1, &r2, &t1], &[&empty], &[&t2, &r1, &empty, &r2]]);
        let expected = [
            Seen::Reasoning("r1r2".to_owned()),
            Seen::Text("t1".to_owned()),
            Seen::Text("t2".to_owned()),
            Seen::Reasoning("r1r2".to_owned()),
        ];
        assert_eq!(seen, expected);
        let answer = answer.unwrap();
        assert_eq!((answer.text.as_str(), answer.reasoning.as_str()), ("t1t2", "r1r2r1r2"));
    }

    #[test]
    fn members_may_be_missing_null_or_doubled() {
        let cases = [
            (
                "null members",
                r#"{"choices":[{"index":0,"delta":{"content":null,"tool_calls":null},"finish_reason":null}],"usage":null,"error":null}"#,
                "",
            ),
            ("no delta", r#"{"choices":[{"index":0}]}"#, ""),
            ("no choices", r#"{"id":"x"}"#, ""),
            ("choices null", r#"{"choices":null}"#, ""),
            ("escapes", r#"{"choices":[{"delta":{"content":"a\n\ud83d\ude00\u00e4"}}]}"#, "a\n😀ä"),
            (
                "a second choice",
                r#"{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]}"#,
                "a",
            ),
            (
                "delta and message",
                r#"{"choices":[{"delta":{"content":"a"},"message":{"content":"all: a"}}]}"#,
                "a",
            ),
            (
                "a whole message",
                r#"{"choices":[{"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}"#,
                "a",
            ),
        ];
        for (case, event, text) in cases {
            let (_, answer) = assemble(&[&[event]]);
            assert_eq!(answer.unwrap().text, text, "{case}");
        }
    }

    #[test]
    fn both_names_of_reasoning_count_once() {
        let both = r#"{"choices":[{"delta":{"reasoning_content":"r","reasoning":"r"}}]}"#;
        let other = r#"{"choices":[{"delta":{"reasoning_content":"","reasoning":"s"}}]}"#;
        let (_, answer) = assemble(&[&[both, other]]);
        assert_eq!(answer.unwrap().reasoning, "rs");
    }

    #[test]
    fn thoughts_in_the_text_are_reasoning() {
        let (one, two) = (content("<thi"), content("nk>hm</think>\n\nyes"));
        let (seen, answer) = assemble(&[&[&one], &[&two]]);
        assert_eq!(seen, [Seen::Reasoning("hm".to_owned()), Seen::Text("yes".to_owned())]);
        let answer = answer.unwrap();
        assert_eq!((answer.text.as_str(), answer.reasoning.as_str()), ("yes", "hm"));
    }

    #[test]
    fn an_error_in_the_stream_comes_after_the_text_before_it() {
        let text = content("half");
        let error = r#"{"error":{"message":"overloaded","code":503}}"#;
        let (seen, answer) = assemble(&[&[&text, error]]);
        assert_eq!(seen, [Seen::Text("half".to_owned())]);
        let expected = ModelError::Upstream {
            message: "overloaded".to_owned(),
            code: Some("503".to_owned()),
            partial: true,
        };
        assert_eq!(answer.unwrap_err(), expected);
    }

    #[test]
    fn what_is_no_chunk_is_garbage() {
        for event in [
            "",
            "hello",
            "[1]",
            "null",
            r#"{"choices":[{"delta":{"content":7}}]}"#,
            "{\"choices\":[{\"delta\":{\"content\":\"\u{1}\"}}]}",
        ] {
            let (_, answer) = assemble(&[&[event]]);
            assert!(matches!(answer, Err(ModelError::Garbage { partial: false, .. })), "{event}: {answer:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_utf_8_are_replaced_and_the_answer_goes_on() {
        let mut on_delta = |_: Delta<'_>| {};
        let mut assembler = Assembler::new(&mut on_delta);
        let broken = b"{\"choices\":[{\"delta\":{\"content\":\"a\xffb \\ud83d\xc3\"}}]}";
        for event in [broken.as_slice(), content(" on").as_bytes()] {
            assembler.add(event).unwrap();
        }
        assert_eq!(assembler.finish(&[]).unwrap().text, "a\u{fffd}b \u{fffd} on");
    }

    #[test]
    fn an_endless_answer_is_refused() {
        let big = content(&"x".repeat(1024 * 1024));
        let events = vec![big.as_str(); 17];
        let (_, answer) = assemble(&[&events]);
        assert!(matches!(answer, Err(ModelError::Garbage { partial: true, .. })));
    }
}
