//! What of an import reaches the disk, and when it is somebody's.

use super::Origin;
use crate::{
    domain::{Summary, TranscriptId},
    store::{
        Store, StoreError,
        command::{Command, Write},
        keyspace::{Key, Table},
        sessions::{
            Draft, Edit, SessionError, SessionHeader, Sessions, Title, fork::Forking, rows, summary,
            transcript_key, trash, writing::set_prompt,
        },
        writer::Urgency,
    },
};
use tokio::sync::oneshot;

/// A session to be made, with the last of its messages.
#[derive(Debug)]
pub(in crate::store) struct Incoming {
    pub(super) header: SessionHeader,
    pub(super) title: Title,
    pub(super) prompt: Option<String>,
    /// Messages as they are stored, behind the `first` ones that are on disk.
    pub(super) rows: Vec<Vec<u8>>,
    first: u64,
    /// How many of the first messages models are not shown any more; `None`: not known yet.
    pub(super) covered: Option<u64>,
    pub(super) summary: Option<Summary>,
    mark: Key,
    pub(super) origin: Origin,
}

impl Incoming {
    pub(super) const fn new(
        header: SessionHeader,
        mark: Key,
        origin: Origin,
        prompt: Option<String>,
    ) -> Self {
        Self {
            header,
            title: Title::Given(None),
            prompt,
            rows: Vec::new(),
            first: 0,
            covered: None,
            summary: None,
            mark,
            origin,
        }
    }

    /// Writes the gathered messages to the transcript that is nobody's yet.
    pub(super) fn flush(&mut self, store: &Store) -> Result<(), StoreError> {
        let messages = self.header.messages_key();
        let mut writes = Vec::new();
        if self.first == 0 {
            writes.push(Write::Put(Key::table(Table::SessionTrash).with(messages.body()), b"null".to_vec()));
        }
        for (key, json) in rows::records(messages, self.first, &self.rows) {
            writes.push(Write::Put(key, json.into_owned()));
        }
        let (answer, committed) = oneshot::channel();
        store.0.submit(Command { writes, log: None, answer: Some(answer) }, Urgency::Now);
        committed.blocking_recv().unwrap_or(Err(StoreError::Closed))?;
        self.first += self.rows.len() as u64;
        self.rows.clear();
        Ok(())
    }

    /// Resolves when the session is on disk, or was refused.
    pub(super) fn write(self, store: &Store) -> Result<(), SessionError> {
        store.edit_blocking(Edit::Import(Box::new(self))).map(drop)
    }
}

impl Sessions {
    /// Makes the session if neither it nor its id is there by now.
    pub(in crate::store::sessions) fn import(
        &mut self,
        draft: &mut Draft<'_>,
        incoming: &Incoming,
    ) -> Result<SessionHeader, SessionError> {
        let mut header = incoming.header.clone();
        let known = self.touch(draft.database, &header.id)?.now.is_some();
        if known || draft.database.has(incoming.mark)? {
            return Err(SessionError::Exists(header.id));
        }
        if let Some(parent) = &header.parent
            && self.touch(draft.database, parent)?.now.is_none()
        {
            header.parent = None;
        }
        header.title = self.title(draft.database, &incoming.title, None, &header.id)?;
        rows::write(draft, header.messages_key(), incoming.first, &incoming.rows)?;
        if let Some(summary) = &incoming.summary {
            summary::write(draft, &mut header, summary)?;
        }
        set_prompt(draft, &mut header, incoming.prompt.as_deref())?;
        if let Some(transcript) = header.transcript.filter(|_| incoming.first > 0) {
            trash::unmark(draft, transcript);
        }
        draft.put(incoming.mark, &incoming.origin)?;
        let imports = draft.database.read::<u64>(Key::table(Table::Imports))?.unwrap_or(0);
        draft.put(Key::table(Table::Imports), &(imports + 1))?;
        self.set(draft.database, header.clone())?;
        Ok(header)
    }
}

/// A transcript that an import writes to. Unless it becomes somebody's, it is cleared away.
pub(super) struct Nobodys {
    store: Store,
    transcript: TranscriptId,
    under_way: Option<Forking>,
}

impl Nobodys {
    pub(super) fn begin(store: &Store, transcript: TranscriptId) -> Self {
        Self { store: store.clone(), transcript, under_way: Some(Forking::begin(&store.0, transcript)) }
    }

    pub(super) fn keep(mut self) {
        self.under_way = None;
    }
}

impl Drop for Nobodys {
    fn drop(&mut self) {
        if self.under_way.take().is_none() {
            return;
        }
        if let Err(error) = self.store.0.clear_trash() {
            // Housekeeping tries again.
            let transcript = transcript_key(self.transcript);
            tracing::warn!(%error, ?transcript, "the messages of a session that was not imported were not cleared away");
        }
    }
}
