//! One port: accept, bound, serve, close.

use super::{Limits, Mark, Port, entry, refusal};
use actix_http::{HttpService, Protocol, Request, Response, body::BoxBody, error::DispatchError};
use actix_service::{Service, ServiceFactory, ServiceFactoryExt as _, fn_factory, fn_service};
use actix_web::{body::MessageBody, dev::ServiceResponse};
use std::{io, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// An idle connection is closed after this.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// The head of a request must arrive within this.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connections may take to end once their port is closed.
const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// Refusals that may be under way at once; beyond it a connection is closed without a word.
const REFUSALS: usize = 32;

/// A port that is being served. Dropping it closes the port; [`Listener::close`] also waits and gives the socket back.
pub struct Listener {
    stop: DropGuard,
    ended: oneshot::Receiver<std::net::TcpListener>,
}

impl Listener {
    /// Stops accepting, lets requests under way end (2 s at most), and gives the socket back, still bound: who
    /// connects meanwhile waits for the next one to serve it.
    pub async fn close(self) -> Option<std::net::TcpListener> {
        drop(self.stop);
        self.ended.await.ok()
    }
}

/// Begins to serve `port` on this thread.
pub(super) async fn open<S, B>(port: Port, app: Rc<S>, limits: Arc<Limits>) -> io::Result<Listener>
where
    S: Service<Request, Response = ServiceResponse<B>> + 'static,
    S::Error: Into<Response<BoxBody>> + 'static,
    B: MessageBody + 'static,
{
    let Port { socket, mark, tls } = port;
    socket.set_nonblocking(true)?;
    let socket = TcpListener::from_std(socket)?;
    let stop = CancellationToken::new();
    let failed = |()| io::Error::other("the HTTP service could not be built");
    match tls {
        None => {
            let entry = fn_service(async |stream| entry::plain(stream));
            let service =
                entry.and_then(http(app, mark, stop.clone())).new_service(()).await.map_err(failed)?;
            Ok(begin(socket, service, limits, stop, Crowded::Told))
        }
        Some(tls) => {
            let closing = stop.clone();
            let entry = fn_service(move |stream| entry::encrypted(stream, tls.clone(), closing.clone()));
            let service =
                entry.and_then(http(app, mark, stop.clone())).new_service(()).await.map_err(failed)?;
            Ok(begin(socket, service, limits, stop, Crowded::Closed))
        }
    }
}

/// HTTP over connections of any kind.
fn http<T, S, B>(
    app: Rc<S>,
    mark: Mark,
    stop: CancellationToken,
) -> impl ServiceFactory<
    (T, Protocol, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    S: Service<Request, Response = ServiceResponse<B>> + 'static,
    S::Error: Into<Response<BoxBody>> + 'static,
    B: MessageBody + 'static,
{
    HttpService::build()
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(Duration::from_secs(1))
        // Else a client that has gone is noticed only at the next write.
        .h1_allow_half_closed(false)
        .graceful_shutdown_signal(move || stop.clone().cancelled_owned())
        .on_connect_ext(move |_stream: &T, connection| mark(connection))
        .finish(fn_factory(move || {
            let app = app.clone();
            async move { Ok::<_, ()>(app) }
        }))
}

fn begin<H>(
    socket: TcpListener,
    service: H,
    limits: Arc<Limits>,
    stop: CancellationToken,
    crowded: Crowded,
) -> Listener
where
    H: Service<TcpStream> + 'static,
{
    let (give_back, ended) = oneshot::channel();
    let guard = stop.clone().drop_guard();
    actix_rt::spawn(async move {
        let (service, connections, refusals) = (Rc::new(service), JoinSet::new(), JoinSet::new());
        let accepting = Accepting { service, limits, connections, refusals, crowded };
        if let Some(socket) = accepting.run(socket, stop).await {
            // Nobody waits for the socket: then it is closed here.
            let _ = give_back.send(socket);
        }
    });
    Listener { stop: guard, ended }
}

/// What becomes of a connection that is one too many.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Crowded {
    Told,
    /// Before the handshake, whose cost it is not to have, a client of TLS can be told nothing.
    Closed,
}

struct Accepting<H> {
    service: Rc<H>,
    limits: Arc<Limits>,
    connections: JoinSet<()>,
    refusals: JoinSet<()>,
    crowded: Crowded,
}

impl<H> Accepting<H>
where
    H: Service<TcpStream> + 'static,
{
    async fn run(mut self, socket: TcpListener, stop: CancellationToken) -> Option<std::net::TcpListener> {
        let mut pause = Pause::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                // A panic of a handler was logged where it happened; its connection is lost, and nothing else.
                Some(_ended) = self.connections.join_next() => {}
                Some(_ended) = self.refusals.join_next() => {}
                accepted = accept(&socket, &mut pause) => self.admit(accepted),
            }
        }
        let all = async { while self.connections.join_next().await.is_some() {} };
        if timeout(CLOSE_GRACE, all).await.is_err() {
            self.connections.shutdown().await;
        }
        socket.into_std().ok()
    }

    fn admit(&mut self, stream: TcpStream) {
        if self.connections.len() < self.limits.per_port
            && let Some(permit) = self.limits.admit()
        {
            let service = self.service.clone();
            self.connections.spawn_local(async move {
                // What goes wrong on one connection (a reset, bad framing) was answered on it.
                let _ = service.call(stream).await;
                drop(permit);
            });
        } else if self.crowded == Crowded::Told && self.refusals.len() < REFUSALS {
            self.refusals.spawn_local(refusal::too_many(stream));
        }
    }
}

/// The next connection, however long it takes until there can be one. Dropping the future loses none.
async fn accept(socket: &TcpListener, pause: &mut Pause) -> TcpStream {
    loop {
        match socket.accept().await {
            Ok((stream, _peer)) => {
                *pause = Pause::default();
                return stream;
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                // Out of descriptors or memory: the connection stays in the kernel's queue. Asking again at once would
                // spin.
                tracing::warn!(%error, "no connection can be accepted now");
                pause.pass().await;
            }
        }
    }
}

/// Errors of `accept` that speak of the connection that was to be accepted, not of us.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Growing waits while nothing can be accepted.
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(Duration::from_millis(10))
    }
}

impl Pause {
    async fn pass(&mut self) {
        let now = self.0;
        self.0 = (now * 2).min(Duration::from_secs(1));
        tokio::time::sleep(now).await;
    }
}
