//! Brace expansion: `a{b,c}` is two words before anything else happens to them.

use super::{
    Unreadable,
    word::{CLOSE, COMMA, OPEN, Word},
};

/// Words that one word may become. `{a,b}` ten times over is a thousand.
const MOST: usize = 256;

/// Appends the words that `word` stands for.
pub(super) fn expand(word: Word, words: &mut Vec<Word>) -> Result<(), Unreadable> {
    let limit = words.len() + MOST;
    let mut open = vec![word.text];
    while let Some(text) = open.pop() {
        if words.len() + open.len() > limit {
            return Err(Unreadable("it has braces that stand for too many words"));
        }
        let Some((before, choices, after)) = group(&text) else {
            // `{1..9}` may be any of its members.
            let glob = word.glob || text.contains("..") && text.contains(OPEN);
            words.push(Word { text: plain(&text), glob, made: word.made });
            continue;
        };
        open.extend(choices.into_iter().rev().map(|choice| format!("{before}{choice}{after}")));
    }
    Ok(())
}

/// Braces that do not expand are what they look like.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            OPEN => '{',
            COMMA => ',',
            CLOSE => '}',
            other => other,
        })
        .collect()
}

/// The first group with a comma in it: what stands before it, its choices, what follows. One pass: braces may be many.
fn group(text: &str) -> Option<(String, Vec<String>, String)> {
    let mut open: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut first: Option<(usize, Vec<usize>, usize)> = None;
    for (at, c) in text.char_indices() {
        match c {
            OPEN => open.push((at, Vec::new())),
            COMMA => open.last_mut().into_iter().for_each(|(_, commas)| commas.push(at)),
            CLOSE => {
                let Some((start, commas)) = open.pop() else { continue };
                if !commas.is_empty() && first.as_ref().is_none_or(|(known, ..)| start < *known) {
                    first = Some((start, commas, at));
                }
            }
            _ => {}
        }
    }
    let (start, commas, end) = first?;
    let mut choices = Vec::new();
    let mut from = start + OPEN.len_utf8();
    for comma in commas {
        choices.push(text[from..comma].to_owned());
        from = comma + COMMA.len_utf8();
    }
    choices.push(text[from..end].to_owned());
    Some((text[..start].to_owned(), choices, text[end + CLOSE.len_utf8()..].to_owned()))
}
