//! A response as a stream of OpenAI's events.

use super::{
    fold::{Fold, MOST_OF_A_DELTA, Results},
    frames::Sink,
};
use crate::{
    domain::{Code, Logged, ResponseRecord, Seq},
    front::{
        reader,
        sse::{self, Presenter},
    },
};
use actix_web::web::{BufMut, BytesMut};
use serde::Serialize;
use std::ops::ControlFlow;

/// Where a reader goes on. Rendering always begins at the beginning, and leaves out what the reader has.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// `Last-Event-ID`: every frame of the events up to this one.
    pub event: Seq,
    /// `starting_after`: every frame up to this number.
    pub frame: Option<u64>,
}

pub struct ResponseStream<R> {
    fold: Fold<R>,
    frames: Numbered,
}

/// Numbers frames, and writes those that the reader does not have.
struct Numbered {
    out: BytesMut,
    next: u64,
    seen: Seen,
    /// All frames of the present event are known to the reader.
    known: bool,
}

#[derive(Serialize)]
struct Frame<'a, M> {
    #[serde(rename = "type")]
    name: &'static str,
    #[serde(flatten)]
    members: &'a M,
    sequence_number: u64,
}

impl Sink for Numbered {
    fn frame(&mut self, name: &'static str, members: &impl Serialize) {
        let sequence_number = self.next;
        self.next += 1;
        if self.known || self.seen.frame.is_some_and(|seen| sequence_number <= seen) {
            return;
        }
        self.out.put_slice(b"event: ");
        self.out.put_slice(name.as_bytes());
        self.out.put_slice(b"\ndata: ");
        sse::json(&mut self.out, &Frame { name, members, sequence_number });
        self.out.put_slice(b"\n\n");
    }
}

impl<R: Results> ResponseStream<R> {
    pub fn new(response: ResponseRecord, results: R, seen: Seen) -> Self {
        let known = seen.event > Seq::default();
        let frames = Numbered { out: BytesMut::new(), next: 0, seen, known };
        Self { fold: Fold::new(response, results), frames }
    }

    /// Hands over what was written; its last frame gets the event's number.
    fn hand_over(&mut self, seq: Option<Seq>, out: &mut BytesMut) {
        let frames = &mut self.frames.out;
        if let Some(seq) = seq.filter(|_| !frames.is_empty()) {
            // The order of the lines in a frame is free, so the last one takes it in front of its blank line.
            frames.truncate(frames.len() - 1);
            sse::id(frames, seq);
            frames.put_u8(b'\n');
        }
        out.put_slice(frames);
        frames.clear();
    }
}

impl<R: Results> Presenter for ResponseStream<R> {
    fn open(&mut self, out: &mut BytesMut) {
        self.fold.open(&mut self.frames);
        self.hand_over(None, out);
    }

    fn event(&mut self, logged: &Logged, out: &mut BytesMut) -> ControlFlow<()> {
        self.frames.known = logged.seq <= self.frames.seen.event;
        // Text that a crash took was numbered for those who saw it; no other frame gets those numbers.
        self.frames.next += logged.lost() * MOST_OF_A_DELTA;
        let shown = self.fold.event(logged, &mut self.frames);
        if shown.is_break() {
            self.frames.known = false;
            self.broken(Code::Internal, reader::GAP, out);
        }
        self.hand_over(Some(logged.seq), out);
        shown
    }

    fn close(&mut self, _: &mut BytesMut) {}

    fn broken(&mut self, code: Code, message: &str, out: &mut BytesMut) {
        Fold::<R>::broken(code, message, &mut self.frames);
        self.hand_over(None, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Event, ResponseRequest, RunId, SessionId, SessionRef, ToolItems},
        store::StoreError,
    };
    use serde_json::{Map, Value, json};

    struct Nothing;

    impl Results for Nothing {
        fn result(&mut self, _: u64, _: &str) -> Result<Option<String>, StoreError> {
            Ok(None)
        }
    }

