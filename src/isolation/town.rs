//! Whoever listens on the machine: the gateway's ports, a daemon, abstract names. Who reaches them is told a secret.

use crate::sandbox::ShortPath;
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram, UnixListener},
    },
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

const PAUSE: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_millis(200);

/// The listeners, answering from a thread of their own until dropped.
pub struct Town {
    pub own_port: u16,
    pub other_port: u16,
    pub udp_port: u16,
    /// Nobody listens there; somebody tries to connect all the time.
    pub free_port: u16,
    pub stream: String,
    pub datagram: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Doors {
    tcp: [TcpListener; 2],
    udp: UdpSocket,
    unix: Vec<UnixListener>,
    _datagram: UnixDatagram,
    free_port: u16,
    secret: String,
}

impl Town {
    /// Opens everything; sockets at `paths`.
    pub fn open(paths: &[&Path], secret: &str) -> io::Result<Self> {
        let here = (Ipv4Addr::LOCALHOST, 0);
        let tcp = [TcpListener::bind(here)?, TcpListener::bind(here)?];
        let udp = UdpSocket::bind(here)?;
        // Closed again at once: a port that was just given out is not given out again soon.
        let free_port = TcpListener::bind(here)?.local_addr()?.port();
        let name = format!("hermes-attack-{}", uuid::Uuid::now_v7().simple());
        let (stream, datagram) = (format!("{name}-stream"), format!("{name}-datagram"));
        let mut unix = vec![UnixListener::bind_addr(&SocketAddr::from_abstract_name(&stream)?)?];
        for path in paths {
            unix.push(ShortPath::with(path, |path| UnixListener::bind(path))?);
        }
        let quiet = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&datagram)?)?;
        for listener in &tcp {
            listener.set_nonblocking(true)?;
        }
        for listener in &unix {
            listener.set_nonblocking(true)?;
        }
        udp.set_nonblocking(true)?;
        let [own_port, other_port] = [tcp[0].local_addr()?.port(), tcp[1].local_addr()?.port()];
        let udp_port = udp.local_addr()?.port();
        let doors = Doors { tcp, udp, unix, _datagram: quiet, free_port, secret: secret.to_owned() };
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("isolation".to_owned()).spawn(move || {
            while !told.load(Ordering::Relaxed) {
                doors.answer();
                #[expect(clippy::disallowed_methods, reason = "this thread serves nobody else")]
                std::thread::sleep(PAUSE);
            }
        })?;
        Ok(Self { own_port, other_port, udp_port, free_port, stream, datagram, stop, thread: Some(thread) })
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Doors {
    /// Whoever waits is answered. A guest that says nothing holds up the others for a moment only.
    fn answer(&self) {
        for listener in &self.tcp {
            while let Ok((stream, _)) = listener.accept() {
                let _ = stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(PATIENCE)));
                let _ = self.tell(stream);
            }
        }
        for listener in &self.unix {
            while let Ok((stream, _)) = listener.accept() {
                let _ = stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(PATIENCE)));
                let _ = self.tell(stream);
            }
        }
        while let Ok((_, guest)) = self.udp.recv_from(&mut [0; 64]) {
            let _ = self.udp.send_to(self.secret.as_bytes(), guest);
        }
        let free = (Ipv4Addr::LOCALHOST, self.free_port).into();
        let _ = TcpStream::connect_timeout(&free, PAUSE);
    }

    fn tell(&self, mut guest: impl Read + Write) -> io::Result<()> {
        // What is left unread would have the kernel throw the answer away.
        let _ = guest.read(&mut [0; 4_096]);
        write!(guest, "HTTP/1.0 200 OK\r\n\r\n{}\n", self.secret)
    }
}
