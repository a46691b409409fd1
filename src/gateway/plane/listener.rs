//! One port: accept, bound, serve, close.

use super::{Limits, Port};
use crate::domain::Code;
use actix_http::{HttpService, Request, Response, body::BoxBody};
use actix_service::{Service, ServiceFactory as _, fn_factory};
use actix_web::{body::MessageBody, dev::ServiceResponse, rt::net::TcpStream};
use std::{io, rc::Rc, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
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
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

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
    let Port { socket, mark } = port;
    socket.set_nonblocking(true)?;
    let socket = TcpListener::from_std(socket)?;
    let stop = CancellationToken::new();
    let closing = stop.clone();
    let http = HttpService::build()
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(Duration::from_secs(1))
        // Nagle and delayed acknowledgements together hold a stream's events back for 40 ms.
        .tcp_nodelay(true)
        // Else a client that has gone is noticed only at the next write.
        .h1_allow_half_closed(false)
        .graceful_shutdown_signal(move || closing.clone().cancelled_owned())
        .on_connect_ext(move |_stream: &TcpStream, connection| mark(connection))
        .finish(fn_factory(move || {
            let app = app.clone();
            async move { Ok::<_, ()>(app) }
        }))
        .tcp()
        .new_service(())
        .await
        .map_err(|()| io::Error::other("the HTTP service could not be built"))?;
    let (give_back, ended) = oneshot::channel();
    let guard = stop.clone().drop_guard();
    actix_rt::spawn(async move {
        let accepting =
            Accepting { http: Rc::new(http), limits, connections: JoinSet::new(), refusals: JoinSet::new() };
        if let Some(socket) = accepting.run(socket, stop).await {
            // Nobody waits for the socket: then it is closed here.
            let _ = give_back.send(socket);
        }
    });
    Ok(Listener { stop: guard, ended })
}

struct Accepting<H> {
    http: Rc<H>,
    limits: Arc<Limits>,
    connections: JoinSet<()>,
    refusals: JoinSet<()>,
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
            let http = self.http.clone();
            self.connections.spawn_local(async move {
                // What goes wrong on one connection (a reset, bad framing) was answered on it.
                let _ = http.call(stream).await;
                drop(permit);
            });
        } else if self.refusals.len() < REFUSALS {
            self.refusals.spawn_local(async move {
                let _ = timeout(REFUSAL_TIMEOUT, refuse(stream)).await;
            });
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

/// Says why the connection ends. Reads what the client has sent: a socket that is closed with bytes unread is reset,
/// and the client would never see the answer.
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    let code = Code::ProfileUnavailable;
    let body = serde_json::json!({ "error": {
        "message": "Too many connections. Close idle ones, or try again shortly.",
        "type": code.family(),
        "param": null,
        "code": code.wire(),
    }})
    .to_string();
    let head = format!(
        "HTTP/1.1 {} Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         retry-after: 1\r\nconnection: close\r\n\r\n",
        code.status(),
        body.len(),
    );
    stream.write_all((head + &body).as_bytes()).await?;
    stream.shutdown().await?;
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}
