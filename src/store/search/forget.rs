//! What is deleted leaves the index, words and all.

use super::{
    index::{Index, Span, term_key},
    postings::Chunk,
    terms::{self, Term},
};
use crate::{
    domain::Message,
    store::{
        StoreError,
        batch::Batch,
        codec,
        inner::Inner,
        keyspace::{Key, Table},
        sessions::each_message,
    },
};
use std::collections::HashMap;

impl Inner {
    /// Takes the messages of a transcript, which are still there, out of the index. If that cannot be done the whole
    /// index goes: it can be made anew, and what is deleted must not stay.
    pub(in crate::store) fn forget_words(&self, transcript: [u8; 16]) -> Result<(), StoreError> {
        if !self.search.exists(&self.dir) {
            return Ok(());
        }
        let _turn = self.search.turn();
        let forgotten = self.index().and_then(|index| {
            for span in index.spans(transcript)? {
                self.forget_span(&index, &span)?;
            }
            let mut batch = Batch::default();
            index.db.remove_all(&mut batch, Key::table(Table::SearchMark).with(&transcript))?;
            index.db.commit(&batch)
        });
        forgotten.or_else(|error| {
            tracing::warn!(%error, "words of a deleted session could not be taken out of the search index; it is made anew");
            self.search.discard(&self.dir)
        })
    }

    fn forget_span(&self, index: &Index, span: &Span) -> Result<(), StoreError> {
        let messages = Key::table(Table::SessionMessage).with(&span.transcript);
        let mut gone: HashMap<Term, Vec<u32>> = HashMap::new();
        self.read(|db| {
            let until = span.first + u64::from(span.count);
            each_message(db, messages, span.first, until, |place, json| {
                let message: Message = codec::from_json(json)?;
                let beyond = u32::try_from(place - span.first).unwrap_or(u32::MAX);
                let doc = span.from.saturating_add(beyond);
                terms::each(&super::text_of(&message), |word, _| {
                    let docs = gone.entry(Term::of(word)).or_default();
                    if docs.last() != Some(&doc) {
                        docs.push(doc);
                    }
                });
                Ok(true)
            })
        })?;
        let mut gone: Vec<_> = gone.into_iter().collect();
        gone.sort_unstable_by_key(|(term, _)| *term);
        let mut batch = Batch::default();
        for (term, docs) in gone {
            index.without(&mut batch, term, &docs)?;
        }
        let number = span.from.to_be_bytes();
        for key in [
            Key::table(Table::SearchSpan).with(&number),
            Key::table(Table::SearchOf).with(&span.transcript).with(&number),
        ] {
            batch.remove(key.part(0).as_slice());
        }
        index.db.commit(&batch)
    }
}

impl Index {
    /// Rewrites the chunks of a term that have one of these messages.
    fn without(&self, batch: &mut Batch, term: Term, docs: &[u32]) -> Result<(), StoreError> {
        let (Some(&first), Some(&last)) = (docs.first(), docs.last()) else {
            return Ok(());
        };
        let mut chunks = Vec::new();
        self.chunks(term, |chunk| {
            // The last one that begins before the first message may have it.
            if chunk.first <= first {
                chunks.clear();
            }
            let beyond = chunk.first > last;
            if !beyond {
                chunks.push(chunk);
            }
            !beyond
        })?;
        for chunk in chunks {
            let mut left = Chunk::new(chunk.first);
            for posting in chunk.postings().filter(|posting| docs.binary_search(&posting.doc).is_err()) {
                left.push(posting);
            }
            let key = term_key(term, chunk.first);
            if left.is_empty() {
                batch.remove(key.part(0).as_slice());
            } else if left != chunk {
                codec::put(batch, &self.payloads, key, &left.write())?;
            }
        }
        Ok(())
    }
}
