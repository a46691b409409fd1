//! The socket between gateway and helper: one policy in, one report out, and its end means "kill".
//!
//! A message is a length of four bytes (little-endian), then that many bytes. The policy's first byte carries one
//! descriptor: the command's standard input.

use super::policy::Policy;
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, recvmsg, sendmsg,
    },
};
use serde::{Deserialize, Serialize};
use std::{
    io::{self, IoSlice, IoSliceMut, Read},
    mem::MaybeUninit,
    os::unix::net::UnixStream,
};

/// A command line is at most 128 KiB (`MAX_ARG_STRLEN`); the rest of a policy is small.
const MAX_POLICY: usize = 2 << 20;
/// Reports hold a number or a sentence.
pub const MAX_REPORT: u64 = 64 << 10;

/// How a command ended, as its helper saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    Exited(i32),
    Signalled(i32),
    /// It made more processes than its policy allows, and all were killed.
    Crowded(u32),
    /// The command never ran.
    NotStarted(String),
}

/// The bytes of a policy on the wire.
pub fn encode(policy: &Policy) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(policy)?;
    if body.len() > MAX_POLICY {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the policy is too long"));
    }
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    let mut message = length.to_le_bytes().to_vec();
    message.extend_from_slice(&body);
    Ok(message)
}

/// Sends the beginning of a message together with `stdin`. Returns how much went out.
pub fn send_first(socket: impl AsFd, message: &[u8], stdin: BorrowedFd<'_>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = [stdin];
    if !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    Ok(sendmsg(socket, &[IoSlice::new(message)], &mut ancillary, SendFlags::NOSIGNAL)?)
}

/// The helper's side: blocks until the policy is here. `None`: the gateway changed its mind.
pub fn receive(socket: &mut UnixStream) -> io::Result<Option<(Policy, OwnedFd)>> {
    let mut first = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(&*socket, &mut [IoSliceMut::new(&mut first)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    if got.bytes == 0 {
        return Ok(None);
    }
    let stdin = ancillary.drain().find_map(|message| {
        if let RecvAncillaryMessage::ScmRights(mut fds) = message { fds.next() } else { None }
    });
    let stdin = stdin.ok_or_else(|| io::Error::other("the policy came without a standard input"))?;
    socket.read_exact(&mut first[got.bytes..])?;
    let length = u32::from_le_bytes(first) as usize;
    if length > MAX_POLICY {
        return Err(io::Error::other("the policy is too long"));
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body)?;
    Ok(Some((serde_json::from_slice(&body)?, stdin)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Limits;
    use std::io::Write;

    fn policy() -> Policy {
        Policy {
            program: "/bin/true".into(),
            args: vec!["x".repeat(300_000)],
            env: vec![("A".into(), "b".into())],
            dir: "/".into(),
            writable: Vec::new(),
            readable: Vec::new(),
            confine: true,
            limits: Limits::default(),
        }
    }

    #[test]
    fn a_policy_larger_than_the_socket_buffer_arrives_whole_and_with_its_descriptor() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let sender = std::thread::spawn(move || {
            let message = encode(&policy()).unwrap();
            let null = std::fs::File::open("/dev/null").unwrap();
            let sent = send_first(&ours, &message, null.as_fd()).unwrap();
            ours.write_all(&message[sent..]).unwrap();
        });
        let (got, stdin) = receive(&mut theirs).unwrap().unwrap();
        sender.join().unwrap();
        assert_eq!(got, policy());
        assert_eq!(std::fs::File::from(stdin).read(&mut [0; 8]).unwrap(), 0, "it is /dev/null");
    }

    #[test]
    fn an_end_before_the_policy_is_no_error() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        drop(ours);
        assert!(receive(&mut theirs).unwrap().is_none());
    }
}
