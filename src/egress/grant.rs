//! The right of one command to use the proxy, for as long as it runs.

use super::{
    bounds::Bounds,
    dial::Dialed,
    proxy::{self, Admission},
    reach::Reach,
    refusal::Refusal,
    target::Target,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{net::TcpListener, sync::Semaphore, task::AbortHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The user name in a proxy's URL; the token is the password.
const USER: &str = "run";

/// What connections of one command share.
pub struct Pass {
    reach: Reach,
    /// Connections that it may still open.
    pub(super) places: Arc<Semaphore>,
    /// Cancelled when the command has ended.
    pub(super) ended: CancellationToken,
}

impl Pass {
    /// Connects on behalf of the command and writes down what was decided.
    pub(super) async fn connect(&self, target: &Target) -> Result<Dialed, Refusal> {
        self.reach.connect(target).await
    }
}

/// Dropping it ends every connection of the command and makes its token worthless.
pub struct Grant {
    pass: Arc<Pass>,
    token: String,
    /// Under which the desk knows it.
    entry: blake3::Hash,
    desk: Arc<Desk>,
    bounds: Bounds,
    listening: Mutex<Vec<Listening>>,
    _ended: DropGuard,
}

/// A task that ends with its owner.
#[derive(Debug)]
pub(super) struct Listening(pub AbortHandle);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Grant {
    pub(super) fn new(reach: Reach, desk: &Arc<Desk>, bounds: Bounds) -> io::Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let entry = credentials(BASE64_STANDARD.encode(format!("{USER}:{token}")).as_bytes());
        let ended = CancellationToken::new();
        let places = Arc::new(Semaphore::new(bounds.connections));
        let pass = Arc::new(Pass { reach, places, ended: ended.clone() });
        desk.entries().insert(entry, pass.clone());
        let desk = desk.clone();
        Ok(Self { pass, token, entry, desk, bounds, listening: Mutex::default(), _ended: ended.drop_guard() })
    }

    /// Serves the proxy on a listener that only this command can reach: it needs no token there. Must be called within
    /// a runtime; the connections are carried on its thread.
    ///
    /// # Errors
    ///
    /// The listener is no socket to wait for.
    pub fn serve(&self, listener: std::net::TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let admission = Admission::Known(self.pass.clone());
        let accepting = tokio::spawn(proxy::accept(listener, admission, self.bounds));
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        listening.push(Listening(accepting.abort_handle()));
        Ok(())
    }

    /// What the proxy on a port that others reach, too, is called with.
    #[must_use]
    pub fn url(&self, port: u16) -> String {
        format!("http://{USER}:{}@127.0.0.1:{port}", self.token)
    }

    /// What was refused so far, a sentence each.
    #[must_use]
    pub fn refusals(&self) -> Vec<String> {
        self.pass.reach.refusals()
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.desk.entries().remove(&self.entry);
    }
}

/// Who may use a port that several commands reach.
#[derive(Default)]
pub struct Desk(Mutex<HashMap<blake3::Hash, Arc<Pass>>>);

impl Desk {
    /// The pass behind what a client has shown.
    pub(super) fn find(&self, shown: &[u8]) -> Option<Arc<Pass>> {
        self.entries().get(&credentials(shown)).cloned()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<blake3::Hash, Arc<Pass>>> {
        // Each change is one call, so a panic leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looked up by its hash: how long a comparison takes then says nothing about the token.
fn credentials(encoded: &[u8]) -> blake3::Hash {
    blake3::hash(encoded)
}
