//! The part of a message that shows why it was found.

use super::{Query, terms};
use std::ops::Range;

/// Characters before the first word of the best place …
const BEFORE: usize = 40;
/// … and in all.
const LENGTH: usize = 200;

/// Text of a message, with the places of the words that were looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snippet {
    /// On one line; `…` where it is cut.
    pub text: String,
    /// In characters of `text`: from, until.
    pub marks: Vec<(usize, usize)>,
}

impl Snippet {
    /// The place of the text with the most different words of the query.
    pub(super) fn of(text: &str, query: &Query) -> Self {
        let mut found: Vec<(String, Range<usize>)> = Vec::new();
        terms::each(text, |word, place| {
            if query.names(word) {
                found.push((word.to_owned(), place));
            }
        });
        let from = best(&found).map_or(0, |at| back(text, at, BEFORE));
        let until = text[from..].char_indices().nth(LENGTH).map_or(text.len(), |(at, _)| from + at);
        let mut shown = String::new();
        let mut marks: Vec<(usize, usize)> = Vec::new();
        let mut length = 0;
        if from > 0 {
            shown.push('…');
            length += 1;
        }
        found.retain(|(_, place)| place.end > from && place.start < until);
        let inside = |at: usize| found.iter().any(|(_, place)| place.contains(&at));
        for (at, letter) in text[from..until].char_indices() {
            shown.push(if letter.is_control() { ' ' } else { letter });
            if inside(from + at) {
                match marks.last_mut() {
                    Some((_, end)) if *end == length => *end += 1,
                    Some(_) | None => marks.push((length, length + 1)),
                }
            }
            length += 1;
        }
        if until < text.len() {
            shown.push('…');
        }
        Self { text: shown, marks }
    }
}

/// Where the window with the most different words begins.
fn best(found: &[(String, Range<usize>)]) -> Option<usize> {
    let worth = |at: usize| {
        let begin = found[at].1.start;
        let near = found[at..].iter().take_while(|(_, place)| place.start < begin + LENGTH - BEFORE);
        let mut words: Vec<&str> = near.take(64).map(|(word, _)| word.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        words.len()
    };
    // The first of those that are as good.
    let at = (0..found.len().min(512)).rev().max_by_key(|&at| worth(at))?;
    Some(found[at].1.start)
}

/// So many characters before a place.
fn back(text: &str, at: usize, characters: usize) -> usize {
    text[..at].char_indices().rev().take(characters).last().map_or(at, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snippet(text: &str, query: &str) -> (String, Vec<String>) {
        let Snippet { text, marks } = Snippet::of(text, &Query::parse(query).unwrap());
        let part = |(from, until): (usize, usize)| text.chars().skip(from).take(until - from).collect();
        let marked = marks.into_iter().map(part).collect();
        (text, marked)
    }

    #[test]
    fn it_shows_the_best_place_and_marks_the_words() {
        let far = format!("the fox {} a fox and\na Hound", "x ".repeat(300));
        let (text, marked) = snippet(&far, "fox hound");
        assert!(text.starts_with('…') && text.ends_with("a fox and a Hound"), "{text}");
        assert_eq!(marked, ["fox", "Hound"]);
        let long = "fox ".repeat(200);
        let (text, _) = snippet(&long, "fox");
        assert_eq!(text.chars().count(), LENGTH + 1);
        assert_eq!(snippet("a 東京都 b", "京都").1, ["京都"]);
        assert_eq!(snippet("Élise", "elise").1, ["Élise"]);
    }
}
