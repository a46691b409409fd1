//! The frames of an event stream: bytes in, the `data` of whole events out. Knows nothing of models.

use std::fmt;

/// Longest line, and most data of one event, that is kept. A line without end must not fill the memory.
pub(super) const MAX_EVENT: usize = 1024 * 1024;

/// A line, or the data of one event, is longer than this many bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong(usize);

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event of more than {} bytes", self.0)
    }
}

/// An incremental parser. Reads may end anywhere: within a line, a CRLF or a character.
pub(super) struct EventParser {
    /// Longest line, and most data of one event.
    limit: usize,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// Data lines of the current event, joined by line feeds.
    data: Vec<u8>,
    /// The current event has a data line; it may be an empty one.
    has_data: bool,
    /// `data` was handed out and is to be cleared before the next line.
    taken: bool,
    /// The last byte was CR: a LF right after it belongs to the same line end.
    after_cr: bool,
    /// A line came that no event stream has.
    strange: bool,
}

impl Default for EventParser {
    fn default() -> Self {
        Self::with_limit(MAX_EVENT)
    }
}

impl EventParser {
    pub(super) const fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            taken: false,
            after_cr: false,
            strange: false,
        }
    }

    /// Takes bytes off the front of `input` up to the next whole event and gives its data, which lives until the
    /// next call. `None` when the input is used up.
    ///
    /// # Errors
    /// [`TooLong`]; the parser is of no further use then.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Result<Option<&[u8]>, TooLong> {
        self.forget_taken();
        if self.after_cr && !input.is_empty() {
            self.after_cr = false;
            if let [b'\n', rest @ ..] = *input {
                *input = rest;
            }
        }
        while let Some(end) = input.iter().position(|&byte| byte == b'\n' || byte == b'\r') {
            let (piece, rest) = input.split_at(end);
            *input = &rest[1..];
            if rest[0] == b'\r' {
                match input.first() {
                    Some(b'\n') => *input = &input[1..],
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            if self.end_line(piece)? {
                self.taken = true;
                return Ok(Some(&self.data));
            }
        }
        self.keep(input)?;
        *input = &[];
        Ok(None)
    }

    /// The last event when the stream ended without the blank line that closes it. Its line may be cut.
    pub(super) fn finish(&mut self) -> Result<Option<&[u8]>, TooLong> {
        self.forget_taken();
        if !self.line.is_empty() {
            self.end_line(b"")?;
        }
        if !self.has_data {
            return Ok(None);
        }
        self.taken = true;
        Ok(Some(&self.data))
    }

    /// Whether a line came that no event stream has: this is something else.
    pub(super) fn saw_strange_lines(&self) -> bool {
        self.strange
    }

    fn forget_taken(&mut self) {
        if self.taken {
            self.taken = false;
            self.has_data = false;
            self.data.clear();
        }
    }

    fn keep(&mut self, piece: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + piece.len() > self.limit {
            return Err(TooLong(self.limit));
        }
        self.line.extend_from_slice(piece);
        Ok(())
    }

    /// Ends the line whose last part is `piece`; true when it was the blank line after some data.
    fn end_line(&mut self, piece: &[u8]) -> Result<bool, TooLong> {
        if self.line.is_empty() {
            return self.field(piece);
        }
        self.keep(piece)?;
        let mut line = std::mem::take(&mut self.line);
        let dispatch = self.field(&line);
        line.clear();
        self.line = line;
        dispatch
    }

    /// Of all fields only `data` means anything here; comments and the other fields are passed over.
    fn field(&mut self, line: &[u8]) -> Result<bool, TooLong> {
        if line.is_empty() {
            return Ok(self.has_data);
        }
        let value = match line.strip_prefix(b"data") {
            Some([]) => &[][..],
            Some([b':', b' ', value @ ..] | [b':', value @ ..]) => value,
            Some(_) | None => {
                self.strange |= !is_other_field(line);
                return Ok(false);
            }
        };
        if self.data.len() + value.len() >= self.limit {
            return Err(TooLong(self.limit));
        }
        if self.has_data {
            self.data.push(b'\n');
        }
        self.has_data = true;
        self.data.extend_from_slice(value);
        Ok(false)
    }
}

