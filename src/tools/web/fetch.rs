//! Fetching what a model names, by the profile's network policy.

use super::super::failure::Failure;
use crate::egress::{BadTarget, Reach, Refusal, Target};
use actix_service::fn_service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::{
    Client, ClientResponse, Connector,
    http::{
        Method, StatusCode, Uri, Version,
        header::{self, HeaderValue},
    },
};
use futures_util::StreamExt as _;
use serde_json::Value;
use std::{cell::RefCell, io, rc::Rc, time::Duration};
use tokio::time::timeout;
use url::Url;

/// Followed from one request.
const MOST_REDIRECTS: usize = 5;
/// Longer than the limit that each request has as a whole.
const NEVER: Duration = Duration::from_hours(1);
/// Of a service's answer.
const LARGEST_ANSWER: usize = 2 << 20;
const LONGEST_URL: usize = 8_000;

/// What a server answered.
#[derive(Debug)]
pub struct Fetched {
    /// Where it was in the end.
    pub url: Url,
    /// The media type without its parameters, in lower case; empty when the server names none.
    pub media: String,
    pub charset: Option<String>,
    /// How the body is packed: `gzip`, `deflate`.
    pub packed: Option<String>,
    pub body: Vec<u8>,
    /// The body is longer than what was read of it.
    pub cut: bool,
}

/// Why the connector did not connect: awc's own error has no room for it.
type Refused = Rc<RefCell<Option<String>>>;

/// Reads a URL that a model or a page has written.
pub fn address(text: &str) -> Result<Url, Failure> {
    if text.len() > LONGEST_URL {
        return Err(Failure::invalid(format!("the URL is longer than {LONGEST_URL} bytes")));
    }
    let url = Url::parse(text.trim()).map_err(|error| {
        Failure::invalid(format!("`{text}` is no URL: {error}")).hint("begin with https://")
    })?;
    check(&url)?;
    Ok(url)
}

fn check(url: &Url) -> Result<(), Failure> {
    if !matches!(url.scheme(), "http" | "https") {
        let text = format!("`{}:` cannot be fetched, only http: and https:", url.scheme());
        return Err(Failure::new("unsupported_scheme", text));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let text = "the URL has a user name before the host; credentials are not sent";
        return Err(Failure::new("unsupported_url", text).hint("leave out what stands before the @"));
    }
    Ok(())
}

/// Gets `url`, redirects included, within `patience`; of its body at most `most` bytes.
pub async fn get(
    reach: Reach,
    url: Url,
    accept: &str,
    most: usize,
    patience: Duration,
) -> Result<Fetched, Failure> {
    match timeout(patience, follow(reach, url, accept, most)).await {
        Ok(fetched) => fetched,
        Err(_elapsed) => Err(late(patience)),
    }
}

/// The bytes of an image; whether they are one is not looked at.
pub async fn image(reach: Reach, url: &str, most: usize, patience: Duration) -> Result<Vec<u8>, Failure> {
    let fetched = get(reach, address(url)?, "image/*", most, patience).await?;
    if fetched.cut {
        return Err(Failure::new("too_large", format!("the image has more than {} MiB", most >> 20)));
    }
    Ok(fetched.body)
}

fn late(patience: Duration) -> Failure {
    Failure::new("timeout", format!("no whole answer came within {} s", patience.as_secs()))
}

