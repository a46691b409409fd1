//! The socket between gateway and helper: a world and an order in, "ready" and a report out. Its end means "kill".
//!
//! A message is a length of four bytes (little-endian), then that many bytes of JSON. Its first byte may carry
//! descriptors: the order's are the command's standard input and, where another order is to follow, the output of that one;
//! that of "ready" is the bridge's listener, that of "terminal" is its other end.

use super::{
    Shell, Way, World,
    limits::{Breach, Usage},
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, recvmsg, sendmsg,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::VecDeque,
    io::{self, IoSlice, IoSliceMut, Write},
    mem::MaybeUninit,
    os::unix::net::UnixStream,
};

/// A command line is at most 128 KiB (`MAX_ARG_STRLEN`); the rest of a message is small.
const LONGEST: usize = 2 << 20;
/// A helper is forked, and each page that it touches is a page to be copied.
const PIECE: usize = 4 << 10;
const HEAD: usize = 4;

/// What the gateway says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beginning {
    pub world: World,
    /// How a world of level `strict` is built here.
    pub way: Way,
    /// To be started ahead, where the order is not known yet.
    pub shell: Option<Shell>,
}

/// What the helper says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The world is built.
    Ready,
    /// The command's terminal is made; its other end comes with this.
    Terminal,
    /// What the command takes now. Sent when it changes, where the helper counts.
    Usage(Usage),
    Ended(Report),
    /// Nothing of the command is left, and the helper waits for another order.
    Done(Report),
}

/// How a command ended, as its helper saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    Exited(i32),
    Signalled(i32),
    /// It passed one of its limits, and all of it was killed.
    Over(Breach),
    /// The command never ran.
    NotStarted(String),
}

/// The bytes of a message on the wire.
pub fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(message)?;
    if body.len() > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is too long"));
    }
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Sends the beginning of a message together with up to two descriptors. Returns how much went out.
pub fn send_first(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    Ok(sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?)
}

/// Sends a whole message; blocks until the other side has room.
pub fn send(socket: &mut UnixStream, message: &impl Serialize, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let bytes = encode(message)?;
    let sent = match fd {
        Some(fd) => send_first(&*socket, &bytes, &[fd])?,
        None => 0,
    };
    socket.write_all(&bytes[sent..])
}

/// Sends a short message whole, or not at all when there is no room.
pub fn try_send(socket: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    let bytes = encode(message)?;
    let sent = rustix::net::send(socket, &bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Takes in what the socket has, waiting for it if the socket waits, and its descriptors. Returns how many bytes; none at
/// its end.
pub fn receive(socket: impl AsFd, piece: &mut [u8], mut take: impl FnMut(OwnedFd)) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let got = loop {
        let mut room = [IoSliceMut::new(piece)];
        match recvmsg(socket.as_fd(), &mut room, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            fds.for_each(&mut take);
        }
    }
    Ok(got.bytes)
}

/// What has arrived and was not taken yet.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    fds: VecDeque<OwnedFd>,
}

impl Inbox {
    /// Takes in what the socket has, waiting for it if the socket waits. False at its end.
    pub fn fill(&mut self, socket: impl AsFd) -> io::Result<bool> {
        let mut piece = [0; PIECE];
        let got = receive(socket, &mut piece, |fd| self.fds.push_back(fd))?;
        self.bytes.extend_from_slice(&piece[..got]);
        Ok(got > 0)
    }

    /// The next message, when it is here as a whole.
    pub fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let Some(head) = self.bytes.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*head) as usize;
        if length > LONGEST {
            return Err(io::Error::other("a message is too long"));
        }
        let end = HEAD + length;
        let Some(body) = self.bytes.get(HEAD..end) else {
            return Ok(None);
        };
        let message = serde_json::from_slice(body)?;
        self.bytes.drain(..end);
        Ok(Some(message))
    }

    /// Nothing came that was not taken.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.fds.iter().map(AsFd::as_fd)
    }

    /// The first descriptor that came and was not taken.
    pub fn take_fd(&mut self) -> Option<OwnedFd> {
        self.fds.pop_front()
    }

    /// Blocks until a message is here. `None`: the other side is gone.
    pub fn receive<T: DeserializeOwned>(&mut self, socket: impl AsFd) -> io::Result<Option<T>> {
        loop {
            if let Some(message) = self.next()? {
                return Ok(Some(message));
            }
            if !self.fill(socket.as_fd())? {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Order;
    use std::io::Read;

    fn order() -> Order {
        Order {
            program: "/bin/true".into(),
            args: vec!["x".repeat(300_000)],
            env: vec![("A".into(), "b".into())],
            dir: "/".into(),
            terminal: None,
        }
    }

    #[test]
    fn messages_larger_than_the_socket_buffer_arrive_whole_in_order_and_with_the_descriptor() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let sender = std::thread::spawn(move || {
            let null = std::fs::File::open("/dev/null").unwrap();
            send(&mut ours, &Reply::Ready, None).unwrap();
            send(&mut ours, &order(), Some(null.as_fd())).unwrap();
        });
        let mut inbox = Inbox::default();
        assert_eq!(inbox.receive::<Reply>(&theirs).unwrap(), Some(Reply::Ready));
        assert_eq!(inbox.receive::<Order>(&theirs).unwrap(), Some(order()));
        sender.join().unwrap();
        let stdin = inbox.take_fd().unwrap();
        assert_eq!(std::fs::File::from(stdin).read(&mut [0; 8]).unwrap(), 0, "it is /dev/null");
    }

    #[test]
    fn an_end_before_a_message_is_no_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(ours);
        assert_eq!(Inbox::default().receive::<Order>(&theirs).unwrap(), None);
    }

    #[test]
    fn a_message_that_claims_to_be_endless_is_refused() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(&u32::MAX.to_le_bytes()).unwrap();
        Inbox::default().receive::<Order>(&theirs).unwrap_err();
    }
}
