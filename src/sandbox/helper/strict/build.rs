//! Building a world from inside its namespaces.

use super::{Step, mounts, mounts::Piece, step};
use crate::sandbox::{Network, Owner, Wall, Way, World};
use rustix::{
    process::{getegid, geteuid},
    system::sethostname,
    thread::{UnshareFlags, unshare_unsafe},
};
use std::{io, net::TcpListener, os::fd::AsRawFd};

/// What the machine is called inside.
pub const HOST_NAME: &str = "sandbox";

pub fn has_own_network(world: &World) -> bool {
    world.network != Network::Full && world.has(Wall::NetNamespace)
}

/// The whole world but for the rights of this process, which is in the command's control group. Returns the bridge's
/// listener where there is a bridge.
pub fn world(
    world: &World,
    way: Way,
    pieces: Option<Vec<Piece>>,
    owner: Option<Owner>,
) -> Step<Option<TcpListener>> {
    let mut apart = UnshareFlags::empty();
    apart.set(UnshareFlags::NEWNS, world.has(Wall::MountView));
    apart.set(UnshareFlags::NEWCGROUP, world.has(Wall::CgroupNamespace));
    // SAFETY: one thread, and no shared table of descriptors among the flags.
    step("namespaces (unshare)", unsafe { unshare_unsafe(apart) })?;
    if world.has(Wall::MountView) {
        let pieces = match pieces {
            Some(pieces) => pieces,
            None => mounts::pieces(world).map_err(|error| error.to_string())?,
        };
        let owner = owner.unwrap_or(Owner { uid: geteuid().as_raw(), gid: getegid().as_raw() });
        mounts::build(world, way, pieces, owner).map_err(|error| error.to_string())?;
    }
    if world.has(Wall::UtsNamespace) {
        step("the host's name", sethostname(HOST_NAME.as_bytes()))?;
    }
    if !has_own_network(world) {
        return Ok(None);
    }
    step("the loopback interface", raise_loopback())?;
    match world.network {
        Network::Bridge { port } => step("the bridge", TcpListener::bind(("127.0.0.1", port))).map(Some),
        Network::Off | Network::Full => Ok(None),
    }
}

/// Without it not even programs inside could talk to each other.
fn raise_loopback() -> io::Result<()> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    // SAFETY: all zeroes is a valid request; the name is shorter than its array.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request is one of the type that this call reads.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
