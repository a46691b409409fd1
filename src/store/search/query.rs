//! What a person or a model asks for, taken apart.
//!
//! `rust "exact words" pre* (this) OR that -without`: all that is named must be there, in any order; quotes keep words
//! together, `*` ends the beginning of a word, `OR` offers another, `-` or `NOT` shuts out.

use super::terms;
use std::fmt;

/// Characters of a query.
const LONGEST: usize = 1_000;
/// Words in it.
const MOST_WORDS: usize = 32;
/// Letters that the beginning of a word must have: one alone would be half of the index.
const SHORTEST_START: usize = 2;

/// A query that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Of each, one must be there.
    pub(super) all: Vec<Vec<Item>>,
    /// None of these may be there.
    pub(super) none: Vec<Item>,
}

/// Words that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) words: Vec<String>,
    /// The last one may go on.
    pub(super) open: bool,
}

/// Why a query cannot be answered: a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadQuery(pub String);

impl fmt::Display for BadQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadQuery {}

impl Query {
    /// # Errors
    /// Nothing in it can be looked for, or it is too long.
    pub fn parse(text: &str) -> Result<Self, BadQuery> {
        if text.chars().count() > LONGEST {
            return Err(BadQuery(format!("the query is longer than {LONGEST} characters")));
        }
        let mut query = Self { all: Vec::new(), none: Vec::new() };
        let (mut or, mut not) = (false, false);
        for Piece { text, quoted } in pieces(text) {
            match text {
                "OR" if !quoted => or = true,
                "NOT" if !quoted => not = true,
                "AND" if !quoted => {}
                _ => {
                    let minus = text.strip_prefix('-').filter(|_| !quoted);
                    let Some(item) = Item::of(minus.unwrap_or(text))? else { continue };
                    if std::mem::take(&mut not) || minus.is_some() {
                        query.none.push(item);
                    } else if let Some(last) = query.all.last_mut().filter(|_| or) {
                        last.push(item);
                    } else {
                        query.all.push(vec![item]);
                    }
                    or = false;
                }
            }
        }
        let words: usize = query.items().map(|item| item.words.len()).sum();
        if words > MOST_WORDS {
            return Err(BadQuery(format!("the query has more than {MOST_WORDS} words")));
        }
        if query.all.is_empty() {
            return Err(BadQuery("the query has no word that can be looked for".to_owned()));
        }
        Ok(query)
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        self.all.iter().flatten().chain(&self.none)
    }

    /// Whether a text of these words is what is asked for.
    pub(super) fn fits(&self, words: &[String]) -> bool {
        self.all.iter().all(|any| any.iter().any(|item| item.is_in(words)))
            && !self.none.iter().any(|item| item.is_in(words))
    }

    /// Whether a word of a text is one that is asked for.
    pub(super) fn names(&self, word: &str) -> bool {
        self.all.iter().flatten().any(|item| {
            let last = item.words.len() - 1;
            item.words.iter().enumerate().any(|(at, wanted)| item.matches(at == last, wanted, word))
        })
    }
}

impl Item {
    fn of(text: &str) -> Result<Option<Self>, BadQuery> {
        let mut words = terms::list(text);
        let dense = |word: &String| word.chars().all(terms::is_dense);
        // The last letter of a run of pairs is in the pair before it.
        if words.len() > 1 && words.last().is_some_and(|last| dense(last) && last.chars().count() == 1) {
            words.pop();
        }
        let Some(last) = words.last() else { return Ok(None) };
        let alone = dense(last) && last.chars().count() == 1;
        let open = text.ends_with('*') || alone;
        if open && !alone && last.chars().count() < SHORTEST_START {
            let least = format!("the beginning of a word, `{last}*`, needs {SHORTEST_START} letters");
            return Err(BadQuery(least));
        }
        Ok(Some(Self { words, open }))
    }

    fn matches(&self, last: bool, wanted: &str, word: &str) -> bool {
        if self.open && last { word.starts_with(wanted) } else { word == wanted }
    }

    fn is_in(&self, words: &[String]) -> bool {
        let last = self.words.len() - 1;
        words.windows(self.words.len()).any(|window| {
            window
                .iter()
                .zip(&self.words)
                .enumerate()
                .all(|(at, (word, wanted))| self.matches(at == last, wanted, word))
        })
    }
}

struct Piece<'a> {
    text: &'a str,
    quoted: bool,
}

/// What stands between spaces, and what stands between quotes.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut rest, mut quoted) = (text, false);
    while !rest.is_empty() {
        let (part, after) = rest.split_once('"').unwrap_or((rest, ""));
        if quoted {
            pieces.push(Piece { text: part, quoted });
        } else {
            let words = part.split(|letter: char| letter.is_whitespace() || "()".contains(letter));
            pieces.extend(words.filter(|word| !word.is_empty()).map(|text| Piece { text, quoted }));
        }
        (rest, quoted) = (after, !quoted);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(query: &str, text: &str) -> bool {
        Query::parse(query).unwrap().fits(&terms::list(text))
    }

    #[test]
    fn queries_find_what_they_say() {
        let text = "The Quick brown fox_den jumps over 東京都庁, née Élise";
        let cases = [
            ("quick FOX", true),
            ("quick cat", false),
            ("cat OR fox", true),
            ("(cat OR dog) fox", false),
            ("\"quick brown\"", true),
            ("\"brown quick\"", false),
            ("fox_den", true),
            ("den_fox", false),
            ("jum*", true),
            ("jum", false),
            ("fox -cat", true),
            ("fox -brown", false),
            ("fox NOT brown", false),
            ("fox AND brown", true),
            ("京都", true),
            ("東京都", true),
            ("東都", false),
            ("庁", true),
            ("nee elise", true),
            ("\"OR\" quick", false),
        ];
        for (query, expected) in cases {
            assert_eq!(fits(query, text), expected, "{query}");
        }
    }

    #[test]
    fn what_cannot_be_looked_for_is_told() {
        let long = "x".repeat(LONGEST + 1);
        let many = "word ".repeat(MOST_WORDS + 1);
        for text in ["", "  ", "-fox", "OR", "!!", "\"\"", "a*", "* *", &long, &many] {
            assert!(Query::parse(text).is_err(), "{text}");
        }
        assert!(Query::parse("\"open quote").is_ok());
    }
}
