//! The listening socket of a profile, and why there is none.

use crate::{domain::ProfileName, gateway::client::Client};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1_024;

/// Whether a socket listens where it should.
pub fn is_at(socket: &TcpListener, wanted: SocketAddr) -> bool {
    // Port 0 means "any": the one that it has is as good as another.
    socket.local_addr().is_ok_and(|has| has == wanted || (wanted.port() == 0 && has.ip() == wanted.ip()))
}

/// As `TcpListener::bind`, with room for more connections that wait.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, listen, socket_with, sockopt};
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, Some(ipproto::TCP))?;
    // Else the port stays closed for a minute after a restart.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Why a profile cannot have its port: a sentence that says what to do.
pub async fn no_port(
    error: &io::Error,
    at: SocketAddr,
    name: &ProfileName,
    home: PathBuf,
    rival: Option<ProfileName>,
) -> String {
    let mut neighbour = None;
    if error.kind() == io::ErrorKind::AddrInUse {
        // What files say comes second: a gateway of `-p` reads those of one profile, and others may have changed since.
        let asked = actix_rt::task::spawn_blocking(move || Client::neighbour_at(&home, at.port())).await;
        neighbour = asked.ok().flatten();
    }
    explain_bind(error, at, name, neighbour, rival.as_ref())
}

fn explain_bind(
    error: &io::Error,
    at: SocketAddr,
    name: &ProfileName,
    // Whom another gateway of the home serves there, and that gateway's process.
    neighbour: Option<(ProfileName, u32)>,
    rival: Option<&ProfileName>,
) -> String {
    let port = at.port();
    if let Some((other, pid)) = neighbour {
        return format!(
            "port {port} is that of the profile `{other}`, which the gateway of process {pid} serves; give `{name}` \
             another one: API_SERVER_PORT in its .env"
        );
    }
    match (error.kind(), rival) {
        (io::ErrorKind::AddrInUse, Some(rival)) => format!(
            "port {port} is that of the profile `{rival}`; give `{name}` another one: API_SERVER_PORT in its .env"
        ),
        (io::ErrorKind::AddrInUse, None) => format!(
            "port {port} is taken by another program; end that one, or set API_SERVER_PORT in the .env of `{name}`"
        ),
        (io::ErrorKind::PermissionDenied, _) => {
            format!(
                "port {port} needs rights that this process has not; set API_SERVER_PORT to one above 1023"
            )
        }
        (io::ErrorKind::AddrNotAvailable, _) => {
            format!("{} is no address of this machine; set API_SERVER_HOST in the .env of `{name}`", at.ip())
        }
        _ => format!("{at} cannot be listened on: {error}"),
    }
}
