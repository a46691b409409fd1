//! From settings to a port that is served, and back.

use super::{
    certificate,
    files::Plan,
    lock,
    socket::{bind, is_at, no_port},
};
use crate::{
    actors::{
        Directory, Editor, KeySpec, MachineSlots, ProfileError, ProfileGone, Rights, Scope, Tenant,
        TenantOptions, TenantState, Unavailable,
    },
    config::{ProfileConfig, Secret},
    domain::ProfileName,
    egress::{Listeners, Listening},
    gateway::{
        at_rest,
        plane::{Listener, Place, Plane, Port, Tls, WorkerGone},
        status::KeyState,
        users::Users,
    },
    redact::Redactors,
    sandbox::{Owner, Sandbox},
    store::ProfileLock,
    tools::Footing,
};
use actix::Recipient;
use std::{
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{sync::Semaphore, time::timeout};

/// Stores that are opened at the same time: recovery reads a lot.
const OPENINGS: usize = 4;
/// What a tenant may take beyond the time it was given to drain in.
const SLACK: Duration = Duration::from_secs(10);

/// What all profiles of a gateway stand on.
pub struct Ground {
    pub plane: Rc<Plane>,
    pub sandbox: Sandbox,
    pub home_secret: Arc<[u8; 32]>,
    pub machine: Arc<MachineSlots>,
    pub gone: Recipient<ProfileGone>,
    /// Who can be reached through the home's own port.
    pub directory: Arc<Directory>,
    /// What no agent is connected to.
    listeners: Listeners,
    redactors: Redactors,
    /// Where profiles get users of their own: a gateway that is root.
    users: Option<Users>,
    openings: Semaphore,
}

impl Ground {
    pub fn new(
        plane: Rc<Plane>,
        sandbox: Sandbox,
        home_secret: Arc<[u8; 32]>,
        machine: Arc<MachineSlots>,
        gone: Recipient<ProfileGone>,
        redactors: Redactors,
        users: Option<Users>,
    ) -> Self {
        let directory = Arc::new(Directory::new(home_secret.clone()));
        let (listeners, openings) = (Listeners::default(), Semaphore::new(OPENINGS));
        Self { plane, sandbox, home_secret, machine, gone, directory, listeners, redactors, users, openings }
    }
}

/// A profile whose port is served.
pub struct Up {
    pub tenant: Arc<Tenant>,
    pub address: SocketAddr,
    pub keys: KeyState,
    /// The key that was made because there was none.
    pub first_key: Option<Secret>,
    /// The port is served, and answers 503.
    pub trouble: Option<Trouble>,
    /// Whose its commands are, and what they will miss.
    pub footing: Footing,
    /// What the port shows who comes; `None`: plain HTTP.
    pub tls: Option<Arc<Tls>>,
    listener: Listener,
    listening: Listening,
    lock: Arc<ProfileLock>,
}

/// Why a port is open without a profile that could serve.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// The store could not be opened; trying again may help.
    Store(String),
    /// The profile could not be started again, so its earlier port is held: only new files help.
    Held(String),
}

/// What is kept while a profile is taken down and brought up again, so that nobody else takes it meanwhile.
#[derive(Default)]
pub struct Kept {
    pub socket: Option<TcpListener>,
    pub tls: Option<Arc<Tls>>,
    /// The socket's port stays closed to agents while nobody serves it: who connects waits for the next one.
    pub listening: Option<Listening>,
    pub lock: Option<Arc<ProfileLock>>,
    /// Whose settings the port has until there are others that work.
    pub tenant: Option<Arc<Tenant>>,
}

/// Brings a profile up: lock, port, store where it must be open now, key where there is none.
///
/// # Errors
/// A sentence that says what to do.
pub async fn bring_up(
    ground: &Ground,
    place: &Place,
    name: &ProfileName,
    plan: Plan,
    mut kept: Kept,
) -> Result<Up, String> {
    match bring_up_new(ground, place, name, plan, &mut kept).await {
        Ok(up) => Ok(up),
        Err(reason) => kept.hold(ground, place, reason).await,
    }
}

