//! What a connection goes through before HTTP: nothing, or TLS.

use super::{refusal, tls::Tls};
use actix_http::{Protocol, error::DispatchError};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

/// A handshake must be done within this.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The first byte of every handshake: the record type of TLS.
const HANDSHAKE_RECORD: u8 = 0x16;

/// A connection that may speak HTTP, as actix takes it.
type Entered<T> = Result<(T, Protocol, Option<SocketAddr>), DispatchError>;

/// Without TLS.
pub(super) fn plain(stream: TcpStream) -> Entered<TcpStream> {
    let peer = prepare(&stream);
    Ok((stream, Protocol::Http1, peer))
}

/// With TLS. It is one of the port's connections from its first byte on, so handshakes count, and hold nobody up.
pub(super) async fn encrypted(
    stream: TcpStream,
    tls: Arc<Tls>,
    stop: CancellationToken,
) -> Entered<TlsStream<TcpStream>> {
    let peer = prepare(&stream);
    let shaken = tokio::select! {
        shaken = timeout(HANDSHAKE, shake(stream, &tls)) => shaken.unwrap_or_else(|late| Err(late.into())),
        () = stop.cancelled() => Err(io::ErrorKind::ConnectionAborted.into()),
    };
    match shaken {
        Ok(stream) => Ok((stream, Protocol::Http1, peer)),
        Err(error) => {
            tracing::debug!(?peer, %error, "no TLS connection");
            Err(DispatchError::Io(error))
        }
    }
}

async fn shake(stream: TcpStream, tls: &Arc<Tls>) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
        _ if first != [HANDSHAKE_RECORD] => {
            refusal::not_tls(stream).await;
            return Err(io::Error::other("the client does not speak TLS"));
        }
        _ => {}
    }
    TlsAcceptor::from(tls.config().await).accept(stream).await
}

fn prepare(stream: &TcpStream) -> Option<SocketAddr> {
    // Nagle and delayed acknowledgements together hold a stream's events back for 40 ms. A socket that refuses this is
    // slower, and works.
    let _ = stream.set_nodelay(true);
    stream.peer_addr().ok()
}
