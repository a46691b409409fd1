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
pub struct Tenant {
    options: TenantOptions,
    config: Arc<ProfileConfig>,
    state: std::sync::Mutex<TenantState>,
    keys: std::sync::Mutex<Vec<crate::store::KeyRecord>>,
    draining: std::sync::atomic::AtomicBool,
}

/// LOCAL STUB of the gateway branch, replaced at the merge.
pub struct TenantOptions {
    pub config: ProfileConfig,
    pub sandbox: crate::sandbox::Sandbox,
    pub home_secret: Arc<[u8; 32]>,
    pub machine: Arc<MachineSlots>,
    pub lock: Arc<crate::store::ProfileLock>,
    pub gone: actix::Recipient<ProfileGone>,
}

#[derive(Debug, actix::Message)]
#[rtype(result = "()")]
pub struct ProfileGone {
    pub name: crate::domain::ProfileName,
    pub reason: GoneReason,
}

#[derive(Debug)]
pub enum GoneReason {
    Panicked,
    Store(crate::store::StoreError),
}

pub struct MachineSlots(());

impl MachineSlots {
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        let _ = limit;
        Arc::new(Self(()))
    }
}

#[allow(clippy::unused_async, clippy::unwrap_used, clippy::missing_errors_doc)]
impl Tenant {
    #[must_use]
    pub fn new(options: TenantOptions) -> Arc<Self> {
        let config = Arc::new(options.config.clone());
        Arc::new(Self {
            options,
            config,
            state: std::sync::Mutex::new(TenantState::Stopped),
            keys: std::sync::Mutex::default(),
            draining: false.into(),
        })
    }

    pub fn attach(self: &Arc<Self>) {}

    pub async fn open(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    pub fn set_state(&self, state: TenantState) {
        *self.state.lock().unwrap() = state;
    }

    pub fn begin_drain(&self) {
        self.draining.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    pub async fn drain(&self, limit: std::time::Duration) {
        let _ = limit;
    }

    pub async fn close(&self) {
        let _ = &self.options.gone;
    }

    pub async fn create_key(
        &self,
        name: &str,
        scopes: &[Scope],
    ) -> Result<super::keys::NewKey, ProfileError> {
        let key = super::keys::mint(name, scopes, &self.options.home_secret);
        self.keys.lock().unwrap().push(key.record.clone());
        Ok(key)
    }

    pub async fn keys(&self) -> Result<Vec<crate::store::KeyRecord>, ProfileError> {
        Ok(self.keys.lock().unwrap().clone())
    }

    pub async fn revoke_key(&self, id: &KeyId) -> Result<crate::store::KeyRecord, ProfileError> {
        let mut keys = self.keys.lock().unwrap();
        let key = keys.iter_mut().find(|key| key.id == *id);
        let key = key.ok_or_else(|| ProfileError::new(Code::NotFound, "no such key"))?;
        key.revoked_at = Some(crate::domain::now());
        Ok(key.clone())
    }
}

/// The profile's actor; see `actors::profile`.
pub struct ProfileActor(());
impl actix::Actor for ProfileActor {
    type Context = actix::Context<Self>;
}

impl Tenant {
    #[must_use]
    pub fn config(&self) -> Arc<ProfileConfig> {
        self.config.clone()
    }

    #[must_use]
    #[allow(clippy::unwrap_used)]
    pub fn state(&self) -> TenantState {
        self.state.lock().unwrap().clone()
    }

    /// New turns are refused: 503 `gateway_draining`.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(std::sync::atomic::Ordering::Relaxed)
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
