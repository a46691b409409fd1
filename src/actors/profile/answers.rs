//! Answers that are kept under a client's idempotency key, for requests that start no run.

use super::ProfileActor;
use crate::{
    actors::{FindAnswer, KeepAnswer, ProfileError},
    domain::{Code, KeptAnswer, Millis, StandsFor, now},
    store::{Change, IdempotencyEntry},
};
use actix::{Handler, ResponseFuture};

pub(super) fn conflict() -> ProfileError {
    let text = "This Idempotency-Key was used for another request. Use a new key for a new request.";
    ProfileError::new(Code::IdempotencyKeyConflict, text)
}

impl Handler<FindAnswer> for ProfileActor {
    type Result = Result<Option<KeptAnswer>, ProfileError>;

    fn handle(&mut self, FindAnswer(key): FindAnswer, _ctx: &mut Self::Context) -> Self::Result {
        let kept = self.tenant.config().retention.idempotency;
        let kept = Millis::try_from(kept.as_millis()).unwrap_or(Millis::MAX);
        let found = self.store.idempotency(&key.scope)?;
        let Some(entry) = found.filter(|entry| entry.created_at.saturating_add(kept) > now()) else {
            return Ok(None);
        };
        match entry.stands_for {
            StandsFor::Answer(answer) if entry.fingerprint == key.fingerprint => Ok(Some(answer)),
            StandsFor::Answer(_) | StandsFor::Run(_) => Err(conflict()),
        }
    }
}

impl Handler<KeepAnswer> for ProfileActor {
    type Result = ResponseFuture<Result<(), ProfileError>>;

    fn handle(&mut self, KeepAnswer { key, answer }: KeepAnswer, _ctx: &mut Self::Context) -> Self::Result {
        let kept = self.store.commit(vec![Change::Idempotency(IdempotencyEntry {
            scope: key.scope,
            fingerprint: key.fingerprint,
            stands_for: StandsFor::Answer(answer),
            created_at: now(),
        })]);
        Box::pin(async move { Ok(kept.await?) })
    }
}
