//! The way to the upstream: one client with its kept connections, and the limits up to the head of an answer.

use super::{
    ModelError,
    pool::Pool,
    refusal,
    retry::{Failed, Repeat},
};
use crate::{
    config::{ModelConfig, Secret},
    http1::{self, Client, Content, Response},
};
use http::{
    Method, Request, Uri,
    header::{self, HeaderName, HeaderValue, InvalidHeaderValue},
};
use std::{
    io,
    time::{Duration, Instant, SystemTime},
};
use tokio::time::timeout;

/// Most of an error answer that is read, and the longest time for it.
const MAX_ERROR_BODY: usize = 64 * 1024;
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// What each request says.
const FIXED: [(HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "application/json"),
    (header::ACCEPT, "text/event-stream, application/json"),
    // A proxy that compresses holds events back until its block is full.
    (header::ACCEPT_ENCODING, "identity"),
    (header::USER_AGENT, concat!("hermes-gateway/", env!("CARGO_PKG_VERSION"))),
];

/// One request to an upstream.
pub(super) struct Call<'a> {
    pub method: Method,
    /// Or what is wrong with the configured one.
    pub address: &'a Result<Uri, String>,
    pub headers: &'a [(&'static str, &'a str)],
    /// JSON.
    pub body: Content<'a>,
}

/// A provider's endpoint with its key and its kept connections.
pub(super) struct Endpoint {
    keys: Pool,
    connect_timeout: Duration,
    first_byte_timeout: Duration,
    client: Client,
}

impl Endpoint {
    pub(super) fn new(config: &ModelConfig) -> Self {
        Self {
            keys: Pool::new(config.api_key.iter().chain(&config.more_keys).cloned(), config.pool),
            connect_timeout: config.connect_timeout,
            first_byte_timeout: config.first_byte_timeout,
            client: Client::new(config.connect_timeout),
        }
    }

    /// Sends the request and waits for the head of a good answer. Redirects are none: they would carry the key to
    /// another host.
    pub(super) async fn send(&self, call: Call<'_>) -> Result<Response, Failed> {
        let key = self.keys.pick(Instant::now(), || getrandom::u32().unwrap_or(0));
        let request = request(call, key.map(|(_, key)| key))?;
        let answer = timeout(self.first_byte_timeout, self.client.send(request)).await;
        match answer {
            Err(_elapsed) => {
                let limit = self.first_byte_timeout;
                Err(slow(format!("The upstream did not begin to answer within {limit:?}."), Repeat::Once))
            }
            Ok(Err(error)) => Err(self.unsent(error)),
            Ok(Ok(response)) if response.status.is_success() => Ok(response),
            Ok(Ok(response)) => {
                let status = response.status.as_u16();
                let other_key =
                    key.is_some_and(|(place, _)| self.keys.refused(place, status, Instant::now()));
                Err(Failed { other_key, ..refused(response).await.into() })
            }
        }
    }

    /// What it means that no head came back.
    fn unsent(&self, error: http1::Error) -> Failed {
        let cut = |repeat| {
            let message = "The upstream closed the connection before it answered.";
            broken(message.to_owned(), repeat)
        };
        match error {
            http1::Error::Stale => cut(Repeat::Now),
            http1::Error::Cut => cut(Repeat::Later),
            http1::Error::Late => {
                let limit = self.connect_timeout;
                slow(format!("There was no connection to the upstream within {limit:?}."), Repeat::Later)
            }
            http1::Error::Unconnected(error) => no_connection(&error),
            http1::Error::Unresolved => {
                let message = "The upstream's host name could not be resolved; check `model.base_url`.";
                broken(message.to_owned(), Repeat::Later)
            }
            http1::Error::Garbage(what) => {
                let message = format!("an answer that is no HTTP ({what})");
                ModelError::Garbage { message, partial: false }.into()
            }
            // Nothing that waiting mends.
            http1::Error::Unsendable(why) => {
                broken(format!("The upstream could not be asked: {why}."), Repeat::No)
            }
        }
    }
}

fn request<'a>(call: Call<'a>, key: Option<&Secret>) -> Result<Request<Content<'a>>, Failed> {
    let Call { method, address, headers, body } = call;
    let address = address.clone().map_err(|wrong| broken(wrong, Repeat::No))?;
    let mut request = Request::new(body);
    (*request.method_mut(), *request.uri_mut()) = (method, address);
    let sent = request.headers_mut();
    // One more is the length.
    sent.reserve(FIXED.len() + 1 + usize::from(key.is_some()) + headers.len());
    for (name, value) in FIXED {
        sent.insert(name, HeaderValue::from_static(value));
    }
    if let Some(key) = key {
        let value = HeaderValue::try_from(["Bearer ", key.reveal().trim()].concat());
        let mut value = value.map_err(|_invalid| {
            let message =
                "The provider's key (`model.api_key`) has characters that no key has; set it again.";
            broken(message.to_owned(), Repeat::No)
        })?;
        value.set_sensitive(true);
        sent.insert(header::AUTHORIZATION, value);
    }
    let unsendable =
        |error: InvalidHeaderValue| broken(format!("The upstream could not be asked: {error}."), Repeat::No);
    for (name, value) in headers {
        sent.append(*name, HeaderValue::from_str(value).map_err(unsendable)?);
    }
    Ok(request)
}

/// The error of an answer that is no success; reads what the upstream says about it.
async fn refused(mut response: Response) -> ModelError {
    let mut body = Vec::new();
    let read = async {
        while let Some(Ok(bytes)) = response.body.next().await {
            body.extend_from_slice(&bytes);
            if body.len() > MAX_ERROR_BODY {
                break;
            }
        }
    };
    if timeout(ERROR_BODY_TIMEOUT, read).await.is_err() {
        tracing::debug!("an error answer of the upstream did not end");
    }
    refusal::of_status(response.status.as_u16(), &response.headers, &body, SystemTime::now())
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

fn broken(message: String, repeat: Repeat) -> Failed {
    let error = ModelError::Connection { message, partial: false };
    Failed::new(error, repeat)
}

fn slow(message: String, repeat: Repeat) -> Failed {
    let error = ModelError::Timeout { message, partial: false };
    Failed::new(error, repeat)
}
