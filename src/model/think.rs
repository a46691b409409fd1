//! Thoughts that a model writes into its text, between tags at its beginning.

use super::answer::Kind;
use std::mem;

/// What thoughts stand between.
const TAGS: [(&str, &str); 4] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
];

/// Tells the thoughts of one answer from its text, however both are cut into pieces. Tags further on are text: an answer may
/// be about them.
#[derive(Default)]
pub(super) struct Thoughts {
    place: Place,
    /// What may be the beginning of a tag.
    held: String,
    /// There were thoughts already: blank space behind them is none of the text.
    seen: bool,
}

#[derive(Default, Clone, Copy)]
enum Place {
    /// Nothing but blank space so far.
    #[default]
    Start,
    /// Among thoughts that end with this tag.
    Inside(&'static str),
    Text,
}

impl Thoughts {
    /// Takes a piece of the text, and gives out what is known of it.
    pub(super) fn push(&mut self, piece: &str, out: &mut dyn FnMut(Kind, &str)) {
        if matches!(self.place, Place::Text) {
            return out(Kind::Text, piece);
        }
        self.held.push_str(piece);
        while let Some(place) = self.step(out) {
            self.place = place;
            if matches!(place, Place::Text) {
                return self.finish(out);
            }
        }
    }

    /// The end of the text: what was held back was no tag.
    pub(super) fn finish(&mut self, out: &mut dyn FnMut(Kind, &str)) {
        let rest = mem::take(&mut self.held);
        match self.place {
            Place::Inside(_) => out(Kind::Reasoning, &rest),
            Place::Start | Place::Text if self.seen => out(Kind::Text, rest.trim_start()),
            Place::Start | Place::Text => out(Kind::Text, &rest),
        }
    }

    /// One tag, if it is whole: where the text is then.
    fn step(&mut self, out: &mut dyn FnMut(Kind, &str)) -> Option<Place> {
        match self.place {
            Place::Text => None,
            Place::Start => {
                let text = self.held.trim_start();
                if let Some((open, close)) = TAGS.iter().find(|(open, _)| begins(text, open)) {
                    self.held = text[open.len()..].to_owned();
                    return Some(Place::Inside(close));
                }
                let may_be = TAGS.iter().any(|(open, _)| begins(open, text));
                (!may_be).then_some(Place::Text)
            }
            Place::Inside(close) => {
                if let Some(at) = find(&self.held, close) {
                    out(Kind::Reasoning, &self.held[..at]);
                    self.held.drain(..at + close.len());
                    self.seen = true;
                    return Some(Place::Start);
                }
                let kept = held_back(&self.held, close);
                out(Kind::Reasoning, &self.held[..kept]);
                self.held.drain(..kept);
                None
            }
        }
    }
}

/// Whether `text` begins with `start`, in any case of letters.
fn begins(text: &str, start: &str) -> bool {
    text.as_bytes().get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
}

fn find(text: &str, tag: &str) -> Option<usize> {
    text.match_indices('<').map(|(at, _)| at).find(|&at| begins(&text[at..], tag))
}

/// Where the text ends that cannot be the beginning of `tag`.
fn held_back(text: &str, tag: &str) -> usize {
    let tail = text.rfind('<').filter(|&at| begins(tag, &text[at..]));
    tail.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thoughts and text of an answer in these pieces.
    fn split(pieces: &[&str]) -> (String, String) {
        let (mut thought, mut said) = (String::new(), String::new());
        let mut thoughts = Thoughts::default();
        let mut out = |kind: Kind, piece: &str| match kind {
            Kind::Reasoning => thought.push_str(piece),
            Kind::Text => said.push_str(piece),
        };
        pieces.iter().for_each(|piece| thoughts.push(piece, &mut out));
        thoughts.finish(&mut out);
        (thought, said)
    }

    #[test]
    fn thoughts_are_told_from_text_wherever_they_are_cut() {
        let cases = [
            ("<think>why</think>\n\nbecause", "why", "because"),
            ("\n<think>\nwhy\n</think>so", "\nwhy\n", "so"),
            ("<THINKING>a < b</THINKING> c", "a < b", "c"),
            ("<think>a</think>\n<think>b</think>c", "ab", "c"),
            ("<think>never ends </thin", "never ends </thin", ""),
            ("<think></think>", "", ""),
            ("plain", "", "plain"),
            ("  indented", "", "  indented"),
            ("<thinker>", "", "<thinker>"),
            ("<thi", "", "<thi"),
            ("I write <think>x</think>", "", "I write <think>x</think>"),
            ("<think>é</think>ü <think>", "é", "ü <think>"),
            ("", "", ""),
        ];
        for (text, thought, said) in cases {
            let expected = (thought.to_owned(), said.to_owned());
            assert_eq!(split(&[text]), expected, "{text:?} in one piece");
            let letters: Vec<String> = text.chars().map(String::from).collect();
            let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
            assert_eq!(split(&letters), expected, "{text:?} letter by letter");
        }
    }
}
