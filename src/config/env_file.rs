//! `.env` files: read by dotenvy's iterator, into values and never into the process environment.

use super::{ConfigError, Secret, text_file};
use std::{
    cell::Cell,
    collections::BTreeMap,
    io::{self, Read},
    path::{Path, PathBuf},
    rc::Rc,
};

/// Stands for `$` while dotenvy reads. dotenvy replaces `$NAME` with the **process** environment's value first, which
/// would hand the gateway's own secrets to whoever writes a profile's `.env`, and it silently eats `$` in passwords.
/// So in a `.env` a `$` is a `$`. The stand-in is a Unicode noncharacter: no text has it.
const DOLLAR: char = '\u{fdd0}';

/// A profile's `.env`; one that does not exist is empty.
#[derive(Debug, Clone, Default)]
pub(super) struct EnvFile {
    pub path: PathBuf,
    /// By name; where a name stands twice, the last entry, as a shell would have it.
    pub entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub value: Secret,
    pub line: usize,
}

/// An assignment as it stands in the text; a quoted value may span lines.
pub(super) struct Assignment {
    pub name: String,
    pub value: Secret,
    pub first_line: usize,
    pub last_line: usize,
}

impl EnvFile {
    pub fn read(path: PathBuf) -> Result<Self, ConfigError> {
        let text = text_file::read(&path)?;
        let mut entries = BTreeMap::new();
        for Assignment { name, value, first_line, .. } in parse(&path, &text)? {
            entries.insert(name, Entry { value, line: first_line });
        }
        Ok(Self { path, entries })
    }
}

/// # Errors
///
/// A line that is no assignment, with its number; its text may hold a secret and is not shown.
pub(super) fn parse(file: &Path, text: &str) -> Result<Vec<Assignment>, ConfigError> {
    let text = shield_dollars(text);
    let taken = Rc::new(Cell::new(0));
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let reader = OneLineAtATime { rest: text.as_bytes(), taken: Rc::clone(&taken) };
    let mut found = Vec::new();
    let mut iter = dotenvy::Iter::new(reader);
    loop {
        let first_line = first_assignment(&lines, taken.get());
        match iter.next() {
            None => return Ok(found),
            Some(Ok((name, value))) => found.push(Assignment {
                name,
                value: Secret::new(value.replace(DOLLAR, "$")),
                first_line,
                last_line: taken.get(),
            }),
            Some(Err(_)) => {
                let message = "is no `NAME=value`: a value with blanks or quotes in it is written \
                               `NAME='…'`, and an opened quote must be closed";
                return Err(ConfigError::at_line(file, first_line, message));
            }
        }
    }
}

/// The number of the first line after `taken` ones that is neither blank nor a comment.
fn first_assignment(lines: &[&str], taken: usize) -> usize {
    let skipped = lines.iter().skip(taken).take_while(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#')
    });
    (taken + skipped.count() + 1).min(lines.len().max(1))
}

/// Replaces every `$` that no backslash escapes; dotenvy itself turns `\$` into `$` where escapes count.
fn shield_dollars(text: &str) -> String {
    let mut escaped = false;
    let shield = |c: char| {
        let plain_dollar = c == '$' && !escaped;
        escaped = c == '\\' && !escaped;
        if plain_dollar { DOLLAR } else { c }
    };
    text.chars().map(shield).collect()
}

/// Hands out one line per read, so that the number of reads tells which line dotenvy has come to.
struct OneLineAtATime<'a> {
    rest: &'a [u8],
    taken: Rc<Cell<usize>>,
}

impl Read for OneLineAtATime<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |at| at + 1);
        let (line, rest) = self.rest.split_at(end.min(buffer.len()));
        buffer[..line.len()].copy_from_slice(line);
        self.rest = rest;
        if line.ends_with(b"\n") || (rest.is_empty() && !line.is_empty()) {
            self.taken.set(self.taken.get() + 1);
        }
        Ok(line.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String, usize)>, String> {
        let found = parse(Path::new(".env"), text).map_err(|error| error.to_string())?;
        Ok(found.into_iter().map(|a| (a.name, a.value.reveal().to_owned(), a.first_line)).collect())
    }

    #[test]
    fn assignments_are_read_with_their_lines() {
        let text = "# head\n\nA=1\nexport B='two words' # note\n\n# don't\nC=\"x\ny\"\nD=\nE=last";
        let expected =
            [("A", "1", 3), ("B", "two words", 4), ("C", "x\ny", 7), ("D", "", 9), ("E", "last", 10)];
        let expected = expected.map(|(name, value, line)| (name.to_owned(), value.to_owned(), line));
        assert_eq!(read(text), Ok(expected.to_vec()));
        assert_eq!(read("A=1\r\nB=2\r\n").unwrap().len(), 2);
    }

    #[test]
    fn a_dollar_is_a_dollar_and_the_process_environment_stays_out() {
        // PATH is set in every process that runs this test.
        let cases = [
            ("plain", "A=$PATH", "$PATH"),
            ("braces", "A=${PATH}", "${PATH}"),
            ("in double quotes", "A=\"x $PATH\"", "x $PATH"),
            ("in single quotes", "A='x $PATH'", "x $PATH"),
            ("escaped", "A=\\$PATH", "$PATH"),
            ("escaped in double quotes", "A=\"pa\\$\\$word\"", "pa$$word"),
            ("backslash, then dollar", "A=\"\\\\$PATH\"", "\\$PATH"),
            ("own entry", "B=1\nA=${B}", "${B}"),
        ];
        for (case, text, expected) in cases {
            let found = read(text).unwrap();
            assert_eq!(found.last().unwrap().1, expected, "{case}");
        }
    }

    #[test]
    fn broken_lines_are_named_and_not_shown() {
        let cases = [
            ("no equals", "A=1\n\nsecret-token\n", 3),
            ("blank in value", "# c\nA=hunter two\n", 2),
            ("open quote", "A=1\nB='hunter\nC=2\n", 2),
            ("command", "API_SERVER_KEY=$(openssl rand -hex 32)\n", 1),
        ];
        for (case, text, line) in cases {
            let message = read(text).unwrap_err();
            assert!(message.starts_with(&format!(".env:{line}: is no `NAME=value`")), "{case}: {message}");
            assert!(!message.contains("hunter") && !message.contains("secret"), "{case}: {message}");
        }
    }

    #[test]
    fn a_line_longer_than_the_read_buffer_counts_as_one() {
        let long = "x".repeat(40_000);
        let found = read(&format!("A={long}\nB=2\n")).unwrap();
        assert_eq!((found[0].1.len(), found[1].2), (40_000, 2));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[A-C=\\n'\"\\\\$#{} é\u{fdd0}]{0,60}") {
            let _ = read(&text);
        }
    }
}
