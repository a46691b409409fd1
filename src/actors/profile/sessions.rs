//! The profile's sessions: reading them, and changing them between their turns.

use super::{ProfileActor, queries::not_found};
use crate::{
    actors::{
        ChangeSession, CopySession, CreateSession, DeleteSession, GetModelLock, GetRunMessages, GetSession,
        GetSummary, ListSessions, ProfileError, ReadSession, ReadUsage, RunMessages, SearchSessions,
    },
    domain::{Code, ModelLock, RunSpec, SessionId, SessionRef, StandsFor, Summary},
    store::{
        NewSession, SearchPage, SessionError, SessionHeader, SessionMessages, Store, StoreError, Title,
        UsageReport,
    },
};
use actix::{Handler, ResponseFuture};
use std::time::Duration;

/// How long a deletion waits for the turns that it stopped.
const STOPS: Duration = Duration::from_secs(15);

fn unknown(session: &SessionId) -> ProfileError {
    SessionError::NotFound(session.clone()).into()
}

/// Reads on the blocking pool: a page is many records.
async fn read<T: Send + 'static>(
    store: Store,
    work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ProfileError> {
    let read = tokio::task::spawn_blocking(move || work(&store));
    Ok(read.await.map_err(|error| StoreError::Io(error.to_string()))??)
}

impl ProfileActor {
    /// What takes space is refused while there is none.
    fn has_room(&self) -> Result<(), ProfileError> {
        if self.store.is_disk_low() {
            let text = "The disk is nearly full: free some space first. Reading and deleting still work.";
            return Err(ProfileError::new(Code::StorageLow, text));
        }
        Ok(())
    }
}

impl Handler<ListSessions> for ProfileActor {
    type Result = ResponseFuture<Result<Vec<SessionHeader>, ProfileError>>;

    fn handle(&mut self, ListSessions(filter): ListSessions, _ctx: &mut Self::Context) -> Self::Result {
        Box::pin(read(self.store.clone(), move |store| store.sessions(&filter)))
    }
}

impl Handler<GetSession> for ProfileActor {
    type Result = Result<SessionHeader, ProfileError>;

    fn handle(&mut self, GetSession(session): GetSession, _ctx: &mut Self::Context) -> Self::Result {
        self.store.session(&session)?.ok_or_else(|| unknown(&session))
    }
}

impl Handler<GetModelLock> for ProfileActor {
    type Result = Result<Option<ModelLock>, ProfileError>;

    fn handle(&mut self, asked: GetModelLock, _ctx: &mut Self::Context) -> Self::Result {
        let GetModelLock { session, previous } = asked;
        let session = match (session, previous) {
            (Some(session), _) => Some(session),
            // One that is not there is told when the turn is taken on.
            (None, Some(previous)) => self.kept_response(previous)?.map(|response| response.session),
            (None, None) => None,
        };
        let Some(SessionRef { id, named: true }) = session else {
            return Ok(None);
        };
        // The turn makes the session, if there is none.
        Ok(self.store.session(&id)?.and_then(|header| header.lock))
    }
}

impl Handler<ReadSession> for ProfileActor {
    type Result = ResponseFuture<Result<SessionMessages, ProfileError>>;

    fn handle(&mut self, asked: ReadSession, _ctx: &mut Self::Context) -> Self::Result {
        let ReadSession { session, after, limit } = asked;
        let store = self.store.clone();
        Box::pin(async move {
            let missing = unknown(&session);
            let page = read(store, move |store| store.session_messages(&session, after, limit)).await?;
            page.ok_or(missing)
        })
    }
}

impl Handler<ReadUsage> for ProfileActor {
    type Result = ResponseFuture<Result<UsageReport, ProfileError>>;

    fn handle(&mut self, ReadUsage(filter): ReadUsage, _ctx: &mut Self::Context) -> Self::Result {
        let store = self.store.clone();
        Box::pin(async move {
            // What ended just now is on its way to the disk. A disk that takes nothing is told of elsewhere.
            let _written = store.commit(Vec::new()).await;
            read(store, move |store| store.usage(&filter)).await
        })
    }
}

impl Handler<SearchSessions> for ProfileActor {
    type Result = ResponseFuture<Result<SearchPage, ProfileError>>;