/// What a service of the operator's choice is asked.
pub struct Question {
    pub method: Method,
    pub url: Url,
    /// A header that is not shown.
    pub secret: Option<(&'static str, String)>,
    pub body: Option<Value>,
}

/// Asks for JSON. Nothing is judged and no redirect followed: the operator has named the host.
pub async fn ask(question: Question, patience: Duration) -> Result<Value, Failure> {
    choose_tls();
    let connector = Connector::new().max_http_version(Version::HTTP_11);
    let client = Client::builder().disable_redirects().disable_timeout().connector(connector).finish();
    let Question { method, url, secret, body } = question;
    let mut request =
        client.request(method, url.as_str()).insert_header((header::ACCEPT, "application/json"));
    if let Some((name, value)) = secret {
        let mut value = HeaderValue::from_str(&value).map_err(|_invalid| {
            Failure::new("not_configured", "the service's key has characters that no key has")
        })?;
        value.set_sensitive(true);
        request = request.insert_header((name, value));
    }
    let broken =
        |error: &dyn std::fmt::Display| Failure::new("service_failed", format!("the service: {error}"));
    let answer = async {
        let sent = match &body {
            Some(body) => request.send_json(body),
            None => request.send(),
        };
        let mut response = sent.await.map_err(|error| broken(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(broken(&format!("it answered {status}")));
        }
        let (body, cut) = read(&mut response, LARGEST_ANSWER).await?;
        if cut {
            return Err(broken(&"its answer is too long"));
        }
        serde_json::from_slice(&body).map_err(|error| broken(&format!("its answer is no JSON: {error}")))
    };
    timeout(patience, answer).await.unwrap_or_else(|_elapsed| Err(late(patience)))
}

async fn follow(reach: Reach, mut url: Url, accept: &str, most: usize) -> Result<Fetched, Failure> {
    let refused = Refused::default();
    let client = client(reach, refused.clone());
    for _hop in 0..=MOST_REDIRECTS {
        check(&url)?;
        url.set_fragment(None);
        let sent = client
            .get(url.as_str())
            .insert_header((header::ACCEPT, accept))
            .insert_header((header::ACCEPT_ENCODING, "identity"))
            .insert_header((header::USER_AGENT, concat!("hermes-gateway/", env!("CARGO_PKG_VERSION"))))
            .send();
        let mut response = sent.await.map_err(|error| match refused.borrow_mut().take() {
            Some(refusal) => Failure::new("network_refused", refusal),
            None => Failure::new("fetch_failed", format!("`{url}` could not be fetched: {error}")),
        })?;
        if let Some(next) = redirect(&url, &response)? {
            url = next;
            continue;
        }
        let status = response.status();
        if !status.is_success() {
            return Err(Failure::new("http_status", format!("the server answered {status}")));
        }
        if is_unframed(&response) {
            let text = "the server says nowhere how long its answer is, which is not read here";
            return Err(Failure::new("unsupported_content", text).hint("fetch it with a command"));
        }
        let (body, cut) = read(&mut response, most).await?;
        let (media, charset) = kind(&response);
        let packed = text_of(&response, header::CONTENT_ENCODING).map(str::to_ascii_lowercase);
        return Ok(Fetched { url, media, charset, packed, body, cut });
    }
    Err(Failure::new("too_many_redirects", format!("more than {MOST_REDIRECTS} redirects")))
}

/// rustls panics at its first use when nothing has chosen its cryptography; a second choice is refused, which is as good.
pub fn choose_tls() {
    let _chosen_before = rustls::crypto::ring::default_provider().install_default();
}

/// One that asks `reach` for each connection, so that nothing is connected to that was not judged.
fn client(reach: Reach, refused: Refused) -> Client {
    choose_tls();
    let reach = Rc::new(reach);
    let connect = move |info: ConnectInfo<Uri>| {
        let (reach, refused) = (reach.clone(), refused.clone());
        async move {
            let uri = info.request().clone();
            let no = |why: String| {
                *refused.borrow_mut() = Some(why);
                ConnectError::Io(io::Error::other("refused"))
            };
            let target = target(&uri).map_err(|BadTarget(why)| no(format!("`{uri}` {why}")))?;
            let dialed = reach.connect(&target).await.map_err(|refusal: Refusal| no(refusal.to_string()))?;
            Ok::<_, ConnectError>(Connection::new(uri, dialed.stream))
        }
    };
    let connector = Connector::new()
        .max_http_version(Version::HTTP_11)
        .connector(fn_service(connect))
        .timeout(NEVER)
        .handshake_timeout(NEVER);
    Client::builder().disable_redirects().disable_timeout().connector(connector).finish()
}

fn target(uri: &Uri) -> Result<Target, BadTarget> {
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    Target::new(uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(usual))
}

/// Where the server sends us, if it does.
fn redirect(from: &Url, response: &ClientResponse) -> Result<Option<Url>, Failure> {
    let redirects = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !redirects.contains(&response.status()) {
        return Ok(None);
    }
    let location = text_of(response, header::LOCATION).filter(|location| location.len() <= LONGEST_URL);
    let next = location.and_then(|location| from.join(location).ok());
    next.map(Some).ok_or_else(|| Failure::new("bad_redirect", "the server redirects to no usable address"))
}

async fn read(response: &mut ClientResponse, most: usize) -> Result<(Vec<u8>, bool), Failure> {
    let mut body = Vec::new();
    while let Some(piece) = response.next().await {
        let piece =
            piece.map_err(|error| Failure::new("fetch_failed", format!("the answer broke off: {error}")))?;
        let room = most - body.len();
        body.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
        if piece.len() > room {
            return Ok((body, true));
        }
    }
    Ok((body, false))
}

/// awc reads no body that only the end of its connection ends; it would look empty.
fn is_unframed(response: &ClientResponse) -> bool {
    let headers = response.headers();
    !headers.contains_key(header::CONTENT_LENGTH)
        && !headers.contains_key(header::TRANSFER_ENCODING)
        && response.version() != Version::HTTP_10
        && response.status() != StatusCode::NO_CONTENT
}

fn kind(response: &ClientResponse) -> (String, Option<String>) {
    let text = text_of(response, header::CONTENT_TYPE).unwrap_or_default();
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default().to_ascii_lowercase();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.eq_ignore_ascii_case("charset").then(|| value.trim_matches(['"', '\'']).to_owned())
    });
    (media, charset)
}

fn text_of(response: &ClientResponse, name: header::HeaderName) -> Option<&str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}
