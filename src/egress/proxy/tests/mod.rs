//! The proxy on real sockets, with clients and servers that say every byte themselves.

mod access;
mod framing;
mod patience;

use crate::{
    audit::AuditLog,
    config::{NetworkConfig, NetworkMode},
    domain::{ProfileName, RunId},
    egress::{Bounds, Dialer, Egress, Grant, Listeners, testing::Answers},
    redact::Redactor,
};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const LONG: Duration = Duration::from_secs(20);

/// A profile whose list has the machine's loopback, and one command of it.
struct House {
    egress: Egress,
    grant: Grant,
    proxy: SocketAddr,
    listeners: Listeners,
    _folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        Self::with(&["127.0.0.0/8"], Bounds::default())
    }

    fn bounded(bounds: Bounds) -> Self {
        Self::with(&["127.0.0.0/8"], bounds)
    }

    /// Every name means 127.0.0.1 here.
    fn with(allow: &[&str], bounds: Bounds) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listeners = Listeners::default();
        let allow = allow.iter().map(|text| text.parse().unwrap()).collect();
        let config = NetworkConfig { mode: NetworkMode::Public, allow };
        let answers = Answers::new([vec![[127, 0, 0, 1].into()]]);
        let dialer = Dialer::with(config.clone(), listeners.clone(), Box::new(answers));
        let alice = ProfileName::parse("alice").unwrap();
        let audit = AuditLog::new(folder.path(), Redactor::default());
        let egress = Egress::with(alice, config, listeners.clone(), audit, dialer, bounds);
        let grant = egress.grant(RunId::new()).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = listener.local_addr().unwrap();
        grant.serve(listener).unwrap();
        Self { egress, grant, proxy, listeners, _folder: folder }
    }

    async fn client(&self) -> Wire {
        Wire(TcpStream::connect(self.proxy).await.unwrap())
    }
}

/// One end of a connection.
struct Wire(TcpStream);

impl Wire {
    async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until the text ends so.
    async fn hear(&mut self, end: &str) -> String {
        let mut heard = String::new();
        while !heard.ends_with(end) {
            let byte = timeout(LONG, self.0.read_u8()).await.expect(&heard);
            heard.push(char::from(byte.unwrap_or_else(|error| panic!("{error} after {heard:?}"))));
        }
        heard
    }

    /// Head and body of a message with a length.
    async fn message(&mut self) -> (String, String) {
        let head = self.hear("\r\n\r\n").await;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        timeout(LONG, self.0.read_exact(&mut body)).await.unwrap().unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    /// Everything until the other side closes or breaks off.
    async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _broken =
            timeout(LONG, self.0.read_to_end(&mut rest)).await.expect("the other side does not close");
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// A server that a test plays.
struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    async fn accept(&self) -> Wire {
        Wire(timeout(LONG, self.listener.accept()).await.unwrap().unwrap().0)
    }

    /// Answers one request with these bytes, and gives the request.
    async fn answer(&self, with: &str) -> String {
        let mut wire = self.accept().await;
        let (head, body) = wire.message().await;
        wire.say(with).await;
        head + &body
    }
}

const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";