    fn handle(&mut self, SearchSessions(filter): SearchSessions, _ctx: &mut Self::Context) -> Self::Result {
        Box::pin(read(self.store.clone(), move |store| store.search(&filter)))
    }
}

impl Handler<GetSummary> for ProfileActor {
    type Result = ResponseFuture<Result<Option<Summary>, ProfileError>>;

    fn handle(&mut self, GetSummary(session): GetSummary, _ctx: &mut Self::Context) -> Self::Result {
        Box::pin(read(self.store.clone(), move |store| store.session_summary(&session)))
    }
}

impl Handler<CreateSession> for ProfileActor {
    type Result = ResponseFuture<Result<SessionHeader, ProfileError>>;

    fn handle(&mut self, asked: CreateSession, _ctx: &mut Self::Context) -> Self::Result {
        if let Err(error) = self.has_room() {
            return Box::pin(async { Err(error) });
        }
        let CreateSession { session, title, model, lock, system_prompt, idempotency } = asked;
        let idempotency = idempotency.map(|key| key.entry(StandsFor::Session(session.clone())));
        let mut new = NewSession::new(session, "api_server", model);
        new.title = Title::Given(title);
        new.lock = lock;
        new.system_prompt = system_prompt;
        new.idempotency = idempotency;
        let made = self.store.create_session(new);
        Box::pin(async { Ok(made.await?) })
    }
}

impl Handler<ChangeSession> for ProfileActor {
    type Result = ResponseFuture<Result<SessionHeader, ProfileError>>;

    fn handle(&mut self, asked: ChangeSession, _ctx: &mut Self::Context) -> Self::Result {
        let changed = self.store.change_session(asked.session, asked.change);
        Box::pin(async { Ok(changed.await?) })
    }
}

impl Handler<CopySession> for ProfileActor {
    type Result = ResponseFuture<Result<SessionHeader, ProfileError>>;

    fn handle(&mut self, CopySession(fork): CopySession, _ctx: &mut Self::Context) -> Self::Result {
        if let Err(error) = self.has_room() {
            return Box::pin(async { Err(error) });
        }
        let store = self.store.clone();
        Box::pin(async move { Ok(store.fork_session(fork).await?) })
    }
}

impl Handler<DeleteSession> for ProfileActor {
    type Result = ResponseFuture<Result<(), ProfileError>>;

    fn handle(&mut self, DeleteSession(session): DeleteSession, _ctx: &mut Self::Context) -> Self::Result {
        let board = self.tenant.board().clone();
        let in_line = board.in_line(&session);
        match self.store.session(&session) {
            Ok(None) if in_line.is_empty() => return Box::pin(async move { Err(unknown(&session)) }),
            Err(error) => return Box::pin(async { Err(error.into()) }),
            Ok(_) => {}
        }
        // Behind the turns that there are, and before all that come: none of them brings the session back.
        let turn = board.turn(&session, None);
        for run in in_line {
            board.stop(run);
        }
        let (store, toolbox) = (self.store.clone(), self.tenant.toolbox());
        Box::pin(async move {
            let Ok(_turn) = tokio::time::timeout(STOPS, turn.wait()).await else {
                let text = "A turn of this session does not end; it was told to stop. Try again.";
                return Err(ProfileError::new(Code::SessionBusy, text));
            };
            toolbox.forget_session(&session, &store).await?;
            match store.delete_session(session).await {
                // A turn that was the session's first and was stopped before it said anything left nothing to delete.
                Ok(_) | Err(SessionError::NotFound(_)) => Ok(()),
                Err(error) => Err(error.into()),
            }
        })
    }
}

impl Handler<GetRunMessages> for ProfileActor {
    type Result = ResponseFuture<Result<RunMessages, ProfileError>>;

    fn handle(&mut self, GetRunMessages(run): GetRunMessages, _ctx: &mut Self::Context) -> Self::Result {
        let store = self.store.clone();
        Box::pin(async move {
            let stored = read(store, move |store| store.stored_run(run)).await?;
            let stored = stored.ok_or_else(|| not_found(run))?;
            let RunSpec { input, runtime, .. } = stored.spec;
            Ok(RunMessages { input, runtime, messages: stored.messages })
        })
    }
}