async fn bring_up_new(
    ground: &Ground,
    place: &Place,
    name: &ProfileName,
    plan: Plan,
    kept: &mut Kept,
) -> Result<Up, String> {
    let Plan { config, home, rival, warnings: _ } = plan;
    let config = config?;
    let tls = certificate::load(&config).await?;
    let (lock, wake) = lock::take(name, &config, kept.lock.clone()).await?;
    let socket = match kept.socket_for(config.listen) {
        Some(socket) => socket,
        None => match bind(config.listen) {
            Ok(socket) => socket,
            Err(error) => return Err(no_port(&error, config.listen, name, home, rival).await),
        },
    };
    let address = socket.local_addr().map_err(|error| error.to_string())?;
    let listening = ground.listeners.enter(address.port());
    if !address.ip().is_loopback() {
        tracing::warn!(
            profile = %name, %address, tls = tls.is_some(),
            "this port can be reached from other machines: who has a key of the profile can have its agent run commands; \
             without TLS, who listens on the way can read keys"
        );
    }
    let (has_env_key, wake) = (config.api_key.is_some(), wake.unwrap_or_default());
    let user = user(ground, name).await?;
    let tenant = new_tenant(ground, place, config, user, &lock);
    tenant.set_state(TenantState::Restarting);
    let footing = prepare(&tenant).await?;

    // Recovery comes before the first request. A store that nobody waits for is opened by that first request.
    let keyless = !has_env_key && wake.keys == 0;
    let (mut first_key, mut stored) = (None, wake.keys);
    let mut trouble = None;
    if wake.open_runs || wake.next_due_ms.is_some() || keyless {
        trouble = open(ground, place, &tenant).await.err();
    }
    if keyless && trouble.is_none() {
        match ensure_key(place, &tenant).await {
            Ok(found) => (first_key, stored) = found,
            Err(error) => trouble = Some(error),
        }
    }
    let keys = match (&first_key, has_env_key) {
        (Some(_), _) => KeyState::JustMade,
        (None, true) => KeyState::Env,
        (None, false) if stored == 0 => KeyState::Unknown,
        (None, false) => KeyState::Stored(stored),
    };
    let listener = serve(ground, place, socket, tls.clone(), &tenant).await?;
    let trouble = trouble.map(Trouble::Store);
    Ok(Up { tenant, address, keys, first_key, trouble, footing, tls, listener, listening, lock })
}

fn new_tenant(
    ground: &Ground,
    place: &Place,
    config: ProfileConfig,
    user: Option<Owner>,
    lock: &Arc<ProfileLock>,
) -> Arc<Tenant> {
    Tenant::new(TenantOptions {
        sandbox: ground.sandbox.at_most(config.terminal.sandbox_most),
        config,
        user,
        home_secret: ground.home_secret.clone(),
        machine: ground.machine.clone(),
        listeners: ground.listeners.clone(),
        lock: lock.clone(),
        gone: ground.gone.clone(),
        redactors: ground.redactors.clone(),
        worker: place.arbiter(),
    })
}

/// The user of this machine that the profile's agent is to be.
async fn user(ground: &Ground, name: &ProfileName) -> Result<Option<Owner>, String> {
    let Some(users) = ground.users.clone() else { return Ok(None) };
    let of = name.clone();
    match actix_rt::task::spawn_blocking(move || users.of(&of)).await {
        Ok(found) => found.map(Some).map_err(|error| format!("no user can be kept for it: {error}")),
        Err(_panic) => Err("looking for its user panicked; please report this".to_owned()),
    }
}

/// Opens the folders that the profile's agent works in, before anything of it can change what their names mean.
async fn prepare(tenant: &Arc<Tenant>) -> Result<Footing, String> {
    let (toolbox, config) = (tenant.toolbox(), tenant.config());
    let prepared = actix_rt::task::spawn_blocking(move || {
        let mut footing = toolbox.prepare();
        footing.warnings.extend(at_rest::profile(&config.root, &config.state_dir));
        footing.warnings.extend(config.tls.as_ref().and_then(|tls| at_rest::tls_key(&tls.key.path)));
        footing
    });
    prepared.await.map_err(|_panic| "opening its folders panicked; please report this".to_owned())
}

/// Serves a port in the name of a tenant.
async fn serve(
    ground: &Ground,
    place: &Place,
    socket: TcpListener,
    tls: Option<Arc<Tls>>,
    tenant: &Arc<Tenant>,
) -> Result<Listener, String> {
    let of = tenant.clone();
    // Through the home's own port the others can be reached as well, each with its own key.
    let shared = (*tenant.name() == ProfileName::home()).then(|| ground.directory.clone());
    let mark = move |connection: &mut actix_http::Extensions| {
        connection.insert(of.clone());
        if let Some(directory) = &shared {
            connection.insert(directory.clone());
        }
    };
    let port = Port { socket, mark: Arc::new(mark), tls };
    place.serve(port).await.map_err(|error| format!("its port cannot be served: {error}"))
}

/// Opens (again) the store and the actor of a tenant.
///
/// # Errors
/// Why it cannot be.
pub async fn open(ground: &Ground, place: &Place, tenant: &Arc<Tenant>) -> Result<(), String> {
    // Never closed; and were it, opening without a turn would do no harm.
    let _turn = ground.openings.acquire().await.ok();
    match on(place, tenant, |tenant| async move { tenant.open().await }).await {
        Ok(opened) => opened.map_err(|Unavailable { message, retry_after: _ }| message),
        Err(gone) => Err(gone.to_string()),
    }
}

