//! The messages of one HTTP answer: its body, or the events of a stream.

use super::{super::failure::Failure, message::failed};
use crate::http1::{Body, Response};
use http::header;
use serde_json::Value;

/// Bytes of one answer, and of one message on a stream without end.
const LARGEST: usize = 4 << 20;

pub struct Events {
    coming: Body,
    is_stream: bool,
    has_end: bool,
    body: Vec<u8>,
    /// So much of it was looked at.
    read: usize,
    all: usize,
}

impl Events {
    pub fn of(response: Response) -> Self {
        let media = response.headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok());
        let is_stream = media.is_some_and(|media| media.starts_with("text/event-stream"));
        Self { coming: response.body, is_stream, has_end: true, body: Vec::new(), read: 0, all: 0 }
    }

    /// Of a stream that may go on for days; an answer that is none has no messages.
    pub fn without_end(response: Response) -> Self {
        Self { has_end: false, ..Self::of(response) }
    }

    /// `None`: there are no more.
    pub async fn next(&mut self) -> Result<Option<Value>, Failure> {
        if !self.is_stream {
            return if self.has_end { self.whole().await } else { Ok(None) };
        }
        loop {
            while let Some(line) = self.line() {
                let data = line.strip_prefix(b"data:");
                if let Some(message) = data.and_then(|data| serde_json::from_slice(data).ok()) {
                    return Ok(Some(message));
                }
            }
            if !self.more().await? {
                return Ok(None);
            }
        }
    }

    /// The body is one message.
    async fn whole(&mut self) -> Result<Option<Value>, Failure> {
        if self.all > 0 {
            return Ok(None);
        }
        while self.more().await? {}
        let message = serde_json::from_slice(&self.body);
        message.map(Some).map_err(|error| failed(format!("the server's answer is no JSON: {error}")))
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.body[self.read..].iter().position(|byte| *byte == b'\n');
        let Some(end) = end else {
            self.read = self.body.len();
            return None;
        };
        let mut line: Vec<u8> = self.body.drain(..=self.read + end).collect();
        self.read = 0;
        line.pop();
        Some(line)
    }

    async fn more(&mut self) -> Result<bool, Failure> {
        let Some(piece) = self.coming.next().await else { return Ok(false) };
        let piece = piece.map_err(|error| failed(format!("the server's answer broke off: {error}")))?;
        self.all = self.all.saturating_add(piece.len());
        let held = if self.has_end { self.all } else { self.body.len() + piece.len() };
        if held > LARGEST {
            return Err(failed(format!("the server's answer has more than {} MiB", LARGEST >> 20)));
        }
        self.body.extend_from_slice(&piece);
        Ok(true)
    }
}
