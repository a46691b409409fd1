//! The body of an answer, as it comes.

use super::{Error, Stream, client::Home};
use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};
use ureq_proto::{
    BodyMode,
    client::{Call, RecvBodyResult, state::RecvBody},
};

/// Most bytes between two pieces of a body: the size of a chunk, or what follows the last one.
const BETWEEN: usize = 8 * 1024;

/// The body of an answer. Dropping it before its end closes the connection.
pub struct Body(Option<Box<Open>>);

struct Open {
    stream: Stream,
    call: Call<RecvBody>,
    /// Came, and is no whole piece yet.
    left: Vec<u8>,
    home: Option<Home>,
}

impl Body {
    pub(super) fn new(stream: Stream, call: Call<RecvBody>, left: Vec<u8>, home: Option<Home>) -> Self {
        Self(Some(Box::new(Open { stream, call, left, home })))
    }

    pub(super) const fn empty() -> Self {
        Self(None)
    }

    /// The next piece, never empty; `None` at the end, however often it is asked. The future may be dropped: nothing is
    /// lost.
    ///
    /// # Errors
    /// [`Error::Cut`], [`Error::Garbage`]; nothing more comes then.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, Error>> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Error>>> {
        let Some(open) = &mut self.0 else { return Poll::Ready(None) };
        let piece = match ready!(open.poll_piece(context)) {
            Ok(piece) => piece,
            Err(error) => {
                self.0 = None;
                return Poll::Ready(Some(Err(error)));
            }
        };
        if piece.is_empty() || open.is_whole() {
            self.0.take().into_iter().for_each(|open| open.close());
        }
        Poll::Ready((!piece.is_empty()).then_some(Ok(piece)))
    }
}

impl Open {
    /// Nothing is the end.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Vec<u8>, Error>> {
        let mut piece =
            if self.left.is_empty() { Vec::new() } else { decode(&mut self.call, &mut self.left, &[])? };
        while piece.is_empty() && !self.is_whole() {
            let Self { stream, call, left, home: _ } = self;
            let decoded =
                stream.poll_bytes(context, |come| (!come.is_empty()).then(|| decode(call, left, come)));
            piece = match ready!(decoded) {
                Ok(Some(decoded)) => decoded?,
                Ok(None) if self.call.body_mode() == BodyMode::CloseDelimited => break,
                Ok(None) | Err(_) => return Poll::Ready(Err(Error::Cut)),
            };
        }
        Poll::Ready(Ok(piece))
    }

    fn is_whole(&self) -> bool {
        self.call.can_proceed() && self.call.body_mode() != BodyMode::CloseDelimited
    }

    /// The answer was read to its end.
    fn close(self) {
        let Self { stream, call, left, home } = self;
        if let (Some(RecvBodyResult::Cleanup(call)), Some(home)) = (call.proceed(), home)
            && left.is_empty()
            && !call.must_close_connection()
        {
            home.keep(stream);
        }
    }
}

/// What `come` adds to the body. What it does not yet make whole stays in `left`.
fn decode(call: &mut Call<RecvBody>, left: &mut Vec<u8>, come: &[u8]) -> Result<Vec<u8>, Error> {
    let mut joined = std::mem::take(left);
    let bytes = if joined.is_empty() {
        come
    } else {
        joined.extend_from_slice(come);
        &joined
    };
    let mut piece = vec![0; bytes.len()];
    let decoded = call.read(bytes, &mut piece);
    let (used, made) = decoded.map_err(|wrong| Error::Garbage(wrong.to_string()))?;
    piece.truncate(made);
    let rest = bytes.get(used..).unwrap_or_default();
    if rest.len() > BETWEEN && !call.can_proceed() {
        return Err(Error::Garbage("nothing that a body is made of".to_owned()));
    }
    left.extend_from_slice(rest);
    Ok(piece)
}
