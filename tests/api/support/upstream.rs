//! A scripted OpenAI-compatible upstream, over real HTTP on a port of its own and in a thread of its own, so that it
//! answers whatever the code under test does with the test's thread.
//!
//! Time is steered by gates: an answer waits at `@@gate NAME` until the test calls [`Upstream::open`], and the test
//! waits until it got there by [`Upstream::reached`].

use super::script::{self, Plan, Step};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

#[derive(Default)]
struct Shared {
    /// Bodies and `Authorization` headers of all requests, in order.
    requests: Mutex<Vec<(Value, Option<String>)>>,
    gates: Mutex<HashMap<String, Gate>>,
    /// What `/models` says of its model beside its name.
    window: Mutex<Value>,
    asked: watch::Sender<usize>,
    connections: watch::Sender<usize>,
    /// How often it was asked for its models.
    listed: watch::Sender<usize>,
    /// Answers that the client did not wait for.
    hung_up: watch::Sender<usize>,
}

#[derive(Default)]
struct Gate {
    open: watch::Sender<bool>,
    reached: watch::Sender<bool>,
}

impl Upstream {
    pub async fn start() -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (shared, stop) = (Arc::new(Shared::default()), CancellationToken::new());
        let (served, stopped) = (Arc::clone(&shared), stop.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(stopped.run_until_cancelled(async {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((socket, _)) = listener.accept().await {
                    served.connections.send_modify(|count| *count += 1);
                    tokio::spawn(serve(socket, Arc::clone(&served)));
                }
            }));
        });
        Self { address, shared, stop }
    }

    /// The base URL, with `/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The bodies of all chat requests so far.
    pub fn requests(&self) -> Vec<Value> {
        self.shared.requests.lock().unwrap().iter().map(|(body, _)| body.clone()).collect()
    }

    /// The `Authorization` header of each request.
    pub fn keys(&self) -> Vec<Option<String>> {
        self.shared.requests.lock().unwrap().iter().map(|(_, key)| key.clone()).collect()
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        *self.shared.connections.borrow()
    }

    /// Waits until this many requests have come.
    pub async fn asked(&self, count: usize) {
        let mut asked = self.shared.asked.subscribe();
        within(asked.wait_for(|seen| *seen >= count)).await.unwrap();
    }

    /// Has `/models` say these members of its model, too.
    pub fn says_of_its_model(&self, members: Value) {
        *self.shared.window.lock().unwrap() = members;
    }

    /// How often it was asked for its models, once it was.
    pub async fn listed(&self) -> usize {
        let mut listed = self.shared.listed.subscribe();
        *within(listed.wait_for(|count| *count > 0)).await.unwrap()
    }

    /// Lets all answers go on that wait at this gate, or come to it later.
    pub fn open(&self, gate: &str) {
        self.shared.gate(gate, |gate| gate.open.send_replace(true));
    }

    /// Waits until an answer stands at the gate.
    pub async fn reached(&self, gate: &str) {
        let mut reached = self.shared.gate(gate, |gate| gate.reached.subscribe());
        within(reached.wait_for(|reached| *reached)).await.unwrap();
    }

    /// Waits until this many answers were given up by the client.
    pub async fn hung_up(&self, count: usize) {
        let mut hung_up = self.shared.hung_up.subscribe();
        within(hung_up.wait_for(|seen| *seen >= count)).await.unwrap();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A bound that a correct test never meets; without it a fault would hang the suite.
pub async fn within<T>(waiting: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("waited for a minute")
}

impl Shared {
    fn gate<T>(&self, name: &str, use_it: impl FnOnce(&Gate) -> T) -> T {
        use_it(self.gates.lock().unwrap().entry(name.to_owned()).or_default())
    }

    /// Records a request; the number of those before it that said the same.
    fn record(&self, body: &Value, key: Option<String>) -> usize {
        let mut requests = self.requests.lock().unwrap();
        let said = script::said(body).0;
        let before = requests
            .iter()
            .filter(|(earlier, _)| !script::is_for_a_helper(earlier) && script::said(earlier).0 == said)
            .count();
        requests.push((body.clone(), key));
        self.asked.send_replace(requests.len());
        before
    }
}

/// Whether the connection can take another request.
type Kept = bool;

async fn serve(mut socket: TcpStream, shared: Arc<Shared>) {
    let _ = socket.set_nodelay(true);
    let mut close_next = false;
    while let Ok(Some((head, body))) = read_request(&mut socket).await {
        let answered = if head.starts_with("get ") {
            let mut model = json!({ "id": "scripted", "object": "model" });
            let window = shared.window.lock().unwrap().clone();
            model.as_object_mut().unwrap().extend(window.as_object().cloned().unwrap_or_default());
            shared.listed.send_modify(|count| *count += 1);
            let models = json!({ "object": "list", "data": [model] });
            whole(&mut socket, "200 OK", "application/json", "", &models.to_string()).await
        } else {
            let key = head.lines().find_map(|line| line.strip_prefix("authorization: ")).map(str::to_owned);
            let before = shared.record(&body, key.clone());
            if close_next {
                return;
            }
            let plan = script::plan(&body, key.as_deref(), before);
            close_next = matches!(plan, Plan::CloseNext(_));
            answer(&mut socket, plan, &shared).await
        };
        match answered {
            Ok(true) => {}
            Ok(false) => return,
            Err(_) => return shared.hung_up.send_modify(|count| *count += 1),
        }
    }
}

/// The head in lower case, except for the values of `authorization`, and the body.
async fn read_request(socket: &mut TcpStream) -> io::Result<Option<(String, Value)>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
        if !bytes[0].is_ascii_uppercase() {
            // No HTTP: the beginning of TLS, most likely.
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await?;
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let lines = head.lines().map(|line| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}", name.to_ascii_lowercase()),
        None => line.to_ascii_lowercase(),
    });
    let head = lines.collect::<Vec<_>>().join("\n");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map(str::parse);
    let length = end + length.unwrap_or(Ok(0)).unwrap();
    while bytes.len() < length {
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some((head, serde_json::from_slice(&bytes[end..length]).unwrap_or_default())))
}

