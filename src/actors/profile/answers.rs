//! Answers that are kept under a client's idempotency key, for requests that start no run.

use super::ProfileActor;
use crate::{
    actors::{Carried, FindAnswer, KeepAnswer, ProfileError},
    domain::{Code, Millis, StandsFor, now},
    store::Change,
};
use actix::{Handler, ResponseFuture};

pub(super) fn conflict() -> ProfileError {
    let text = "This Idempotency-Key was used for another request. Use a new key for a new request.";
    ProfileError::new(Code::IdempotencyKeyConflict, text)
}

impl Handler<FindAnswer> for ProfileActor {
    type Result = Result<Option<Carried>, ProfileError>;

    fn handle(&mut self, FindAnswer(key): FindAnswer, _ctx: &mut Self::Context) -> Self::Result {
        let kept = self.tenant.config().retention.idempotency;
        let kept = Millis::try_from(kept.as_millis()).unwrap_or(Millis::MAX);
        let found = self.store.idempotency(&key.scope)?;
        let Some(entry) = found.filter(|entry| entry.created_at.saturating_add(kept) > now()) else {
            return Ok(None);
        };
        match entry.stands_for {
            StandsFor::Answer(_) | StandsFor::Session(_) if entry.fingerprint != key.fingerprint => {
                Err(conflict())
            }
            StandsFor::Answer(answer) => Ok(Some(Carried::Answered(answer))),
            // Deleted since: then there is nothing that a second one would double.
            StandsFor::Session(id) => Ok(self.store.session(&id)?.map(|made| Carried::Made(Box::new(made)))),
            StandsFor::Run(_) => Err(conflict()),
        }
    }
}

impl Handler<KeepAnswer> for ProfileActor {
    type Result = ResponseFuture<Result<(), ProfileError>>;

    fn handle(&mut self, KeepAnswer { key, answer }: KeepAnswer, _ctx: &mut Self::Context) -> Self::Result {
        let kept = self.store.commit(vec![Change::Idempotency(key.entry(StandsFor::Answer(answer)))]);
        Box::pin(async move { Ok(kept.await?) })
    }
}
