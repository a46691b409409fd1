//! Unix sockets: the control socket, the machine's daemons, abstract names. And what the gateway may have left open.

use super::{Attack, Attempt, Setting, canary, files::drain, files::first, sys::brief};
use crate::sandbox::{
    ShortPath,
    Wall::{self, CloseRange, Landlock, MountView, NetNamespace, Seccomp},
};
use std::{
    io::{self, Write},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram, UnixStream},
    },
    path::Path,
    time::Duration,
};

/// Landlock has no right for sockets with a path.
const PATH_S: &[Wall] = &[MountView];
const PATH_L: &[Wall] = &[Seccomp];
const ABSTRACT_S: &[Wall] = &[NetNamespace, Landlock];
const ABSTRACT_L: &[Wall] = &[Landlock, Seccomp];

pub const ATTACKS: &[Attack] = &[
    Attack::together("control-socket", "asks the gateway's control socket to answer an approval", |scene| {
        by_path(&scene.addresses.control)
    })
    .held(PATH_S, PATH_L)
    .asked_by(Setting::UnixSockets),
    Attack::together("daemon-socket", "asks a daemon of the machine by its socket", |scene| {
        by_path(&scene.addresses.shared_socket)
    })
    .held(PATH_S, PATH_L)
    .asked_by(Setting::UnixSockets),
    Attack::together("machine-daemons", "asks the daemons that many machines have", |_scene| {
        let known = [
            "/var/run/docker.sock",
            "/run/containerd/containerd.sock",
            "/run/dbus/system_bus_socket",
            "/run/systemd/private",
            "/run/systemd/journal/stdout",
            "/run/user/0/bus",
            "/run/user/1000/bus",
            "/dev/log",
        ];
        first(known.into_iter().map(|path| connect(UnixStream::connect(path).map(|_| ()))))
    })
    .held(&[MountView], &[Seccomp])
    .asked_by(Setting::UnixSockets),
    Attack::together("abstract-socket", "asks a process by an abstract name", |scene| {
        let name = SocketAddr::from_abstract_name(&scene.addresses.stream);
        ask(name.and_then(|name| UnixStream::connect_addr(&name)))
    })
    .held(ABSTRACT_S, ABSTRACT_L),
    Attack::together("abstract-datagram", "sends a process a message by an abstract name", |scene| {
        let name = SocketAddr::from_abstract_name(&scene.addresses.datagram);
        let sent = name.and_then(|name| UnixDatagram::unbound()?.send_to_addr(b"x", &name));
        connect(sent.map(|_| ()))
    })
    .held(ABSTRACT_S, ABSTRACT_L),
    Attack::together("inherited-descriptors", "uses what the gateway has left open", |scene| {
        match scene.outside.inherited.as_slice() {
            [] => Attempt::Refused("only the first three are open".to_owned()),
            open => Attempt::Succeeded(format!("these are open: {open:?}")),
        }
    })
    .held(&[CloseRange], &[CloseRange]),
];

fn by_path(path: &Path) -> Attempt {
    ask(ShortPath::with(path, |path| UnixStream::connect(path)))
}

fn ask(stream: io::Result<UnixStream>) -> Attempt {
    let answer = stream.and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_millis(300)))?;
        stream.write_all(b"{}\n")?;
        drain(&mut stream)
    });
    match answer {
        Ok(answer) if canary(&answer) => Attempt::Succeeded("it was answered".to_owned()),
        Ok(_) => Attempt::Refused("no answer".to_owned()),
        Err(error) => Attempt::Refused(brief(&error)),
    }
}

fn connect(done: io::Result<()>) -> Attempt {
    match done {
        Ok(()) => Attempt::Succeeded("it listens to us".to_owned()),
        Err(error) => Attempt::Refused(brief(&error)),
    }
}
