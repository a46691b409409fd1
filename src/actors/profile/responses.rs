//! Responses: found, gone on from, forgotten.

use super::{ProfileActor, queries, start::own_session};
use crate::{
    actors::{
        DeleteResponse, FoundResponse, GetResponse, GetResponseInput, NewRun, ProfileError, ResponseInput,
        run::{Stop, StopReason},
    },
    domain::{Code, Millis, ResponseId, ResponseRecord, RunId, Seq},
    store::Change,
};
use actix::{Handler, ResponseFuture};

impl ProfileActor {
    /// A response that can be asked for.
    pub(super) fn kept_response(&self, id: ResponseId) -> Result<Option<ResponseRecord>, ProfileError> {
        Ok(self.store.response(id.into())?.filter(|response| response.kept))
    }

    fn response(&self, id: ResponseId) -> Result<ResponseRecord, ProfileError> {
        let missing = || ProfileError::new(Code::ResponseNotFound, format!("Response not found: {id}"));
        self.kept_response(id)?.ok_or_else(missing)
    }

    /// The response that a new turn goes on from.
    pub(super) fn previous(&self, new: &NewRun) -> Result<Option<ResponseRecord>, ProfileError> {
        let Some(id) = new.previous else {
            return Ok(None);
        };
        let text = || format!("Previous response not found: {id}");
        let missing = || ProfileError::new(Code::PreviousResponseNotFound, text());
        self.kept_response(id)?.ok_or_else(missing).map(Some)
    }

    /// Lets go of the oldest responses when there are more than the profile keeps.
    pub(super) fn evict_responses(&mut self) {
        let keep = self.tenant.config().responses.stored;
        // Counting all of them at each new one would be too often; a tenth more than allowed does no harm.
        self.responses_since += 1;
        if self.responses_since <= keep / 10 {
            return;
        }
        self.responses_since = 0;
        let (store, profile) = (self.store.clone(), self.tenant.name().clone());
        actix::spawn(async move {
            let reader = store.clone();
            let old = tokio::task::spawn_blocking(move || reader.responses_beyond(keep)).await;
            let evicted = match old {
                Ok(Ok(old)) if old.is_empty() => return,
                Ok(Ok(old)) => {
                    let links = old.into_iter().map(|response| Change::Response(response.only_link()));
                    store.commit(links.collect()).await.map_err(|error| error.to_string())
                }
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = evicted {
                tracing::warn!(%profile, %error, "old responses stay for now");
            }
        });
    }
}

/// What a new turn takes over from the one that it goes on from.
pub(super) fn inherit(new: &mut NewRun, previous: &ResponseRecord) {
    let instructions = previous.request.instructions.clone();
    match &mut new.response {
        Some(request) => request.instructions = request.instructions.take().or(instructions),
        None => new.system = new.system.take().or(instructions),
    }
    new.session.get_or_insert_with(|| previous.session.clone());
    new.system = match (previous.system.clone(), new.system.take()) {
        (Some(before), Some(now)) => Some(format!("{before}\n{now}")),
        (before, now) => now.or(before),
    };
}

/// The record of the response that a run is to answer.
pub(super) fn record(run_id: RunId, created_at: Millis, new: &NewRun) -> Option<ResponseRecord> {
    let request = new.response.clone()?;
    Some(ResponseRecord {
        run_id,
        created_at,
        model: new.model.clone(),
        session: new.session.clone().unwrap_or_else(|| own_session(run_id)),
        previous: new.previous.map(RunId::from),
        system: new.system.clone(),
        kept: request.store,
        request,
    })
}

impl Handler<GetResponse> for ProfileActor {
    type Result = Result<FoundResponse, ProfileError>;

    fn handle(&mut self, GetResponse(id): GetResponse, _ctx: &mut Self::Context) -> Self::Result {
        let response = self.response(id)?;
        let run = RunId::from(id);
        let events = self.store.tail(run, Seq::default())?.ok_or_else(|| queries::not_found(run))?;
        Ok(FoundResponse { response, run: self.record(run)?, events })
    }
}

impl Handler<GetResponseInput> for ProfileActor {
    type Result = ResponseFuture<Result<ResponseInput, ProfileError>>;

    fn handle(&mut self, GetResponseInput(id): GetResponseInput, _ctx: &mut Self::Context) -> Self::Result {
        let response = match self.response(id) {
            Ok(response) => response,
            Err(error) => return Box::pin(async { Err(error) }),
        };
        let store = self.store.clone();
        Box::pin(async move {
            let run = RunId::from(id);
            // A specification may hold megabytes.
            let spec = tokio::task::spawn_blocking(move || store.spec(run)).await;
            let spec = spec.map_err(|error| ProfileError::new(Code::Internal, error.to_string()))??;
            Ok(ResponseInput { response, spec: spec.ok_or_else(|| queries::not_found(run))? })
        })
    }
}

impl Handler<DeleteResponse> for ProfileActor {
    type Result = ResponseFuture<Result<(), ProfileError>>;

    fn handle(&mut self, DeleteResponse(id): DeleteResponse, _ctx: &mut Self::Context) -> Self::Result {
        let response = match self.response(id) {
            Ok(response) => response,
            Err(error) => return Box::pin(async { Err(error) }),
        };
        if let Some(run) = self.tenant.board().live(id.into()) {
            run.do_send(Stop(StopReason::Asked));
        }
        let forgotten = self.store.commit(vec![Change::Response(response.only_link())]);
        Box::pin(async move { Ok(forgotten.await?) })
    }
}
