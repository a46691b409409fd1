//! The index's database, and what is added to it.

use super::{
    SearchRole,
    postings::{Chunk, Posting},
    terms::{self, Term},
};
use crate::{
    domain::{Message, Millis, SessionId},
    store::{
        StoreError, batch, codec,
        database::Database,
        keyspace::{Key, Table},
        payload::Payloads,
    },
};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, path::Path};

/// Raised when words are cut otherwise: an index of another version is made anew.
const VERSION: u32 = 1;

/// Which store's index it is, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    version: u32,
    /// The generation of the main database.
    of: u64,
    /// The number of the next message.
    pub(super) next: u32,
    /// All sessions up to this place of the order of activity are in it.
    pub(super) upto: [u8; 24],
    /// What it knows of sessions that came into the midst of that order.
    #[serde(default)]
    pub(super) imports: u64,
}

/// Messages of one transcript with numbers in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    /// The number of the first one; the key.
    #[serde(skip)]
    pub(super) from: u32,
    pub(super) session: SessionId,
    pub(super) transcript: [u8; 16],
    /// The place of the first one in its transcript, from 0.
    pub(super) first: u64,
    pub(super) count: u32,
    pub(super) source: String,
    /// When the last of them was said.
    pub(super) last: Millis,
}

pub(super) struct Index {
    pub(super) db: Database,
    pub(super) payloads: Payloads,
    of: u64,
}

/// What is added in one commit.
#[derive(Default)]
pub(super) struct Batch {
    terms: HashMap<Term, Vec<Posting>>,
    spans: Vec<Span>,
    /// Transcripts, and how many of their messages are in the index then.
    marks: Vec<([u8; 16], u64)>,
    pub(super) bytes: usize,
    pub(super) messages: usize,
}

impl Batch {
    pub(super) fn message(&mut self, doc: u32, message: &Message) {
        let text = super::text_of(message);
        let role = SearchRole::of(message);
        self.bytes += text.len();
        self.messages += 1;
        let terms = &mut self.terms;
        terms::each(&text, |word, _| {
            let postings = terms.entry(Term::of(word)).or_default();
            match postings.last_mut() {
                Some(last) if last.doc == doc => last.count += 1,
                Some(_) | None => postings.push(Posting { doc, role, count: 1 }),
            }
        });
    }

    pub(super) fn span(&mut self, span: Span) {
        self.spans.push(span);
    }

    pub(super) fn mark(&mut self, transcript: [u8; 16], messages: u64) {
        self.marks.push((transcript, messages));
    }
}

impl Index {
    /// Opens the index of the store with this generation; one of another store or version is `None`.
    pub(super) fn open(
        path: &Path,
        payloads: &Payloads,
        cache: u64,
        of: u64,
    ) -> Result<Option<Self>, StoreError> {
        let db = Database::open(path, payloads, cache)?;
        let index = Self { db, payloads: payloads.clone(), of };
        let known: Option<Meta> = index.db.read(Key::table(Table::Meta))?;
        let fits = known.is_none_or(|meta| meta.version == VERSION && meta.of == of);
        Ok(fits.then_some(index))
    }

    pub(super) fn meta(&self) -> Result<Meta, StoreError> {
        let known = self.db.read(Key::table(Table::Meta))?;
        Ok(known.unwrap_or(Meta { version: VERSION, of: self.of, next: 0, upto: [0; 24], imports: 0 }))
    }

    pub(super) fn marked(&self, transcript: [u8; 16]) -> Result<u64, StoreError> {
        Ok(self.db.read(Key::table(Table::SearchMark).with(&transcript))?.unwrap_or(0))
    }

    /// Whose message this is.
    pub(super) fn span(&self, doc: u32) -> Result<Option<Span>, StoreError> {
        let mut found = None;
        let until = Key::table(Table::SearchSpan).with(&doc.to_be_bytes()).end();
        self.db.scan_back(Table::SearchSpan, Key::table(Table::SearchSpan), until, |key, json| {
            let span: Span = codec::from_json(json)?;
            found = Some(Span { from: low_number(key), ..span });
            Ok(false)
        })?;
        Ok(found.filter(|span| doc - span.from < span.count))
    }

