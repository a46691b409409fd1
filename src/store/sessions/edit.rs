//! Edits of sessions as callers hand them over, and how they learn what came of them.

use super::{SessionHeader, fork::Copy, import::Incoming};
use crate::{
    domain::{Code, ModelLock, SessionId},
    store::{
        IdempotencyEntry, Store, StoreError, clean,
        command::{Command, Write},
        lock_of,
        writer::Urgency,
    },
};
use std::{
    fmt,
    sync::{Arc, Mutex},
};
use tokio::sync::oneshot;

/// A session to be made.
#[derive(Debug)]
pub struct NewSession {
    pub id: SessionId,
    pub source: &'static str,
    pub model: String,
    pub title: Title,
    pub system_prompt: Option<String>,
    pub lock: Option<ModelLock>,
    /// The key that this was asked for with: from the same commit on it stands for the session.
    pub idempotency: Option<IdempotencyEntry>,
    /// What it takes over from another one.
    pub(in crate::store) copy: Option<Copy>,
}

impl NewSession {
    /// An empty one.
    #[must_use]
    pub const fn new(id: SessionId, source: &'static str, model: String) -> Self {
        Self {
            id,
            source,
            model,
            title: Title::Given(None),
            system_prompt: None,
            lock: None,
            idempotency: None,
            copy: None,
        }
    }
}

/// What a session is to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Title {
    Given(Option<String>),
    /// This, with the first number from 2 that is free.
    NextOf(String),
}

/// What is to be different; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionChange {
    pub title: Option<Option<String>>,
    pub system_prompt: Option<Option<String>>,
    pub lock: Option<Option<ModelLock>>,
    /// Ends it; the first reason stays.
    pub end_reason: Option<String>,
}

/// Why an edit was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionError {
    NotFound(SessionId),
    Exists(SessionId),
    TitleTaken { title: String, by: SessionId },
    Store(StoreError),
}

impl SessionError {
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::NotFound(_) => Code::SessionNotFound,
            Self::Exists(_) => Code::SessionExists,
            Self::TitleTaken { .. } => Code::InvalidTitle,
            Self::Store(error) => error.code(),
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(id) => write!(f, "Session not found: {id}"),
            Self::Exists(id) => write!(f, "Session already exists: {id}"),
            Self::TitleTaken { title, by } => write!(f, "Title '{title}' is already in use by session {by}"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SessionError {}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What the writer is asked to do to a session. It alone knows whether that can be done.
#[derive(Debug)]
pub(in crate::store) enum Edit {
    Create(Box<NewSession>),
    Change { id: SessionId, change: SessionChange },
    Delete(SessionId),
    Import(Box<Incoming>),
}

/// What came of an edit; `None`: nothing yet.
type Verdict = Arc<Mutex<Option<Result<SessionHeader, SessionError>>>>;

/// An edit in the writer's queue, with the place for its answer.
#[derive(Debug)]
pub(in crate::store) struct SessionEdit {
    pub(in crate::store) edit: Edit,
    verdict: Verdict,
}

impl SessionEdit {
    pub(in crate::store) fn settle(&self, verdict: Result<SessionHeader, SessionError>) {
        *lock_of(&self.verdict) = Some(verdict);
    }
}

impl Store {
    /// Makes a session, if neither its id nor its title is taken.
    pub fn create_session(
        &self,
        new: NewSession,
    ) -> impl Future<Output = Result<SessionHeader, SessionError>> + Send + use<> {
        self.edit(Edit::Create(Box::new(new)))
    }

    pub fn change_session(
        &self,
        id: SessionId,
        change: SessionChange,
    ) -> impl Future<Output = Result<SessionHeader, SessionError>> + Send + use<> {
        self.edit(Edit::Change { id, change })
    }

    /// Deletes a session; its messages are out of reach at once, and cleared away after that.
    pub fn delete_session(
        &self,
        id: SessionId,
    ) -> impl Future<Output = Result<SessionHeader, SessionError>> + Send + use<> {
        let deleted = self.edit(Edit::Delete(id));
        let store = self.clone();
        async move {
            let header = deleted.await?;
            store.clear_trash_soon();
            Ok(header)
        }
    }

    /// Resolves when the edit is on disk, or was refused.
    pub(super) fn edit(
        &self,
        edit: Edit,
    ) -> impl Future<Output = Result<SessionHeader, SessionError>> + Send + use<> {
        let (verdict, committed) = self.submit_edit(edit);
        async move {
            committed.await.unwrap_or(Err(StoreError::Closed))?;
            settled(&verdict)
        }
    }

    /// As [`Store::edit`], for threads that may wait.
    pub(super) fn edit_blocking(&self, edit: Edit) -> Result<SessionHeader, SessionError> {
        let (verdict, committed) = self.submit_edit(edit);
        committed.blocking_recv().unwrap_or(Err(StoreError::Closed))?;
        settled(&verdict)
    }

    fn submit_edit(&self, mut edit: Edit) -> (Verdict, oneshot::Receiver<Result<(), StoreError>>) {
        clean::edit(&self.0.options.redactor, &mut edit);
        let verdict = Verdict::default();
        let edit = SessionEdit { edit, verdict: Arc::clone(&verdict) };
        let (answer, committed) = oneshot::channel();
        let command = Command { writes: vec![Write::SessionEdit(edit)], log: None, answer: Some(answer) };
        self.0.submit(command, Urgency::Now);
        (verdict, committed)
    }
}

fn settled(verdict: &Verdict) -> Result<SessionHeader, SessionError> {
    lock_of(verdict).take().unwrap_or(Err(SessionError::Store(StoreError::Closed)))
}
