//! Text that comes in pieces, a secret perhaps in many of them.

use super::scan;
use super::table::{Hit, Reader, Table, marker};
use std::{mem, sync::Arc};

/// Gives the text back without secrets. Holds back a tail for as long as it may be the beginning of one.
pub struct Stream {
    table: Arc<Table>,
    reader: Reader,
    /// What was taken and not given yet.
    held: String,
    /// The byte before that is a backslash.
    before: bool,
    /// So much of what is held belongs to a secret whose marker was given already.
    masked: usize,
    hits: Vec<Hit>,
}

impl Stream {
    pub(super) fn new(table: Arc<Table>) -> Self {
        let reader = table.reader();
        Self { table, reader, held: String::new(), before: false, masked: 0, hits: Vec::new() }
    }

    /// Takes a piece and gives what may be shown: often the piece itself, sometimes nothing yet.
    pub fn push(&mut self, piece: String) -> String {
        let from = self.held.len();
        if from == 0 {
            self.held = piece;
        } else {
            self.held.push_str(&piece);
        }
        self.table.read(&mut self.reader, self.held.as_bytes(), from, self.before, &mut self.hits);
        let depth = self.table.depth(&self.reader);
        let keep = scan::back(self.held.as_bytes(), self.held.len(), depth, self.before);
        self.give(keep)
    }

    /// The end of the text: gives what was held back. What comes next is another text.
    pub fn finish(&mut self) -> String {
        self.reader = self.table.reader();
        let rest = self.give(self.held.len());
        (self.before, self.masked) = (false, 0);
        rest
    }

    /// Gives all before `keep`.
    fn give(&mut self, keep: usize) -> String {
        if self.hits.is_empty() && self.masked == 0 {
            let tail = self.held.split_off(keep);
            let given = mem::replace(&mut self.held, tail);
            self.before = given.bytes().next_back().map_or(self.before, |last| last == b'\\');
            return given;
        }
        let mut given = String::new();
        let mut at = self.masked;
        let settled = self.hits.partition_point(|hit| hit.start < keep);
        for Hit { start, end, name } in self.hits.drain(..settled) {
            // One that reaches back into a secret that has its marker is a part of it.
            if start >= at {
                given.push_str(self.held.get(at..start).unwrap_or_default());
                given.push_str(&marker(&name));
            }
            at = at.max(end);
        }
        given.push_str(self.held.get(at..keep.max(at)).unwrap_or_default());
        for hit in &mut self.hits {
            hit.start -= keep;
            hit.end -= keep;
        }
        self.masked = at.saturating_sub(keep);
        self.before = keep.checked_sub(1).map_or(self.before, |last| self.held.as_bytes()[last] == b'\\');
        self.held.drain(..keep);
        given
    }
}
