//! A client's reader of a run. When it goes away before the run's end, the run is told.

use super::{ask, error::ApiError};
use crate::{
    actors::{NewRun, StartRun, StartedRun, TailRun, Tenant},
    domain::{Code, Logged, Millis, ResponseRecord, RunId, RunRecord, Seq, SessionId},
    store::{EventCursor, StoreError, ToolResults},
};
use futures_util::future::LocalBoxFuture;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio_util::sync::CancellationToken;

/// Where a run's events come from.
pub trait Source {
    /// The next events, at least one; `None` after the terminal one. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Option<Result<Vec<Arc<Logged>>, StoreError>>>;
}

/// A cursor that reports its own end. Dropped on every road: a finished answer, a closed connection, a cancelled
/// handler.
pub struct Reader {
    cursor: EventCursor,
    run_id: RunId,
    tenant: Arc<Tenant>,
    /// The run may go on after this reader.
    open: bool,
}

impl Reader {
    pub fn new(cursor: EventCursor, run: &RunRecord, tenant: Arc<Tenant>) -> Self {
        Self { cursor, run_id: run.run_id, tenant, open: !run.status.is_terminal() }
    }

    /// A reader of a stored run that does not keep it alive: whoever asks for a state is not whom it is for.
    pub const fn passing(cursor: EventCursor, run_id: RunId, tenant: Arc<Tenant>) -> Self {
        Self { cursor, run_id, tenant, open: false }
    }

    /// The number of the last event that can be read now.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn last(&self) -> Result<Seq, ApiError> {
        let record = self.cursor.record().map_err(crate::actors::ProfileError::from)?;
        Ok(record.last_seq)
    }

    /// The whole results of the run's tool calls.
    pub fn results(&self) -> ToolResults {
        self.cursor.results()
    }
}

impl Source for Reader {
    async fn next(&mut self) -> Option<Result<Vec<Arc<Logged>>, StoreError>> {
        let batch = self.cursor.next().await;
        let ended = match &batch {
            None => true,
            Some(Ok(events)) => events.last().is_some_and(|last| last.event.is_terminal()),
            Some(Err(_)) => false,
        };
        if ended {
            self.open = false;
        }
        batch
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.open {
            self.tenant.reader_gone(self.run_id);
        }
    }
}

/// A turn that was taken on, or found, with a reader of it.
pub struct Turn {
    pub run_id: RunId,
    pub session_id: SessionId,
    pub created_at: Millis,
    /// As echoed to the client.
    pub model: String,
    /// An earlier request with the same idempotency key began it.
    pub replayed: bool,
    /// It was at work already, and hears what the request said.
    pub steered: bool,
    /// Of a turn of the Responses API that was taken on, or is stored.
    pub response: Option<ResponseRecord>,
    pub reader: Reader,
}

/// Has the profile take a turn on.
///
/// A client that goes away while the turn waits for its place drops the handler; what the profile does is waited for all
/// the same, and the reader that comes back then reports at once that nobody reads.
///
/// # Errors
///
/// What the profile answered.
pub fn start(tenant: Arc<Tenant>, run: NewRun) -> impl Future<Output = Result<Turn, ApiError>> {
    let (model, run) = (run.model.clone(), StartRun(Box::new(run)));
    let taken_on = async move {
        let profile = tenant.profile().await?;
        let StartedRun { run_id, session_id, created_at, replayed, steered, response, events } =
            profile.send(run).timeout(ask::patience_for_a_turn(&tenant)).await??;
        Ok(Turn {
            run_id,
            session_id,
            created_at,
            model,
            replayed,
            steered,
            response,
            reader: Reader { cursor: events, run_id, tenant, open: true },
        })
    };
    Finishing(Some(Box::pin(taken_on)))
}

/// Work that goes to its end: when whoever waits for it is dropped, a task of its own takes it over.
struct Finishing<T: 'static>(Option<LocalBoxFuture<'static, T>>);

impl<T> Future for Finishing<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // Taken out meanwhile: what panics is not to be polled again.
        let Some(mut work) = self.0.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = Some(work);
        }
        polled
    }
}

impl<T> Drop for Finishing<T> {
    fn drop(&mut self) {
        // A thread that ends takes no tasks on any more, nor do its actors.
        if let Some(work) = self.0.take()
            && tokio::runtime::Handle::try_current().is_ok()
        {
            actix_rt::spawn(work);
        }
    }
}

/// Goes on reading a run after `after`.
///
/// # Errors
///
/// `run_not_found`, or what the profile or its store answered.
pub async fn rejoin(tenant: &Arc<Tenant>, run_id: RunId, after: Seq) -> Result<Turn, ApiError> {
    let profile = tenant.profile().await?;
    let tail = TailRun { run_id, after };
    let cursor = profile.send(tail).timeout(ask::PATIENCE).await??;
    let record = cursor.record().map_err(crate::actors::ProfileError::from)?;
    Ok(Turn {
        run_id,
        session_id: record.session_id,
        created_at: record.created_at,
        model: record.model,
        replayed: false,
        steered: false,
        response: None,
        reader: Reader { cursor, run_id, tenant: tenant.clone(), open: !record.status.is_terminal() },
    })
}

/// The next events of a turn whose end somebody waits for.
///
/// # Errors
///
/// The key was revoked, or the log cannot be read.
pub async fn next(
    source: &mut impl Source,
    revoked: &CancellationToken,
) -> Result<Vec<Arc<Logged>>, ApiError> {
    let batch = tokio::select! {
        biased;
        () = revoked.cancelled() => return Err(ApiError::new(Code::KeyRevoked, KEY_REVOKED)),
        batch = source.next() => batch,
    };
    match batch {
        Some(Ok(events)) => Ok(events),
        Some(Err(error)) => {
            let (code, message) = broken(&error);
            Err(ApiError::new(code, message))
        }
        None => Err(ApiError::internal("a run's log ended without a terminal event")),
    }
}

/// Why a stream cannot go on, as a client may see it; the log gets the cause.
pub fn broken(error: &StoreError) -> (Code, &'static str) {
    tracing::error!(%error, "a run's log cannot be read");
    (error.code(), "The run's events cannot be read now; ask for the run again later.")
}

/// The text for a reader whose key was revoked.
pub use crate::actors::KEY_REVOKED;
/// The text for a reader whose position is no longer kept.
pub const GAP: &str = "Part of this answer is no longer kept; `GET /v1/runs/{id}` has the whole.";

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    #[actix_web::test]
    async fn work_goes_on_when_nobody_waits_for_it_any_more() {
        let (go, gone) = oneshot::channel::<()>();
        let (done, told) = oneshot::channel();
        let work = async move {
            let _ = gone.await;
            let _ = done.send("done");
        };
        let mut waiting = Finishing(Some(Box::pin(work)));
        assert!((&mut waiting).now_or_never().is_none());
        drop(waiting);
        go.send(()).unwrap();
        assert_eq!(told.await.unwrap(), "done");
    }
}
