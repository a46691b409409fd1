//! A connection that ends when nothing moves on it, and that lets others have their turn.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// Bytes after which the thread is given away: it carries the streams of other profiles, too.
const TURN: usize = 64 << 10;

/// A stream with an idle limit that counts for both directions together: a long download sends nothing.
pub struct Line<S> {
    stream: S,
    limit: Duration,
    /// Looked at only where the stream itself has nothing to do.
    idle: Pin<Box<Sleep>>,
    moved_at: Instant,
    since_turn: usize,
}

impl<S> Line<S> {
    pub fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, idle: Box::pin(sleep(limit)), moved_at: Instant::now(), since_turn: 0 }
    }

    fn moved(&mut self, bytes: usize) {
        self.moved_at = Instant::now();
        self.since_turn += bytes;
    }

    /// To be asked where the stream is not ready: an error when it has not been for too long.
    fn waited(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.idle.as_mut().poll(context));
            let end = self.moved_at + self.limit;
            if end <= Instant::now() {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            // Something moved since the clock was set: it is set anew only now, not at each piece.
            self.idle.as_mut().reset(end);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        if line.since_turn >= TURN {
            line.since_turn = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        match Pin::new(&mut line.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                line.moved(buffer.filled().len() - before);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => line.waited(context).map(Err),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let line = self.get_mut();
        match Pin::new(&mut line.stream).poll_write(context, bytes) {
            Poll::Ready(Ok(written)) => {
                line.moved(written);
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => line.waited(context).map(Err),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
