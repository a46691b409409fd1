//! The records of an import: they follow its request on the same connection, one line each.

use crate::domain::ImportRecord;
use std::{
    convert::Infallible,
    io::{self, BufRead, BufReader, Read, Write},
    time::Duration,
};
use tokio::{io::AsyncBufReadExt as _, sync::mpsc, time::timeout};

/// Longest record, in bytes: a message with its texts at their longest, however they are escaped.
const LONGEST: u64 = 128 << 20;
/// Pieces of the stream that wait for the store.
const AHEAD: usize = 4;
/// A client that sends nothing for so long has gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// The end of a stream, for a thread that may wait.
pub(super) struct Pieces {
    from: mpsc::Receiver<Vec<u8>>,
    piece: io::Cursor<Vec<u8>>,
}

/// What passes a stream on to a thread that may wait.
pub(super) fn pipe() -> (mpsc::Sender<Vec<u8>>, Pieces) {
    let (to, from) = mpsc::channel(AHEAD);
    (to, Pieces { from, piece: io::Cursor::default() })
}

/// Passes on what comes, for as long as it is taken.
pub(super) async fn pump(
    stream: &mut (impl tokio::io::AsyncBufRead + Unpin),
    to: mpsc::Sender<Vec<u8>>,
) -> Infallible {
    while let Ok(Ok(piece)) = timeout(PATIENCE, stream.fill_buf()).await {
        let piece = piece.to_vec();
        let length = piece.len();
        if length == 0 || to.send(piece).await.is_err() {
            break;
        }
        stream.consume(length);
    }
    drop(to);
    std::future::pending().await
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.piece.read(buffer)? {
                0 => match self.from.blocking_recv() {
                    Some(piece) => self.piece = io::Cursor::new(piece),
                    None => return Ok(0),
                },
                some => return Ok(some),
            }
        }
    }
}

/// The records of a stream of lines.
pub(super) struct Records<R>(BufReader<R>);

impl<R: Read> Records<R> {
    pub(super) fn of(stream: R) -> Self {
        Self(BufReader::new(stream))
    }
}

impl<R: Read> Iterator for Records<R> {
    type Item = Result<ImportRecord, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        match self.0.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => {
                Some(serde_json::from_slice(&line).map_err(|error| format!("a record is no record: {error}")))
            }
            Err(error) => Some(Err(error.to_string())),
        }
    }
}

/// Writes a record as it is read here.
pub(in crate::gateway) fn write(to: &mut impl Write, record: &ImportRecord) -> io::Result<()> {
    serde_json::to_writer(&mut *to, record)?;
    to.write_all(b"\n")
}
