//! The way to the upstream: one awc client, its connection pool, and the limits up to the head of an answer.

use super::{
    ModelError,
    pool::Pool,
    refusal,
    retry::{Failed, Repeat},
};
use crate::config::{ModelConfig, Secret};
use actix_http::error::ParseError;
use actix_service::ServiceExt;
use awc::{
    Client, ClientResponse, Connector, SendClientRequest,
    error::{ConnectError, SendRequestError},
    http::{
        Method, Uri, Version,
        header::{self, HeaderValue},
    },
};
use futures_util::StreamExt;
use std::{
    cell::{Cell, OnceCell},
    io,
    time::{Duration, Instant, SystemTime},
};
use tokio::time::timeout;

/// Most of an error answer that is read, and the longest time for it.
const MAX_ERROR_BODY: usize = 64 * 1024;
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// One request to an upstream.
pub(super) struct Call<'a> {
    pub method: Method,
    /// Or what is wrong with the configured one.
    pub address: &'a Result<Uri, String>,
    pub headers: &'a [(&'static str, &'a str)],
    /// JSON.
    pub body: Vec<u8>,
}

/// A provider's endpoint with its key and its kept connections.
pub(super) struct Endpoint {
    keys: Pool,
    connect_timeout: Duration,
    first_byte_timeout: Duration,
    /// Made at the first call: an idle profile costs no TLS roots and no pool.
    client: OnceCell<Client>,
    /// How many kept connections there may be; a call that takes one may find it closed.
    kept: Cell<usize>,
}

impl Endpoint {
    pub(super) fn new(config: &ModelConfig) -> Self {
        Self {
            keys: Pool::new(config.api_key.iter().chain(&config.more_keys).cloned(), config.pool),
            connect_timeout: config.connect_timeout,
            first_byte_timeout: config.first_byte_timeout,
            client: OnceCell::new(),
            kept: Cell::new(0),
        }
    }

    /// Notes that an answer was read to its end, so that its connection is kept.
    pub(super) fn connection_kept(&self) {
        self.kept.set(self.kept.get() + 1);
    }

    /// Sends the request and waits for the head of a good answer.
    pub(super) async fn send(&self, call: Call<'_>) -> Result<ClientResponse, Failed> {
        let maybe_kept = self.kept.get() > 0;
        self.kept.set(self.kept.get().saturating_sub(1));
        let key = self.keys.pick(Instant::now(), || getrandom::u32().unwrap_or(0));
        let request = self.request(call, key.map(|(_, key)| key))?;
        let answer = timeout(self.first_byte_timeout, request).await;
        match answer {
            Err(_elapsed) => {
                let limit = self.first_byte_timeout;
                Err(slow(format!("The upstream did not begin to answer within {limit:?}."), Repeat::No))
            }
            Ok(Err(error)) => Err(self.unsent(&error, maybe_kept)),
            Ok(Ok(response)) if response.status().is_success() => Ok(response),
            Ok(Ok(response)) => {
                let status = response.status().as_u16();
                let other_key =
                    key.is_some_and(|(place, _)| self.keys.refused(place, status, Instant::now()));
                Err(Failed { other_key, ..refused(response).await.into() })
            }
        }
    }

