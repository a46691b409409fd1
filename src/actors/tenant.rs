//! What a connection knows of its profile.
//!
//! CONTRACT STUB for the front and the gateway; bodies come with the actors.

use super::ProfileError;
use crate::{
    config::ProfileConfig,
    domain::{Code, KeyId},
    tools::Toolbox,
};
use actix::Addr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Chat,
    Runs,
    Approve,
    Sessions,
    Jobs,
    Memory,
    Read,
    Admin,
}

/// Proof that a request came with a valid key of this profile.
#[derive(Debug, Clone)]
pub struct Caller {
    pub key_id: KeyId,
    pub scopes: Arc<[Scope]>,
    /// Cancelled when the key is revoked: streams end with it.
    pub revoked: CancellationToken,
}

#[derive(Debug, Clone)]
pub enum AuthError {
    /// Missing, malformed or wrong: all the same to the client.
    Invalid,
    Unavailable(Unavailable),
}

/// The profile cannot answer now: 503 `profile_unavailable`.
#[derive(Debug, Clone)]
pub struct Unavailable {
    pub message: String,
    /// Seconds.
    pub retry_after: u64,
}

impl From<Unavailable> for ProfileError {
    fn from(unavailable: Unavailable) -> Self {
        Self {
            code: Code::ProfileUnavailable,
            message: unavailable.message,
            retry_after: Some(unavailable.retry_after),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantState {
    Serving,
    /// Waiting to be started again after a crash.
    Restarting,
    /// Given up, with the reason; `hermes profile restart` tries again.
    Failed(String),
    Stopped,
}

/// One profile of this process. Lives as long as its listener; on its worker's thread for all that is not `Send`.
pub struct Tenant(());

/// The profile's actor; see `actors::profile`.
pub struct ProfileActor(());
impl actix::Actor for ProfileActor {
    type Context = actix::Context<Self>;
}

impl Tenant {
    #[must_use]
    pub fn config(&self) -> Arc<ProfileConfig> {
        unimplemented!()
    }

    #[must_use]
    pub fn state(&self) -> TenantState {
        unimplemented!()
    }

    /// New turns are refused: 503 `gateway_draining`.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        unimplemented!()
    }

    /// Checks a bearer token; never says why it is wrong.
    pub async fn authenticate(&self, token: &str) -> Result<Caller, AuthError> {
        let _ = token;
        unimplemented!()
    }

    /// The profile's actor, its store opened first if it is not open.
    pub async fn profile(&self) -> Result<Addr<ProfileActor>, Unavailable> {
        unimplemented!()
    }

    /// The tools of this profile (on its worker's thread).
    pub fn toolbox(&self) -> Toolbox {
        unimplemented!()
    }

    #[must_use]
    pub fn sandbox(&self) -> &crate::sandbox::Sandbox {
        unimplemented!()
    }

    #[must_use]
    pub fn started_at(&self) -> crate::domain::Millis {
        unimplemented!()
    }
}

macro_rules! stub_handler {
    ($($msg:ident),*) => {$(
        impl actix::Handler<super::$msg> for ProfileActor {
            type Result = actix::ResponseFuture<<super::$msg as actix::Message>::Result>;
            fn handle(&mut self, _msg: super::$msg, _ctx: &mut Self::Context) -> Self::Result {
                unimplemented!()
            }
        }
    )*};
}
stub_handler!(
    StartRun,
    GetRun,
    ListRuns,
    TailRun,
    StopRun,
    DecideApproval,
    GetApproval,
    ListApprovals,
    ListRules,
    RemoveRule,
    GetLoad,
    ReaderGone
);
