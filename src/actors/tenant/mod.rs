//! One profile of this process: what outlives its actor, and the way in to it.

mod closing;
mod files;
mod import;
mod isolation;
mod keys;
mod memory;
mod record;

pub use keys::KeyState;

use super::{
    AuthError, Board, Caller, MachineSlots, ModelCalls, Permissions, ProfileActor, Prompts, Unavailable,
    UnderWay,
    keys::{KeyRing, Unread as KeysUnread},
    recovery,
    run::Unread,
};
use crate::{
    audit::{Actor as Doer, AuditLog},
    config::ProfileConfig,
    domain::{Millis, ProfileName, RunId, Toolset, now},
    egress::{Egress, Listeners},
    isolation::Examination,
    model::SeenWindows,
    redact::{Redactor, Redactors, Secrets},
    sandbox::{Owner, Sandbox},
    store::{Options, ProfileLock, Store, StoreError},
    tools::Toolbox,
};
use actix::{Actor, Addr, Message, Recipient};
use actix_rt::ArbiterHandle;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool};
use tokio_util::sync::CancellationToken;

/// Seconds that a client is told to wait for a profile that restarts.
const RETRY_AFTER: u64 = 2;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantState {
    Serving,
    /// Waiting to be started again after a crash.
    Restarting,
    /// Given up, with the reason; `hermes profile restart` tries again.
    Failed(String),
    Stopped,
}

/// Notice to the roster: the profile needs it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ProfileGone {
    pub name: ProfileName,
    pub reason: GoneReason,
}

#[derive(Debug, Clone)]
pub enum GoneReason {
    /// Its actor ended by a panic; the store is open and the runs go on.
    Panicked,
    /// Its store could not be opened.
    Store(StoreError),
}

/// What a tenant is made of.
pub struct TenantOptions {
    pub config: ProfileConfig,
    pub sandbox: Sandbox,
    /// The user of this machine that is kept for the profile.
    pub user: Option<Owner>,
    /// Key of the fast hashes of all keys of this home.
    pub home_secret: Arc<[u8; 32]>,
    pub machine: Arc<MachineSlots>,
    /// Ports of the gateway, to which the profile's agent is never connected.
    pub listeners: Listeners,
    pub lock: Arc<ProfileLock>,
    /// Which the process's log is cleaned with.
    pub redactors: Redactors,
    pub gone: Recipient<ProfileGone>,
    /// The thread of the profile's actors, wherever a request for it comes in.
    pub worker: ArbiterHandle,
}

/// One profile. Lives as long as the gateway serves it; its actor comes and goes behind it.
pub struct Tenant {
    name: ProfileName,
    config: Arc<ProfileConfig>,
    sandbox: Sandbox,
    /// Holds the profile's folders, so it must not be made anew with each actor.
    toolbox: Toolbox,
    home_secret: Arc<[u8; 32]>,
    lock: Arc<ProfileLock>,
    gone: Recipient<ProfileGone>,
    worker: ArbiterHandle,
    keys: KeyRing,
    /// One change of a key at a time.
    editing_keys: tokio::sync::Mutex<()>,
    board: Arc<Board>,
    permissions: Permissions,
    under_way: UnderWay,
    redactor: Redactor,
    model_calls: ModelCalls,
    windows: SeenWindows,
    prompts: Prompts,
    audit: AuditLog,
    started_at: Millis,
    draining: AtomicBool,
    /// Cancelled when runs that only wait are to be put aside: at a shutdown.
    parking: CancellationToken,
    state: Mutex<TenantState>,
    slot: Mutex<Slot>,
    /// One opening at a time; whoever comes meanwhile finds its result.
    opening: tokio::sync::Mutex<()>,
    /// What came of the last attacks on the wall; one round at a time.
    examined: tokio::sync::Mutex<Option<Arc<Examination>>>,
}

