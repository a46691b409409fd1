//! How long a text may be that comes into a conversation by itself. It follows the window of the model that reads it: four
//! letters to a token, as everywhere.
//!
//! | text | usual | of the window |
//! |---|---|---|
//! | a file of the prompt | 20,000, up to 500,000 | a sixteenth; where 20,000 are more than that, at most a quarter |
//! | the instructions of a folder | 8,000 | at most half of a file of the prompt |
//! | one result | 100,000 | at most a fifth |
//! | all results of one answer's calls | 200,000 | at most two fifths |
//!
//! Where nobody knows the window, each is as usual.

use std::borrow::Cow;

const FILE: usize = 20_000;
const LONGEST_FILE: usize = 500_000;
const FOLDER: usize = 8_000;
const RESULT: usize = 100_000;
const PILE: usize = 200_000;
/// Of a window that is too small for any work, too.
const LEAST: usize = 2_000;
/// Bytes within which the end of a line or of a word is looked for.
const NEAR: usize = 300;

/// Characters of each kind of text that a model is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Of `SOUL.md`, and of the workspace's own instructions.
    pub file: usize,
    /// Of the instructions of a folder, which come with a tool's result.
    pub folder: usize,
    /// Of one result; a longer one is kept as a file.
    pub result: usize,
    /// Of all results of one answer's calls together.
    pub pile: usize,
}

impl Caps {
    /// `window`: tokens that the model can read, where that is known.
    #[must_use]
    pub fn of(window: Option<u64>) -> Self {
        let Some(window) = window else {
            return Self { file: FILE, folder: FOLDER, result: RESULT, pile: PILE };
        };
        let tokens = usize::try_from(window).unwrap_or(usize::MAX / 8);
        let file = (tokens / 4).clamp(FILE, LONGEST_FILE).min(tokens).max(LEAST);
        let result = RESULT.min(tokens / 5 * 4).max(LEAST);
        Self { file, folder: FOLDER.min(file / 2), result, pile: PILE.min(2 * result) }
    }
}

/// Head and tail of a text that is longer than `most` characters, and how much is missing between them. No line is parted
/// whose end is near, else no word: half a secret is not known for one.
#[must_use]
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most || text.char_indices().nth(most).is_none() {
        return text.into();
    }
    let (head, tail) = (most / 4 * 3, (most / 4).max(1));
    let end = text.char_indices().nth(head).map_or(text.len(), |(at, _)| at);
    let start = text.char_indices().nth_back(tail - 1).map_or(text.len(), |(at, _)| at);
    let bytes = text.as_bytes();
    let before = &bytes[end.saturating_sub(NEAR)..end];
    let after = &bytes[start..text.len().min(start + NEAR)];
    let is_end = |byte: &u8| *byte == b'\n';
    let found = before.iter().rposition(is_end).or_else(|| before.iter().rposition(u8::is_ascii_whitespace));
    let end = found.map_or(end, |at| end - before.len() + at);
    let found = after.iter().position(is_end).or_else(|| after.iter().position(u8::is_ascii_whitespace));
    let start = found.map_or(start, |at| start + at + 1);
    let (begin, left_out, rest) = (&text[..end], &text[end..start], &text[start..]);
    format!("{begin}\n[… {} characters left out …]\n{rest}", left_out.chars().count()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_follow_the_window() {
        let cases = [
            ("unknown", None, [20_000, 8_000, 100_000, 200_000]),
            ("too small for any work", Some(1_024), [2_000, 1_000, 2_000, 4_000]),
            ("small", Some(8_192), [8_192, 4_096, 6_552, 13_104]),
            ("still small", Some(40_000), [20_000, 8_000, 32_000, 64_000]),
            ("usual", Some(128_000), [32_000, 8_000, 100_000, 200_000]),
            ("large", Some(1_000_000), [250_000, 8_000, 100_000, 200_000]),
            ("as large as any", Some(10_000_000), [500_000, 8_000, 100_000, 200_000]),
            ("beyond all measure", Some(u64::MAX), [500_000, 8_000, 100_000, 200_000]),
        ];
        for (case, window, expected) in cases {
            let Caps { file, folder, result, pile } = Caps::of(window);
            assert_eq!([file, folder, result, pile], expected, "{case}");
        }
    }

    #[test]
    fn a_long_text_keeps_head_and_tail() {
        let text = format!("{}END", "é".repeat(30_000));
        let shown = cut(&text, FILE);
        assert!(shown.starts_with("éé") && shown.ends_with("éEND"));
        assert!(shown.contains("[… 10003 characters left out …]"), "{}", &shown[29_900..30_200]);
        assert_eq!(cut("short", FILE), "short");
        assert_eq!(cut("éé", 2), "éé", "characters count, not bytes");
    }

    #[test]
    fn no_line_and_no_word_is_parted() {
        let lines = |count| (0..count).map(|number| format!("key={number:04}\n")).collect::<String>();
        for (text, parted) in [(lines(200), '\n'), (lines(200).replace('\n', " "), ' ')] {
            for most in 100..130 {
                let shown = cut(&text, most);
                let (begin, rest) = shown.split_once("\n[… ").unwrap();
                let (number, rest) = rest.split_once(" characters left out …]\n").unwrap();
                assert!(shown.chars().count() < most + 40, "{shown}");
                assert!(
                    begin
                        .split(parted)
                        .chain(rest.split(parted))
                        .all(|word| word.is_empty() || word.len() == 8),
                    "{shown}"
                );
                assert_eq!(
                    begin.len() + rest.len() + number.parse::<usize>().unwrap(),
                    text.len(),
                    "{shown}"
                );
            }
        }
    }
}
