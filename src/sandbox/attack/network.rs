//! The internet protocols: whoever listens on the machine, and whoever is beyond it.

use super::{
    Attack, Attempt, Scene, Setting, canary,
    files::drain,
    sys::{self, Arg, brief, call, fd, number, take},
};
use crate::sandbox::Wall::{self, Capabilities, Landlock, NetNamespace, Seccomp, UserNamespace};
use std::{
    io::{self, Write},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    os::fd::OwnedFd,
    process::Command,
    time::{Duration, Instant},
};

const S: &[Wall] = &[NetNamespace, Landlock];
const L: &[Wall] = &[Landlock];
/// What only bad clients do is refused as well.
const ODD_S: &[Wall] = &[NetNamespace, Landlock, Seccomp];
const ODD_L: &[Wall] = &[Landlock, Seccomp];
/// Landlock knows TCP by `connect` and `bind` alone.
const PAST_S: &[Wall] = &[NetNamespace, Seccomp];
const PAST_L: &[Wall] = &[Seccomp];
const RAW_S: &[Wall] = &[Capabilities, Seccomp, UserNamespace];
const RAW_L: &[Wall] = &[Capabilities, Seccomp];

const PATIENCE: Duration = Duration::from_millis(300);

pub const ATTACKS: &[Attack] = &[
    Attack::together("tcp-own-port", "asks the gateway's port of its profile, with a valid key", |scene| {
        ask(scene, TcpStream::connect((Ipv4Addr::LOCALHOST, scene.addresses.own_port)))
    })
    .held(S, L)
    .asked_by(Setting::FullNetwork),
    Attack::together("tcp-other-port", "asks the gateway's port of another profile", |scene| {
        ask(scene, TcpStream::connect((Ipv4Addr::LOCALHOST, scene.addresses.other_port)))
    })
    .held(S, L)
    .asked_by(Setting::FullNetwork),
    Attack::together("tcp-mapped", "does that by an IPv6 form of the address", |scene| {
        ask(scene, TcpStream::connect((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), scene.addresses.own_port)))
    })
    .held(S, L)
    .asked_by(Setting::FullNetwork),
    Attack::together("tcp-any-address", "does that by the address 0.0.0.0", |scene| {
        ask(scene, TcpStream::connect((Ipv4Addr::UNSPECIFIED, scene.addresses.own_port)))
    })
    .held(S, L)
    .asked_by(Setting::FullNetwork),
    Attack::together(
        "tcp-fast-open",
        "sends data with the first packet, so that it never connects",
        |scene| ask(scene, fast_open(scene)),
    )
    .held(PAST_S, PAST_L)
    .asked_by(Setting::FullNetwork),
    Attack::together("tcp-late-connect", "has the kernel connect only when it writes", |scene| {
        const TCP_FASTOPEN_CONNECT: i64 = 30;
        let late = socket(libc::AF_INET, libc::SOCK_STREAM, 0).and_then(|socket| {
            let (tcp, on) = (i64::from(libc::IPPROTO_TCP), 1_u32.to_ne_bytes());
            let option = [fd(&socket), number(tcp), number(TCP_FASTOPEN_CONNECT), Arg::In(&on), number(4)];
            call(libc::SYS_setsockopt, option)?;
            connect(socket, scene.addresses.own_port)
        });
        ask(scene, late)
    })
    .held(ODD_S, ODD_L)
    .asked_by(Setting::FullNetwork),
    Attack::together("mptcp", "connects by the multipath protocol", |scene| {
        const MPTCP: i32 = 262;
        let socket = socket(libc::AF_INET, libc::SOCK_STREAM, MPTCP);
        if socket.as_ref().is_err_and(is_unknown) {
            return Attempt::Absent("no multipath TCP in this kernel".to_owned());
        }
        ask(scene, socket.and_then(|socket| connect(socket, scene.addresses.own_port)))
    })
    .held(PAST_S, PAST_L)
    .asked_by(Setting::FullNetwork),
    Attack::together("dev-tcp", "connects by the shell's `/dev/tcp`", |scene| {
        let script =
            format!("exec 3<>/dev/tcp/127.0.0.1/{}; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3", {
                scene.addresses.own_port
            });
        match Command::new("/bin/bash").args(["-c", &script]).output() {
            Ok(output) if canary(&output.stdout) => Attempt::Succeeded("it was answered".to_owned()),
            Ok(_) => Attempt::Refused("no answer".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Attempt::Absent("there is no bash".to_owned())
            }
            Err(error) => Attempt::Refused(brief(&error)),
        }
    })
    .held(S, L)
    .asked_by(Setting::FullNetwork),
    Attack::together("be-a-server", "listens where others of the machine connect", be_a_server)
        .held(ODD_S, ODD_L)
        .asked_by(Setting::FullNetwork)
        .slow(),
    Attack::together("udp", "sends a datagram to the machine", |scene| udp(scene.addresses.udp))
        .held(PAST_S, PAST_L)
        .asked_by(Setting::FullNetwork)
        .slow(),
    Attack::together(
        "udp-beyond",
        "sends a datagram beyond the machine, as a name server is asked",
        |_scene| {
            // 192.0.2.0/24 is for documentation: nobody is there.
            let sent = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"x", "192.0.2.1:53"));
            match sent {
                Err(error) if error.kind() == io::ErrorKind::NetworkUnreachable => {
                    Attempt::Refused("there is no road out".to_owned())
                }
                other => take(other, "it was sent"),
            }
        },
    )
    .held(PAST_S, PAST_L)
    .asked_by(Setting::FullNetwork),
    Attack::together("raw-socket", "makes its own packets", |_scene| {
        own(socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP))
    })
    .held(RAW_S, RAW_L),
    Attack::together("packet-socket", "hears all packets of the machine", |_scene| {
        own(socket(libc::AF_PACKET, libc::SOCK_RAW, 0))
    })
    .held(RAW_S, RAW_L),
    Attack::together(
        "machine-interfaces",
        "asks the kernel for the machine's network interfaces",
        |_scene| interfaces(),
    )
    .held(PAST_S, PAST_L)
    .asked_by(Setting::FullNetwork),
    Attack::together("netlink-audit", "talks to the kernel's audit", |_scene| {
        const NETLINK_AUDIT: i32 = 9;
        own(socket(libc::AF_NETLINK, libc::SOCK_RAW, NETLINK_AUDIT))
    })
    .held(&[Seccomp], &[Seccomp]),
    Attack::together("vsock", "talks to the machine's hypervisor", |_scene| {
        own(socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0))
    })
    .held(&[Seccomp], &[Seccomp]),
    Attack::together("kernel-crypto", "has the kernel encrypt for it", |_scene| {
        own(socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0))
    })
    .held(&[Seccomp], &[Seccomp]),
];

fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    let kind = kind | libc::SOCK_CLOEXEC;
    sys::open(libc::SYS_socket, [number(family), number(kind), number(protocol)])
}

fn is_unknown(error: &io::Error) -> bool {
    let unknown = [libc::EAFNOSUPPORT, libc::EPROTONOSUPPORT, libc::ESOCKTNOSUPPORT];
    error.raw_os_error().is_some_and(|number| unknown.contains(&number))
}

fn own(socket: io::Result<OwnedFd>) -> Attempt {
    match socket {
        Err(error) if is_unknown(&error) => Attempt::Absent("this kernel has no such sockets".to_owned()),
        other => take(other, "it has one"),
    }
}

/// `struct sockaddr_in` of a port of this machine.
fn local(port: u16) -> [u8; 16] {
    let mut address = [0; 16];
    address[..2].copy_from_slice(&2_u16.to_ne_bytes());
    address[2..4].copy_from_slice(&port.to_be_bytes());
    address[4..8].copy_from_slice(&[127, 0, 0, 1]);
    address
}

fn connect(socket: OwnedFd, port: u16) -> io::Result<TcpStream> {
    call(libc::SYS_connect, [fd(&socket), Arg::In(&local(port)), number(16)])?;
    Ok(TcpStream::from(socket))
}

