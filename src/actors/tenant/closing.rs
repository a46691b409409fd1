//! The end of a profile: draining, and closing its store.

use super::{GoneReason, ProfileGone, Slot, Tenant, TenantState, hold};
use crate::{
    actors::{
        profile::Retire,
        run::{Stop, StopReason},
    },
    audit::{Act, Actor},
    store::{Change, KeyUse},
};
use std::{sync::atomic::Ordering, time::Duration};
use tokio::time::{Instant, timeout_at};

/// After an interrupt, runs get this long to write their last event.
const INTERRUPT_GRACE: Duration = Duration::from_secs(5);

impl Tenant {
    /// New turns get 503 `gateway_draining` from here on.
    pub fn begin_drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Waits for running turns up to `limit`, then interrupts them. Those that wait are put aside at once.
    pub async fn drain(&self, limit: Duration) {
        self.begin_drain();
        self.parking.cancel();
        if timeout_at(Instant::now() + limit, self.board.emptied()).await.is_ok() {
            return;
        }
        for (_, run) in self.board.all_live() {
            run.do_send(Stop(StopReason::Shutdown));
        }
        if timeout_at(Instant::now() + INTERRUPT_GRACE, self.board.emptied()).await.is_err() {
            tracing::warn!(profile = %self.name, runs = self.board.live_count(), "runs did not end in time");
        }
    }

    /// Streams of runs that were put aside end whole, before their connections are closed.
    pub fn let_readers_go(&self) {
        if let Some(store) = &hold(&self.slot).store {
            store.let_readers_go();
        }
    }

    /// Ends the actor, and flushes and closes the store. What is asked afterwards is 503.
    pub async fn close(&self) {
        if self.state() == TenantState::Serving {
            self.set_state(TenantState::Stopped);
        }
        let Slot { store, actor } = std::mem::take(&mut *hold(&self.slot));
        if let Some(actor) = actor {
            // It may be gone already; then there is nothing to retire.
            let _gone = actor.send(Retire).await;
        }
        self.toolbox().end_processes().await;
        if let Some(store) = store {
            let uses = self.keys.uses_to_write().into_iter();
            let uses = uses.map(|(id, at)| Change::KeyUse(KeyUse { id, at })).collect();
            // When a key was last used is worth no trouble.
            let _unwritten = store.commit(uses).await;
            let closed = tokio::task::spawn_blocking(move || store.close()).await;
            if !matches!(closed, Ok(Ok(()))) {
                tracing::error!(profile = %self.name, ?closed, "the store was not closed in order");
            }
        }
        let audit = self.audit.clone();
        audit.note_with_next(Actor::Gateway, Act::ProfileStopped);
        // It says itself what it could not write.
        let _panic = tokio::task::spawn_blocking(move || audit.close()).await;
    }

    /// Called by the actor's guard when it ends in another way than by [`Tenant::close`].
    pub(in crate::actors) fn actor_gone(&self) {
        let ours = std::mem::take(&mut hold(&self.slot).actor).is_some();
        if ours && self.state() == TenantState::Serving {
            self.set_state(TenantState::Restarting);
            self.gone.do_send(ProfileGone { name: self.name.clone(), reason: GoneReason::Panicked });
        }
    }
}