/// Comments, and the fields beside `data`.
fn is_other_field(line: &[u8]) -> bool {
    let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
    matches!(name, b"" | b"event" | b"id" | b"retry")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All events of `chunks`, the unterminated last one included.
    fn events<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<String>, TooLong> {
        let mut parser = EventParser::default();
        let mut found = Vec::new();
        for mut chunk in chunks {
            while let Some(data) = parser.next(&mut chunk)? {
                found.push(String::from_utf8(data.to_vec()).unwrap());
            }
        }
        found.extend(parser.finish()?.map(|data| String::from_utf8(data.to_vec()).unwrap()));
        Ok(found)
    }

    #[test]
    fn the_data_of_events_comes_out() {
        let cases: [(&str, &str, &[&str]); 11] = [
            ("one event", "data: a\n\n", &["a"]),
            ("no space after the colon", "data:a\n\n", &["a"]),
            ("only one space is taken off", "data:  a\n\n", &[" a"]),
            ("CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]),
            ("CR alone", "data: a\r\rdata: b\r\r", &["a", "b"]),
            ("several data lines", "data: a\ndata\ndata: b\n\n", &["a\n\nb"]),
            ("comments and other fields", ": ping\n\nevent: x\nid: 1\ndata: a\nretry: 5\n\n", &["a"]),
            ("blank lines alone are no event", "\n\n\r\n\n", &[]),
            ("no data, no event", "event: x\n\ndatabase: y\n\n", &[]),
            ("unterminated event", "data: a\n\ndata: b\n", &["a", "b"]),
            ("unterminated line", "data: a\n\ndata: b", &["a", "b"]),
        ];
        for (case, input, expected) in cases {
            assert_eq!(events([input.as_bytes()]).unwrap(), expected, "{case}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused_early_and_kept_within_bounds() {
        let mut parser = EventParser::default();
        let chunk = vec![b'x'; 64 * 1024];
        let refused_after = (1..).find(|_| parser.next(&mut chunk.as_slice()).is_err()).unwrap();
        assert_eq!(refused_after, MAX_EVENT / chunk.len() + 1);
        assert!(parser.line.capacity() <= 2 * MAX_EVENT);
    }

    #[test]
    fn an_event_of_endless_lines_is_refused() {
        let line = [b"data: ".as_slice(), &[b'x'; 1000], b"\n"].concat();
        assert_eq!(events((0..2000).map(|_| line.as_slice())), Err(TooLong(MAX_EVENT)));
    }

    proptest! {
        #[test]
        fn borders_between_reads_change_nothing(
            lines in prop::collection::vec(
                prop_oneof![
                    "data: ?[a-zä€😀\"]{0,12}",
                    ":[a-z]{0,4}",
                    Just(String::new()),
                    Just("event: x".to_owned()),
                ],
                0..24,
            ),
            ends in prop::collection::vec(prop_oneof![Just("\n"), Just("\r\n"), Just("\r")], 24),
            cuts in prop::collection::vec(0usize..400, 0..40),
        ) {
            let text: String = lines.iter().zip(&ends).flat_map(|(line, end)| [line.as_str(), end]).collect();
            let bytes = text.as_bytes();
            let mut borders: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            borders.extend([0, bytes.len()]);
            borders.sort_unstable();
            let chunks = borders.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
            prop_assert_eq!(events(chunks), events([bytes]));
        }

        #[test]
        fn no_bytes_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut parser = EventParser::default();
            for chunk in &chunks {
                let mut rest = chunk.as_slice();
                while let Ok(Some(_)) = parser.next(&mut rest) {}
            }
            let _ = parser.finish();
        }
    }
}
