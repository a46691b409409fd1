//! A client that speaks as a person with curl would, and reads event streams frame by frame.

use super::contract;
use actix_web::web::Bytes;
use awc::{
    Connector,
    error::PayloadError,
    http::{Method, StatusCode, header::HeaderMap},
};
use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};
use std::{pin::Pin, sync::Arc, time::Duration};

type Response = awc::ClientResponse<Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>>;

/// Longest wait for anything in a test: a hang is a failure with a name, not a stuck suite.
pub const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub struct Client {
    pub base: String,
    pub key: Option<String>,
    http: awc::Client,
}

pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Reply {
    /// The answer to such a request, held to `/openapi.json`.
    async fn of(mut response: Response, method: &Method, path: &str) -> Self {
        let bytes = response.body().limit(64 << 20).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let media = response.headers().get("content-type").map(|value| value.to_str().unwrap());
        contract::check(method.as_str(), path, response.status().as_u16(), media, &text);
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// `error.code` of the body.
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or("")
    }
}

/// One frame of an event stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frame {
    pub id: Option<String>,
    pub event: Option<String>,
    pub data: Option<String>,
    pub comment: Option<String>,
}

impl Frame {
    pub fn json(&self) -> Value {
        serde_json::from_str(self.data.as_deref().unwrap_or("null")).unwrap()
    }

    /// The `event` member of a run event.
    pub fn kind(&self) -> String {
        self.json()["event"].as_str().unwrap_or("").to_owned()
    }
}

/// A stream of frames. Dropping it closes the connection.
pub struct Frames {
    pub headers: HeaderMap,
    /// What `/openapi.json` says of the events.
    events: Option<&'static Value>,
    body: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>,
    /// What no frame was made of yet; a letter may be cut in two at its end.
    rest: Vec<u8>,
}

/// A body, and how it travels.
pub enum Sent {
    Whole(Vec<u8>),
    Chunked(Vec<u8>),
}

/// An answer of either kind.
pub enum Opened {
    Whole(Reply),
    Stream(Frames),
}

impl Frames {
    fn of(response: Response, events: Option<&'static Value>) -> Self {
        Self { headers: response.headers().clone(), events, body: Box::pin(response), rest: Vec::new() }
    }

    /// The next frame; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(at) = self.rest.windows(2).position(|two| two == b"\n\n") {
                let bytes: Vec<u8> = self.rest.drain(..at + 2).collect();
                let frame = parse(std::str::from_utf8(&bytes).unwrap());
                self.hold_to_the_document(&frame);
                return Some(frame);
            }
            let chunk = tokio::time::timeout(PATIENCE, self.body.next()).await.expect("the stream is silent");
            match chunk {
                Some(Ok(bytes)) => self.rest.extend_from_slice(&bytes),
                Some(Err(_)) | None => return None,
            }
        }
    }

    fn hold_to_the_document(&self, frame: &Frame) {
        let data = frame.data.as_deref().filter(|data| *data != "[DONE]");
        if let (Some(schema), Some(data)) = (self.events, data) {
            let event = serde_json::from_str(data).unwrap();
            if let Err(fault) = contract::validate(schema, &event, "event") {
                panic!("`/openapi.json` and the stream differ: {fault}\n{data}");
            }
        }
    }

    /// The next frame with data; comments are passed over.
    pub async fn data(&mut self) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.data.is_some() {
                // A comment ends with its line, so the next event follows it in the same frame.
                return Some(Frame { comment: None, ..frame });
            }
        }
    }

    /// Reads on until a run event of this kind.
    pub async fn until(&mut self, kind: &str) -> Frame {
        let mut seen = Vec::new();
        while let Some(frame) = self.data().await {
            if frame.kind() == kind {
                return frame;
            }
            seen.push(frame.kind());
        }
        panic!("no `{kind}` after {seen:?}")
    }

    /// All frames with data until the end.
    pub async fn rest(mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.data().await {
            frames.push(frame);
        }
        frames
    }
}

/// The frames of a stream that is there as a whole.
pub fn frames_of(text: &str) -> Vec<Frame> {
    text.split("\n\n").filter(|frame| !frame.trim().is_empty()).map(parse).collect()
}

fn parse(text: &str) -> Frame {
    let mut frame = Frame::default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        let slot = match name {
            "id" => &mut frame.id,
            "event" => &mut frame.event,
            "data" => &mut frame.data,
            "" => &mut frame.comment,
            other => panic!("unknown field `{other}` in {text:?}"),
        };
        *slot = Some(match slot.take() {
            Some(before) => before + "\n" + &value,
            None => value,
        });
    }
    frame
}

