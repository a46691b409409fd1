//! From names to addresses, off the worker threads.

use futures_util::future::BoxFuture;
use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
};
use tokio::sync::Semaphore;

/// Looks names up. The system's own way is [`System`]; tests bring name servers that lie.
pub trait Resolve: Send + Sync {
    /// The addresses of a name, with this port.
    fn resolve(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// Look-ups of one profile at the same time. Each holds a thread of the pool until the system's resolver gives up, which
/// may be long after the one who asked has.
const LOOKUPS: usize = 8;

/// The C library's resolver, with `/etc/hosts` and whatever else the machine is set up to ask.
pub struct System(Arc<Semaphore>);

impl Default for System {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LOOKUPS)))
    }
}

impl Resolve for System {
    fn resolve(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let (name, turns) = (name.to_owned(), self.0.clone());
        Box::pin(async move {
            let turn = turns.acquire_owned().await.map_err(io::Error::other)?;
            let look = move || {
                let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
                drop(turn);
                found
            };
            tokio::task::spawn_blocking(look).await.map_err(io::Error::other)?
        })
    }
}
