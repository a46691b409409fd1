//! A word of a command, and its making.

use super::{Unreadable, braces};

/// Stands in a word for text that is known only when the command runs.
pub const UNKNOWN: char = '\u{fffc}';

/// Marks of unquoted braces and commas, until they are expanded. From a private plane: text that has them itself is
/// not known to us.
pub(super) const OPEN: char = '\u{f0001}';
pub(super) const COMMA: char = '\u{f0002}';
pub(super) const CLOSE: char = '\u{f0003}';

/// A word with quotes, escapes and known variables resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word {
    /// `~` at its beginning is somebody's home; a file of that name reads `./~`. [`UNKNOWN`] where it cannot be known.
    pub text: String,
    /// It has an unquoted pattern character.
    pub glob: bool,
    /// Part of it is what another command prints.
    pub made: bool,
}

impl Word {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Part of it is known only when the command runs.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.text.contains(UNKNOWN)
    }
}

/// A word in the making; unquoted variables may make several of it.
#[derive(Default)]
pub(super) struct Build {
    done: Vec<Word>,
    word: Word,
    /// Something of it was read, though it may be empty (`''`).
    started: bool,
    /// A quote, an escape or an expansion was in it: it is no keyword.
    pub(super) quoted: bool,
}

impl Build {
    /// An unquoted character.
    pub(super) fn bare(&mut self, c: char) {
        self.started = true;
        self.word.glob |= matches!(c, '*' | '?' | '[');
        self.word.text.push(match c {
            '{' => OPEN,
            ',' => COMMA,
            '}' => CLOSE,
            other => known(other),
        });
    }

    /// A quoted or escaped character.
    pub(super) fn literal(&mut self, c: char) {
        if c == '~' && self.word.text.is_empty() {
            self.word.text.push_str("./");
        }
        self.started = true;
        self.word.text.push(known(c));
    }

    /// A quote was opened: the word is there even if nothing follows.
    pub(super) fn open(&mut self) {
        self.started = true;
        self.quoted = true;
    }

    /// What a command prints.
    pub(super) fn made(&mut self) {
        self.unknown();
        self.word.made = true;
    }

    pub(super) fn unknown(&mut self) {
        self.open();
        self.word.text.push(UNKNOWN);
    }

    /// The value of a variable; unquoted it falls into words.
    pub(super) fn value(&mut self, text: &str, in_quotes: bool) {
        self.quoted = true;
        if in_quotes {
            self.started = true;
            self.word.text.push_str(text);
            return;
        }
        for c in text.chars() {
            if c.is_whitespace() {
                self.cut();
            } else {
                self.started = true;
                self.word.glob |= matches!(c, '*' | '?' | '[');
                self.word.text.push(c);
            }
        }
    }

    fn cut(&mut self) {
        if std::mem::take(&mut self.started) {
            self.done.push(std::mem::take(&mut self.word));
        }
    }

    /// The words that have come of it: none for an empty variable, several where braces or values made them so.
    pub(super) fn finish(mut self) -> Result<Vec<Word>, Unreadable> {
        self.cut();
        let mut words = Vec::with_capacity(self.done.len());
        for word in self.done {
            braces::expand(word, &mut words)?;
        }
        Ok(words)
    }

    /// As one word, without brace expansion: what an assignment or the inside of an expansion is.
    pub(super) fn finish_one(mut self) -> Word {
        self.cut();
        let mut words = self.done.into_iter();
        let mut whole = words.next().unwrap_or_default();
        for word in words {
            whole.text.push(' ');
            whole.text.push_str(&word.text);
            whole.glob |= word.glob;
            whole.made |= word.made;
        }
        whole.text = braces::plain(&whole.text);
        whole
    }

    pub(super) fn text(&self) -> String {
        braces::plain(&self.word.text)
    }
}

/// Our own marks mean nothing in a text of somebody else.
const fn known(c: char) -> char {
    match c {
        OPEN | COMMA | CLOSE => UNKNOWN,
        other => other,
    }
}
