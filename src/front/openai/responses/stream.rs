//! A response as a stream of OpenAI's events.

use super::{
    fold::{Fold, Results},
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
    /// Text that the reader may have got was lost in a crash: fewer frames came of the log than were sent.
    lost: bool,
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
        let ends = matches!(name, "response.completed" | "response.failed" | "response.incomplete");
        let behind = self.seen.frame.is_some_and(|seen| sequence_number <= seen);
        // A reader that counted frames which a crash took must still learn of the end.
        if self.known || behind && !(ends && self.lost) {
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
        let frames = Numbered { out: BytesMut::new(), next: 0, seen, known, lost: false };
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
        self.frames.lost |= logged.lost_after.is_some();
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
