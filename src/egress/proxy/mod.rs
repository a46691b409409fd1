//! An HTTP/1.1 proxy: `CONNECT` for whatever is encrypted, forwarding for plain `http:`.
//!
//! One task per connection, on the thread of the profile; bodies and tunnels pass in pieces, none is held. A connection
//! to a server is made for one request or one tunnel and never used again, so that no two clients meet on it and each
//! request is judged by itself.

mod answer;
mod connection;
mod forward;
mod line;
#[cfg(test)]
mod tests;

use super::{
    bounds::Bounds,
    grant::{Desk, Pass},
};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinSet};

/// After an error of `accept` that is not about one connection: out of descriptors, mostly.
const PAUSE: Duration = Duration::from_millis(100);

/// How a listener knows whose connection it has.
#[derive(Clone)]
pub enum Admission {
    /// Nobody else reaches it.
    Known(Arc<Pass>),
    /// By the token in each request.
    ByToken(Arc<Desk>),
}

/// Serves until it is dropped, with all its connections.
pub async fn accept(listener: TcpListener, admission: Admission, bounds: Bounds) {
    let most = match admission {
        Admission::Known(_) => bounds.connections,
        Admission::ByToken(_) => bounds.in_all,
    };
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            Some(_ended) = open.join_next() => {}
            // Beyond the bound they wait in the kernel, and beyond its bound they are refused there.
            accepted = listener.accept(), if open.len() < most => match accepted {
                Ok((stream, _peer)) => {
                    open.spawn(connection::serve(stream, admission.clone(), bounds));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
}
