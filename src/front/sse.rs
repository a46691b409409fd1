//! Server-sent events: one loop over a run's log for every stream of every surface.

use super::{
    error::ApiError,
    reader::{self, Source},
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

struct Feed<S, P> {
    source: S,
    presenter: P,
    revoked: CancellationToken,
    out: BytesMut,
    ping: Duration,
    opened: bool,
    over: bool,
}

/// The answer that shows a run as it goes on. `revoked` ends it.
pub fn response<S: Source + 'static, P: Presenter + 'static>(
    mut head: HttpResponseBuilder,
    source: S,
    presenter: P,
    revoked: CancellationToken,
) -> HttpResponse {
    let feed =
        Feed { source, presenter, revoked, out: BytesMut::new(), ping: PING, opened: false, over: false };
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
async fn pull<S: Source, P: Presenter>(
    mut feed: Feed<S, P>,
) -> Option<(Result<Bytes, Infallible>, Feed<S, P>)> {
    if !feed.opened {
        feed.opened = true;
        feed.presenter.open(&mut feed.out);
    }
    while feed.out.is_empty() && !feed.over {
        match wake(&mut feed.source, &feed.revoked, feed.ping).await {
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
            // A comment is a line of its own, without a blank one behind it: some readers, httpx-sse among them, take
            // that blank line for an empty event once they have seen an id.
            Wake::Quiet => feed.out.put_slice(b": ping\n"),
        }
    }
    if feed.out.is_empty() {
        return None;
    }
    let bytes = feed.out.split().freeze();
    Some((Ok(bytes), feed))
}

async fn wake(source: &mut impl Source, revoked: &CancellationToken, ping: Duration) -> Wake {
    tokio::select! {
        biased;
        () = revoked.cancelled() => Wake::Broken(Code::KeyRevoked, reader::KEY_REVOKED),
        batch = source.next() => match batch {
            Some(Ok(events)) => Wake::Events(events),
            Some(Err(error)) => {
                let (code, message) = reader::broken(&error);
                Wake::Broken(code, message)
            }
            None => Wake::Ended,
        },
        () = tokio::time::sleep(ping) => Wake::Quiet,
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
    text.map(|text| text.parse().map(Seq).map_err(|_| refuse())).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Event, RunId, Usage},
        front::runs_stream::RunStream,
        store::StoreError,
    };
    use actix_web::test::TestRequest;
    use std::{collections::VecDeque, sync::Arc};

    /// Gives its batches one by one; then waits for ever, or ends.
    struct Script {
        batches: VecDeque<Result<Vec<Arc<Logged>>, StoreError>>,
        ends: bool,
    }

    impl Source for Script {
        async fn next(&mut self) -> Option<Result<Vec<Arc<Logged>>, StoreError>> {
            match self.batches.pop_front() {
                Some(batch) => Some(batch),
                None if self.ends => None,
                None => std::future::pending().await,
            }
        }
    }

    fn delta(seq: u64) -> Arc<Logged> {
        let delta = seq.to_string();
        logged(seq, Event::MessageDelta { delta })
    }

    fn cancelled(seq: u64) -> Arc<Logged> {
        let event = Event::RunCancelled {
            partial_output: String::new(),
            usage: Usage::default(),
            pending_steer: None,
        };
        logged(seq, event)
    }

    fn logged(seq: u64, event: Event) -> Arc<Logged> {
        Arc::new(Logged { seq: Seq(seq), at: 0, lost_after: None, event })
    }

    fn feed(batches: Vec<Result<Vec<Arc<Logged>>, StoreError>>, ends: bool) -> Feed<Script, RunStream> {
        Feed {
            source: Script { batches: batches.into(), ends },
            presenter: RunStream(RunId::from_bytes([7; 16])),
            revoked: CancellationToken::new(),
            out: BytesMut::new(),
            ping: Duration::from_secs(3600),
            opened: false,
            over: false,
        }
    }

    /// Each piece as the ids of its frames and its last comment.
    async fn pieces(mut feed: Feed<Script, RunStream>, most: usize) -> Vec<String> {
        let mut pieces = Vec::new();
        while pieces.len() < most {
            let Some((Ok(bytes), rest)) = pull(feed).await else {
                break;
            };
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let kept = text.lines().filter(|line| line.starts_with("id:") || line.starts_with(':'));
            pieces.push(kept.collect::<Vec<_>>().join("|"));
            feed = rest;
        }
        pieces
    }

    #[actix_web::test]
    async fn a_stream_is_open_events_by_wake_up_and_a_close() {
        let batches = vec![Ok(vec![delta(1), delta(2)]), Ok(vec![delta(3), cancelled(4)])];
        let expected = [": stream opened", "id: 1|id: 2", "id: 3|id: 4|: stream closed"];
        assert_eq!(pieces(feed(batches, false), 9).await, expected);
        // After the end there is only the end.
        assert_eq!(pieces(feed(vec![], true), 9).await, [": stream opened", ": stream closed"]);
    }

    #[actix_web::test]
    async fn silence_is_filled_with_pings() {
        let mut feed = feed(vec![Ok(vec![delta(1)])], false);
        feed.ping = Duration::from_millis(1);
        assert_eq!(pieces(feed, 4).await, [": stream opened", "id: 1", ": ping", ": ping"]);
    }

    #[actix_web::test]
    async fn a_revoked_key_and_a_broken_store_end_the_stream() {
        let revoked = feed(vec![Ok(vec![delta(1)])], false);
        revoked.revoked.cancel();
        let got = pieces(revoked, 9).await;
        assert_eq!(got.len(), 2, "{got:?}");
        assert!(got[1].starts_with(": stream broken: key_revoked"), "{got:?}");

        let broken = feed(vec![Err(StoreError::Io("secret path".to_owned()))], false);
        let got = pieces(broken, 9).await;
        assert!(got[1].starts_with(": stream broken: storage_failed"), "{got:?}");
        assert!(!got[1].contains("secret"), "{got:?}");
    }

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
            let request = TestRequest::get().insert_header(("last-event-id", value)).to_http_request();
            assert_eq!(last_event_id(&request).map_err(|_| ()), expected, "{value}");
        }
    }
}
