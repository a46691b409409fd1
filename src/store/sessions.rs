//! Transcripts: a header per session, and its messages by number.

use super::{
    SessionAppend, Store, StoreError, codec,
    database::Database,
    keyspace::{Key, Table},
    payload::Payloads,
};
use crate::domain::{Message, Millis, SessionId, Usage, now};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What is known of a session without its messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionHeader {
    pub id: SessionId,
    /// The surface that made it.
    pub source: String,
    /// A derived session is a label on a client's own transcript; it is deleted when it grows old.
    pub named: bool,
    pub model: String,
    pub created_at: Millis,
    pub last_active: Millis,
    /// How many messages it has.
    pub messages: u64,
    pub turns: u64,
    pub usage: Usage,
}

/// Headers that a commit changes: several of its commands may append to one session.
#[derive(Default)]
pub(super) struct Sessions(HashMap<SessionId, SessionHeader>);

impl Sessions {
    pub(super) fn append(
        &mut self,
        database: &Database,
        payloads: &Payloads,
        batch: &mut sled::Batch,
        append: &SessionAppend,
    ) -> Result<(), StoreError> {
        let id = &append.session.id;
        let now = now();
        if !self.0.contains_key(id) {
            let stored = database.read(Key::text(Table::Session, id.as_str()))?;
            let header = stored.unwrap_or_else(|| SessionHeader {
                id: id.clone(),
                source: append.source.to_owned(),
                named: append.session.named,
                model: append.model.clone(),
                created_at: now,
                last_active: now,
                messages: 0,
                turns: 0,
                usage: Usage::default(),
            });
            self.0.insert(id.clone(), header);
        }
        let Some(header) = self.0.get_mut(id) else {
            return Ok(());
        };
        for message in &append.messages {
            let key = Key::text(Table::SessionMessage, id.as_str()).with(&header.messages.to_be_bytes());
            codec::put(batch, payloads, key, &codec::to_json(message)?)?;
            header.messages += 1;
        }
        header.turns += 1;
        header.usage += append.usage;
        header.last_active = now;
        // A label that somebody then names has become a session.
        header.named |= append.session.named;
        header.model.clone_from(&append.model);
        codec::put(batch, payloads, Key::text(Table::Session, id.as_str()), &codec::to_json(header)?)
    }
}

impl Store {
    /// Its messages, oldest first; none when there is no such session.
    pub fn session_history(&self, session: &SessionId) -> Result<Vec<Message>, StoreError> {
        let mut messages = Vec::new();
        self.0.read(|db| {
            db.scan_all(
                Table::SessionMessage,
                Key::text(Table::SessionMessage, session.as_str()),
                |_, json| {
                    messages.push(codec::from_json(&json)?);
                    Ok(true)
                },
            )
        })?;
        Ok(messages)
    }

    pub fn session(&self, session: &SessionId) -> Result<Option<SessionHeader>, StoreError> {
        self.0.read(|db| db.read(Key::text(Table::Session, session.as_str())))
    }
}
