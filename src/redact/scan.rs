//! How a text is read: byte by byte, past backslashes and line breaks.
//!
//! A backslash is never read, nor is a line break, nor the letter that stands for one behind a backslash. So
//! `pa"ss`, `pa\"ss` and `pa\\\"ss` read the same, as do a key in one line, in several, and with `\n` between them.

/// Whether the byte at `at` is not read. `before`: the byte before the text is a backslash.
pub(super) fn is_skipped(text: &[u8], at: usize, before: bool) -> bool {
    match text[at] {
        b'\\' | b'\n' | b'\r' => true,
        b'n' | b'r' => match at.checked_sub(1) {
            Some(last) => text[last] == b'\\',
            None => before,
        },
        _ => false,
    }
}

/// The bytes of a text that are read.
pub(super) fn normal(text: &[u8]) -> Vec<u8> {
    (0..text.len()).filter(|&at| !is_skipped(text, at, false)).map(|at| text[at]).collect()
}

/// Where the last `count` bytes that are read before `end` begin, backslashes before them included.
pub(super) fn back(text: &[u8], end: usize, count: usize, before: bool) -> usize {
    let (mut at, mut left) = (end, count);
    while left > 0 && at > 0 {
        at -= 1;
        if !is_skipped(text, at, before) {
            left -= 1;
        }
    }
    while at > 0 && text[at - 1] == b'\\' {
        at -= 1;
    }
    at
}

/// A key of this program, known by its form: `hk_<8 hexadecimal digits>_<40 of them>`. A key that was never shown to this
/// process is not known to it in another way.
#[derive(Clone, Copy, Default)]
pub(super) struct KeyForm(u8);

impl KeyForm {
    pub(super) const LENGTH: usize = 52;

    /// Reads a byte; `true` when a key ends with it.
    pub(super) fn read(&mut self, byte: u8) -> bool {
        let fits = match self.0 {
            0 => byte == b'h',
            1 => byte == b'k',
            2 | 11 => byte == b'_',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        };
        self.0 = match (fits, byte) {
            (true, _) => self.0 + 1,
            // No byte of a key but its first is this one, so only here another may begin.
            (false, b'h') => 1,
            (false, _) => 0,
        };
        let ends = usize::from(self.0) == Self::LENGTH;
        if ends {
            self.0 = 0;
        }
        ends
    }

    /// How much of a key has been read.
    pub(super) fn depth(self) -> usize {
        usize::from(self.0)
    }
}
