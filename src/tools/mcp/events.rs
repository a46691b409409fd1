//! The messages of one HTTP answer: its body, or the events of a stream.

use super::{super::failure::Failure, message::failed};
use crate::http1::{Body, Response};
use http::header;
use serde_json::Value;
use std::ops::Range;

/// Bytes of one answer, and of one message on a stream without end.
const LARGEST: usize = 4 << 20;

pub struct Events {
    coming: Body,
    is_stream: bool,
    has_end: bool,
    body: Vec<u8>,
    /// So much of it was taken line by line …
    taken: usize,
    /// … and so much was looked at: no line ends between the two.
    looked: usize,
    /// Of the event whose end has not come yet.
    data: Vec<u8>,
    all: usize,
}

impl Events {
    pub fn of(response: Response) -> Self {
        let media = response.headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok());
        let is_stream = media.is_some_and(|media| media.starts_with("text/event-stream"));
        let (body, data) = (Vec::new(), Vec::new());
        Self { coming: response.body, is_stream, has_end: true, body, taken: 0, looked: 0, data, all: 0 }
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
            if let Some(message) = self.message() {
                return Ok(Some(message));
            }
            if !self.more().await? {
                // Some servers end with their last line.
                return Ok(serde_json::from_slice(&std::mem::take(&mut self.data)).ok());
            }
        }
    }

    /// Of what has come. An event may have its data in several lines; what is no message is passed over.
    fn message(&mut self) -> Option<Value> {
        while let Some(line) = self.line() {
            let line = &self.body[line];
            if let Some(data) = line.strip_prefix(b"data:") {
                self.data.extend_from_slice(data);
                self.data.push(b'\n');
            } else if line.trim_ascii().is_empty()
                && let Ok(message) = serde_json::from_slice(&std::mem::take(&mut self.data))
            {
                return Some(message);
            }
        }
        None
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

    /// Where the next line lies, without its end.
    fn line(&mut self) -> Option<Range<usize>> {
        let Some(length) = self.body[self.looked..].iter().position(|byte| *byte == b'\n') else {
            self.looked = self.body.len();
            return None;
        };
        let line = self.taken..self.looked + length;
        (self.taken, self.looked) = (line.end + 1, line.end + 1);
        Some(line)
    }

    async fn more(&mut self) -> Result<bool, Failure> {
        let Some(piece) = self.coming.next().await else { return Ok(false) };
        let piece = piece.map_err(|error| failed(format!("the server's answer broke off: {error}")))?;
        self.all = self.all.saturating_add(piece.len());
        self.body.drain(..std::mem::take(&mut self.taken));
        self.looked = self.body.len();
        let held = if self.has_end { self.all } else { self.data.len() + self.body.len() + piece.len() };
        if held > LARGEST {
            return Err(failed(format!("the server's answer has more than {} MiB", LARGEST >> 20)));
        }
        self.body.extend_from_slice(&piece);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::{Stream, exchange};
    use serde_json::json;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    /// An answer of these pieces, after which the server closes the connection.
    async fn answered(pieces: Vec<Vec<u8>>) -> Response {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            assert!(socket.read(&mut [0; 4096]).await.unwrap() > 0);
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n").await.unwrap();
            for piece in pieces {
                // Who has read enough hangs up.
                let _hung_up = socket.write_all(&piece).await;
                tokio::task::yield_now().await;
            }
        });
        let request = http::Request::get(format!("http://{address}/")).body(Vec::new()).unwrap();
        let tcp = TcpStream::connect(address).await.unwrap();
        exchange(Stream::over(tcp, request.uri(), &Default::default()).await.unwrap(), request).await.unwrap()
    }

    /// The messages up to the close, and what went wrong then.
    async fn heard(mut events: Events) -> (Vec<Value>, Option<String>) {
        let mut messages = Vec::new();
        loop {
            match events.next().await {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return (messages, None),
                Err(failure) => return (messages, Some(failure.to_string())),
            }
        }
    }

    #[tokio::test]
    async fn a_stream_is_heard_until_its_server_closes_it() {
        #[rustfmt::skip]
        let cases: [(&str, Value); 8] = [
            ("data: {\"n\":1}\n\nevent: message\nid: 7\ndata:{\"n\":2}\n\n", json!([{"n": 1}, {"n": 2}])),
            ("data: {\"n\":1}\r\n\r\n: ping\r\n\r\ndata: {\"n\":2}\r\n\r\n", json!([{"n": 1}, {"n": 2}])),
            ("data: {\ndata:   \"n\":\ndata: 1}\n\n", json!([{"n": 1}])),
            ("data: {\"n\":\n\ndata: 1}\n\ndata: {\"n\":2}\n\n", json!([{"n": 2}])),
            ("data: no JSON\n\nnonsense\n\ndata: \u{0}\n\ndata: {\"n\":2}\n\n", json!([{"n": 2}])),
            ("data: {\"n\":1}\n\ndata: {\"n\":2}\n", json!([{"n": 1}, {"n": 2}])),
            ("data: {\"n\":1}\n\ndata: {\"n\"", json!([{"n": 1}])),
            ("", json!([])),
        ];
        for (text, expected) in cases {
            let pieces = [vec![text.as_bytes().to_vec()], text.bytes().map(|byte| vec![byte]).collect()];
            for pieces in pieces {
                for events in [Events::of, Events::without_end] {
                    let (messages, failure) = heard(events(answered(pieces.clone()).await)).await;
                    assert_eq!((Value::from(messages), failure), (expected.clone(), None), "{text}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_stream_may_be_long_and_its_messages_may_not() {
        let message = b"data: {\"n\":1}\n\n";
        let padding = vec![b'\n'; LARGEST / 4];
        let long: Vec<Vec<u8>> = (0..6).flat_map(|_| [message.to_vec(), padding.clone()]).collect();
        let (messages, failure) = heard(Events::without_end(answered(long.clone()).await)).await;
        assert_eq!((messages.len(), failure), (6, None));
        let (messages, failure) = heard(Events::of(answered(long).await)).await;
        assert!(messages.len() < 6 && failure.unwrap().contains("4 MiB"), "the answer to one question");

        let line = b"data: \"one piece of a message that has no end\"\n".repeat(LARGEST / 32);
        for endless in [vec![b'x'; LARGEST + 1], line] {
            let (messages, failure) = heard(Events::without_end(answered(vec![endless]).await)).await;
            assert!(messages.is_empty() && failure.unwrap().contains("4 MiB"));
        }
    }
}