    /// All messages of a transcript.
    pub(super) fn spans(&self, transcript: [u8; 16]) -> Result<Vec<Span>, StoreError> {
        let mut from = Vec::new();
        let of = Key::table(Table::SearchOf).with(&transcript);
        self.db.scan_all(Table::SearchOf, of, |key, _| {
            from.push(low_number(key));
            Ok(true)
        })?;
        let spans = from.into_iter().map(|from| self.span(from));
        spans.filter_map(Result::transpose).collect()
    }

    pub(super) fn write(&self, batch: Batch, meta: &Meta) -> Result<(), StoreError> {
        let Batch { terms, spans, marks, .. } = batch;
        let mut writes = batch::Batch::default();
        let mut put = |key: Key, json: &[u8]| codec::put(&mut writes, &self.payloads, key, json);
        // In the order of the keys: each leaf of the tree is touched once.
        let mut terms: Vec<_> = terms.into_iter().collect();
        terms.sort_unstable_by_key(|(term, _)| *term);
        for (term, postings) in terms {
            let first = postings.first().map_or(0, |posting| posting.doc);
            let mut chunk = self.last_chunk(term)?.unwrap_or_else(|| Chunk::new(first));
            for posting in postings {
                if chunk.is_full() {
                    put(term_key(term, chunk.first), &chunk.write())?;
                    chunk = Chunk::new(posting.doc);
                }
                chunk.push(posting);
            }
            put(term_key(term, chunk.first), &chunk.write())?;
        }
        for span in spans {
            let number = span.from.to_be_bytes();
            put(Key::table(Table::SearchSpan).with(&number), &codec::to_json(&span)?)?;
            put(Key::table(Table::SearchOf).with(&span.transcript).with(&number), b"null")?;
        }
        for (transcript, messages) in marks {
            put(Key::table(Table::SearchMark).with(&transcript), &codec::to_json(&messages)?)?;
        }
        put(Key::table(Table::Meta), &codec::to_json(meta)?)?;
        self.db.commit(&writes)
    }

    fn last_chunk(&self, term: Term) -> Result<Option<Chunk>, StoreError> {
        let all = Key::table(Table::SearchTerm).with(&term.0);
        let mut last = None;
        self.db.scan_back(Table::SearchTerm, all, all.end(), |key, value| {
            last = Some(read_chunk(key, value)?);
            Ok(false)
        })?;
        Ok(last)
    }

    /// The chunks of a term, oldest first, for as long as `visit` says `true`.
    pub(super) fn chunks(&self, term: Term, mut visit: impl FnMut(Chunk) -> bool) -> Result<(), StoreError> {
        let all = Key::table(Table::SearchTerm).with(&term.0);
        self.db.scan_all(Table::SearchTerm, all, |key, value| Ok(visit(read_chunk(key, &value)?)))
    }

    /// The chunks of all terms that begin so.
    pub(super) fn chunks_from(
        &self,
        start: &str,
        mut visit: impl FnMut(Chunk) -> bool,
    ) -> Result<(), StoreError> {
        let start = &start.as_bytes()[..start.len().min(terms::WIDTH)];
        let all = Key::table(Table::SearchTerm).with(start);
        self.db.scan_all(Table::SearchTerm, all, |key, value| Ok(visit(read_chunk(key, &value)?)))
    }
}

pub(super) fn term_key(term: Term, first: u32) -> Key {
    Key::table(Table::SearchTerm).with(&term.0).with(&first.to_be_bytes())
}

pub(super) fn read_chunk(key: Key, value: &[u8]) -> Result<Chunk, StoreError> {
    let chunk = Chunk::read(low_number(key), value);
    chunk.ok_or_else(|| StoreError::Damaged("a chunk of the index is cut".to_owned()))
}

/// The number in the last four bytes of a key.
fn low_number(key: Key) -> u32 {
    key.body().last_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
