//! Attempts to get out, from a shell with all of Python's system calls.

use crate::support::{SECRET, World};
use serde_json::json;
use std::{
    fs,
    net::{TcpListener, UdpSocket},
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
};

/// A Python that the sandbox may run: not one in somebody's home.
const PYTHON: &str = "/usr/bin/python3";

#[tokio::test]
async fn secrets_cannot_be_read() {
    for world in World::each() {
        look_for_secrets(&world).await;
    }
}

async fn look_for_secrets(world: &World) {
    let home = world.home.path().display().to_string();
    fs::create_dir_all(world.workspace()).unwrap();
    symlink(world.home.path().join(".env"), world.workspace().join("planted")).unwrap();
    let attempts = [
        format!("cat {home}/.env"),
        format!("cat {home}/profiles/bob/.env"),
        format!("cat {home}/profiles/alice/.env"),
        format!("cat {home}/profiles/alice/state/db"),
        "cat ../.env".to_owned(),
        "cat ../../bob/.env".to_owned(),
        "cat planted".to_owned(),
        format!("ln -s {home}/.env mine; cat mine"),
        format!("ln {home}/.env hard; cat hard"),
        format!("mv {home}/.env moved; cat moved"),
        format!("cp -r {home} copy; cat copy/.env"),
        format!("cat /proc/self/root{home}/.env"),
        "cat /proc/self/cwd/../.env".to_owned(),
        format!("cat /proc/$PPID/root{home}/.env"),
        format!("exec 9<{home}/.env; cat <&9"),
        format!("tar cf - {home} | strings"),
        "ls -R ..".to_owned(),
        "cat /etc/shadow /etc/ssl/private/*".to_owned(),
    ];
    for attempt in attempts {
        let (output, code) = world.sh(&attempt).await;
        assert!(!output.contains(SECRET) && !output.contains("root:"), "{attempt}: {output}");
        // A pipe or a list ends with its last command; what matters stands above.
        let last = attempt.contains(['|', ';']) || (world.is_strict() && attempt == "ls -R ..");
        assert!(code != 0 || last, "{}: {attempt} ended well: {output}", world.wall());
    }
    assert_eq!(fs::read_to_string(world.home.path().join(".env")).unwrap(), SECRET);
}

#[tokio::test]
async fn nothing_outside_can_be_written() {
    for world in World::each() {
        write_outside(&world).await;
    }
}

async fn write_outside(world: &World) {
    let home = world.home.path().display().to_string();
    for attempt in [
        format!("echo x > {home}/new"),
        format!("echo x >> {home}/profiles/alice/.env"),
        "echo x > ../config.yaml".to_owned(),
        "touch /hermes-escape".to_owned(),
        "touch /usr/bin/hermes-escape".to_owned(),
        "touch /etc/hermes-escape".to_owned(),
        format!("rm -r {home}/profiles/bob"),
        format!("truncate -s 0 {home}/.env"),
        "mknod node c 1 3".to_owned(),
        "echo 1 > /proc/sys/kernel/core_pattern".to_owned(),
        "chown 12345 .".to_owned(),
    ] {
        let (output, code) = world.sh(&attempt).await;
        assert_ne!(code, 0, "{}: {attempt}: {output}", world.wall());
    }
    // At level `strict` there are such folders inside, and they are others.
    for place in ["/tmp/hermes-escape", "/dev/shm/hermes-escape"] {
        let (output, code) = world.sh(&format!("touch {place}")).await;
        assert_eq!((code == 0, fs::exists(place).unwrap()), (world.is_strict(), false), "{place}: {output}");
    }
    assert_eq!(fs::read_to_string(world.home.path().join("profiles/alice/.env")).unwrap(), SECRET);
    assert!(world.home.path().join("profiles/bob/.env").exists());
}

#[tokio::test]
async fn there_is_no_network_and_no_way_to_others() {
    for world in World::each() {
        reach_others(&world).await;
    }
}