impl Up {
    /// No new turns from here on; returns when the running ones have ended, at the latest some seconds after `limit`.
    pub async fn drain(&self, place: &Place, limit: Duration) {
        self.tenant.begin_drain();
        let drained = on(place, &self.tenant, move |tenant| async move { tenant.drain(limit).await });
        if timeout(limit + SLACK, drained).await.is_err() {
            tracing::error!("a profile did not drain in time");
        }
    }

    /// Takes the profile down in order, once it is [drained](Up::drain): the connections, the store.
    pub async fn take_down(self, place: &Place) -> Kept {
        let Self {
            tenant,
            listener,
            listening,
            tls,
            lock,
            address: _,
            keys: _,
            first_key: _,
            trouble: _,
            footing: _,
        } = self;
        tenant.let_readers_go();
        let socket = listener.close().await;
        let closed = on(place, &tenant, |tenant| async move { tenant.close().await });
        if timeout(SLACK, closed).await.is_err() {
            tracing::error!("a profile's store did not close in time");
        }
        tenant.set_state(TenantState::Stopped);
        Kept { socket, tls, listening: Some(listening), lock: Some(lock), tenant: Some(tenant) }
    }
}

impl Kept {
    /// The socket, if it is one that listens where it should; else it stays, so that it can be held.
    fn socket_for(&mut self, wanted: SocketAddr) -> Option<TcpListener> {
        if let Some(socket) = self.socket.take_if(|socket| is_at(socket, wanted)) {
            return Some(socket);
        }
        // The same port at other addresses cannot be bound while this one listens.
        drop(self.socket.take_if(|socket| socket.local_addr().is_ok_and(|has| has.port() == wanted.port())));
        None
    }

    /// Has a tenant with the earlier settings answer 503 at its port: a client then reads why, where it would find nobody.
    ///
    /// # Errors
    /// `reason`, when there was no such port.
    async fn hold(self, ground: &Ground, place: &Place, reason: String) -> Result<Up, String> {
        let Self { socket: Some(socket), tls, listening, lock: Some(lock), tenant: Some(tenant) } = self
        else {
            return Err(reason);
        };
        let Ok(address) = socket.local_addr() else { return Err(reason) };
        // A new one: the earlier one goes on saying that it drains.
        let config = ProfileConfig::clone(&tenant.config());
        let tenant = new_tenant(ground, place, config, None, &lock);
        // The reason names files of the host, which a client is not to learn.
        tenant.set_state(TenantState::Failed(
            "it could not be started again; its operator can see why".to_owned(),
        ));
        let Ok(listener) = serve(ground, place, socket, tls.clone(), &tenant).await else {
            return Err(reason);
        };
        let (keys, trouble) = (KeyState::Unknown, Some(Trouble::Held(reason)));
        let listening = listening.unwrap_or_else(|| ground.listeners.enter(address.port()));
        let footing = Footing::default();
        Ok(Up { tenant, address, keys, first_key: None, trouble, footing, tls, listener, listening, lock })
    }

    /// Gives port and lock back, and waits (a second at most) until nothing holds the lock any more: whoever asked for
    /// the stop may open the store next.
    pub async fn release(self) {
        let Self { socket, tls: _, listening, lock, tenant } = self;
        // The tenant holds the lock as well.
        drop((socket, listening, tenant));
        let Some(lock) = lock.map(|lock| Arc::downgrade(&lock)) else {
            return;
        };
        let until_free = async {
            while Weak::strong_count(&lock) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(Duration::from_secs(1), until_free).await.is_err() {
            tracing::warn!("the lock of a stopped profile is still held");
        }
    }
}

async fn on<F, R>(
    place: &Place,
    tenant: &Arc<Tenant>,
    what: impl FnOnce(Arc<Tenant>) -> F + Send + 'static,
) -> Result<R, WorkerGone>
where
    F: Future<Output = R> + 'static,
    R: Send + 'static,
{
    let tenant = tenant.clone();
    place.run(move || what(tenant)).await
}

/// How many valid keys the store has; when it has none, one is made first.
async fn ensure_key(place: &Place, tenant: &Arc<Tenant>) -> Result<(Option<Secret>, usize), String> {
    let found = on(place, tenant, |tenant| async move {
        let keys = tenant.keys().await?;
        let valid = keys.iter().filter(|key| key.record.revoked_at.is_none()).count();
        if valid > 0 {
            return Ok((None, valid));
        }
        let first = KeySpec::new("first", Rights::of(&Scope::usual()));
        tenant.create_key(first, &Editor::Gateway).await.map(|key| (Some(key.token), 1))
    });
    match found.await {
        Ok(found) => found.map_err(|error: ProfileError| error.message),
        Err(gone) => Err(gone.to_string()),
    }
}
