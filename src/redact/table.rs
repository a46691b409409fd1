//! The automaton that finds all forms of all secrets in one pass.

use super::{
    forms,
    scan::{self, KeyForm},
};
use crate::config::Secret;
use aho_corasick::{
    Anchored, MatchKind,
    automaton::{Automaton as _, StateID},
    nfa::{contiguous, noncontiguous},
};
use std::{borrow::Cow, collections::HashMap, sync::Arc};

/// The beginning of every marker.
pub(super) const MARK: &str = "[redacted:";
/// What a key of this program is called.
const KEY: &str = "API key";

/// The forms of all secrets of a profile.
pub(super) struct Table {
    /// `None`: there is no secret but keys, which are known by their form.
    nfa: Option<contiguous::NFA>,
    start: StateID,
    /// How much of a form has been read in a state.
    depths: HashMap<StateID, u32>,
    /// Names of the forms.
    names: Vec<Arc<str>>,
    /// Bytes that a form may begin with, or that change how the next one is read.
    first: [bool; 256],
}

/// How far a text has been read.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    state: StateID,
    key: KeyForm,
    escaped: bool,
}

/// A secret in a text, from its first byte to behind its last.
pub(super) struct Hit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) name: Arc<str>,
}

impl Table {
    pub(super) fn new<'a>(secrets: impl Iterator<Item = &'a (Arc<str>, Secret)>) -> Self {
        let (mut patterns, mut names) = (Vec::new(), Vec::new());
        for (name, secret) in secrets {
            for form in forms::of(secret.reveal()) {
                patterns.push(form);
                names.push(Arc::clone(name));
            }
        }
        let nfa = (!patterns.is_empty()).then(|| build(&patterns)).flatten();
        let start = nfa.as_ref().and_then(|nfa| nfa.start_state(Anchored::No).ok()).unwrap_or_default();
        let mut depths = HashMap::new();
        let mut first = [false; 256];
        first[usize::from(b'h')] = true;
        first[usize::from(b'\\')] = true;
        for pattern in &patterns {
            first[usize::from(pattern[0])] = true;
            let mut state = start;
            for (&byte, depth) in pattern.iter().zip(1..) {
                let Some(nfa) = &nfa else { break };
                state = nfa.next_state(Anchored::No, state, byte);
                depths.insert(state, depth);
            }
        }
        Self { nfa, start, depths, names, first }
    }

    pub(super) fn reader(&self) -> Reader {
        Reader { state: self.start, key: KeyForm::default(), escaped: false }
    }

    /// How many of the last bytes that were read may be the beginning of a secret.
    pub(super) fn depth(&self, reader: &Reader) -> usize {
        let depth = self.depths.get(&reader.state).copied().unwrap_or(0);
        usize::try_from(depth).unwrap_or(usize::MAX).max(reader.key.depth())
    }

    /// Reads on from `from` and adds what it finds to `hits`, which stay in order and apart. `before`: the byte before the
    /// text is a backslash.
    pub(super) fn read(
        &self,
        reader: &mut Reader,
        text: &[u8],
        from: usize,
        before: bool,
        hits: &mut Vec<Hit>,
    ) {
        let Reader { mut state, mut key, mut escaped } = *reader;
        for at in from..text.len() {
            let byte = text[at];
            if state == self.start && key.depth() == 0 && !escaped && !self.first[usize::from(byte)] {
                continue;
            }
            match byte {
                b'\\' => {
                    escaped = true;
                    continue;
                }
                b'\n' | b'\r' => {
                    escaped = false;
                    continue;
                }
                b'n' | b'r' if escaped => {
                    escaped = false;
                    continue;
                }
                _ => escaped = false,
            }
            if key.read(byte) {
                let start = scan::back(text, at + 1, KeyForm::LENGTH, before);
                add(hits, Hit { start, end: at + 1, name: KEY.into() });
            }
            let Some(nfa) = &self.nfa else { continue };
            state = nfa.next_state(Anchored::No, state, byte);
            if nfa.is_special(state) && nfa.is_match(state) {
                let found = (0..nfa.match_len(state)).map(|index| nfa.match_pattern(state, index));
                if let Some(longest) = found.max_by_key(|&pattern| nfa.pattern_len(pattern)) {
                    let start = scan::back(text, at + 1, nfa.pattern_len(longest), before);
                    let name = Arc::clone(&self.names[longest.as_usize()]);
                    add(hits, Hit { start, end: at + 1, name });
                }
            }
        }
        *reader = Reader { state, key, escaped };
    }

    pub(super) fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut hits = Vec::new();
        self.read(&mut self.reader(), text.as_bytes(), 0, false, &mut hits);
        if hits.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut clean = String::with_capacity(text.len());
        let mut at = 0;
        for Hit { start, end, name } in hits {
            clean.push_str(text.get(at..start).unwrap_or_default());
            clean.push_str(&marker(&name));
            at = end;
        }
        clean.push_str(text.get(at..).unwrap_or_default());
        Cow::Owned(clean)
    }
}

/// What stands where a secret was. It is at home in JSON, URLs and shells, and holds no secret itself.
pub(super) fn marker(name: &str) -> String {
    format!("{MARK}{name}]")
}

fn build(patterns: &[Vec<u8>]) -> Option<contiguous::NFA> {
    let sparse =
        noncontiguous::Builder::new().match_kind(MatchKind::Standard).prefilter(false).build(patterns);
    let built = sparse
        .and_then(|sparse| contiguous::Builder::new().prefilter(false).build_from_noncontiguous(&sparse));
    // Some hundred megabytes of secrets would be too many.
    built
        .inspect_err(
            |error| tracing::error!(%error, "the secrets of a profile are too large to be looked for"),
        )
        .ok()
}

/// Adds a hit; those that overlap become one, under the first one's name.
fn add(hits: &mut Vec<Hit>, mut hit: Hit) {
    while let Some(last) = hits.pop_if(|last| last.end > hit.start) {
        hit.start = hit.start.min(last.start);
        hit.name = last.name;
    }
    hits.push(hit);
}
