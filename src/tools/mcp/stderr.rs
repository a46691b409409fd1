//! What a server writes to its standard error: some of it for the log, the last line for whoever asks why it ended.

use super::super::terminal::Plain;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Characters of one line.
const LONGEST: usize = 400;
/// Lines in a period; of the rest only the number.
const MOST_LINES: u32 = 60;
const PERIOD: Duration = Duration::from_secs(60);

/// A reader of lines.
pub struct Stderr {
    server: String,
    plain: Plain,
    line: Vec<u8>,
    allowance: Allowance,
    last: Last,
}

/// The last line that was seen. All clones are one.
#[derive(Default, Clone)]
pub struct Last(Arc<Mutex<String>>);

impl Last {
    pub fn text(&self) -> String {
        self.held().clone()
    }

    fn held(&self) -> MutexGuard<'_, String> {
        // Replaced whole, so a panic leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stderr {
    /// `server`: `PROFILE/NAME`, as the log calls it.
    pub fn new(server: String, last: Last) -> Self {
        Self { server, plain: Plain::default(), line: Vec::new(), allowance: Allowance::default(), last }
    }

    pub fn push(&mut self, piece: &[u8]) {
        let mut clean = Vec::with_capacity(piece.len());
        self.plain.strip(piece, &mut clean);
        for byte in clean {
            if byte == b'\n' || byte == b'\r' {
                self.end_of_line();
            } else if self.line.len() < 4 * LONGEST {
                self.line.push(byte);
            }
        }
    }

    fn end_of_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line: String = String::from_utf8_lossy(&line).trim().chars().take(LONGEST).collect();
        if line.is_empty() {
            return;
        }
        let server = &self.server;
        let left_out = self.allowance.next_period(Instant::now());
        if left_out > 0 {
            tracing::info!(server, left_out, "an MCP server wrote more to its standard error");
        }
        if self.allowance.takes_one() {
            tracing::info!(server, line, "an MCP server writes to its standard error");
        }
        *self.last.held() = line;
    }
}

impl Drop for Stderr {
    fn drop(&mut self) {
        self.end_of_line();
    }
}

/// How much a server may still say.
#[derive(Default)]
struct Allowance {
    since: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Allowance {
    /// Begins another period when one is over; gives what was left out in it.
    fn next_period(&mut self, now: Instant) -> u64 {
        if self.since.is_some_and(|since| now.duration_since(since) < PERIOD) {
            return 0;
        }
        let left_out = self.left_out;
        *self = Self { since: Some(now), ..Self::default() };
        left_out
    }

    const fn takes_one(&mut self) -> bool {
        if self.lines < MOST_LINES {
            self.lines += 1;
            return true;
        }
        self.left_out += 1;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_plain_and_short() {
        let last = Last::default();
        let mut stderr = Stderr::new("alice/notes".to_owned(), last.clone());
        for piece in ["starting\n\x1b[31mit is br", "oken\x1b[0m\n\n", "\r"] {
            stderr.push(piece.as_bytes());
        }
        assert_eq!(last.text(), "it is broken");
        stderr.push(&[b'x'; 100_000]);
        drop(stderr);
        assert_eq!(last.text(), "x".repeat(LONGEST), "the end of the text ends a line");
    }

    #[test]
    fn a_flood_is_a_number() {
        let (mut allowance, begin) = (Allowance::default(), Instant::now());
        assert_eq!(allowance.next_period(begin), 0);
        let told = (0..1_000).filter(|_| allowance.takes_one()).count();
        assert_eq!(told, MOST_LINES as usize);
        assert_eq!(allowance.next_period(begin + PERIOD / 2), 0);
        assert_eq!(allowance.next_period(begin + PERIOD), 1_000 - u64::from(MOST_LINES));
        assert!(allowance.takes_one());
    }
}
