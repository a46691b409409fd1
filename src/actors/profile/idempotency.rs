//! One run for one `Idempotency-Key`, however often it is asked for and however many ask at once.

use super::{ProfileActor, answers};
use crate::{
    actors::{Idempotency, ProfileError, StartedRun},
    domain::{Code, Millis, RunId, RunRecord, Seq, StandsFor, now},
    store::IdempotencyEntry,
};
use tokio::sync::watch;

/// A key whose first request is being taken on: until its run is on disk nobody can join it. Dropping this says that it
/// is settled, one way or the other.
pub(super) struct Reserving {
    fingerprint: [u8; 32],
    settled: watch::Sender<()>,
}

impl Reserving {
    #[must_use]
    pub(super) fn new(fingerprint: [u8; 32]) -> Self {
        Self { fingerprint, settled: watch::Sender::new(()) }
    }
}

/// What is known of a key that comes with a request.
pub(super) enum Earlier {
    /// Nothing: the request is the first one.
    None,
    Beginning(First),
    Run(RunId),
}

/// The first request with a key, while it is being taken on.
pub(super) struct First(watch::Receiver<()>);

impl First {
    /// Resolves when its run has begun or was refused: then the key is to be looked up again.
    pub(super) async fn settled(mut self) {
        // Nothing is ever sent; the sender's end is what is waited for.
        while self.0.changed().await.is_ok() {}
    }
}

impl ProfileActor {
    /// What this idempotency key stands for already.
    pub(super) fn earlier(&self, key: &Idempotency) -> Result<Earlier, ProfileError> {
        let known = match self.reserving.get(&key.scope) {
            Some(first) => Some((first.fingerprint, Earlier::Beginning(First(first.settled.subscribe())))),
            None => self
                .store
                .idempotency(&key.scope)?
                .and_then(|entry| self.still_valid(&entry))
                .map(|(fingerprint, run)| (fingerprint, Earlier::Run(run))),
        };
        match known {
            None => Ok(Earlier::None),
            Some((fingerprint, earlier)) if fingerprint == key.fingerprint => Ok(earlier),
            Some(_) => Err(answers::conflict()),
        }
    }

    fn still_valid(&self, entry: &IdempotencyEntry) -> Option<([u8; 32], RunId)> {
        let kept = self.tenant.config().retention.idempotency;
        let kept = Millis::try_from(kept.as_millis()).unwrap_or(Millis::MAX);
        // The time counts from the run's last change, as the reference's later versions do.
        let StandsFor::Run(run) = entry.stands_for else {
            return None;
        };
        let since = match self.store.run(run) {
            Ok(Some(RunRecord { updated_at, .. })) => updated_at,
            Ok(None) | Err(_) => entry.created_at,
        };
        (since.saturating_add(kept) > now()).then_some((entry.fingerprint, run))
    }

    pub(super) fn replay(&self, run: RunId) -> Result<StartedRun, ProfileError> {
        let gone = || ProfileError::new(Code::RunNotFound, format!("Run not found: {run}"));
        let events = self.store.tail(run, Seq::default())?.ok_or_else(gone)?;
        let record = self.store.run(run)?.ok_or_else(gone)?;
        Ok(StartedRun {
            run_id: run,
            session_id: record.session_id,
            created_at: record.created_at,
            replayed: true,
            steered: false,
            response: self.store.response(run)?,
            events,
        })
    }
}
