//! Forking: a new session with a copy of another one's messages.
//!
//! A short transcript is copied by the commit that makes the session. A long one is copied before that, in commits of
//! bounded size, to a transcript that is marked as nobody's; the commit that makes the session takes the mark away. So a
//! crash leaves either the whole fork or nothing that anyone can see.

use super::{
    NewSession, SessionError, SessionHeader, Title, header_of, rows, summary, transcript_key, trash,
    writing::Draft,
};
use crate::{
    domain::{SessionId, Summary, TranscriptId},
    store::{
        IdempotencyEntry, Store, StoreError,
        command::{Command, Write},
        inner::Inner,
        keyspace::{Key, Table},
        lock_of,
        writer::Urgency,
    },
};
use std::sync::Arc;
use tokio::{sync::oneshot, task::spawn_blocking};

/// Messages that are copied in one commit …
pub(super) const BATCH: usize = 500;
/// … and their size, whichever is reached first.
pub(super) const BATCH_BYTES: usize = 1 << 20;

/// What is to be made of which session.
#[derive(Debug, Clone)]
pub struct ForkSession {
    pub from: SessionId,
    pub id: SessionId,
    /// `None`: the source's title with the next free number.
    pub title: Option<String>,
    /// As [`NewSession::idempotency`].
    pub idempotency: Option<IdempotencyEntry>,
}

/// What a new session takes over.
#[derive(Debug)]
pub(in crate::store) struct Copy {
    pub(super) parent: SessionId,
    /// Where the source's messages lie: proof that it is still the same one.
    pub(super) source: Key,
    header: SessionHeader,
    /// Where earlier commits put all but the last messages.
    transcript: TranscriptId,
    /// What the source goes on from.
    summary: Option<Summary>,
    /// The last messages as they are stored, with the number of the first of them.
    rest: Vec<Vec<u8>>,
    first: u64,
}

impl Copy {
    /// Gives `header` the copied messages and what is counted of them.
    pub(super) fn write(&self, draft: &mut Draft<'_>, header: &mut SessionHeader) -> Result<(), StoreError> {
        header.transcript = Some(self.transcript);
        rows::write(draft, header.messages_key(), self.first, &self.rest)?;
        header.messages = self.first + self.rest.len() as u64;
        header.tool_calls = self.header.tool_calls;
        header.preview.clone_from(&self.header.preview);
        if let Some(newest) = &self.summary {
            // The earlier ones stay with the source.
            summary::write(draft, header, &Summary { number: 1, ..newest.clone() })?;
        }
        if self.first > 0 {
            trash::unmark(draft, self.transcript);
        }
        Ok(())
    }
}

/// A batch of messages read from the source.
struct Piece {
    messages: Vec<Vec<u8>>,
    next: u64,
}

/// What a fork begins with: the header, the prompt, the summary.
type Source = (SessionHeader, Option<String>, Option<Summary>);

impl Store {
    /// Makes a copy of a session under another id. The copy holds what the source holds at this moment.
    ///
    /// # Errors
    /// [`SessionError::NotFound`], also when the source is deleted meanwhile; the id or the title is taken.
    pub async fn fork_session(&self, fork: ForkSession) -> Result<SessionHeader, SessionError> {
        let ForkSession { from, id, title, idempotency } = fork;
        let (source, prompt, summary) = self.source(&from).await?;
        if self.session(&id)?.is_some() {
            // Looked at again by the writer; this one spares the copying.
            return Err(SessionError::Exists(id));
        }
        let title = match title {
            Some(title) => Title::Given(Some(title)),
            None => Title::NextOf(base(source.title.as_deref())),
        };
        let transcript = TranscriptId::new();
        let under_way = Forking::begin(&self.0, transcript);
        let (rest, first) = self.copy_all_but_last(&source, transcript).await?;
        let copy = Copy {
            parent: from,
            source: source.messages_key(),
            header: source.clone(),
            transcript,
            summary,
            rest,
            first,
        };
        let new = NewSession {
            title,
            system_prompt: prompt,
            lock: source.lock,
            idempotency,
            copy: Some(copy),
            ..NewSession::new(id, "api_server", source.model)
        };
        let made = self.create_session(new).await;
        if made.is_err() && first > 0 {
            drop(under_way);
            self.clear_trash_soon();
        }
        made
    }

