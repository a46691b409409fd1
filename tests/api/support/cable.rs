//! A line between two servers that can be cut and pulled out, and that can hold answers back.

use super::upstream::within;
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::{self, AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
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
    holds: bool,
    /// An answer is being held back.
    holding: bool,
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
                    tokio::spawn(pass(socket, server, Arc::clone(&shared)));
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
        self.state.send_modify(|state| *state = State { cuts: state.cuts + 1, unplugged: true, ..*state });
    }

    /// Lets requests through, and no answer, until [`Cable::release`].
    pub fn hold(&self) {
        self.state.send_modify(|state| state.holds = true);
    }

    /// Waits until an answer is held back.
    pub async fn held(&self) {
        within(self.state.subscribe().wait_for(|state| state.holding)).await.unwrap();
    }

    pub fn release(&self) {
        self.state.send_modify(|state| state.holds = false);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

async fn pass(near: TcpStream, server: SocketAddr, shared: Arc<watch::Sender<State>>) {
    let mut state = shared.subscribe();
    let before = *state.borrow_and_update();
    if before.unplugged {
        return;
    }
    let Ok(far) = TcpStream::connect(server).await else { return };
    let ((asks, answered), (answers, asked)) = (near.into_split(), far.into_split());
    let both = async { tokio::join!(copy(asks, asked, None), copy(answers, answered, Some(&shared))) };
    tokio::select! {
        _ = both => {}
        _ = state.wait_for(|now| now.cuts > before.cuts) => {}
    }
}

/// `hold`: what says when the bytes are to be held back.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    hold: Option<&watch::Sender<State>>,
) -> io::Result<()> {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut bytes).await?;
        if let Some(shared) = hold.filter(|shared| shared.borrow().holds) {
            shared.send_modify(|state| state.holding = true);
            let mut state = shared.subscribe();
            let _released = state.wait_for(|state| !state.holds).await;
        }
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&bytes[..count]).await?;
    }
}
