//! Fetching what a model names, by the profile's network policy.

use super::super::failure::Failure;
use crate::{
    egress::{BadTarget, Reach, Refusal, Target},
    http1::{Body, Response, Stream, Tls, exchange},
};
use http::{
    Method, Request, StatusCode, Uri,
    header::{self, HeaderValue},
    request::Builder,
};
use serde_json::Value;
use std::{fmt::Display, time::Duration};
use tokio::time::timeout;
use url::Url;

/// Followed from one request.
const MOST_REDIRECTS: usize = 5;
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
    let answer = Box::pin(answer(question));
    timeout(patience, answer).await.unwrap_or_else(|_elapsed| Err(late(patience)))
}

async fn answer(question: Question) -> Result<Value, Failure> {
    let broken = |error: &dyn Display| Failure::new("service_failed", format!("the service: {error}"));
    let Question { method, url, secret, body } = question;
    let uri: Uri = url.as_str().parse().map_err(|error| broken(&error))?;
    let mut request = request(method, uri.clone()).header(header::ACCEPT, "application/json");
    if let Some((name, value)) = secret {
        let mut value = HeaderValue::from_str(&value).map_err(|_invalid| {
            Failure::new("not_configured", "the service's key has characters that no key has")
        })?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let request = request.body(body).map_err(|error| broken(&error))?;
    let stream = Stream::connect(&uri, &Tls::default()).await.map_err(|error| broken(&error))?;
    let Response { status, mut body, .. } =
        exchange(stream, request).await.map_err(|error| broken(&error))?;
    if !status.is_success() {
        return Err(broken(&format!("it answered {status}")));
    }
    let (body, cut) = read(&mut body, LARGEST_ANSWER).await?;
    if cut {
        return Err(broken(&"its answer is too long"));
    }
    serde_json::from_slice(&body).map_err(|error| broken(&format!("its answer is no JSON: {error}")))
}

fn request(method: Method, uri: Uri) -> Builder {
    Request::builder()
        .method(method)
        .uri(uri)
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::USER_AGENT, concat!("hermes-gateway/", env!("CARGO_PKG_VERSION")))
}

async fn follow(reach: Reach, mut url: Url, accept: &str, most: usize) -> Result<Fetched, Failure> {
    let tls = Tls::default();
    for _hop in 0..=MOST_REDIRECTS {
        check(&url)?;
        url.set_fragment(None);
        let mut response = get_one(&reach, &tls, &url, accept).await?;
        if let Some(next) = redirect(&url, &response)? {
            url = next;
            continue;
        }
        if !response.status.is_success() {
            return Err(Failure::new("http_status", format!("the server answered {}", response.status)));
        }
        let (body, cut) = read(&mut response.body, most).await?;
        let (media, charset) = kind(&response);
        let packed = text_of(&response, header::CONTENT_ENCODING).map(str::to_ascii_lowercase);
        return Ok(Fetched { url, media, charset, packed, body, cut });
    }
    Err(Failure::new("too_many_redirects", format!("more than {MOST_REDIRECTS} redirects")))
}

/// Over a connection of its own, so that nothing is asked over one that was not judged.
async fn get_one(reach: &Reach, tls: &Tls, url: &Url, accept: &str) -> Result<Response, Failure> {
    let failed =
        |error: &dyn Display| Failure::new("fetch_failed", format!("`{url}` could not be fetched: {error}"));
    let refused = |why: String| Failure::new("network_refused", why);
    let uri: Uri = url.as_str().parse().map_err(|error| failed(&error))?;
    let target = target(&uri).map_err(|BadTarget(why)| refused(format!("`{uri}` {why}")))?;
    let dialed = reach.connect(&target).await.map_err(|refusal: Refusal| refused(refusal.to_string()))?;
    let request = request(Method::GET, uri.clone()).header(header::ACCEPT, accept).body(Vec::new());
    let request = request.map_err(|error| failed(&error))?;
    let stream = Stream::over(dialed.stream, &uri, tls).await.map_err(|error| failed(&error))?;
    exchange(stream, request).await.map_err(|error| failed(&error))
}

fn target(uri: &Uri) -> Result<Target, BadTarget> {
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    Target::new(uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(usual))
}

/// Where the server sends us, if it does.
fn redirect(from: &Url, response: &Response) -> Result<Option<Url>, Failure> {
    let redirects = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !redirects.contains(&response.status) {
        return Ok(None);
    }
    let location = text_of(response, header::LOCATION).filter(|location| location.len() <= LONGEST_URL);
    let next = location.and_then(|location| from.join(location).ok());
    next.map(Some).ok_or_else(|| Failure::new("bad_redirect", "the server redirects to no usable address"))
}

async fn read(coming: &mut Body, most: usize) -> Result<(Vec<u8>, bool), Failure> {
    let mut body = Vec::new();
    while let Some(piece) = coming.next().await {
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

fn kind(response: &Response) -> (String, Option<String>) {
    let text = text_of(response, header::CONTENT_TYPE).unwrap_or_default();
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default().to_ascii_lowercase();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.eq_ignore_ascii_case("charset").then(|| value.trim_matches(['"', '\'']).to_owned())
    });
    (media, charset)
}

fn text_of(response: &Response, name: header::HeaderName) -> Option<&str> {
    response.headers.get(name).and_then(|value| value.to_str().ok())
}
