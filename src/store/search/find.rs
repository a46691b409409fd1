//! Answering a search: lists of numbers first, messages only of what will be shown.
//!
//! Rank: how rare a word is, how often it is in the message, and how new the message is among all.

use super::{
    SearchFilter, SearchHit, SearchPage, SearchRole, Snippet,
    index::{Index, Span},
    postings::Posting,
    query::Item,
    terms::{self, Term},
};
use crate::{
    domain::SessionId,
    store::{
        SessionHeader, SessionMessage, Store, StoreError,
        inner::Inner,
        keyspace::{Key, Table},
        sessions::{each_message, stored_message},
    },
};
use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashMap, HashSet},
};

/// Chunks that the beginning of a word may bring.
const MOST_CHUNKS: usize = 4_000;
/// Messages that one search reads.
const MOST_READ: usize = 3_000;
/// Forks of forks that are followed to where they began.
const GENERATIONS: usize = 50;

/// A message with all words of an alternative.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    doc: u32,
    role: SearchRole,
    score: f64,
}

/// The greater, the earlier it is shown; of equals, what was said later.
struct Ranked(Candidate);

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.score.total_cmp(&other.0.score).then(self.0.doc.cmp(&other.0.doc))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

impl Store {
    /// Messages with these words. What was said last is among them. Blocking.
    ///
    /// # Errors
    /// The index, or the store, cannot be read. A damaged index is made anew by the next search.
    pub fn search(&self, filter: &SearchFilter) -> Result<SearchPage, StoreError> {
        let search = || {
            let complete = self.0.catch_up()?;
            self.0.find(filter, complete)
        };
        match search() {
            Err(StoreError::Damaged(what)) => {
                tracing::warn!(what, "the search index cannot be read; it is made anew");
                let turn = self.0.search.turn();
                self.0.search.discard(&self.0.dir)?;
                drop(turn);
                search()
            }
            done => done,
        }
    }
}

impl Inner {
    fn find(&self, filter: &SearchFilter, complete: bool) -> Result<SearchPage, StoreError> {
        let index = self.index()?;
        let mut found = candidates(&index, filter)?;
        if let Some(session) = &filter.session {
            let spans = self.spans_of(&index, session)?;
            found.retain(|one| spans.iter().any(|span| one.doc.wrapping_sub(span.from) < span.count));
        }
        let mut page =
            Page { inner: self, index: &index, filter, spans: Vec::new(), sessions: HashMap::new() };
        if filter.newest {
            // The lists are in order.
            return page.fill(found.into_iter().rev(), complete);
        }
        // Of a word that is everywhere a few are shown: all the others need not be sorted.
        let mut ranked: BinaryHeap<Ranked> = found.into_iter().map(Ranked).collect();
        page.fill(std::iter::from_fn(|| ranked.pop().map(|best| best.0)), complete)
    }

    fn spans_of(&self, index: &Index, session: &SessionId) -> Result<Vec<Span>, StoreError> {
        let header: Option<SessionHeader> =
            self.read(|db| db.read(Key::text(Table::Session, session.as_str())))?;
        let transcript = header.map(|header| header.messages_key().body().try_into().unwrap_or_default());
        transcript.map_or_else(|| Ok(Vec::new()), |transcript| index.spans(transcript))
    }
}

/// Messages that have what is asked for, as far as the lists can tell.
fn candidates(index: &Index, filter: &SearchFilter) -> Result<Vec<Candidate>, StoreError> {
    let total = f64::from(index.meta()?.next.max(1));
    let roles = |role: SearchRole| filter.roles.is_empty() || filter.roles.contains(&role);
    let mut all: Option<Vec<Candidate>> = None;
    for any in &filter.query.all {
        let mut sum: Vec<Candidate> = Vec::new();
        for item in any {
            sum = union(sum, of_item(index, item, total)?);
        }
        sum.retain(|one| roles(one.role));
        all = Some(match all {
            None => sum,
            Some(before) => intersection(&before, &sum),
        });
        if all.as_ref().is_some_and(Vec::is_empty) {
            break;
        }
    }
    let mut all = all.unwrap_or_default();
    for item in filter.query.none.iter().filter(|item| item.words.len() == 1) {
        let out: HashSet<u32> = of_item(index, item, total)?.iter().map(|one| one.doc).collect();
        all.retain(|one| !out.contains(&one.doc));
    }
    for one in &mut all {
        one.score *= 0.5 + 0.5 * f64::from(one.doc) / total;
    }
    Ok(all)
}

/// Messages with all words of an item, wherever they stand in them; in order.
fn of_item(index: &Index, item: &Item, total: f64) -> Result<Vec<Candidate>, StoreError> {
    let mut all: Option<Vec<Candidate>> = None;
    let last = item.words.len() - 1;
    for (at, word) in item.words.iter().enumerate() {
        let found = of_word(index, word, item.open && at == last, total)?;
        all = Some(match all {
            None => found,
            Some(before) => intersection(&before, &found),
        });
    }
    Ok(all.unwrap_or_default())
}

fn of_word(index: &Index, word: &str, open: bool, total: f64) -> Result<Vec<Candidate>, StoreError> {
    let mut postings: Vec<Posting> = Vec::new();
    if open {
        let mut chunks = 0;
        index.chunks_from(word, |chunk| {
            postings.extend(chunk.postings());
            chunks += 1;
            chunks < MOST_CHUNKS
        })?;
        postings.sort_unstable_by_key(|posting| posting.doc);
        postings.dedup_by(|next, kept| {
            let same = next.doc == kept.doc;
            kept.count += if same { next.count } else { 0 };
            same
        });
    } else {
        index.chunks(Term::of(word), |chunk| {
            postings.extend(chunk.postings());
            true
        })?;
    }
    let rarity = (1.0 + total / f64::from(u32::try_from(postings.len()).unwrap_or(u32::MAX).max(1))).ln();
    let scored = postings.into_iter().map(|Posting { doc, role, count }| {
        let count = f64::from(count);
        Candidate { doc, role, score: rarity * count / (count + 1.5) }
    });
    Ok(scored.collect())
}