    fn request(&self, call: Call<'_>, key: Option<&Secret>) -> Result<SendClientRequest, Failed> {
        let Call { method, address, headers, body } = call;
        let address = address.as_ref().map_err(|wrong| broken(wrong.clone(), Repeat::No))?;
        let client = self.client.get_or_init(|| client(self.connect_timeout));
        let mut request = client
            .request(method, address)
            .insert_header((header::CONTENT_TYPE, "application/json"))
            .insert_header((header::ACCEPT, "text/event-stream, application/json"))
            // A proxy that compresses holds events back until its block is full.
            .insert_header((header::ACCEPT_ENCODING, "identity"))
            .insert_header((header::USER_AGENT, concat!("hermes-gateway/", env!("CARGO_PKG_VERSION"))));
        if let Some(key) = key {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {}", key.reveal().trim())).map_err(|_invalid| {
                    let message =
                        "The provider's key (`model.api_key`) has characters that no key has; set it again.";
                    broken(message.to_owned(), Repeat::No)
                })?;
            value.set_sensitive(true);
            request = request.insert_header((header::AUTHORIZATION, value));
        }
        for header in headers {
            request = request.insert_header(*header);
        }
        Ok(request.send_body(body))
    }

    /// What it means that no head came back.
    fn unsent(&self, error: &SendRequestError, maybe_kept: bool) -> Failed {
        let cut = || {
            let message = "The upstream closed the connection before it answered.".to_owned();
            broken(message, if maybe_kept { Repeat::Now } else { Repeat::Later })
        };
        match error {
            SendRequestError::Connect(error) => match error {
                // awc's name for a connection that ended before the head.
                ConnectError::Disconnected => cut(),
                ConnectError::Timeout => {
                    let limit = self.connect_timeout;
                    slow(format!("There was no connection to the upstream within {limit:?}."), Repeat::Later)
                }
                ConnectError::Io(error) => no_connection(error),
                ConnectError::Resolver(_) | ConnectError::NoRecords | ConnectError::Unresolved => {
                    let message = "The upstream's host name could not be resolved; check `model.base_url`.";
                    broken(message.to_owned(), Repeat::Later)
                }
                ConnectError::SslIsNotSupported | ConnectError::H2(_) | _ => other(error),
            },
            SendRequestError::Send(_) => cut(),
            SendRequestError::Response(error) => match error {
                ParseError::Io(_) | ParseError::Incomplete => cut(),
                ParseError::Method
                | ParseError::Uri(_)
                | ParseError::Version
                | ParseError::Header
                | ParseError::TooLarge
                | ParseError::Status
                | ParseError::Timeout
                | ParseError::Utf8(_)
                | _ => ModelError::Garbage {
                    message: format!("an answer that is no HTTP ({error})"),
                    partial: false,
                }
                .into(),
            },
            SendRequestError::Timeout
            | SendRequestError::Url(_)
            | SendRequestError::Http(_)
            | SendRequestError::H2(_)
            | SendRequestError::TunnelNotSupported
            | SendRequestError::Body(_)
            | SendRequestError::Custom(_, _)
            | _ => other(error),
        }
    }
}

/// HTTP/1.1 alone: there, dropping a response closes its connection, which is how a call is cancelled.
fn client(connect_timeout: Duration) -> Client {
    // rustls panics at its first use when nothing has chosen its cryptography; a second choice is refused, which is
    // as good.
    let _chosen_before = rustls::crypto::ring::default_provider().install_default();
    // awc leaves Nagle's algorithm on: the last packet of a long request would wait for an acknowledgement (40 ms).
    let tcp = actix_tls::connect::Connector::default().service().map(
        |connection: actix_tls::connect::Connection<Uri, _>| {
            if let Err(error) = tokio::net::TcpStream::set_nodelay(connection.io_ref(), true) {
                tracing::debug!(%error, "TCP_NODELAY was refused");
            }
            connection
        },
    );
    let connector = Connector::new()
        .max_http_version(Version::HTTP_11)
        .connector(tcp)
        // 0 is no limit; by default the 101st stream would wait in silence.
        .limit(0)
        .timeout(connect_timeout)
        .handshake_timeout(connect_timeout);
    // Redirects would carry the key to another host; limits on time are our own.
    Client::builder().disable_redirects().disable_timeout().connector(connector).finish()
}

/// The error of an answer that is no success; reads what the upstream says about it.
async fn refused(mut response: ClientResponse) -> ModelError {
    let mut body = Vec::new();
    let read = async {
        while let Some(Ok(bytes)) = response.next().await {
            body.extend_from_slice(&bytes);
            if body.len() > MAX_ERROR_BODY {
                break;
            }
        }
    };
    if timeout(ERROR_BODY_TIMEOUT, read).await.is_err() {
        tracing::debug!("an error answer of the upstream did not end");
    }
    refusal::of_status(response.status().as_u16(), response.headers(), &body, SystemTime::now())
}

fn no_connection(error: &io::Error) -> Failed {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(tls) = tls {
        let untrusted = matches!(tls, rustls::Error::InvalidCertificate(_));
        let what = if untrusted {
            "The upstream cannot be trusted"
        } else {
            "The upstream does not speak TLS with us"
        };
        return broken(format!("{what}: {tls}; check `model.base_url`."), Repeat::No);
    }
    let why = if error.kind() == io::ErrorKind::ConnectionRefused { "refused" } else { "lost" };
    let message =
        format!("The connection to the upstream was {why}; does the server of `model.base_url` run?");
    broken(message, Repeat::Later)
}

/// Nothing that waiting mends.
fn other(error: &dyn std::error::Error) -> Failed {
    broken(format!("The upstream could not be asked: {error}."), Repeat::No)
}

fn broken(message: String, repeat: Repeat) -> Failed {
    let error = ModelError::Connection { message, partial: false };
    Failed::new(error, repeat)
}

fn slow(message: String, repeat: Repeat) -> Failed {
    let error = ModelError::Timeout { message, partial: false };
    Failed::new(error, repeat)
}
