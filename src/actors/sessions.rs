//! What the front may ask of a profile's sessions.

use super::{Idempotency, ProfileError};
use crate::{
    domain::{
        Content, Message as ChatMessage, ModelLock, ResponseId, RunId, Runtime, SessionId, SessionRef,
        Summary,
    },
    store::{
        ForkSession, SearchFilter, SearchPage, SessionChange, SessionError, SessionFilter, SessionHeader,
        SessionMessages,
    },
};
use actix::Message;

impl From<SessionError> for ProfileError {
    fn from(error: SessionError) -> Self {
        let param = matches!(error, SessionError::TitleTaken { .. }).then(|| "title".to_owned());
        Self { param, ..Self::new(error.code(), error.to_string()) }
    }
}

/// Query: sessions, most recently active first.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<SessionHeader>, ProfileError>")]
pub struct ListSessions(pub SessionFilter);

#[derive(Debug, Message)]
#[rtype(result = "Result<SessionHeader, ProfileError>")]
pub struct GetSession(pub SessionId);

/// Query: the model that the session of a turn has chosen for itself. The session is the one that the turn names, else
/// that of the response which it goes on from.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<ModelLock>, ProfileError>")]
pub struct GetModelLock {
    pub session: Option<SessionRef>,
    pub previous: Option<ResponseId>,
}

/// Query: messages of a session behind the first `after`, oldest first.
#[derive(Debug, Message)]
#[rtype(result = "Result<SessionMessages, ProfileError>")]
pub struct ReadSession {
    pub session: SessionId,
    pub after: u64,
    pub limit: usize,
}

/// Query: messages by their words.
#[derive(Debug, Message)]
#[rtype(result = "Result<SearchPage, ProfileError>")]
pub struct SearchSessions(pub SearchFilter);

/// Query: the summary that a session goes on from.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<Summary>, ProfileError>")]
pub struct GetSummary(pub SessionId);

/// Command: make a session. Answers when it is on disk.
#[derive(Debug, Message)]
#[rtype(result = "Result<SessionHeader, ProfileError>")]
pub struct CreateSession {
    pub session: SessionId,
    pub title: Option<String>,
    pub model: String,
    pub lock: Option<ModelLock>,
    pub system_prompt: Option<String>,
    pub idempotency: Option<Idempotency>,
}

#[derive(Debug, Message)]
#[rtype(result = "Result<SessionHeader, ProfileError>")]
pub struct ChangeSession {
    pub session: SessionId,
    pub change: SessionChange,
}

#[derive(Debug, Message)]
#[rtype(result = "Result<SessionHeader, ProfileError>")]
pub struct CopySession(pub ForkSession);

/// Command: stop the session's turns, wait for their end, and delete it.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), ProfileError>")]
pub struct DeleteSession(pub SessionId);

/// Query: what a run was asked, and the messages that came of it.
#[derive(Debug, Message)]
#[rtype(result = "Result<RunMessages, ProfileError>")]
pub struct GetRunMessages(pub RunId);

#[derive(Debug)]
pub struct RunMessages {
    pub input: Content,
    /// Who answers it; in turns of a session.
    pub runtime: Option<Runtime>,
    /// After history and input, in order.
    pub messages: Vec<ChatMessage>,
}