#[derive(Default)]
struct Slot {
    store: Option<Store>,
    actor: Option<Addr<ProfileActor>>,
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Values behind these locks are replaced whole, so a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tenant {
    #[must_use]
    pub fn new(options: TenantOptions) -> Arc<Self> {
        let TenantOptions {
            config,
            sandbox,
            user,
            home_secret,
            machine,
            listeners,
            lock,
            gone,
            worker,
            redactors,
        } = options;
        let redactor = Redactor::new(Secrets::of(&config));
        redactors.add(&redactor);
        let audit = AuditLog::new(&config.state_dir, redactor.clone());
        let network = config.terminal.network.clone();
        let egress = Egress::new(config.name.clone(), network, listeners, audit.clone());
        audit.note_with_next(Doer::Gateway, record::started(&sandbox));
        let sandbox = sandbox.apart();
        audit.note_with_next(Doer::Gateway, record::loaded(&config, &home_secret));
        let config = Arc::new(config);
        let board = Board::new(machine);
        board.configure(config.api.max_concurrent_runs, config.api.queue);
        Arc::new(Self {
            name: config.name.clone(),
            keys: KeyRing::new(home_secret.clone(), config.api_key.as_ref()),
            editing_keys: tokio::sync::Mutex::default(),
            toolbox: Toolbox::new(config.clone(), sandbox.clone(), user, egress),
            config,
            sandbox,
            home_secret,
            lock,
            gone,
            worker,
            board,
            permissions: Permissions::default(),
            under_way: UnderWay::default(),
            redactor,
            model_calls: ModelCalls::default(),
            windows: SeenWindows::default(),
            prompts: Prompts::default(),
            audit,
            started_at: now(),
            draining: AtomicBool::new(false),
            parking: CancellationToken::new(),
            state: Mutex::new(TenantState::Serving),
            slot: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            examined: tokio::sync::Mutex::default(),
        })
    }

    #[must_use]
    pub const fn name(&self) -> &ProfileName {
        &self.name
    }

    #[must_use]
    pub fn config(&self) -> Arc<ProfileConfig> {
        self.config.clone()
    }

    #[must_use]
    pub const fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// What the profile's runs act with.
    #[must_use]
    pub fn toolbox(&self) -> Toolbox {
        self.toolbox.clone()
    }

    /// The tools of the profile's agent, as the model is told of them.
    #[must_use]
    pub fn toolset(&self) -> Arc<Toolset> {
        self.toolbox().toolset()
    }

    /// A name for something of this profile that says nothing of it and meets no other profile's, on this machine or
    /// another.
    #[must_use]
    pub fn alias(&self, name: &str) -> String {
        let whole = format!("{}/{name}", self.name);
        let hash = blake3::keyed_hash(&self.home_secret, whole.as_bytes()).to_hex();
        format!("relay-{}", hash.get(..32).unwrap_or_default())
    }

    #[must_use]
    pub const fn board(&self) -> &Arc<Board> {
        &self.board
    }

    #[must_use]
    pub const fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// Requests with an idempotency key that are being carried out.
    #[must_use]
    pub const fn under_way(&self) -> &UnderWay {
        &self.under_way
    }

    /// What takes the profile's secrets out of everything that is kept or shown.
    #[must_use]
    pub const fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// What is known of the profile's own model.
    #[must_use]
    /// What the upstreams have said of their models' windows.
    pub const fn windows(&self) -> &SeenWindows {
        &self.windows
    }

    pub const fn model_calls(&self) -> &ModelCalls {
        &self.model_calls
    }

    /// What was done in the profile's name.
    #[must_use]
    pub const fn audit(&self) -> &AuditLog {
        &self.audit
    }

    #[must_use]
    pub const fn started_at(&self) -> Millis {
        self.started_at
    }

    #[must_use]
    pub fn state(&self) -> TenantState {
        hold(&self.state).clone()
    }

    pub fn set_state(&self, state: TenantState) {
        *hold(&self.state) = state;
    }

    /// The token that tells waiting runs to put themselves aside.
    #[must_use]
    pub const fn parking(&self) -> &CancellationToken {
        &self.parking
    }

    // ---- the way in

    /// Checks a bearer token; never says why it is wrong.
    ///
    /// # Errors
    ///
    /// [`AuthError::Unavailable`] when only the store could tell, and it cannot be opened.
    pub async fn authenticate(self: &Arc<Self>, token: &str) -> Result<Caller, AuthError> {
        let checked = match self.keys.check(token).await {
            Ok(checked) => checked,
            Err(KeysUnread) => {
                self.ensure().await.map_err(AuthError::Unavailable)?;
                self.keys.check(token).await.unwrap_or(None)
            }
        };
        match &checked {
            Some(caller) => self.proven(token, caller),
            None => self.audit.key_failed(),
        }
        checked.ok_or(AuthError::Invalid)
    }

    /// The profile's actor, its store opened first if it is not open. May be asked on any thread.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] with the reason.
    pub async fn profile(self: &Arc<Self>) -> Result<Addr<ProfileActor>, Unavailable> {
        if let Some(actor) = self.actor() {
            return Ok(actor);
        }
        self.ensure().await?;
        self.actor().ok_or_else(|| self.unavailable("has just been closed"))
    }

    /// A reader of a run went away before the terminal event. The run is told by itself: the profile's actor may just
    /// have fallen, while the run goes on.
    pub fn reader_gone(&self, run: RunId) {
        if let Some(actor) = self.board.live(run) {
            actor.do_send(Unread);
        }
    }

    fn actor(&self) -> Option<Addr<ProfileActor>> {
        hold(&self.slot).actor.as_ref().filter(|actor| actor.connected()).cloned()
    }

    /// Opens what a request needs, if the roster lets this profile serve.
    async fn ensure(self: &Arc<Self>) -> Result<(), Unavailable> {
        match self.state() {
            TenantState::Serving => {}
            TenantState::Restarting => return Err(self.unavailable("is being restarted")),
            TenantState::Failed(reason) => return Err(self.unavailable(&format!("has failed: {reason}"))),
            TenantState::Stopped => return Err(self.unavailable("is stopped")),
        }
        // Boxed: every request would hold room for what the first one does.
        Box::pin(self.open_now()).await.map_err(|error| self.store_failed(error))
    }

    /// Opens the store, recovers once, and starts the actor, whatever the state says: for the roster.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] with the store's reason.
    pub async fn open(self: &Arc<Self>) -> Result<(), Unavailable> {
        let opened = Box::pin(self.open_now()).await;
        opened.map_err(|error| self.unavailable(&format!("cannot open its store: {error}")))
    }

    async fn open_now(self: &Arc<Self>) -> Result<(), StoreError> {
        let _one = self.opening.lock().await;
        if self.actor().is_some() {
            return Ok(());
        }
        let open = hold(&self.slot).store.clone();
        let (store, recovered) = match open {
            Some(store) => (store, recovery::Recovered::default()),
            None => self.open_store().await?,
        };
        let (tenant, of_actor) = (self.clone(), store.clone());
        let actor = ProfileActor::start_in_arbiter(&self.worker, move |_ctx| {
            ProfileActor::new(tenant, of_actor, recovered)
        });
        *hold(&self.slot) = Slot { store: Some(store), actor: Some(actor) };
        Ok(())
    }

    async fn open_store(&self) -> Result<(Store, recovery::Recovered), StoreError> {
        let (dir, lock) = (self.config().state_dir.clone(), self.lock.clone());
        let redactor = self.redactor.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let store = Store::open_with(&dir, lock, Options::redacting(redactor))?;
            let open = store.open_runs()?;
            let keys = store.keys()?;
            Ok::<_, StoreError>((store, open, keys))
        });
        let (store, open, keys) =
            opened.await.map_err(|error| StoreError::Damaged(format!("opening it failed: {error}")))??;
        self.keys.load(&keys);
        self.permissions.load(&store)?;
        let recovered = recovery::recover(&store, open, &keys, &self.config().model.default).await?;
        Ok((store, recovered))
    }

    fn store_failed(&self, error: StoreError) -> Unavailable {
        tracing::error!(profile = %self.name, %error, "the store could not be opened");
        let unavailable = self.unavailable(&format!("cannot open its store: {error}"));
        self.set_state(TenantState::Failed(error.to_string()));
        self.gone.do_send(ProfileGone { name: self.name.clone(), reason: GoneReason::Store(error) });
        unavailable
    }

    fn unavailable(&self, what: &str) -> Unavailable {
        Unavailable { message: format!("The profile `{}` {what}.", self.name), retry_after: RETRY_AFTER }
    }
}
