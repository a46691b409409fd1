//! A connection: TCP, with TLS over it where the address says `https`.

use super::Error;
use http::Uri;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use std::{
    cell::OnceCell,
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, Waker, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Taken from a socket at once. A record of TLS has no more.
pub(super) const READ: usize = 16 * 1024;

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
        let mut failed = Error::Unresolved;
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(tcp) => return Self::over(tcp, uri, tls).await,
                Err(error) => failed = Error::Unconnected(error),
            }
        }
        Err(failed)
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
        let mut context = Context::from_waker(Waker::noop());
        // Whatever comes now answers nothing.
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

fn is_secure(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

/// An address of IPv6 stands in brackets.
fn bare_host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_matches(['[', ']'])
}