fn fast_open(scene: &Scene) -> io::Result<TcpStream> {
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    let text = b"GET /health HTTP/1.0\r\n";
    let address = local(scene.addresses.own_port);
    let flags = i64::from(libc::MSG_FASTOPEN);
    let message =
        [fd(&socket), Arg::In(text), number(text.len() as i64), number(flags), Arg::In(&address), number(16)];
    call(libc::SYS_sendto, message)?;
    Ok(TcpStream::from(socket))
}

/// Asks as a client with a key would, and looks for a secret in the answer.
fn ask(scene: &Scene, stream: io::Result<TcpStream>) -> Attempt {
    let answer = stream.and_then(|mut stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        let key = &scene.addresses.key;
        write!(stream, "GET /v1/approvals HTTP/1.0\r\nAuthorization: Bearer {key}\r\n\r\n")?;
        drain(&mut stream)
    });
    match answer {
        Ok(answer) if canary(&answer) => Attempt::Succeeded("it was answered".to_owned()),
        Ok(_) => Attempt::Refused("no answer".to_owned()),
        Err(error) => Attempt::Refused(brief(&error)),
    }
}

/// Whoever is outside tries to connect to this port all the time.
fn be_a_server(scene: &Scene) -> Attempt {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, scene.addresses.free));
    let listener = listener.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    let listener = match listener {
        Ok(listener) => listener,
        Err(error) => return Attempt::Refused(brief(&error)),
    };
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if listener.accept().is_ok() {
            return Attempt::Succeeded("somebody came".to_owned());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Attempt::Refused("nobody came".to_owned())
}

fn udp(port: u16) -> Attempt {
    let answer = || -> io::Result<Vec<u8>> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect((Ipv4Addr::LOCALHOST, port))?;
        socket.send(b"x")?;
        let mut answer = vec![0; 256];
        let got = socket.recv(&mut answer)?;
        answer.truncate(got);
        Ok(answer)
    };
    match answer() {
        Ok(answer) if canary(&answer) => Attempt::Succeeded("it was answered".to_owned()),
        Ok(_) => Attempt::Refused("no answer".to_owned()),
        Err(error) => Attempt::Refused(brief(&error)),
    }
}

/// `RTM_GETLINK`: all interfaces, of which only the loopback one may be seen.
fn interfaces() -> Attempt {
    let names = || -> io::Result<Vec<u8>> {
        let socket = socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
        // `struct nlmsghdr` and `struct ifinfomsg`.
        let mut request = [0_u8; 32];
        request[..4].copy_from_slice(&32_u32.to_ne_bytes());
        request[4..6].copy_from_slice(&libc::RTM_GETLINK.to_ne_bytes());
        request[6..8].copy_from_slice(&(libc::NLM_F_REQUEST | libc::NLM_F_DUMP).to_le_bytes()[..2]);
        call(libc::SYS_write, [fd(&socket), Arg::In(&request), number(32)])?;
        let mut answer = vec![0; 64 << 10];
        let room = answer.len() as i64;
        let got = call(libc::SYS_read, [fd(&socket), Arg::Out(&mut answer), number(room)])?;
        answer.truncate(usize::try_from(got).unwrap_or(0));
        Ok(answer)
    };
    match names() {
        // One message of an interface takes more than a kilobyte.
        Ok(answer) if answer.len() > 2_600 => {
            Attempt::Succeeded("saw more than the loopback interface".to_owned())
        }
        Ok(_) => Attempt::Refused("there is only the loopback interface".to_owned()),
        Err(error) => Attempt::Refused(brief(&error)),
    }
}