async fn reach_others(world: &World) {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let path = world.home.path().join("daemon.sock");
    let _daemon = UnixListener::bind(&path).unwrap();
    let (tcp, port, path) =
        (tcp.local_addr().unwrap().port(), udp.local_addr().unwrap().port(), path.display());
    let us = std::process::id();
    let attempts = [
        format!("socket.create_connection(('127.0.0.1', {tcp}))"),
        format!("socket.socket().sendto(b'x', 0x20000000, ('127.0.0.1', {tcp}))"),
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)".to_owned(),
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9)".to_owned(),
        "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)".to_owned(),
        "socket.socket(40, socket.SOCK_STREAM)".to_owned(),
        "socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)".to_owned(),
        format!("socket.socket(socket.AF_UNIX).connect('{path}')"),
        "socket.socket(socket.AF_UNIX).connect('\\0abstract')".to_owned(),
        format!("os.kill({us}, 0)"),
        format!("open('/proc/{us}/environ').read()"),
        format!("open('/proc/{us}/mem', 'rb')"),
        "check(libc.unshare(0x10000000))".to_owned(),
        "check(libc.syscall(435, 0, 0))".to_owned(),
        "check(libc.syscall(428, -100, b'.', 1))".to_owned(),
        "check(libc.syscall(467, -100, b'.', 1, 0, 0))".to_owned(),
        "check(libc.syscall(480, 0, 0))".to_owned(),
        "check(libc.ioctl(0, 0x5412, b'x'))".to_owned(),
        "check(libc.syscall(250, 0, -3))".to_owned(),
        "check(libc.syscall(101, 16, os.getppid(), 0, 0))".to_owned(),
        "check(libc.syscall(425, 1, 0))".to_owned(),
        "check(libc.syscall(321, 0, 0, 0))".to_owned(),
        "check(libc.syscall(0x40000000 + 41, 2, 1, 0))".to_owned(),
        "check(libc.mount(b'none', b'.', b'tmpfs', 0, 0))".to_owned(),
        "os.chroot('.')".to_owned(),
        "os.setuid(12345)".to_owned(),
    ];
    // A network of its own is one to work in.
    let send =
        format!("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))");
    let at_landlock =
        [&send, "socket.socket().bind(('127.0.0.1', 0))", "os.kill(int(os.environ['HELPER']), 9)"];
    let more = at_landlock.iter().filter(|_| !world.is_strict()).map(|&attempt| attempt.to_owned());
    for attempt in attempts.into_iter().chain(more) {
        let script = format!(
            "import socket, os, ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n\
             def check(r):\n    if r < 0: raise OSError(ctypes.get_errno(), 'refused')\n\
             try:\n    {attempt}\nexcept OSError as error:\n    print('refused')\nelse:\n    print('ESCAPED')"
        );
        let write = json!({ "path": "attempt.py", "content": script });
        world.call("write_file", write).await;
        let (output, _) = world.sh(&format!("HELPER=$PPID {PYTHON} attempt.py")).await;
        // The x32 and 32-bit doors may also answer with death.
        assert!(output == "refused" || output.is_empty(), "{}: {attempt}: {output}", world.wall());
        assert!(!output.contains("ESCAPED"), "{attempt}");
    }
    udp.set_nonblocking(true).unwrap();
    world.sh("echo x > /dev/udp/127.0.0.1/$PORT".replace("$PORT", &port.to_string()).as_str()).await;
    assert_eq!(udp.recv(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn everyday_tools_work_inside() {
    for world in World::each() {
        work(&world).await;
    }
}

async fn work(world: &World) {
    let cases = [
        "git init -q r && cd r && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git log --oneline | grep -c x; cd ..",
        "/usr/bin/python3 -c 'import json, ssl, sqlite3, subprocess; print(len(subprocess.check_output([\"echo\", \"x\"])) - 1)'",
        "f=$(mktemp) && echo 1 > $f && cat $f",
        "printf '#!/bin/sh\\necho 1\\n' > s && chmod +x s && ./s",
        "mkdir -p x/y && mv x/y z && rmdir x z && echo 1",
        "tar cf a.tar s && tar xf a.tar && echo 1",
        "echo 1 > /dev/null && head -c 1 /dev/urandom | wc -c",
        "ls -d . | wc -l",
        "echo 1 > /dev/stdout",
    ];
    for command in cases {
        if command.starts_with(PYTHON) && !fs::exists(PYTHON).unwrap() {
            continue;
        }
        let (output, code) = world.sh(command).await;
        assert_eq!((output.as_str(), code), ("1", 0), "{}: {command}", world.wall());
    }
}

#[tokio::test]
async fn a_workspace_that_contains_the_home_is_refused() {
    for above in [true, false] {
        let world = World::with(|config| {
            config.workspace =
                if above { config.root.parent().unwrap().into() } else { config.state_dir.clone() };
        });
        for (name, arguments) in
            [("terminal", json!({ "command": "true" })), ("read_file", json!({ "path": "x" }))]
        {
            assert_eq!(world.call(name, arguments).await["code"], "workspace_unsafe", "{name}");
        }
    }
}

#[tokio::test]
async fn commands_have_no_capability_whoever_runs_the_gateway() {
    for world in World::each() {
        count_capabilities(&world).await;
    }
}

async fn count_capabilities(world: &World) {
    // What an owner closed is closed to root's commands, too; and files cannot be given away.
    let (output, code) = world.sh("echo x > sealed; chmod 0 sealed; cat sealed").await;
    assert!(code != 0 && output.contains("Permission denied"), "{code}: {output}");
    let (output, code) = world.sh("chown 12345 sealed").await;
    // In a user namespace there is no such user at all.
    let refused = output.contains("not permitted") || output.contains("Invalid argument");
    assert!(code != 0 && refused, "{}: {code}: {output}", world.wall());
    if !fs::exists(PYTHON).unwrap() {
        return;
    }
    // Version 3 of `capget`: effective, permitted and inheritable, twice. 23 and 47: bounding and ambient.
    let script = "import ctypes, os\nlibc = ctypes.CDLL(None)\n\
                  head = (ctypes.c_uint32 * 2)(0x20080522, 0)\nsets = (ctypes.c_uint32 * 6)()\n\
                  assert libc.capget(head, sets) == 0\n\
                  ambient = [n for n in range(41) if libc.prctl(47, 1, n, 0, 0) == 1]\n\
                  bounding = [n for n in range(41) if libc.prctl(23, n, 0, 0, 0) == 1] if os.getuid() == 0 else []\n\
                  print(list(sets), ambient, bounding)";
    world.call("write_file", json!({ "path": "caps.py", "content": script })).await;
    assert_eq!(world.sh(&format!("{PYTHON} caps.py")).await, ("[0, 0, 0, 0, 0, 0] [] []".to_owned(), 0));
}

#[tokio::test]
async fn a_workspace_that_the_gateway_makes_is_closed_to_others() {
    let world = World::new();
    assert_eq!(world.sh("pwd").await.1, 0);
    let mode = fs::metadata(world.workspace()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
