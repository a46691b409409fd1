//! The words of a text, as the index knows them: folded, and where they stand.
//!
//! Case, accents and compatibility forms do not count. Scripts that are written without spaces are cut into pairs of
//! letters, the last letter of a run standing alone too, so that any part of a run is found.

use std::{borrow::Cow, ops::Range};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Bytes of a term in the index. A longer word is cut there; what was found is looked at again.
pub(super) const WIDTH: usize = 24;

/// A word as a key: cut, and filled up with zeros, so that the order of keys is the order of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Term(pub(super) [u8; WIDTH]);

impl Term {
    pub(super) fn of(word: &str) -> Self {
        let mut bytes = [0; WIDTH];
        let length = word.len().min(WIDTH);
        bytes[..length].copy_from_slice(&word.as_bytes()[..length]);
        Self(bytes)
    }
}

/// Letters of scripts without spaces between words.
pub(super) const fn is_dense(letter: char) -> bool {
    matches!(letter,
        '\u{0e00}'..='\u{0eff}'
        | '\u{1000}'..='\u{109f}'
        | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ff9d}'
        | '\u{20000}'..='\u{3134f}')
}

/// Hands out every word of the text, folded, with its place in bytes.
pub(super) fn each(text: &str, mut visit: impl FnMut(&str, Range<usize>)) {
    let mut rest = text.char_indices().peekable();
    while let Some((from, first)) = rest.next() {
        let (dense, word) = (is_dense(first), first.is_alphanumeric());
        if !dense && !word {
            continue;
        }
        let mut until = from + first.len_utf8();
        while let Some((at, letter)) =
            rest.next_if(
                |(_, letter)| {
                    if dense { is_dense(*letter) } else { !is_dense(*letter) && goes_on(*letter) }
                },
            )
        {
            until = at + letter.len_utf8();
        }
        if dense {
            pairs(&text[from..until], from, &mut visit);
        } else {
            visit(&folded(&text[from..until]), from..until);
        }
    }
}

/// The folded words of a text, in order.
pub(super) fn list(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    each(text, |word, _| words.push(word.to_owned()));
    words
}

fn goes_on(letter: char) -> bool {
    letter.is_alphanumeric() || is_combining_mark(letter)
}

fn folded(word: &str) -> Cow<'_, str> {
    if word.is_ascii() {
        if word.bytes().any(|letter| letter.is_ascii_uppercase()) {
            return word.to_ascii_lowercase().into();
        }
        return word.into();
    }
    let bare = word.nfkd().filter(|letter| !is_combining_mark(*letter));
    bare.flat_map(char::to_lowercase).collect::<String>().into()
}

fn pairs(run: &str, offset: usize, visit: &mut impl FnMut(&str, Range<usize>)) {
    let mut letters = run.char_indices().peekable();
    while let Some((from, first)) = letters.next() {
        let until = letters.peek().map_or(run.len(), |(at, next)| at + next.len_utf8());
        let pair: String = run[from..until].nfkc().collect();
        let end = if letters.peek().is_some() { until } else { from + first.len_utf8() };
        visit(&pair, offset + from..offset + end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded_and_runs_without_spaces_become_pairs() {
        let cases = [
            ("Hello, World!", vec!["hello", "world"]),
            ("CAFÉ cafe\u{301} Straße", vec!["cafe", "cafe", "straße"]),
            ("ﬁne ＡＢＣ", vec!["fine", "abc"]),
            ("read_file(10.0.0.1)", vec!["read", "file", "10", "0", "0", "1"]),
            ("東京都へ", vec!["東京", "京都", "都へ", "へ"]),
            ("v2東京x", vec!["v2", "東京", "京", "x"]),
            ("ПРИВЕТ мир", vec!["привет", "мир"]),
            ("— … \u{301}", vec![]),
        ];
        for (text, words) in cases {
            assert_eq!(list(text), words, "{text}");
        }
    }

    #[test]
    fn places_are_those_of_the_text() {
        let text = "Ça va, 東京都";
        let mut found = Vec::new();
        each(text, |_, place| found.push(&text[place]));
        assert_eq!(found, ["Ça", "va", "東京", "京都", "都"]);
    }
}
