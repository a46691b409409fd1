//! Listens on the control socket and lets only the right people speak.

use super::{
    answers::{Answers, Stream},
    protocol::{MAX_REQUEST, Reply, Request},
    socket::{Bound, SocketFile},
};
use crate::config::Secret;
use std::{io, rc::Rc, time::Duration};
use subtle::ConstantTimeEq as _;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

/// Clients at once; the next ones wait in the kernel's queue.
const CLIENTS: usize = 32;
/// A request must arrive, and an answer be taken, within this.
const LINE_TIMEOUT: Duration = Duration::from_secs(5);

/// A control socket that is being served; ends when dropped, its clients too.
pub struct ControlSocket {
    task: JoinHandle<()>,
    _file: SocketFile,
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves `bound` on this thread.
///
/// # Errors
/// The socket cannot be watched.
pub fn serve(bound: Bound, token: Secret, answers: Answers) -> io::Result<ControlSocket> {
    let Bound { listener, file } = bound;
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let task = actix_rt::spawn(accept(listener, Rc::new(Gate { token, answers })));
    Ok(ControlSocket { task, _file: file })
}

struct Gate {
    token: Secret,
    answers: Answers,
}

async fn accept(listener: UnixListener, gate: Rc<Gate>) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            Some(_ended) = clients.join_next() => {}
            accepted = listener.accept(), if clients.len() < CLIENTS => match accepted {
                Ok((stream, _)) => {
                    let gate = gate.clone();
                    clients.spawn_local(async move {
                        if let Err(error) = gate.serve(stream).await {
                            tracing::debug!(%error, "a control connection broke off");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot accept");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }
}

impl Gate {
    async fn serve(&self, stream: UnixStream) -> io::Result<()> {
        let us = rustix::process::geteuid().as_raw();
        let peer = stream.peer_cred()?.uid();
        if peer != us && peer != 0 {
            return Err(io::Error::other(format!("user {peer} is not the one that runs the gateway")));
        }
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        let mut limited = (&mut stream).take(MAX_REQUEST as u64);
        timeout(LINE_TIMEOUT, limited.read_until(b'\n', &mut line)).await??;
        let reply = self.reply(&line, &mut stream).await;
        let stays = matches!(reply, Reply::Stopping);
        let mut answer = serde_json::to_vec(&reply)?;
        answer.push(b'\n');
        timeout(LINE_TIMEOUT, stream.write_all(&answer)).await??;
        if stays {
            // The client takes the end of the connection for the end of the gateway.
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn reply(&self, line: &[u8], stream: &mut Stream) -> Reply {
        let refused = |message: String| Reply::Refused { message };
        if line.last() != Some(&b'\n') {
            return refused(format!("a request is one line of at most {MAX_REQUEST} bytes"));
        }
        let Request { token, command } = match serde_json::from_slice(line) {
            Ok(request) => request,
            Err(error) => return refused(format!("not a request of this version: {error}")),
        };
        if !bool::from(token.as_bytes().ct_eq(self.token.reveal().as_bytes())) {
            return refused("the token is not that of `run/control.token`".to_owned());
        }
        self.answers.to(command, stream).await.unwrap_or_else(refused)
    }
}
