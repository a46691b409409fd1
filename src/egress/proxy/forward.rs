//! A request for a plain `http:` URL, said again to its server.

use super::{
    answer::{self, Body},
    connection::{HEAD, MOST_HEADERS},
    line::Line,
};
use crate::egress::{bounds::Bounds, dial::Dialed, grant::Pass, target::Target};
use http_body_util::Either;
use hyper::{
    Request, Response, StatusCode, Uri,
    body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint},
    client::conn::http1,
    header::{
        CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
        TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
    },
    http::uri::PathAndQuery,
};
use hyper_util::rt::TokioIo;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::task::AbortHandle;

/// Members of a message that are about one connection and not about what is said over it (RFC 9110, 7.6.1). How long a
/// body is, is said anew by whoever writes it.
const OF_ONE_CONNECTION: [HeaderName; 9] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

pub async fn forward(pass: &Pass, request: Request<Incoming>, bounds: Bounds) -> Response<Body> {
    let (target, request) = match rewrite(request) {
        Ok(rewritten) => rewritten,
        Err(wrong) => return answer::text(StatusCode::BAD_REQUEST, &wrong),
    };
    let stream = match pass.connect(&target).await {
        Ok(Dialed { stream, address: _ }) => stream,
        Err(refusal) => return answer::refused(&refusal),
    };
    match exchange(stream, request, bounds).await {
        Ok(response) => response,
        Err(error) if is_timeout(&error) => {
            answer::text(StatusCode::GATEWAY_TIMEOUT, &format!("`{target}` does not answer"))
        }
        Err(_) => {
            let why = format!("`{target}` ended the connection, or does not speak HTTP/1.1");
            answer::text(StatusCode::BAD_GATEWAY, &why)
        }
    }
}

async fn exchange(
    stream: tokio::net::TcpStream,
    request: Request<Incoming>,
    bounds: Bounds,
) -> hyper::Result<Response<Body>> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD)
        .max_headers(MOST_HEADERS)
        .handshake(TokioIo::new(Line::new(stream, bounds.idle)))
        .await?;
    // What goes wrong on it shows where the answer is read.
    let carrier = Carrier(tokio::spawn(async move { drop(connection.await) }).abort_handle());
    let mut response = sender.send_request(request).await?;
    leave_connection(response.headers_mut());
    response.headers_mut().append(VIA, HeaderValue::from_static("1.1 hermes"));
    Ok(response.map(|body| Either::Right(Forwarded { body, _carrier: carrier })))
}

/// The request as its server is to see it. The host is that of the URL, whatever `Host` says: that is the one which is
/// judged.
fn rewrite(request: Request<Incoming>) -> Result<(Target, Request<Incoming>), String> {
    let (mut parts, body) = request.into_parts();
    let Some(authority) = parts.uri.authority().filter(|_| parts.uri.scheme().is_some()) else {
        return Err("this is a proxy: ask it for `http://HOST/…`, or say CONNECT".to_owned());
    };
    if parts.uri.scheme_str() != Some("http") {
        return Err("only `http:` can be forwarded; for `https:` a client says CONNECT".to_owned());
    }
    let port = match (authority.port(), authority.port_u16()) {
        (None, _) => 80,
        (Some(_), Some(port)) => port,
        (Some(_), None) => return Err("the address has no port that can be connected to".to_owned()),
    };
    // What stands before an `@` stays in, so that the target can refuse it.
    let host = match authority.port() {
        Some(port) => authority.as_str().strip_suffix(port.as_str()).and_then(|host| host.strip_suffix(':')),
        None => authority.as_str().strip_suffix(':').or(Some(authority.as_str())),
    };
    let target =
        Target::new(host.unwrap_or_default(), port).map_err(|wrong| format!("the address {}", wrong.0))?;
    let host = HeaderValue::from_str(authority.as_str()).map_err(|error| error.to_string())?;
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    parts.uri = Uri::from(path);
    leave_connection(&mut parts.headers);
    parts.headers.insert(HOST, host);
    parts.headers.append(VIA, HeaderValue::from_static("1.1 hermes"));
    parts.version = hyper::Version::HTTP_11;
    Ok((target, Request::from_parts(parts, body)))
}

fn leave_connection(headers: &mut HeaderMap) {
    let listed = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<HeaderName> =
        listed.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    for name in named.iter().chain(&OF_ONE_CONNECTION) {
        headers.remove(name);
    }
}

fn is_timeout(error: &hyper::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The task that carries a connection to a server. It ends with what it is for.
struct Carrier(AbortHandle);

impl Drop for Carrier {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The body of an answer, as it comes.
pub struct Forwarded {
    body: Incoming,
    _carrier: Carrier,
}

impl HttpBody for Forwarded {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