impl Client {
    pub fn new(base: String, key: Option<String>) -> Self {
        Self::of(base, key, None)
    }

    /// One that trusts what `tls` trusts.
    pub fn over_tls(base: String, key: Option<String>, tls: rustls::ClientConfig) -> Self {
        Self::of(base, key, Some(tls))
    }

    fn of(base: String, key: Option<String>, tls: Option<rustls::ClientConfig>) -> Self {
        let mut connector = Connector::new().limit(0).timeout(Duration::from_secs(10));
        if let Some(tls) = tls {
            connector = connector.rustls_0_23(Arc::new(tls));
        }
        let http = awc::Client::builder().connector(connector).timeout(PATIENCE * 2).finish();
        Self { base, key, http }
    }

    /// The same place with another key.
    pub fn with_key(&self, key: Option<&str>) -> Self {
        Self { key: key.map(str::to_owned), ..self.clone() }
    }

    pub fn request(&self, method: Method, path: &str) -> awc::ClientRequest {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.key {
            Some(key) => request.insert_header(("Authorization", format!("Bearer {key}"))),
            None => request,
        }
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Reply {
        let mut request = self.request(method.clone(), path);
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        let response = match body {
            Some(body) => {
                request.insert_header(("Content-Type", "application/json")).send_body(body).await.unwrap()
            }
            None => request.send().await.unwrap(),
        };
        Reply::of(response, &method, path).await
    }

    /// Sends a request whose answer may be of either kind.
    pub async fn open(&self, request: awc::ClientRequest, body: Option<Sent>) -> Opened {
        let (method, path) = (request.get_method().clone(), request.get_uri().to_string());
        let path = path.trim_start_matches(&self.base);
        let response = match body {
            Some(Sent::Whole(body)) => request.send_body(body).await.unwrap(),
            Some(Sent::Chunked(body)) => {
                let chunks = body.chunks(1 << 16).map(|chunk| Ok(Bytes::copy_from_slice(chunk)));
                let chunks = chunks.collect::<Vec<Result<_, std::io::Error>>>();
                request.send_stream(futures_util::stream::iter(chunks)).await.unwrap()
            }
            None => request.send().await.unwrap(),
        };
        match response.headers().get("content-type") {
            Some(kind) if kind == "text/event-stream" => {
                Opened::Stream(Frames::of(response, contract::events(method.as_str(), path)))
            }
            Some(_) | None => Opened::Whole(Reply::of(response, &method, path).await),
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], None).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.post_with(path, &[], body).await
    }

    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: Value) -> Reply {
        self.send(Method::POST, path, headers, Some(body.to_string().into_bytes())).await
    }

    /// Opens an event stream.
    pub async fn stream(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Frames {
        let events = contract::events(method.as_str(), path);
        let mut request = self.request(method, path);
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        let response = match body {
            Some(body) => request.send_json(&body).await.unwrap(),
            None => request.send().await.unwrap(),
        };
        assert_eq!(response.status(), StatusCode::OK, "a stream was refused");
        Frames::of(response, events)
    }

    // ---- the usual requests

    /// A chat with one user message.
    pub async fn chat(&self, text: &str) -> Reply {
        self.post("/v1/chat/completions", ask(text, false)).await
    }

    pub async fn chat_stream(&self, text: &str) -> Frames {
        self.stream(Method::POST, "/v1/chat/completions", &[], Some(ask(text, true))).await
    }

    /// Starts a run and returns its id.
    pub async fn run(&self, input: &str) -> String {
        self.run_with(json!({ "input": input })).await
    }

    pub async fn run_with(&self, body: Value) -> String {
        let reply = self.post("/v1/runs", body).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        reply.body["run_id"].as_str().unwrap().to_owned()
    }

    /// A reader of a run's events, after the event `after`.
    pub async fn events(&self, run: &str, after: Option<&str>) -> Frames {
        let headers: Vec<(&str, &str)> = after.map(|after| ("Last-Event-ID", after)).into_iter().collect();
        self.stream(Method::GET, &format!("/v1/runs/{run}/events"), &headers, None).await
    }

    /// Reads a run to its end and returns its record.
    pub async fn finished(&self, run: &str) -> Value {
        self.events(run, None).await.rest().await;
        self.get(&format!("/v1/runs/{run}")).await.body
    }
}

/// The body of a chat with one user message.
pub fn ask(text: &str, stream: bool) -> Value {
    json!({ "model": "test", "stream": stream, "messages": [{ "role": "user", "content": text }] })
}
