//! A line between two servers that can be cut and pulled out.

use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// Passes bytes on to a server, in a thread of its own.
pub struct Cable {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    end: CancellationToken,
}

#[derive(Clone, Copy, Default)]
struct State {
    cuts: usize,
    unplugged: bool,
}

impl Cable {
    /// `base`: `http://127.0.0.1:PORT` of the server.
    pub fn to(base: &str) -> Self {
        let server: SocketAddr = base.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (state, end) = (Arc::new(watch::Sender::new(State::default())), CancellationToken::new());
        let (shared, ended) = (Arc::clone(&state), end.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(ended.run_until_cancelled(async {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((socket, _)) = listener.accept().await {
                    tokio::spawn(pass(socket, server, shared.subscribe()));
                }
            }));
        });
        Self { address, state, end }
    }

    /// The server's address at this end.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks every connection; new ones can be made.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Breaks every connection, and every new one at once.
    pub fn unplug(&self) {
        self.state.send_modify(|state| *state = State { cuts: state.cuts + 1, unplugged: true });
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

async fn pass(mut near: TcpStream, server: SocketAddr, mut state: watch::Receiver<State>) {
    let before = *state.borrow_and_update();
    if before.unplugged {
        return;
    }
    let Ok(mut far) = TcpStream::connect(server).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = state.wait_for(|now| now.cuts > before.cuts) => {}
    }
}