async fn answer(socket: &mut TcpStream, plan: Plan, shared: &Shared) -> io::Result<Kept> {
    match plan {
        Plan::CutHead => Ok(false),
        Plan::NoHead => until_hang_up(socket).await,
        Plan::Unframed => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
            socket.write_all(head.as_bytes()).await?;
            socket.write_all(&frame(&delta(&json!({ "content": "Unframed." }), Some("stop")))).await?;
            socket.write_all(b"data: [DONE]\n\n").await?;
            Ok(false)
        }
        Plan::Page => {
            whole(socket, "200 OK", "text/html", "", "<html>\n<p>Sign in: here</p>\n</html>\n").await
        }
        Plan::Status { code, retry_after, text } => {
            let retry_after =
                retry_after.map(|after| format!("Retry-After: {after}\r\n")).unwrap_or_default();
            let error = json!({ "error": {
                "message": text, "type": "server_error", "code": null,
            } });
            let status = format!("{code} Scripted");
            whole(socket, &status, "application/json", &retry_after, &error.to_string()).await
        }
        Plan::Json(text) => {
            let message = json!({ "role": "assistant", "content": text });
            let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
            let body = json!({ "object": "chat.completion", "choices": [choice], "usage": usage(1) });
            whole(socket, "200 OK", "application/json", "", &body.to_string()).await
        }
        Plan::CloseNext(text) => stream(socket, vec![Step::Text(text)], true, shared).await,
        Plan::Stream { steps, done } => stream(socket, steps, done, shared).await,
    }
}

async fn whole(
    socket: &mut TcpStream,
    status: &str,
    kind: &str,
    extra: &str,
    body: &str,
) -> io::Result<Kept> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{extra}\r\n");
    socket.write_all(format!("{head}{body}").as_bytes()).await?;
    Ok(true)
}

async fn stream(socket: &mut TcpStream, steps: Vec<Step>, done: bool, shared: &Shared) -> io::Result<Kept> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).await?;
    event(socket, &delta(&json!({ "role": "assistant", "content": "" }), None)).await?;
    let mut finish =
        if steps.iter().any(|step| matches!(step, Step::Call { .. })) { "tool_calls" } else { "stop" };
    let mut usage = usage(steps.len());
    for step in steps {
        match step {
            Step::Text(text) => event(socket, &delta(&json!({ "content": text }), None)).await?,
            Step::Reason(text) => event(socket, &delta(&json!({ "reasoning_content": text }), None)).await?,
            Step::Call { index, id, name, arguments } => {
                let function = json!({ "name": name, "arguments": arguments });
                let call = json!({ "index": index, "id": id, "type": "function", "function": function });
                event(socket, &delta(&json!({ "tool_calls": [call] }), None)).await?;
            }
            Step::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            Step::Gate(name) => {
                let mut open = shared.gate(&name, |gate| {
                    gate.reached.send_replace(true);
                    gate.open.subscribe()
                });
                tokio::select! {
                    hung_up = until_hang_up(socket) => return hung_up,
                    opened = open.wait_for(|open| *open) => drop(opened.unwrap()),
                }
            }
            Step::Raw(bytes) => socket.write_all(&framed(&bytes)).await?,
            Step::Burst(texts) => {
                let events =
                    texts.iter().map(|text| framed(&frame(&delta(&json!({ "content": text }), None))));
                socket.write_all(&events.collect::<Vec<_>>().concat()).await?;
            }
            Step::Length => finish = "length",
            Step::Filtered => finish = "content_filter",
            Step::Split(cached, reasoning) => {
                usage["prompt_tokens_details"] = json!({ "cached_tokens": cached });
                usage["completion_tokens_details"] = json!({ "reasoning_tokens": reasoning });
            }
            Step::Hang => return until_hang_up(socket).await,
            Step::Cut => return Ok(false),
        }
    }
    event(socket, &delta(&json!({}), Some(finish))).await?;
    event(socket, &json!({ "object": "chat.completion.chunk", "choices": [], "usage": usage })).await?;
    // One write: the client finds the end of the body together with the end of the answer.
    let mut end = if done { framed(b"data: [DONE]\n\n") } else { Vec::new() };
    end.extend_from_slice(b"0\r\n\r\n");
    socket.write_all(&end).await?;
    Ok(true)
}

/// Waits for the client to close; a client that says more instead is out of order.
async fn until_hang_up(socket: &mut TcpStream) -> io::Result<Kept> {
    let said = socket.read(&mut [0; 64]).await?;
    assert_eq!(said, 0, "the client sent something during an answer");
    Err(io::ErrorKind::ConnectionAborted.into())
}

async fn event(socket: &mut TcpStream, data: &Value) -> io::Result<()> {
    socket.write_all(&framed(&frame(data))).await
}

/// An event of the stream.
fn frame(data: &Value) -> Vec<u8> {
    format!("data: {data}\n\n").into_bytes()
}

/// A chunk of HTTP.
fn framed(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn delta(delta: &Value, finish_reason: Option<&str>) -> Value {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish_reason });
    json!({ "object": "chat.completion.chunk", "model": "scripted", "choices": [choice] })
}

/// The reference upstream's count: a fixed prompt, and one token per piece.
fn usage(pieces: usize) -> Value {
    json!({ "prompt_tokens": 50, "completion_tokens": pieces, "total_tokens": 50 + pieces })
}
