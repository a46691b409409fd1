//! The listener plane: many ports, few threads.
//!
//! ```text
//! port of alice ─► accept task ─┐
//! port of bob   ─► accept task ─┼─► one App service ─► handlers      (one of these per worker thread)
//! port of carol ─► accept task ─┘
//! ```
//!
//! actix-web's own `HttpServer` makes a whole App per port and thread and fixes its ports at the start. Here each
//! worker has **one** App service that all its ports share; what a port stands for is handed to each connection, so a
//! port costs a socket and a task. Ports come and go one by one while the others keep their connections.
//!
//! The plane knows nothing of profiles: [`Port`] brings a socket and a function that marks its connections.

mod entry;
mod limits;
mod listener;
mod refusal;
mod tls;
mod worker;

pub use limits::{Limits, raise_descriptor_limit};
pub use listener::Listener;
pub use tls::{Tls, TlsFault};
pub use worker::{Worker, WorkerGone};

use actix_http::Extensions;
use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
};
use std::{cell::RefCell, net::TcpListener, sync::Arc, time::Duration};

/// Puts into a new connection what its requests will be asked by.
pub type Mark = Arc<dyn Fn(&mut Extensions) + Send + Sync>;

/// A bound socket that is to be served.
pub struct Port {
    pub socket: TcpListener,
    pub mark: Mark,
    /// Without it the port speaks plain HTTP.
    pub tls: Option<Arc<Tls>>,
}

/// The worker threads. Belongs to the thread of the roster, which alone adds and removes ports.
pub struct Plane {
    workers: RefCell<Vec<Arc<Worker>>>,
}

impl Plane {
    /// Starts `workers` threads, each with its own App service. Must be called within an actix `System`.
    pub fn start<F, T, B>(workers: usize, limits: &Arc<Limits>, app: F) -> Self
    where
        F: Fn() -> App<T> + Clone + Send + 'static,
        T: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<B>,
                Error = Error,
                InitError = (),
            > + 'static,
        B: MessageBody + 'static,
    {
        let one = |number| Arc::new(Worker::start(number, limits.clone(), app.clone()));
        let workers = (0..workers.max(1)).map(one).collect();
        Self { workers: RefCell::new(workers) }
    }

    /// The worker with the fewest places taken. A profile asks once and stays where it was put. `None` once stopped.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        let workers = self.workers.borrow();
        let worker = workers.iter().min_by_key(|worker| Arc::strong_count(worker))?;
        Some(Place(worker.clone()))
    }

    /// Ends the threads. Whatever still runs on them is dropped.
    pub async fn stop(&self) {
        let workers = self.workers.take();
        for worker in &workers {
            worker.stop();
        }
        for worker in workers {
            // A place that is still held (by a keeper that hangs) keeps its thread from being joined, not from ending.
            if let Some(worker) = Arc::into_inner(worker) {
                worker.join(Duration::from_secs(5)).await;
            }
        }
    }
}

/// A seat on a worker; counted as its load until dropped.
#[derive(Clone)]
pub struct Place(Arc<Worker>);

impl std::ops::Deref for Place {
    type Target = Worker;

    fn deref(&self) -> &Worker {
        &self.0
    }
}

#[cfg(test)]
mod tests;
