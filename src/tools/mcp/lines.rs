//! Lines of a server's standard output: bounded, and not faster than others can live with.

use std::{io, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    time::sleep,
};

/// Room of one read.
const PIECE: usize = 16 << 10;
/// Who floods its output is slowed to this much per pause: it shares the thread with streams of others.
const BURST: usize = 64 << 10;
const PAUSE: Duration = Duration::from_millis(2);

#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    Whole(Vec<u8>),
    /// It has more than the most bytes; the rest of it is passed over.
    TooLong,
}

pub struct Lines<R> {
    input: BufReader<R>,
    most: usize,
    /// Inside a line that is too long.
    skipping: bool,
    burst: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub fn new(input: R, most: usize) -> Self {
        Self { input: BufReader::with_capacity(PIECE, input), most, skipping: false, burst: 0 }
    }

    /// `None` at the end. What stands behind the last line's end is no line.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        if self.skipping && !self.skip().await? {
            return Ok(None);
        }
        let mut line = Vec::new();
        let most = u64::try_from(self.most).unwrap_or(u64::MAX).saturating_add(1);
        let got = (&mut self.input).take(most).read_until(b'\n', &mut line).await?;
        self.pace(got).await;
        if line.last() == Some(&b'\n') {
            line.pop();
            return Ok(Some(Line::Whole(line)));
        }
        self.skipping = line.len() > self.most;
        Ok(self.skipping.then_some(Line::TooLong))
    }

    /// False: there was no end of the line.
    async fn skip(&mut self) -> io::Result<bool> {
        loop {
            let piece = self.input.fill_buf().await?;
            let (length, end) = (piece.len(), piece.iter().position(|byte| *byte == b'\n'));
            if length == 0 {
                return Ok(false);
            }
            self.input.consume(end.map_or(length, |at| at + 1));
            if end.is_some() {
                self.skipping = false;
                return Ok(true);
            }
            self.pace(length).await;
        }
    }

    async fn pace(&mut self, got: usize) {
        self.burst += got;
        if self.burst >= BURST {
            self.burst = 0;
            sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &[u8]) -> Vec<Line> {
        let mut lines = Lines::new(text, 5);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(line);
        }
        all
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_told_once_and_the_next_one_is_whole() {
        let whole = |text: &str| Line::Whole(text.as_bytes().to_vec());
        assert_eq!(lines(b"one\n\n12345\n").await, [whole("one"), whole(""), whole("12345")]);
        assert_eq!(lines(b"123456\ntwo\n").await, [Line::TooLong, whole("two")]);
        let mut long = vec![b'x'; 100_000];
        long.extend(b"\ntwo\ncut");
        assert_eq!(lines(&long).await, [Line::TooLong, whole("two")]);
        assert_eq!(lines(&[b'x'; 100_000]).await, [Line::TooLong]);
        assert_eq!(lines(b"").await, []);
    }
}
