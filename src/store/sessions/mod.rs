//! Transcripts: a header per session, and its messages by number.
//!
//! The header is all that lists and counters need, so no list looks at a message. Messages lie under the session's
//! *transcript*, a name that every life of a session gets anew: an id that is used again after a deletion does not find
//! what was there before, and a deletion is one small commit however long the transcript was.
//!
//! | table | what |
//! |---|---|
//! | `session` | the header |
//! | `session_prompt` | the session's own system prompt |
//! | `session_message` | transcript, number: a message, or [several of one turn](rows) |
//! | `session_activity` | when it was last active: the order of lists |
//! | `session_title` | whose title it is: titles are unique |
//! | `session_summary` | transcript, number: what turns are told instead of its older messages |
//! | `imported` | which sessions were made of those of another database |
//! | `session_trash` | transcripts that no session has any more, or not yet |

mod append;
mod edit;
mod fork;
mod import;
mod list;
mod row;
mod rows;
mod summary;
mod trash;
mod writing;

pub(super) use edit::{Edit, SessionEdit};
pub use edit::{NewSession, SessionChange, SessionError, Title};
pub use fork::ForkSession;
pub use import::import_sessions;
pub use list::{SessionCursor, SessionFilter, SessionMessages};
pub(super) use row::message as stored_message;
pub(super) use rows::each as each_message;
pub use summary::{SessionContext, SessionSummary};
pub(super) use writing::{Draft, Sessions, activity, title_key};

use super::{
    Store, StoreError,
    database::Database,
    keyspace::{Key, Table},
};
use crate::domain::{Message, Millis, ModelLock, PromptId, RunId, SessionId, TranscriptId, Usage};
use serde::{Deserialize, Serialize};

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
    /// In billionths of a dollar, of those calls that have a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// It has a system prompt of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_prompt: bool,
    /// What its turns have as the agent's own prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<PromptId>,
    /// The model of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<ModelLock>,
    /// The session that it was forked from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionId>,
    /// The first reason to end it and when that was; turns are taken on all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<SessionEnd>,
    #[serde(default)]
    pub tool_calls: u64,
    /// Answers of the model, those that only call tools included.
    #[serde(default)]
    pub answers: u64,
    /// The beginning of what the user said first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
    /// How many summaries it has; turns go on from the newest.
    #[serde(default, skip_serializing_if = "is_none")]
    pub summaries: u32,
    /// The run that it began with, if [the index](super::index) does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store) first_run: Option<RunId>,
    /// Where its messages lie; `None` in sessions from before transcripts had names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store) transcript: Option<TranscriptId>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
const fn is_none(count: &u32) -> bool {
    *count == 0
}

/// That a session was ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnd {
    pub at: Millis,
    pub reason: String,
}

/// One message of a transcript.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionMessage {
    /// From 1, without a gap.
    #[serde(skip)]
    pub number: u64,
    #[serde(flatten)]
    pub message: Message,
    /// `None` in messages from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
    /// Why the model ended there; with the last message of a turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<crate::domain::Finish>,
}

impl SessionHeader {
    /// The beginning of the keys of all its messages.
    pub(super) fn messages_key(&self) -> Key {
        match self.transcript {
            Some(transcript) => transcript_key(transcript),
            None => Key::text(Table::SessionMessage, self.id.as_str()),
        }
    }
}

fn transcript_key(transcript: TranscriptId) -> Key {
    Key::table(Table::SessionMessage).with(transcript.as_bytes())
}

pub(super) fn header_of(db: &Database, session: &SessionId) -> Result<Option<SessionHeader>, StoreError> {
    db.read(Key::text(Table::Session, session.as_str()))
}

impl Store {
    pub fn session(&self, session: &SessionId) -> Result<Option<SessionHeader>, StoreError> {
        self.0.read(|db| header_of(db, session))
    }

    /// The session's own system prompt.
    pub fn session_prompt(&self, session: &SessionId) -> Result<Option<String>, StoreError> {
        self.0.read(|db| db.read(Key::text(Table::SessionPrompt, session.as_str())))
    }

    #[cfg(test)]
    pub(super) fn session_history(
        &self,
        session: &SessionId,
    ) -> Result<Vec<crate::domain::Message>, StoreError> {
        let page = self.session_messages(session, 0, usize::MAX)?;
        let messages = page.map_or_else(Vec::new, |page| page.messages);
        Ok(messages.into_iter().map(|message| message.message).collect())
    }
}
