//! Small MCP servers: one over HTTP, on a port of its own, and one that is a process.

use super::{House, within};
use hermes_gateway::{domain::ProfileName, gateway::Action};
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

pub struct McpServer {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    served: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    /// What it offers.
    tools: Vec<Value>,
    /// Heads and messages of all requests.
    seen: Vec<(String, Value)>,
    /// The session that is good now.
    session: u32,
    /// It says when its tools change, and these hear it.
    tells: bool,
    listeners: Vec<mpsc::UnboundedSender<Value>>,
}

impl Drop for McpServer {
    fn drop(&mut self) {
        self.served.abort();
    }
}

impl McpServer {
    pub async fn start(tools: Vec<Value>) -> Self {
        Self::of(Shared { tools, session: 1, ..Shared::default() }).await
    }

    /// One that says when its tools have changed.
    pub async fn telling(tools: Vec<Value>) -> Self {
        Self::of(Shared { tools, session: 1, tells: true, ..Shared::default() }).await
    }

    async fn of(shared: Shared) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(shared));
        let kept = shared.clone();
        let served = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let kept = kept.clone();
                // A client that goes away ends its answer.
                tokio::spawn(async move { drop(serve(socket, &kept).await) });
            }
        });
        Self { address, shared, served }
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    pub fn heads(&self) -> Vec<String> {
        self.shared.lock().unwrap().seen.iter().map(|(head, _)| head.clone()).collect()
    }

    /// The methods that were asked for, in order.
    pub fn methods(&self) -> Vec<String> {
        let shared = self.shared.lock().unwrap();
        shared
            .seen
            .iter()
            .map(|(_, message)| message["method"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Has other tools, says so to whoever listens, and waits until that was heard.
    pub async fn change(&self, tools: Vec<Value>) {
        within(async {
            while self.shared.lock().unwrap().listeners.is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let id = {
            let mut shared = self.shared.lock().unwrap();
            shared.tools = tools;
            let id = format!("heard-{}", shared.seen.len());
            let changed = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
            let ping = json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
            for listener in &shared.listeners {
                listener.send(changed.clone()).unwrap();
                listener.send(ping.clone()).unwrap();
            }
            id
        };
        within(self.replied(&id)).await;
    }

    /// Waits for the reply to a request of its own.
    pub async fn replied(&self, id: &str) {
        let is_it = |(_, message): &(String, Value)| message["id"] == id && message["result"] == json!({});
        while !self.shared.lock().unwrap().seen.iter().any(is_it) {
            tokio::task::yield_now().await;
        }
    }

    /// Forgets every session.
    pub fn forget(&self) {
        let mut shared = self.shared.lock().unwrap();
        shared.session += 1;
        shared.listeners.clear();
    }
}

pub fn tool(name: &str, schema: &Value) -> Value {
    json!({ "name": name, "description": format!("Does {name}."), "inputSchema": schema })
}

async fn serve(mut socket: TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            if !more(&mut socket, &mut bytes).await? {
                return Ok(());
            }
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..at]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let end = at + 4 + length.unwrap_or(0);
        while bytes.len() < end {
            if !more(&mut socket, &mut bytes).await? {
                return Ok(());
            }
        }
        let message: Value = serde_json::from_slice(&bytes[at + 4..end]).unwrap_or_default();
        bytes.drain(..end);
        if head.starts_with("get ") {
            return tell(socket, &head, shared).await;
        }
        let answer = answer(&head, &message, shared);
        socket.write_all(answer.as_bytes()).await?;
    }
}

/// A stream of what it says of its own accord, if it says anything.
async fn tell(mut socket: TcpStream, head: &str, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let (listener, mut said) = mpsc::unbounded_channel();
    let tells = shared.lock().unwrap().tells;
    if !tells || !head.contains("accept: text/event-stream") {
        return socket.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n").await;
    }
    socket
        .write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
        .await?;
    shared.lock().unwrap().listeners.push(listener);
    while let Some(message) = said.recv().await {
        let event = format!("event: message\ndata: {message}\n\n");
        socket.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await?;
    }
    Ok(())
}

async fn more(socket: &mut TcpStream, bytes: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut piece = [0; 4096];
    let read = socket.read(&mut piece).await?;
    bytes.extend_from_slice(&piece[..read]);
    Ok(read > 0)
}

fn answer(head: &str, message: &Value, shared: &Mutex<Shared>) -> String {
    let mut shared = shared.lock().unwrap();
    shared.seen.push((head.to_owned(), message.clone()));
    let session = format!("s-{}", shared.session);
    let method = message["method"].as_str().unwrap_or_default();
    if method != "initialize" && !head.contains(&format!("mcp-session-id: {session}")) {
        return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned();
    }
    if method.is_empty() {
        // A reply to what it has asked.
        return "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned();
    }
    let arguments = &message["params"]["arguments"];
    let text = |text: String| json!({ "content": [{ "type": "text", "text": text }] });
    let result = match (method, message["params"]["name"].as_str().unwrap_or_default()) {
        ("notifications/initialized", _) => {
            return "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned();
        }
        ("initialize", _) => {
            let capabilities =
                if shared.tells { json!({ "tools": { "listChanged": true } }) } else { json!({}) };
            json!({ "protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": {} })
        }
        ("tools/list", _) => {
            // Two to a page.
            let from = message["params"]["cursor"].as_str().and_then(|at| at.parse().ok()).unwrap_or(0);
            let page: Vec<&Value> = shared.tools.iter().skip(from).take(2).collect();
            let next = (from + 2 < shared.tools.len()).then(|| (from + 2).to_string());
            let mut listed = json!({ "tools": page });
            next.into_iter().for_each(|next| listed["nextCursor"] = next.into());
            listed
        }
        ("tools/call", "fail") => {
            json!({ "isError": true, "content": [{ "type": "text", "text": "it is full" }] })
        }
        ("tools/call", "stream") if arguments["name"].is_string() => {
            shared.tools.push(tool(arguments["name"].as_str().unwrap(), &json!({})));
            text("grown".to_owned())
        }
        ("tools/call", "head") => text(head.to_owned()),
        ("tools/call", "long") => text("x".repeat(200_000)),
        ("tools/call", "structured") => json!({ "structuredContent": { "n": 1 }, "content": [] }),
        ("tools/call", name) => text(format!("{name} got {arguments}")),
        _ => json!({}),
    };
    let body = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
    let streamed = message["params"]["name"] == "stream";
    let (kind, body) = if streamed {
        let mut said = vec![
            json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": {} }),
            json!({ "jsonrpc": "2.0", "id": "amid", "method": "ping" }),
            body,
        ];
        if arguments["name"].is_string() {
            said.insert(0, json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" }));
        }
        let events = said.iter().map(|message| format!("event: message\ndata: {message}\n\n"));
        ("text/event-stream", events.collect())
    } else {
        ("application/json", body.to_string())
    };
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nMcp-Session-Id: {session}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// The settings of a server `local` that is a process: the script of [`install`], with these arguments.
pub fn command(arguments: &[&str], more: &str) -> String {
    let arguments = [&["mcp_server.py"], arguments].concat().join(", ");
    // A machine that is busy with other tests may take long to start a program.
    let patience = if more.contains("connect_timeout") { "" } else { "    connect_timeout: 60\n" };
    format!("mcp_servers:\n  local:\n    command: python3\n    args: [{arguments}]\n{patience}{more}")
}

/// Puts the script into both workspaces.
pub fn install(house: &House) {
    for profile in ["alice", "bob"] {
        let workspace = house.profile_dir(profile).join("workspace");
        // Its gateway makes it, unless no command may run.
        fs::create_dir_all(&workspace).unwrap();
        fs::write(workspace.join("mcp_server.py"), include_str!("mcp_server.py")).unwrap();
    }
}

/// How often a profile's server was started.
pub fn starts(house: &House, profile: &str) -> usize {
    let written = fs::read_to_string(house.profile_dir(profile).join("workspace/starts"));
    written.unwrap_or_default().lines().count()
}

/// Adds to the profile's settings, and has them read again.
pub async fn reconfigure(house: &House, profile: &str, more: &str) {
    let file = house.profile_dir(profile).join("config.yaml");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, before + more).unwrap();
    let name = ProfileName::parse(profile).unwrap();
    house.gateway().act(&name, Action::Reload).await.unwrap();
}
