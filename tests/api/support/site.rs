//! A small web site on a port of its own, with pages that no server should have.

use super::within;
use std::{
    io::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";

pub struct Site {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    asked: watch::Sender<usize>,
    _served: tokio::task::JoinHandle<()>,
}

impl Site {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let asked = watch::Sender::new(0);
        let (kept, told) = (heads.clone(), asked.clone());
        let served = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (kept, told) = (kept.clone(), told.clone());
                // A client that goes away ends its answer.
                tokio::spawn(async move { drop(answer(socket, address, &kept, &told).await) });
            }
        });
        Self { address, heads, asked, _served: served }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// What was asked for.
    pub fn seen(&self) -> Vec<String> {
        let path = |head: &String| head.split_whitespace().nth(1).unwrap_or_default().to_owned();
        self.heads().iter().map(path).collect()
    }

    /// Waits until somebody has asked for this.
    pub async fn asked(&self, path: &str) {
        let mut asked = self.asked.subscribe();
        within(asked.wait_for(|_| self.seen().iter().any(|seen| seen == path))).await.unwrap();
    }
}

async fn answer(
    mut socket: TcpStream,
    address: SocketAddr,
    heads: &Mutex<Vec<String>>,
    asked: &watch::Sender<usize>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut piece = [0; 1024];
        let read = socket.read(&mut piece).await?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(&piece[..read]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
    heads.lock().unwrap().push(head);
    asked.send_modify(|count| *count += 1);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    match path {
        "/page" => {
            let page =
                "<title>A page</title><nav>menu</nav><h1>Hello</h1><a href=/next>next</a><script>x</script>";
            whole(&mut socket, "text/html; charset=utf-8", "", page.as_bytes()).await
        }
        "/latin" => whole(&mut socket, "text/plain; charset=iso-8859-1", "", b"gr\xfc\xdf").await,
        "/binary" => whole(&mut socket, "image/png", "", b"\x89PNG\r\n\x1a\n\0").await,
        "/to" => redirect(&mut socket, query).await,
        "/to/page" => redirect(&mut socket, "../page").await,
        "/circle" => redirect(&mut socket, &format!("http://{address}/circle")).await,
        "/bomb" => {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            for _ in 0..32 {
                packed.write_all(&[b'x'; 1 << 20])?;
            }
            whole(&mut socket, "text/plain", "Content-Encoding: gzip\r\n", &packed.finish()?).await
        }
        "/endless" => {
            socket.write_all(CHUNKED).await?;
            let chunk = [b"10000\r\n".as_slice(), &[b'x'; 1 << 16], b"\r\n"].concat();
            loop {
                socket.write_all(&chunk).await?;
            }
        }
        "/slow" => {
            socket.write_all(CHUNKED).await?;
            loop {
                socket.write_all(b"1\r\nx\r\n").await?;
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
        "/unframed" => {
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nwords";
            socket.write_all(head).await
        }
        "/silent" => {
            // Until the client gives up.
            socket.read(&mut [0; 1]).await.map(drop)
        }
        "/searxng/search" | "/tavily/search" | "/brave/web/search" => {
            let rows = r#"[{"title":"One","url":"https://one.example/","content":"first"},{"title":"No address"},
                {"title":"Two","url":"https://two.example/","description":"second"},
                {"title":"Three","url":"https://three.example/"}]"#;
            let body = if path.starts_with("/brave") {
                format!(r#"{{"web":{{"results":{rows}}}}}"#)
            } else {
                format!(r#"{{"results":{rows}}}"#)
            };
            whole(&mut socket, "application/json", "", body.as_bytes()).await
        }
        _ => {
            socket
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .await
        }
    }
}

async fn redirect(socket: &mut TcpStream, to: &str) -> std::io::Result<()> {
    let head =
        format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).await
}

async fn whole(socket: &mut TcpStream, kind: &str, more: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n"
    );
    socket.write_all(&[head.as_bytes(), body].concat()).await?;
    socket.shutdown().await
}
