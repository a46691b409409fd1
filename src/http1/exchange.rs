//! A request goes out, and the head of its answer comes in.

use super::{Body, Error, Stream, client::Home};
use http::{HeaderMap, Method, Request, StatusCode, header};
use std::{
    future::poll_fn,
    io::IoSlice,
    task::{Context, Poll, ready},
};
use ureq_proto::client::{Call, RecvResponseResult, SendRequestResult, state::RecvResponse};

/// Most bytes of an answer's head; of headers there may be 128.
const HEAD: usize = 32 * 1024;

/// An answer whose head is read.
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Body,
}

/// What a request sends behind its head, one piece after the other.
#[derive(Default)]
pub struct Content<'a> {
    /// Let go of once it is sent.
    pub own: Vec<u8>,
    /// What many requests send: it goes to the socket from where it lies.
    pub shared: &'a [u8],
    pub end: &'static [u8],
}

impl From<Vec<u8>> for Content<'_> {
    fn from(own: Vec<u8>) -> Self {
        Self { own, ..Self::default() }
    }
}

impl Content<'_> {
    /// Bytes of all pieces.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.own.len() + self.shared.len() + self.end.len()
    }
}

/// Sends a request over a connection that is used for it alone. Nothing is followed, and nothing is tried again.
///
/// # Errors
/// [`Error`]. There is no limit on the time.
pub async fn exchange<'a>(
    stream: Stream,
    request: Request<impl Into<Content<'a>>>,
) -> Result<Response, Error> {
    converse(stream, request.map(Into::into), None, false).await
}

/// As [`exchange`]. `home`: where the connection goes when the answer was read to its end; `is_kept`: it comes from there.
pub(super) async fn converse(
    mut stream: Stream,
    request: Request<Content<'_>>,
    home: Option<Home>,
    is_kept: bool,
) -> Result<Response, Error> {
    let (mut call, mut outgoing) = outgoing(request)?;
    let (mut come, mut heard) = (Vec::new(), false);
    let head = loop {
        match poll_fn(|context| outgoing.poll(context, &mut stream, &mut come)).await {
            Ok(true) => heard = true,
            Ok(false) | Err(_) => return Err(if is_kept && !heard { Error::Stale } else { Error::Cut }),
        }
        if let Some(head) = head(&mut call, &mut come)? {
            break head;
        }
    };
    let (head, ()) = head.into_parts();
    // A request that is answered before it was sent leaves its rest on the connection.
    let home = home.filter(|_| outgoing.is_sent() && !is_ambiguous(&head.headers));
    let body = match call.proceed() {
        Some(RecvResponseResult::RecvBody(call)) => Body::new(stream, call, come, home),
        Some(RecvResponseResult::Cleanup(call)) => {
            if let Some(home) = home.filter(|_| !call.must_close_connection() && come.is_empty()) {
                home.keep(stream);
            }
            Body::empty()
        }
        Some(RecvResponseResult::Redirect(_)) | None => Body::empty(),
    };
    Ok(Response { status: head.status, headers: head.headers, body })
}

/// It says twice where its body ends: what comes behind it is not believed to be another answer.
fn is_ambiguous(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH)
}

/// The head of the answer, when `come` has all of it; what tells only that one will come is passed over.
fn head(call: &mut Call<RecvResponse>, come: &mut Vec<u8>) -> Result<Option<http::Response<()>>, Error> {
    while !come.is_empty() {
        let (used, head) =
            call.try_response(come, false).map_err(|wrong| Error::Garbage(wrong.to_string()))?;
        come.drain(..used);
        match head {
            Some(head) => return Ok(Some(head)),
            None if used == 0 && come.len() > HEAD => {
                return Err(Error::Garbage("an endless head".to_owned()));
            }
            None if used == 0 => return Ok(None),
            None => {}
        }
    }
    Ok(None)
}

fn outgoing(request: Request<Content<'_>>) -> Result<(Call<RecvResponse>, Outgoing<'_>), Error> {
    let (mut head, content) = request.into_parts();
    if head.method != Method::GET {
        head.headers.insert(header::CONTENT_LENGTH, content.length().into());
    }
    let headers = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let host = head.uri.authority().map_or(0, |authority| authority.as_str().len());
    let path = head.uri.path_and_query().map_or(0, |path| path.as_str().len());
    // What is added is the name of the host, or what of it is a user's (twice as long, encoded).
    let most = headers.sum::<usize>() + path + 3 * host + 128;
    let mut written = vec![0; most];
    let unsendable = |wrong: ureq_proto::Error| Error::Unsendable(wrong.to_string());
    let mut call = Call::new(Request::from_parts(head, ())).map_err(unsendable)?.proceed();
    let length = call.write(&mut written).map_err(unsendable)?;
    written.truncate(length);
    let receiving = match call.proceed().map_err(unsendable)? {
        Some(SendRequestResult::RecvResponse(call)) => Some(call),
        Some(SendRequestResult::SendBody(mut call)) => {
            call.consume_direct_write(content.length()).map_err(unsendable)?;
            call.proceed()
        }
        Some(SendRequestResult::Await100(_)) | None => None,
    };
    let call = receiving.ok_or_else(|| Error::Unsendable("it is no plain request".to_owned()))?;
    Ok((call, Outgoing { head: written, content, sent: 0, broken: false }))
}

/// What is still to be sent.
struct Outgoing<'a> {
    head: Vec<u8>,
    content: Content<'a>,
    sent: usize,
    /// Nobody takes more; what has been said about it may be there to be read.
    broken: bool,
}

impl Outgoing<'_> {
    /// Sends what can be sent, and waits for bytes: a server may answer before it has read everything. Whether some came.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut Stream,
        come: &mut Vec<u8>,
    ) -> Poll<std::io::Result<bool>> {
        while !self.is_sent() && !self.broken {
            let Poll::Ready(sent) = stream.poll_write(context, &self.unsent()) else { break };
            match sent {
                Ok(0) | Err(_) => self.broken = true,
                Ok(sent) => self.sent += sent,
            }
        }
        if self.is_sent() && self.sent > 0 {
            (self.head, self.content, self.sent) = (Vec::new(), Content::default(), 0);
        }
        if let Poll::Ready(Err(_)) = stream.poll_flush(context) {
            self.broken = true;
        }
        let some = ready!(stream.poll_bytes(context, |bytes| {
            come.extend_from_slice(bytes);
            !bytes.is_empty()
        }));
        Poll::Ready(some)
    }

    fn unsent(&self) -> [IoSlice<'_>; 4] {
        let Content { own, shared, end } = &self.content;
        let mut sent = self.sent;
        [&self.head[..], own, shared, end].map(|piece| {
            let (gone, left) = piece.split_at(sent.min(piece.len()));
            sent -= gone.len();
            IoSlice::new(left)
        })
    }

    fn is_sent(&self) -> bool {
        self.sent >= self.head.len() + self.content.length()
    }
}
