//! A connection: TCP, with TLS over it where the address says `https`.

use super::Error;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http::Uri;
use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use std::{
    cell::OnceCell,
    collections::VecDeque,
    io::{self, IoSlice},
    mem::MaybeUninit,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Taken from a socket at once. A record of TLS has no more.
pub(super) const READ: usize = 16 * 1024;

/// An address that has not answered for so long is not waited for alone.
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// Those whom browsers trust; there are some hundred and fifty.
static ROOTS: LazyLock<Arc<RootCertStore>> =
    LazyLock::new(|| Arc::new(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()));

/// Who is trusted, and what was agreed on with servers before. Made at its first use: a client of plain HTTP needs none.
#[derive(Default)]
pub struct Tls(OnceCell<Arc<ClientConfig>>);

impl From<ClientConfig> for Tls {
    /// Trusts what `config` trusts.
    fn from(config: ClientConfig) -> Self {
        Self(OnceCell::from(Arc::new(config)))
    }
}

impl Tls {
    fn connector(&self) -> Result<TlsConnector, Error> {
        if let Some(config) = self.0.get() {
            return Ok(Arc::clone(config).into());
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Unconnected(io::Error::other(error)))?;
        let mut config = config.with_root_certificates(Arc::clone(&ROOTS)).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::clone(self.0.get_or_init(|| Arc::new(config))).into())
    }
}

/// A connection to a server.
pub enum Stream {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Connects to the first address of the host that answers.
    ///
    /// # Errors
    /// [`Error::Unresolved`], [`Error::Unconnected`]. There is no limit on the time.
    pub async fn connect(uri: &Uri, tls: &Tls) -> Result<Self, Error> {
        let usual = if is_secure(uri) { 443 } else { 80 };
        let target = (bare_host(uri), uri.port_u16().unwrap_or(usual));
        let addresses = lookup_host(target).await.map_err(|_unknown| Error::Unresolved)?;
        Self::over(first_of(addresses).await?, uri, tls).await
    }

    /// Over a connection that is there already; shakes hands where the address says `https`.
    ///
    /// # Errors
    /// [`Error::Unconnected`]: the server does not speak TLS, or is not who it should be.
    pub async fn over(tcp: TcpStream, uri: &Uri, tls: &Tls) -> Result<Self, Error> {
        // The last packet of a long request would wait for an acknowledgement (40 ms).
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        if !is_secure(uri) {
            return Ok(Self::Plain(tcp));
        }
        let name = ServerName::try_from(bare_host(uri).to_owned())
            .map_err(|error| Error::Unconnected(io::Error::other(error)))?;
        // Boxed: what shaking hands takes is not part of every future that sends something.
        let shaken = Box::pin(tls.connector()?.connect(name, tcp)).await;
        Ok(Self::Secure(Box::new(shaken.map_err(Error::Unconnected)?)))
    }

    /// Whether a connection on which nothing is asked is still open, as far as is known.
    pub(super) fn is_open(&mut self) -> bool {
        if let Self::Plain(tcp) = self {
            // Asked of the kernel: the runtime hears of what has come only when it waits the next time, and whatever has
            // come answers nothing.
            let looked = recv(tcp, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT);
            return looked.is_err_and(|error| error == Errno::AGAIN);
        }
        let mut context = Context::from_waker(Waker::noop());
        // A server may renew what the two agreed on: that is nothing for us.
        self.poll_bytes(&mut context, |_bytes| ()).is_pending()
    }

    /// Reads what is there and has it used at once; no bytes are the end.
    pub(super) fn poll_bytes<T>(
        &mut self,
        context: &mut Context<'_>,
        used: impl FnOnce(&[u8]) -> T,
    ) -> Poll<io::Result<T>> {
        let mut space = [MaybeUninit::uninit(); READ];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, &mut read),
            Self::Secure(stream) => Pin::new(stream).poll_read(context, &mut read),
        })?;
        Poll::Ready(Ok(used(read.filled())))
    }

    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
            Self::Secure(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
        }
    }

    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Secure(stream) => Pin::new(stream).poll_flush(context),
        }
    }
}

/// A connection to the address that answers first. The next one is tried when one has failed, or says nothing for a
/// while: of a host with two families of addresses often only one can be reached.
async fn first_of(addresses: impl Iterator<Item = SocketAddr>) -> Result<TcpStream, Error> {
    let (mut left, mut under_way) = (addresses.collect::<VecDeque<_>>(), FuturesUnordered::new());
    let mut failed = Error::Unresolved;
    loop {
        under_way.extend(left.pop_front().map(TcpStream::connect));
        let patience = if left.is_empty() { Duration::MAX } else { NEXT_ADDRESS };
        match timeout(patience, under_way.next()).await {
            Ok(Some(Ok(tcp))) => return Ok(tcp),
            Ok(Some(Err(error))) => failed = Error::Unconnected(error),
            Ok(None) => return Err(failed),
            Err(_silent) => {}
        }
    }
}

fn is_secure(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

/// An address of IPv6 stands in brackets.
fn bare_host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_matches(['[', ']'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpSocket};

    #[tokio::test]
    async fn an_address_that_is_dead_or_silent_costs_the_others_nothing() {
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        let good = TcpListener::bind(here).await.unwrap();
        let good = good.local_addr().map(|address| (address, good)).unwrap();
        let dead = TcpListener::bind(here).await.unwrap().local_addr().unwrap();
        // Its queue has one place: further connections are neither taken nor refused.
        let silent = TcpSocket::new_v4().unwrap();
        silent.bind(here).unwrap();
        let silent = silent.listen(0).unwrap();
        let silent_at = silent.local_addr().unwrap();
        let _queued = TcpStream::connect(silent_at).await.unwrap();

        for addresses in
            [vec![good.0], vec![dead, good.0], vec![silent_at, good.0], vec![silent_at, dead, good.0]]
        {
            let found = first_of(addresses.clone().into_iter()).await.unwrap();
            assert_eq!(found.peer_addr().unwrap(), good.0, "{addresses:?}");
        }
        assert!(matches!(first_of([dead, dead].into_iter()).await, Err(Error::Unconnected(_))));
        assert!(matches!(first_of([].into_iter()).await, Err(Error::Unresolved)));
    }
}
