//! Reads the body of an answer: what is there at once is parsed at once and handed out as one delta.

use super::{
    ModelError,
    answer::Assembler,
    retry::{Failed, Repeat},
    sse::EventParser,
};
use crate::http1::{Body, Response};
use futures_util::FutureExt;
use http::header;
use std::time::Duration;
use tokio::time::timeout;

/// Most bytes that go into one delta.
const MAX_READ: usize = 64 * 1024;
/// After the reason of the end only usage may come; an upstream that then says nothing has finished.
const AFTER_FINISH: Duration = Duration::from_secs(5);
/// How long the last bytes behind `[DONE]` may take; with them the connection can be kept.
const AFTER_DONE: Duration = Duration::from_secs(1);
/// A whole answer from a server that does not stream.
const MAX_WHOLE: usize = 4 * 1024 * 1024;

/// Where a body stands after some of it was parsed.
#[derive(PartialEq, Eq)]
enum State {
    Open,
    /// `[DONE]` came.
    Done,
    /// The upstream closed the body, or the connection: HTTP does not tell which when it closes.
    Closed,
}

/// The body of one answer.
pub(super) struct AnswerBody {
    /// Of the response nothing else is kept: its head would cost as much as all the rest of a held run's text.
    body: Body,
    idle: Duration,
    parser: EventParser,
    /// The whole body, when it is one JSON object instead of a stream.
    whole: Option<Vec<u8>>,
}

impl AnswerBody {
    pub(super) fn new(response: Response, idle: Duration) -> Self {
        let content_type = response.headers.get(header::CONTENT_TYPE);
        let is_json = content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
        Self { body: response.body, idle, parser: EventParser::default(), whole: is_json.then(Vec::new) }
    }

    /// Reads up to the end of the answer.
    pub(super) async fn read(&mut self, assembler: &mut Assembler<'_>) -> Result<(), Failed> {
        loop {
            match self.read_once(assembler).await? {
                State::Open => assembler.flush(),
                State::Done => return Ok(()),
                State::Closed => return self.close(assembler),
            }
        }
    }

    /// Waits for bytes and parses them, and all that have come since.
    async fn read_once(&mut self, assembler: &mut Assembler<'_>) -> Result<State, Failed> {
        let limit = if assembler.is_finished() { self.idle.min(AFTER_FINISH) } else { self.idle };
        let mut next = match timeout(limit, self.body.next()).await {
            Ok(next) => next,
            Err(_elapsed) if assembler.is_finished() => return Ok(State::Done),
            Err(_elapsed) => return Err(self.silent(assembler)),
        };
        let mut taken = 0;
        loop {
            // A cut comes as an error or as an end; the answer itself tells whether it is whole.
            let Some(Ok(bytes)) = next else { return Ok(State::Closed) };
            if self.parse(&bytes, assembler)? == State::Done {
                return Ok(State::Done);
            }
            taken += bytes.len();
            if taken > MAX_READ {
                return Ok(State::Open);
            }
            next = match self.body.next().now_or_never() {
                Some(next) => next,
                None => return Ok(State::Open),
            };
        }
    }

    fn parse(&mut self, mut bytes: &[u8], assembler: &mut Assembler<'_>) -> Result<State, ModelError> {
        if let Some(whole) = &mut self.whole {
            if whole.len() + bytes.len() > MAX_WHOLE {
                return Err(assembler.garbage("an endless answer"));
            }
            whole.extend_from_slice(bytes);
            return Ok(State::Open);
        }
        loop {
            match self.parser.next(&mut bytes) {
                Ok(None) => return Ok(State::Open),
                Ok(Some(b"[DONE]")) => return Ok(State::Done),
                Ok(Some(b"")) => {}
                Ok(Some(event)) => assembler.add(event)?,
                Err(error) => return Err(assembler.garbage(&error.to_string())),
            }
        }
    }

    /// Judges an answer whose body ended without `[DONE]`, which some servers never send.
    fn close(&mut self, assembler: &mut Assembler<'_>) -> Result<(), Failed> {
        let last = match &self.whole {
            Some(whole) if whole.is_empty() => Ok(None),
            Some(whole) => Ok(Some(whole.as_slice())),
            None => self.parser.finish(),
        };
        let parsed = match last {
            Ok(None) => Ok(()),
            Ok(Some(b"[DONE]")) => return Ok(()),
            Ok(Some(event)) => assembler.add(event),
            Err(error) => Err(assembler.garbage(&error.to_string())),
        };
        let whole_and_good = self.whole.is_some() && parsed.is_ok() && assembler.has_begun();
        if assembler.is_finished() || whole_and_good {
            return Ok(());
        }
        match parsed {
            // The last event of a stream is cut, not wrong.
            Err(ModelError::Garbage { .. }) if self.whole.is_none() => {}
            Err(error) => return Err(error.into()),
            Ok(()) if self.whole.as_ref().is_some_and(|whole| !whole.is_empty()) => {
                return Err(assembler.garbage("JSON that is no chat completion").into());
            }
            Ok(()) => {}
        }
        if !assembler.has_begun() && self.parser.saw_strange_lines() {
            return Err(assembler.garbage("something that is no event stream").into());
        }
        Err(cut(assembler))
    }

    fn silent(&self, assembler: &mut Assembler<'_>) -> Failed {
        assembler.flush();
        let partial = assembler.is_partial();
        let message = format!("The upstream fell silent within its answer for {:?}.", self.idle);
        let repeat = if partial { Repeat::No } else { Repeat::Once };
        Failed::new(ModelError::Timeout { message, partial }, repeat)
    }

    /// Reads the few bytes behind the answer, so that the connection is kept. Mostly they are there already; else a
    /// task of its own waits for them, and the answer for nothing.
    pub(super) fn drain(mut self) {
        if self.body.next().now_or_never().is_none() {
            tokio::task::spawn_local(async move { timeout(AFTER_DONE, self.body.next()).await });
        }
    }
}

fn cut(assembler: &mut Assembler<'_>) -> Failed {
    assembler.flush();
    let partial = assembler.is_partial();
    let error = ModelError::Connection {
        message: "The upstream closed the connection before its answer was whole.".to_owned(),
        partial,
    };
    Failed::new(error, if partial { Repeat::No } else { Repeat::Later })
}
