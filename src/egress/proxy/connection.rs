//! One client's connection: requests one after the other, or one tunnel.

use super::{
    Admission,
    answer::{self, Body},
    forward,
    line::Line,
};
use crate::egress::{bounds::Bounds, dial::Dialed, grant::Pass, target::Target};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{HeaderMap, PROXY_AUTHORIZATION},
    server::conn::http1,
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, SetOnce},
};

/// Room for what one direction of a tunnel has read and not yet written.
const PIECE: usize = 16 << 10;
/// The head of a request or an answer, all its lines together.
pub const HEAD: usize = 64 << 10;
pub const MOST_HEADERS: usize = 100;
/// The client's side is given this much longer, so that it still hears that the other side has gone silent.
const LATER: Duration = Duration::from_secs(5);

pub async fn serve(stream: TcpStream, admission: Admission, bounds: Bounds) {
    // Without it an answer in two pieces waits for the acknowledgement of the first.
    let _ = stream.set_nodelay(true);
    let connection =
        Arc::new(Connection { admission, bounds, owner: SetOnce::new(), tunnel: Mutex::default() });
    let answering = connection.clone();
    let service = service_fn(move |request| {
        let connection = answering.clone();
        async move { Ok::<_, Infallible>(connection.answer(request).await) }
    });
    let talk = async {
        let io = TokioIo::new(Line::new(stream, bounds.idle + LATER));
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.head)
            .max_buf_size(HEAD)
            .max_headers(MOST_HEADERS)
            // A client that has said all may close its side and still read.
            .half_close(true)
            .serve_connection(io, service)
            .with_upgrades()
            .await;
        // What is wrong with a connection was answered on it, where that was possible.
        if served.is_ok()
            && let Some(tunnel) = connection.tunnel()
        {
            tunnel.carry(bounds).await;
        }
    };
    tokio::select! {
        () = talk => {}
        () = connection.owner_ended() => {}
    }
}

struct Connection {
    admission: Admission,
    bounds: Bounds,
    /// Whose it is, once somebody has said so, with the place that it takes.
    owner: SetOnce<(Arc<Pass>, OwnedSemaphorePermit)>,
    tunnel: Mutex<Option<Tunnel>>,
}

/// A tunnel that was agreed on and is to begin as soon as the client has been told.
struct Tunnel {
    client: OnUpgrade,
    server: TcpStream,
}

impl Connection {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let pass = match self.admit(request.headers()) {
            Ok(pass) => pass,
            Err(refused) => return *refused,
        };
        if request.method() == Method::CONNECT {
            self.connect(&pass, request).await
        } else {
            forward::forward(&pass, request, self.bounds).await
        }
    }

    /// Whose request it is. A connection belongs to the first who showed a token on it.
    fn admit(&self, headers: &HeaderMap) -> Result<Arc<Pass>, Box<Response<Body>>> {
        let pass = match &self.admission {
            Admission::Known(pass) => pass.clone(),
            Admission::ByToken(desk) => {
                let shown = headers.get(PROXY_AUTHORIZATION).and_then(|value| basic(value.as_bytes()));
                shown.and_then(|shown| desk.find(shown)).ok_or_else(|| Box::new(answer::unproven()))?
            }
        };
        if let Some((owner, _)) = self.owner.get() {
            return if Arc::ptr_eq(owner, &pass) { Ok(pass) } else { Err(Box::new(answer::unproven())) };
        }
        let place = pass.places.clone().try_acquire_owned().map_err(|_full| Box::new(answer::crowded()))?;
        // Requests of one connection come one after the other: nobody else sets it meanwhile.
        let _ = self.owner.set((pass.clone(), place));
        Ok(pass)
    }

    async fn connect(&self, pass: &Pass, request: Request<Incoming>) -> Response<Body> {
        let named = request.uri().authority().and_then(|authority| {
            let port = authority.port_u16()?;
            // What stands before an `@` is part of it, so that the target can refuse it.
            let host = authority.as_str().strip_suffix(&format!(":{port}"))?;
            Some(Target::new(host, port))
        });
        let target = match named {
            Some(Ok(target)) => target,
            Some(Err(wrong)) => {
                return answer::text(StatusCode::BAD_REQUEST, &format!("the address {}", wrong.0));
            }
            None => return answer::text(StatusCode::BAD_REQUEST, "CONNECT needs HOST:PORT"),
        };
        match pass.connect(&target).await {
            Ok(Dialed { stream, address: _ }) => {
                let tunnel = Tunnel { client: hyper::upgrade::on(request), server: stream };
                *self.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
                answer::open()
            }
            Err(refusal) => answer::refused(&refusal),
        }
    }

    fn tunnel(&self) -> Option<Tunnel> {
        self.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn owner_ended(&self) {
        let (pass, _place) = self.owner.wait().await;
        pass.ended.cancelled().await;
    }
}

impl Tunnel {
    /// Carries bytes both ways until both sides have closed, one has broken off, or nothing has moved for too long.
    async fn carry(self, bounds: Bounds) {
        let Ok(client) = self.client.await else { return };
        let mut client = TokioIo::new(client);
        let mut server = Line::new(self.server, bounds.idle);
        // However it ended: both sides see the end when the streams are dropped.
        let _ = tokio::io::copy_bidirectional_with_sizes(&mut client, &mut server, PIECE, PIECE).await;
    }
}

/// The credentials of `Basic …`.
fn basic(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(6)?;
    scheme.eq_ignore_ascii_case(b"basic ").then(|| rest.trim_ascii())
}