/// Both lists are in order, and so is what comes of them.
fn intersection(one: &[Candidate], other: &[Candidate]) -> Vec<Candidate> {
    let mut both = Vec::new();
    let mut rest = other;
    for candidate in one {
        rest = &rest[rest.partition_point(|other| other.doc < candidate.doc)..];
        if let Some(other) = rest.first().filter(|other| other.doc == candidate.doc) {
            both.push(Candidate { score: candidate.score + other.score, ..*candidate });
        }
    }
    both
}

fn union(mut one: Vec<Candidate>, mut other: Vec<Candidate>) -> Vec<Candidate> {
    if one.is_empty() {
        return other;
    }
    one.append(&mut other);
    one.sort_by_key(|candidate| candidate.doc);
    one.dedup_by(|next, kept| {
        let same = next.doc == kept.doc;
        kept.score = if same { kept.score.max(next.score) } else { kept.score };
        same
    });
    one
}

/// A page that is being filled; what was looked up for one hit serves the next.
struct Page<'a> {
    inner: &'a Inner,
    index: &'a Index,
    filter: &'a SearchFilter,
    spans: Vec<Span>,
    sessions: HashMap<SessionId, Option<SessionHeader>>,
}

impl Page<'_> {
    fn fill(
        &mut self,
        found: impl Iterator<Item = Candidate>,
        complete: bool,
    ) -> Result<SearchPage, StoreError> {
        let mut page = SearchPage { hits: Vec::new(), has_more: false, complete };
        let (mut passed, mut read) = (0, 0);
        let mut seen: HashSet<SessionId> = HashSet::new();
        for candidate in found {
            let Some((span, header)) = self.place(&candidate)? else { continue };
            let root = if self.filter.one_each { Some(self.root(&header)?) } else { None };
            if root.as_ref().is_some_and(|root| seen.contains(root)) {
                continue;
            }
            if read == MOST_READ {
                (page.complete, page.has_more) = (false, true);
                break;
            }
            read += 1;
            let Some((message, words)) = self.message(&candidate, &span, &header)? else { continue };
            seen.extend(root);
            if passed < self.filter.offset {
                passed += 1;
                continue;
            }
            if page.hits.len() == self.filter.limit {
                page.has_more = true;
                break;
            }
            let snippet = Snippet::of(&words, &self.filter.query);
            let Candidate { role, score, doc: _ } = candidate;
            page.hits.push(SearchHit { session: header, message, role, score, snippet });
        }
        Ok(page)
    }

    /// Whose message it is, if that session is still there and wanted.
    fn place(&mut self, candidate: &Candidate) -> Result<Option<(Span, SessionHeader)>, StoreError> {
        let known = self.spans.iter().find(|span| candidate.doc.wrapping_sub(span.from) < span.count);
        let span = match known {
            Some(span) => span.clone(),
            None => match self.index.span(candidate.doc)? {
                Some(span) => {
                    self.spans.truncate(63);
                    self.spans.insert(0, span.clone());
                    span
                }
                None => return Ok(None),
            },
        };
        let filter = self.filter;
        let wanted = filter.source.as_ref().is_none_or(|source| *source == span.source)
            && filter.since.is_none_or(|since| span.last >= since);
        if !wanted {
            return Ok(None);
        }
        let header = self.header(&span.session)?;
        let lives = header.filter(|header| header.messages_key().body() == span.transcript);
        Ok(lives.map(|header| (span, header)))
    }

    fn header(&mut self, session: &SessionId) -> Result<Option<SessionHeader>, StoreError> {
        if let Some(known) = self.sessions.get(session) {
            return Ok(known.clone());
        }
        let header: Option<SessionHeader> =
            self.inner.read(|db| db.read(Key::text(Table::Session, session.as_str())))?;
        self.sessions.insert(session.clone(), header.clone());
        Ok(header)
    }

    /// The session that this one, and all its forks, came from.
    fn root(&mut self, header: &SessionHeader) -> Result<SessionId, StoreError> {
        let mut header = header.clone();
        for _ in 0..GENERATIONS {
            let Some(parent) = header.parent.clone() else { break };
            match self.header(&parent)? {
                Some(above) => header = above,
                None => return Ok(parent),
            }
        }
        Ok(header.id)
    }

    /// The message with its text, if it says what is asked for and was said when it should.
    fn message(
        &self,
        candidate: &Candidate,
        span: &Span,
        header: &SessionHeader,
    ) -> Result<Option<(SessionMessage, String)>, StoreError> {
        let number = span.first + u64::from(candidate.doc - span.from);
        let mut found = None;
        self.inner.read(|db| {
            each_message(db, header.messages_key(), number, number + 1, |place, json| {
                found = Some(stored_message(place, json)?);
                Ok(false)
            })
        })?;
        let Some(message) = found else { return Ok(None) };
        let at = message.at.unwrap_or(header.last_active);
        let filter = self.filter;
        if filter.since.is_some_and(|since| at < since) || filter.until.is_some_and(|until| at >= until) {
            return Ok(None);
        }
        let text = super::text_of(&message.message).into_owned();
        let fits = filter.query.fits(&terms::list(&text));
        Ok(fits.then_some((message, text)))
    }
}
