//! Server-sent events: one loop over a run's log for every stream of every surface.

use super::{
    error::ApiError,
    reader::{self, Reader},
};
use crate::domain::{Code, Logged, Seq};
use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header,
    web::{BufMut, Bytes, BytesMut},
};
use futures_util::stream;
use serde::Serialize;
use std::{convert::Infallible, fmt::Write, ops::ControlFlow, time::Duration};
use tokio_util::sync::CancellationToken;

/// Silence after which a comment is sent, so that proxies and clients know that the stream lives.
const PING: Duration = Duration::from_secs(10);

/// How a surface shows a run's events: a pure function of the log, so that two readers and a replay get the same
/// bytes. One event becomes any number of frames, of which only the last carries its number as `id:`.
pub trait Presenter {
    /// What comes before the first event, at once.
    fn open(&mut self, out: &mut BytesMut);
    /// One event. `Break`: nothing more can be shown.
    fn event(&mut self, logged: &Logged, out: &mut BytesMut) -> ControlFlow<()>;
    /// What comes after the last event.
    fn close(&mut self, out: &mut BytesMut);
    /// The stream ends for a reason outside the log.
    fn broken(&mut self, code: Code, message: &str, out: &mut BytesMut);
}

struct Feed<P> {
    reader: Reader,
    presenter: P,
    revoked: CancellationToken,
    out: BytesMut,
    opened: bool,
    over: bool,
}

/// The answer that shows a run as it goes on. `revoked` ends it.
pub fn response<P: Presenter + 'static>(
    mut head: HttpResponseBuilder,
    reader: Reader,
    presenter: P,
    revoked: CancellationToken,
) -> HttpResponse {
    let feed = Feed {
        reader,
        presenter,
        revoked,
        out: BytesMut::new(),
        opened: false,
        over: false,
    };
    headers(&mut head).streaming(stream::unfold(feed, pull))
}

/// The headers of every stream.
pub fn headers(head: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    head.insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(("X-Accel-Buffering", "no"))
}

enum Wake {
    Events(Vec<std::sync::Arc<Logged>>),
    Broken(Code, &'static str),
    Ended,
    Quiet,
}

/// The next piece of the body: all events that are there, rendered into one buffer.
async fn pull<P: Presenter>(mut feed: Feed<P>) -> Option<(Result<Bytes, Infallible>, Feed<P>)> {
    if !feed.opened {
        feed.opened = true;
        feed.presenter.open(&mut feed.out);
    }
    while feed.out.is_empty() && !feed.over {
        match wake(&mut feed.reader, &feed.revoked).await {
            Wake::Events(events) => {
                for logged in &events {
                    if feed.presenter.event(logged, &mut feed.out).is_break() {
                        feed.over = true;
                        break;
                    }
                }
                if events.last().is_some_and(|last| last.event.is_terminal()) && !feed.over {
                    feed.presenter.close(&mut feed.out);
                    feed.over = true;
                }
            }
            Wake::Broken(code, message) => {
                feed.presenter.broken(code, message, &mut feed.out);
                feed.over = true;
            }
            Wake::Ended => {
                feed.presenter.close(&mut feed.out);
                feed.over = true;
            }
            Wake::Quiet => feed.out.put_slice(b": ping\n\n"),
        }
    }
    if feed.out.is_empty() {
        return None;
    }
    let bytes = feed.out.split().freeze();
    Some((Ok(bytes), feed))
}

async fn wake(reader: &mut Reader, revoked: &CancellationToken) -> Wake {
    tokio::select! {
        biased;
        () = revoked.cancelled() => Wake::Broken(Code::KeyRevoked, reader::KEY_REVOKED),
        batch = reader.next() => match batch {
            Some(Ok(events)) => Wake::Events(events),
            Some(Err(error)) => {
                let (code, message) = reader::broken(&error);
                Wake::Broken(code, message)
            }
            None => Wake::Ended,
        },
        () = tokio::time::sleep(PING) => Wake::Quiet,
    }
}

/// Appends a value as JSON. Ours are plain structs; one that cannot be written would be a bug, and is logged.
pub fn json(out: &mut BytesMut, value: &impl Serialize) {
    if let Err(error) = serde_json::to_writer(out.writer(), value) {
        tracing::error!(%error, "a frame could not be written");
    }
}

/// Appends the line that names the event a reader has seen with this frame.
pub fn id(out: &mut BytesMut, seq: Seq) {
    // Writing to a buffer in memory cannot fail.
    let _ = writeln!(out, "id: {seq}");
}

/// `Last-Event-ID`; `None` when not sent or blank.
///
/// # Errors
///
/// It is no event number.
pub fn last_event_id(request: &HttpRequest) -> Result<Option<Seq>, ApiError> {
    let name = header::HeaderName::from_static("last-event-id");
    let refuse = || ApiError::invalid("Last-Event-ID", "Last-Event-ID must be the number of an event");
    let text = super::options::text(request.headers(), &name).map_err(|()| refuse())?;
    text.map(|text| text.parse().map(Seq).map_err(|_| refuse()))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_last_event_id_is_a_number() {
        let cases = [
            ("7", Ok(Some(Seq(7)))),
            (" 0 ", Ok(Some(Seq(0)))),
            ("", Ok(None)),
            ("-1", Err(())),
            ("x", Err(())),
        ];
        for (value, expected) in cases {
            let request = TestRequest::get()
                .insert_header(("last-event-id", value))
                .to_http_request();
            assert_eq!(last_event_id(&request).map_err(|_| ()), expected, "{value}");
        }
    }
}
