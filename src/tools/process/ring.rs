//! The end of a long output, in bounded memory.

use crate::tools::terminal::Plain;
use std::collections::VecDeque;

/// What is kept of the output of one command.
const ROOM: usize = 200 << 10;

/// Keeps what came last, as plain text.
#[derive(Default)]
pub struct Ring {
    plain: Plain,
    text: VecDeque<u8>,
    /// Bytes that came before what is kept.
    dropped: u64,
}

impl Ring {
    pub fn push(&mut self, piece: &[u8]) {
        let mut clean = Vec::with_capacity(piece.len());
        self.plain.strip(piece, &mut clean);
        let (lost, kept) = clean.split_at(clean.len().saturating_sub(ROOM));
        let over = (self.text.len() + kept.len()).saturating_sub(ROOM);
        self.text.drain(..over);
        self.text.extend(kept);
        self.dropped += (lost.len() + over) as u64;
    }

    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What is kept, from the beginning of a line: a line that lost its beginning may have held a secret that nobody
    /// would recognise any more.
    pub fn text(&self) -> String {
        let start = match self.dropped {
            0 => 0,
            _ => self.text.iter().position(|byte| *byte == b'\n').map_or(self.text.len(), |at| at + 1),
        };
        let kept: Vec<u8> = self.text.iter().skip(start).copied().collect();
        // A terminal ends its lines with both.
        String::from_utf8_lossy(&kept).replace("\r\n", "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_last_stays_from_the_beginning_of_a_line() {
        let mut ring = Ring::default();
        ring.push(b"one\r\ntwo\n\x1b[31mthr");
        ring.push(b"ee");
        assert_eq!((ring.text().as_str(), ring.dropped()), ("one\ntwo\nthree", 0));
        let line = [b'x'; 1_023];
        for _ in 0..400 {
            ring.push(&line);
            ring.push(b"\n");
        }
        assert_eq!(ring.dropped(), 14 + 400 * 1_024 - ROOM as u64);
        let text = ring.text();
        assert!(text.lines().all(|line| line.len() == 1_023) && text.len() > ROOM - 1_025, "{}", text.len());
        assert!(ring.text.capacity() < 2 * ROOM);
        // One line that is longer than all the room has no beginning any more.
        ring.push(&vec![b'y'; ROOM * 2]);
        assert_eq!(ring.text(), "");
    }
}
