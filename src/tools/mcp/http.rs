//! One message to a server, and its answer: JSON, or the first fitting event of a stream.

use super::super::{failure::Failure, web::choose_tls};
use awc::{
    Client, ClientResponse, Connector,
    http::{StatusCode, Version, header},
};
use futures_util::StreamExt as _;
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// Bytes of one answer.
const LARGEST: usize = 4 << 20;
/// Longer than the limit that each request has as a whole.
const NEVER: Duration = Duration::from_hours(1);

pub enum Answer {
    Result(Value),
    /// A notification was taken.
    Accepted,
    /// 404: the session is no more.
    NoSession,
}

/// Gives the answer to the request `id`, and the session that the server names.
pub async fn post<'a>(
    url: &Url,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    message: &Value,
    id: Option<u64>,
) -> Result<(Answer, Option<String>), Failure> {
    choose_tls();
    let connector =
        Connector::new().max_http_version(Version::HTTP_11).timeout(NEVER).handshake_timeout(NEVER);
    // A redirect would carry the headers to another host.
    let client = Client::builder().disable_redirects().disable_timeout().connector(connector).finish();
    let mut request =
        client.post(url.as_str()).insert_header((header::ACCEPT, "application/json, text/event-stream"));
    for (name, value) in headers {
        request = request.insert_header((name, value));
    }
    let broken = |error: &dyn std::fmt::Display| Failure::new("mcp_failed", format!("the server: {error}"));
    let mut response = request.send_json(message).await.map_err(|error| broken(&error))?;
    let text =
        |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let session = text("Mcp-Session-Id");
    let streamed = text("content-type").is_some_and(|media| media.starts_with("text/event-stream"));
    let status = response.status();
    if status == StatusCode::NOT_FOUND {
        return Ok((Answer::NoSession, None));
    }
    if !status.is_success() {
        return Err(broken(&format!("it answered {status}")));
    }
    let Some(id) = id else { return Ok((Answer::Accepted, session)) };
    let answer = if streamed { of_stream(&mut response, id).await? } else { of_body(&mut response).await? };
    if let Some(error) = answer.get("error") {
        let said = error.get("message").and_then(Value::as_str).unwrap_or("an error without a message");
        return Err(broken(&said.chars().take(500).collect::<String>()));
    }
    let result = answer.get("result").cloned().ok_or_else(|| broken(&"its answer has no result"))?;
    Ok((Answer::Result(result), session))
}

async fn of_body(response: &mut ClientResponse) -> Result<Value, Failure> {
    let mut body = Vec::new();
    while let Some(piece) = response.next().await {
        take(&mut body, piece)?;
    }
    serde_json::from_slice(&body)
        .map_err(|error| Failure::new("mcp_failed", format!("the server's answer is no JSON: {error}")))
}

/// Other messages on the stream are for nobody here.
async fn of_stream(response: &mut ClientResponse, id: u64) -> Result<Value, Failure> {
    let (mut body, mut read) = (Vec::new(), 0);
    while let Some(piece) = response.next().await {
        take(&mut body, piece)?;
        while let Some(end) = body[read..].iter().position(|byte| *byte == b'\n') {
            let line = body.get(read..read + end).unwrap_or_default();
            read += end + 1;
            let data =
                line.strip_prefix(b"data:").and_then(|data| serde_json::from_slice::<Value>(data).ok());
            if let Some(answer) = data.filter(|data| data.get("id").and_then(Value::as_u64) == Some(id)) {
                return Ok(answer);
            }
        }
    }
    Err(Failure::new("mcp_failed", "the server's stream ended without an answer"))
}

fn take(
    body: &mut Vec<u8>,
    piece: Result<impl AsRef<[u8]>, awc::error::PayloadError>,
) -> Result<(), Failure> {
    let piece = piece
        .map_err(|error| Failure::new("mcp_failed", format!("the server's answer broke off: {error}")))?;
    let piece = piece.as_ref();
    if body.len() + piece.len() > LARGEST {
        return Err(Failure::new(
            "mcp_failed",
            format!("the server's answer has more than {} MiB", LARGEST >> 20),
        ));
    }
    body.extend_from_slice(piece);
    Ok(())
}