    fn stream(starting_after: Option<u64>) -> ResponseStream<Nothing> {
        let run_id = RunId::from_bytes([7; 16]);
        let request = ResponseRequest {
            store: true,
            background: false,
            instructions: None,
            conversation: None,
            tool_items: ToolItems::FunctionCall,
            asides: Vec::new(),
            given: 0,
            echo: Map::new(),
        };
        let session = SessionRef { id: SessionId::from(run_id), named: false };
        let model = "m".to_owned();
        let response = ResponseRecord {
            run_id,
            created_at: 0,
            model,
            session,
            previous: None,
            system: None,
            request,
            kept: true,
        };
        ResponseStream::new(response, Nothing, Seen { event: Seq::default(), frame: starting_after })
    }

    fn text(delta: &str) -> Event {
        Event::MessageDelta { delta: delta.to_owned() }
    }

    fn thought(delta: &str) -> Event {
        Event::ReasoningDelta { delta: delta.to_owned() }
    }

    fn failed() -> Event {
        Event::RunFailed {
            error: "gone".to_owned(),
            error_code: Code::Interrupted,
            retryable: false,
            retry_after: None,
            partial_output: String::new(),
            usage: crate::domain::Usage::default(),
            pending_steer: None,
        }
    }

    /// The numbers and names of the frames of each event.
    fn render(starting_after: Option<u64>, log: &[(u64, Option<u64>, Event)]) -> Vec<Vec<(u64, String)>> {
        let mut stream = stream(starting_after);
        let mut out = BytesMut::new();
        stream.open(&mut out);
        log.iter()
            .map(|(seq, lost_after, event)| {
                out.clear();
                let logged =
                    Logged { seq: Seq(*seq), at: 0, lost_after: lost_after.map(Seq), event: event.clone() };
                assert!(stream.event(&logged, &mut out).is_continue());
                let written = std::str::from_utf8(&out).unwrap();
                let data = written.lines().filter_map(|line| line.strip_prefix("data: "));
                let frames = data.map(|data| serde_json::from_str::<Value>(data).unwrap());
                frames
                    .map(|frame| {
                        let name = frame["type"].as_str().unwrap().to_owned();
                        (frame["sequence_number"].as_u64().unwrap(), name)
                    })
                    .collect()
            })
            .collect()
    }

    #[test]
    fn no_delta_becomes_more_frames_than_a_crash_leaves_room_for() {
        let call = Event::ToolStarted {
            tool: "terminal".to_owned(),
            preview: None,
            call_id: "c".to_owned(),
            arguments: json!({}),
        };
        let log = [text("a"), thought("b"), text("c"), call, text("d"), thought("e")];
        let log: Vec<_> = (1..).zip(log).map(|(seq, event)| (seq, None, event)).collect();
        let rendered = render(None, &log);
        let deltas = log.iter().zip(&rendered).filter(|((_, _, event), _)| event.is_delta());
        let most = deltas.map(|(_, frames)| frames.len() as u64).max();
        assert_eq!(most, Some(MOST_OF_A_DELTA));
    }

    #[test]
    fn no_number_of_a_frame_that_a_crash_took_comes_again() {
        let before: Vec<_> = [text("a"), thought("b"), text("c"), thought("d")].into_iter().collect();
        let before: Vec<_> = (1..).zip(before).map(|(seq, event)| (seq, None, event)).collect();
        let seen: Vec<u64> = render(None, &before).concat().iter().map(|(number, _)| *number).collect();
        // The disk had the first of them only; numbers up to 9 were given out.
        let kept = [before[0].clone(), (10, Some(1), failed())];
        let after = render(None, &kept);
        let last_kept = after[0].last().unwrap().0;
        assert!(after[1].iter().all(|(number, _)| number > seen.last().unwrap()), "{after:?}");
        for number in last_kept..=*seen.last().unwrap() {
            let resumed = render(Some(number), &kept).concat();
            assert_eq!(resumed, after[1], "whoever saw {number} is told how the text that is kept ends");
        }
    }
}
