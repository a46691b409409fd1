//! Last words to a connection that is not served.

use crate::domain::Code;
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(1);

/// There are too many connections.
pub(super) async fn too_many(stream: TcpStream) {
    let code = Code::ProfileUnavailable;
    let body = serde_json::json!({ "error": {
        "message": "Too many connections. Close idle ones, or try again shortly.",
        "type": code.family(),
        "param": null,
        "code": code.wire(),
    }})
    .to_string();
    let head = format!(
        "HTTP/1.1 {} Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         retry-after: 1\r\nconnection: close\r\n\r\n",
        code.status(),
        body.len(),
    );
    say(stream, head + &body).await;
}

/// The port speaks TLS, and the client does not.
pub(super) async fn not_tls(stream: TcpStream) {
    let body = "This port speaks HTTPS only: write https:// instead of http:// in the address. A key that was sent just now \
                went over the network in clear: replace it if others can listen there.\n";
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len(),
    );
    say(stream, head + body).await;
}

/// Reads what the client has sent, too: a socket that is closed with bytes unread is reset, and the client would never see
/// the answer.
async fn say(mut stream: TcpStream, text: String) {
    let said = async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await?;
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    };
    // Whoever does not listen misses it.
    let _ = timeout(PATIENCE, said).await;
}
