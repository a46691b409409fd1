//! The tenant's root: takes turns on, finds runs, passes answers on.
//!
//! It keeps nothing that cannot be had again: the store, the live runs and the queue belong to the [`Tenant`], so after a
//! panic a new actor goes on where this one was.

mod answers;
mod approvals;
mod clarify;
mod idempotency;
mod queries;
mod recall;
mod responses;
mod sessions;
mod sight;
mod start;

use super::{
    Tenant,
    recovery::{Orphan, Recovered, Revived},
    run::{Entry, Kit, RunActor, Work},
};
use crate::{
    agent::Policy,
    config::{ApprovalMode, ProfileConfig},
    domain::{Millis, ProfileName, RunStatus, Sampling},
    model::{Mind, Upstreams},
    sandbox::clean_tmp,
    store::{Retention, Store},
};
use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message};
use std::{
    collections::HashMap,
    path::Path,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Between two rounds of retention, compaction and clearing of `/tmp`.
const HOUSEKEEPING: Duration = Duration::from_secs(3600);

/// Command: the profile is being closed; end without a notice to the roster.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Retire;

pub struct ProfileActor {
    tenant: Arc<Tenant>,
    store: Store,
    kit: Kit,
    /// To be taken up when the actor starts.
    recovered: Recovered,
    /// Idempotency keys whose first run is on its way to the disk.
    reserving: HashMap<[u8; 32], idempotency::Reserving>,
    /// New responses since the old ones were last looked at.
    responses_since: usize,
    guard: Guard,
}

/// Tells the tenant of an end that nobody ordered: `Drop` runs after a panic, too.
struct Guard {
    tenant: Arc<Tenant>,
    ordered: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.ordered {
            self.tenant.actor_gone();
        }
    }
}

impl ProfileActor {
    #[must_use]
    pub(super) fn new(tenant: Arc<Tenant>, store: Store, recovered: Recovered) -> Self {
        let kit = kit(&tenant, &tenant.config());
        let guard = Guard { tenant: tenant.clone(), ordered: false };
        Self { tenant, store, kit, recovered, reserving: HashMap::new(), responses_since: 0, guard }
    }

    /// Takes a stored run up again, as it was.
    fn revive(&self, Revived(stored): Revived) {
        let spec = Arc::new(stored.spec.clone());
        let turn = spec.takes_turns().then(|| self.tenant.board().turn(&spec.session.id, Some(spec.run_id)));
        let entry = match stored.record.status {
            RunStatus::WaitingForApproval | RunStatus::WaitingForClarify => Entry::Parked { turn },
            RunStatus::Queued
            | RunStatus::Running
            | RunStatus::Stopping
            | RunStatus::Completed
            | RunStatus::Failed
            | RunStatus::Cancelled => Entry::Queue { turn, slot: None },
        };
        RunActor::launch(Work {
            tenant: self.tenant.clone(),
            store: self.store.clone(),
            kit: self.kit.clone(),
            log: self.store.resume(&stored),
            spec,
            entry,
            messages: stored.messages,
            approvals: stored.approvals,
        });
    }

    fn housekeep(&self) {
        let config = self.tenant.config();
        let retention = config.retention.clone();
        let retention = Retention {
            runs: retention.runs,
            derived_sessions: retention.derived_sessions,
            idempotency: retention.idempotency,
        };
        let (store, name) = (self.store.clone(), self.tenant.name().clone());
        let (audit, kept) = (self.tenant.audit().clone(), config.retention.audit);
        // Nobody waits for it; what it did or why it could not is in the log.
        drop(tokio::task::spawn_blocking(move || {
            match store.housekeep(crate::domain::now(), &retention) {
                Ok(kept) => tracing::debug!(profile = %name, ?kept, "housekeeping"),
                Err(error) => tracing::warn!(profile = %name, %error, "housekeeping failed"),
            }
            let before = crate::domain::now() - Millis::try_from(kept.as_millis()).unwrap_or(Millis::MAX);
            if let Err(error) = audit.expire(before) {
                tracing::warn!(profile = %name, %error, "old files of the audit log stay");
            }
            clear_tmp(&name, &config.root, SystemTime::now());
        }));
    }
}

/// Stops a run of another gateway that nobody here follows any more. If that cannot be done it ends there by itself.
async fn end_elsewhere(upstreams: Upstreams, Orphan { choice, id }: Orphan) {
    if let Some(Mind::Agent(agent)) = upstreams.mind(choice.as_ref(), &Sampling::default())
        && let Err(error) = agent.client.stop(&id).await
    {
        tracing::warn!(upstream_run = id, %error, "a run over there, left by a former process, could not be stopped");
    }
}

/// Removes the temporary folders of sessions that rest. Blocking.
fn clear_tmp(name: &ProfileName, root: &Path, now: SystemTime) {
    match clean_tmp(name.as_str(), root, now) {
        Ok(removed) => tracing::debug!(profile = %name, removed, "temporary folders"),
        Err(error) => tracing::warn!(profile = %name, %error, "temporary folders cannot be cleared"),
    }
}

/// What runs work with, made of the configuration.
fn kit(tenant: &Tenant, config: &Arc<ProfileConfig>) -> Kit {
    Kit {
        upstreams: Upstreams::new(&config.model, &config.selection, tenant.windows()),
        toolbox: tenant.toolbox(),
        rest: Rc::default(),
        shrinker: Rc::default(),
        policy: Rc::new(Policy {
            off: config.approvals.mode == ApprovalMode::Off,
            deny: config.approvals.deny.clone(),
            allow: config.approvals.allow.clone(),
        }),
    }
}

impl Actor for ProfileActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // A chat of 64 callers at once is ordinary; actix's 16 would make the rest wait for nothing.
        ctx.set_mailbox_capacity(1024);
        // Those that waited hold their sessions' turns, so they come before those that queue for them.
        let Recovered { mut revived, orphans } = std::mem::take(&mut self.recovered);
        for orphan in orphans {
            actix::spawn(end_elsewhere(self.kit.upstreams.clone(), orphan));
        }
        revived.sort_by_key(|Revived(run)| !run.record.status.waits_for_a_person());
        for run in revived {
            self.revive(run);
        }
        self.housekeep();
        ctx.run_interval(HOUSEKEEPING, |profile, _ctx| profile.housekeep());
    }
}

impl Handler<Retire> for ProfileActor {
    type Result = ();

    fn handle(&mut self, _: Retire, ctx: &mut Self::Context) {
        self.guard.ordered = true;
        ctx.stop();
    }
}
