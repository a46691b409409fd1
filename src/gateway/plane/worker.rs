//! One thread that serves ports and runs what belongs to it.

use super::{
    Limits, Port,
    listener::{self, Listener},
};
use actix_rt::{Arbiter, ArbiterHandle};
use actix_service::{IntoServiceFactory as _, ServiceFactory, ServiceFactoryExt as _, boxed, map_config};
use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{AppConfig, ServiceRequest, ServiceResponse},
};
use futures_util::future::LocalBoxFuture;
use std::{fmt, future::Future, rc::Rc, sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot};

type Job = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>;

enum Command {
    Serve { port: Port, answer: oneshot::Sender<std::io::Result<Listener>> },
    Run(Job),
}

/// The thread has ended, or what it was asked to do panicked.
#[derive(Debug, Clone, Copy)]
pub struct WorkerGone;

impl fmt::Display for WorkerGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the worker thread did not answer")
    }
}

impl std::error::Error for WorkerGone {}

/// The handle of a worker thread.
pub struct Worker {
    number: usize,
    arbiter: Arbiter,
    commands: mpsc::UnboundedSender<Command>,
}

impl Worker {
    pub(super) fn start<F, T, B>(number: usize, limits: Arc<Limits>, app: F) -> Self
    where
        F: Fn() -> App<T> + Send + 'static,
        T: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<B>,
                Error = Error,
                InitError = (),
            > + 'static,
        B: MessageBody + 'static,
    {
        let arbiter = Arbiter::new();
        let (commands, received) = mpsc::unbounded_channel();
        arbiter.spawn_fn(move || {
            actix_rt::spawn(work(app, limits, received));
        });
        Self { number, arbiter, commands }
    }

    /// Which of the workers this is, from 0.
    #[must_use]
    pub const fn number(&self) -> usize {
        self.number
    }

    /// The thread's own handle, for actors that are to live on it.
    #[must_use]
    pub fn arbiter(&self) -> ArbiterHandle {
        self.arbiter.handle()
    }

    /// Serves a port until its [`Listener`] is closed.
    ///
    /// # Errors
    /// The socket cannot be served; the thread has ended.
    pub async fn serve(&self, port: Port) -> std::io::Result<Listener> {
        let (answer, answered) = oneshot::channel();
        let gone = || std::io::Error::other(WorkerGone);
        self.commands.send(Command::Serve { port, answer }).map_err(|_closed| gone())?;
        answered.await.map_err(|_closed| gone())?
    }

    /// Runs a future on the thread and waits for what it gives. A panic in it ends nothing else.
    ///
    /// # Errors
    /// [`WorkerGone`], also for that panic.
    pub async fn run<F, R>(&self, make: impl FnOnce() -> F + Send + 'static) -> Result<R, WorkerGone>
    where
        F: Future<Output = R> + 'static,
        R: Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move || {
            Box::pin(async move {
                // Nobody waits any more: the result has no use.
                let _ = answer.send(make().await);
            })
        });
        self.commands.send(Command::Run(job)).map_err(|_closed| WorkerGone)?;
        answered.await.map_err(|_closed| WorkerGone)
    }

    pub(super) fn stop(&self) {
        self.arbiter.stop();
    }

    /// Waits for the end of the thread, but not for ever: blocking work of a tool may still run there.
    pub(super) async fn join(self, limit: Duration) {
        let joined = actix_rt::task::spawn_blocking(move || self.arbiter.join());
        match tokio::time::timeout(limit, joined).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(_)) | Err(_)) => tracing::error!(worker = self.number, "a worker thread panicked"),
            Err(_elapsed) => tracing::warn!(worker = self.number, "a worker thread did not end in time"),
        }
    }
}

/// The life of a worker thread.
async fn work<F, T, B>(app: F, limits: Arc<Limits>, mut commands: mpsc::UnboundedReceiver<Command>)
where
    F: Fn() -> App<T>,
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let factory = app().into_factory().map_err(|error: Error| error.error_response());
    let Ok(service) = map_config(factory, |()| AppConfig::default()).new_service(()).await else {
        tracing::error!("the front could not be built");
        return;
    };
    // In boxes: a connection that streams an answer has no use for the room that handling its request took.
    let service = Rc::new(boxed::service(service));
    while let Some(command) = commands.recv().await {
        match command {
            // In a task of its own: what one port or job does must not hold up the next command.
            Command::Serve { port, answer } => {
                let (service, limits) = (service.clone(), limits.clone());
                actix_rt::spawn(async move {
                    // A caller that gave up drops the listener, and that closes it.
                    let _ = answer.send(listener::open(port, service, limits).await);
                });
            }
            Command::Run(job) => {
                actix_rt::spawn(async move { job().await });
            }
        }
    }
}