    async fn source(&self, from: &SessionId) -> Result<Source, SessionError> {
        let (inner, id) = (Arc::clone(&self.0), from.clone());
        let read = spawn_blocking(move || {
            inner.read(|db| {
                let prompt = db.read::<String>(Key::text(Table::SessionPrompt, id.as_str()))?;
                let Some(header) = header_of(db, &id)? else { return Ok(None) };
                let summary = summary::newest(db, &header, header.messages)?;
                Ok(Some((header, prompt, summary)))
            })
        });
        let found = read.await.map_err(|error| StoreError::Io(error.to_string()))??;
        found.ok_or_else(|| SessionError::NotFound(from.clone()))
    }

    /// Copies the messages, but for the last piece, which goes with the commit that makes the session.
    async fn copy_all_but_last(
        &self,
        source: &SessionHeader,
        transcript: TranscriptId,
    ) -> Result<(Vec<Vec<u8>>, u64), SessionError> {
        let mut first = 0;
        loop {
            let piece = self.piece(source.clone(), first).await?;
            if piece.next >= source.messages || piece.messages.is_empty() {
                return Ok((piece.messages, first));
            }
            let mut writes = Vec::with_capacity(piece.messages.len() + 1);
            if first == 0 {
                let mark = Key::table(Table::SessionTrash).with(transcript_key(transcript).body());
                writes.push(Write::Put(mark, b"null".to_vec()));
            }
            for (index, json) in (first..).zip(piece.messages) {
                writes.push(Write::Put(transcript_key(transcript).with(&index.to_be_bytes()), json));
            }
            let (answer, committed) = oneshot::channel();
            self.0.submit(Command { writes, log: None, answer: Some(answer) }, Urgency::Now);
            committed.await.unwrap_or(Err(StoreError::Closed))?;
            first = piece.next;
        }
    }

    async fn piece(&self, source: SessionHeader, first: u64) -> Result<Piece, SessionError> {
        let inner = Arc::clone(&self.0);
        let read = spawn_blocking(move || inner.piece(&source, first));
        Ok(read.await.map_err(|error| StoreError::Io(error.to_string()))??)
    }
}

impl Inner {
    fn piece(&self, source: &SessionHeader, first: u64) -> Result<Piece, StoreError> {
        let mut messages = Vec::new();
        let mut bytes = 0;
        self.read(|db| {
            rows::each(db, source.messages_key(), first, source.messages, |_, json| {
                bytes += json.len();
                messages.push(json.to_vec());
                Ok(messages.len() < BATCH && bytes < BATCH_BYTES)
            })
        })?;
        let next = first + messages.len() as u64;
        Ok(Piece { messages, next })
    }

    /// Whether a fork of this process writes to this transcript.
    pub(super) fn is_forking(&self, transcript: [u8; 16]) -> bool {
        lock_of(&self.forking).contains(&transcript)
    }
}

/// Keeps a transcript that is nobody's yet from being cleared away.
pub(super) struct Forking {
    inner: Arc<Inner>,
    transcript: [u8; 16],
}

impl Forking {
    pub(super) fn begin(inner: &Arc<Inner>, transcript: TranscriptId) -> Self {
        let transcript = *transcript.as_bytes();
        lock_of(&inner.forking).insert(transcript);
        Self { inner: Arc::clone(inner), transcript }
    }
}

impl Drop for Forking {
    fn drop(&mut self) {
        lock_of(&self.inner.forking).remove(&self.transcript);
    }
}

/// What a fork's title begins with: the source's without its own number.
pub(super) fn base(title: Option<&str>) -> String {
    let title = title.unwrap_or("fork");
    let bare = title.rsplit_once(" #").filter(|(_, number)| number.parse::<u32>().is_ok());
    let bare = bare.map_or(title, |(bare, _)| bare);
    bare.chars().take(90).collect()
}

#[cfg(test)]
mod tests {
    use super::base;

    #[test]
    fn a_fork_of_a_fork_counts_on() {
        let long = "x".repeat(100);
        let cases = [
            (None, "fork"),
            (Some("Plans"), "Plans"),
            (Some("Plans #2"), "Plans"),
            (Some("Issue #x"), "Issue #x"),
            (Some(&long), &long[..90]),
        ];
        for (title, expected) in cases {
            assert_eq!(base(title), expected, "{title:?}");
        }
    }
}
