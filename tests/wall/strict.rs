//! What the world of a command is like: at level `strict` one of its own, at level `landlock` a small part of the machine's.

use crate::support::{World, walls};
use hermes_gateway::sandbox::{self, ForkServer, Helper, Network, Order, Owner, Report, Sandbox, Wall};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
};
use tokio::io::AsyncReadExt;

/// A Python that the sandbox may run: not one in somebody's home.
const PYTHON: &str = "/usr/bin/python3";

/// What a test could not show on this machine.
fn left_out(why: &str) {
    eprintln!("not run: {why}");
}

fn strict() -> Vec<World> {
    World::each().into_iter().filter(World::is_strict).collect()
}

fn order(command: &str, dir: &Path) -> Order {
    Order {
        program: "/bin/bash".into(),
        args: vec!["-c".into(), command.into()],
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        dir: dir.into(),
        terminal: None,
    }
}

async fn end_of(mut helper: Helper, order: &Order) -> (String, Report) {
    helper.send(order).await.unwrap();
    let mut output = String::new();
    helper.output.read_to_string(&mut output).await.unwrap();
    (output.trim().to_owned(), helper.report().await.unwrap())
}

#[tokio::test]
async fn a_command_sees_only_what_was_put_there() {
    for world in strict() {
        let (top, _) = world.sh("ls /").await;
        let workspace = world.workspace().display().to_string();
        let ours = workspace.split('/').nth(1).unwrap();
        let known = [
            "bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "nix", "opt", "proc", "sbin", "tmp",
            "usr", "var", ours,
        ];
        assert!(top.lines().all(|name| known.contains(&name)), "{}: {top}", world.wall());
        let cases = [
            ("ls -A /home /root /sys /run /var/lib /boot /srv 2>/dev/null | wc -l", "0"),
            (
                "ls /dev | grep -v -E '^(fd|full|null|ptmx|pts|random|shm|stderr|stdin|stdout|tty|urandom|zero)$' | wc -l",
                "0",
            ),
            ("uname -n", "sandbox"),
            ("id -un", "alice"),
            ("wc -l < /etc/passwd", "3"),
            ("grep -c : /proc/net/dev", "1"),
            // The shell and its two helpers; process 1 hides.
            ("set -- /proc/[0-9]*; test $# -le 4 && test ! -e /proc/1 && echo few", "few"),
            (
                "ls -d /proc/sys/kernel >/dev/null && echo x 2>/dev/null > /proc/sys/kernel/hostname || echo closed",
                "closed",
            ),
            (
                "touch /x /usr/x /etc/x /dev/x 2>/dev/null; ls /x /usr/x /etc/x /dev/x 2>/dev/null | wc -l",
                "0",
            ),
        ];
        for (command, expected) in cases {
            assert_eq!(world.sh(command).await.0, expected, "{}: {command}", world.wall());
        }
    }
}

#[tokio::test]
async fn how_a_command_ends_is_told_as_it_was() {
    let cases = [
        ("exit 3", Report::Exited(3)),
        ("exec true", Report::Exited(0)),
        ("kill -TERM $$", Report::Signalled(15)),
        ("kill -KILL $$", Report::Signalled(9)),
        ("kill -SEGV $$", Report::Signalled(11)),
        ("no-such-program 2>/dev/null", Report::Exited(127)),
    ];
    for world in World::each() {
        for (command, expected) in &cases {
            let helper = world.sandbox.start(&world.bare()).unwrap();
            let (_, report) = end_of(helper, &order(command, world.home.path())).await;
            assert_eq!(report, *expected, "{}: {command}", world.wall());
        }
        let helper = world.sandbox.start(&world.bare()).unwrap();
        let nothing = Order { program: "/no/such/program".into(), ..order("", world.home.path()) };
        let (_, report) = end_of(helper, &nothing).await;
        let Report::NotStarted(reason) = report else { panic!("{report:?}") };
        assert!(reason.contains("/no/such/program"), "{reason}");
    }
}

#[tokio::test]
async fn programs_inside_can_talk_to_each_other() {
    if !fs::exists(PYTHON).unwrap() {
        return left_out(&format!("there is no {PYTHON}"));
    }
    let script = "import socket, threading\ns = socket.create_server(('127.0.0.1', 0))\n\
                  threading.Thread(target=lambda: s.accept()[0].sendall(b'heard')).start()\n\
                  print(socket.create_connection(s.getsockname()).recv(9).decode())";
    for world in strict() {
        world.call("write_file", json!({ "path": "talk.py", "content": script })).await;
        assert_eq!(world.sh(&format!("{PYTHON} talk.py")).await, ("heard".to_owned(), 0), "{}", world.wall());
    }
}

#[tokio::test]
async fn the_bridge_s_listener_comes_out_of_the_command_s_own_network() {
    for world in strict() {
        let bridged = sandbox::World { network: Network::Bridge { port: 3_128 }, ..world.bare() };
        let mut helper = world.sandbox.start(&bridged).unwrap();
        let listener = helper.listener().await.unwrap().expect("a listener");
        assert_eq!(listener.local_addr().unwrap().port(), 3_128);
        let proxy = std::thread::spawn(move || {
            let (mut caller, _) = listener.accept().unwrap();
            let mut asked = [0; 4];
            caller.read_exact(&mut asked).unwrap();
            caller.write_all(b"answer\n").unwrap();
            asked
        });
        let ask = "exec 3<>/dev/tcp/127.0.0.1/3128; printf ask! >&3; head -1 <&3";
        let (output, report) = end_of(helper, &order(ask, world.home.path())).await;
        assert_eq!((output.as_str(), report), ("answer", Report::Exited(0)), "{}", world.wall());
        assert_eq!(&proxy.join().unwrap(), b"ask!");
    }
}

#[tokio::test]
async fn at_landlock_the_bridge_is_one_port_and_plain_tcp() {
    let sandbox = walls().pop().unwrap();
    if sandbox.abi < 4 {
        return left_out("this kernel's Landlock knows no ports");
    }
    let world = World::at(&sandbox, |_| {});
    let (open, other) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let (port, other) = (open.local_addr().unwrap().port(), other.local_addr().unwrap().port());
    let bridged = sandbox::World { network: Network::Bridge { port }, ..world.bare() };
    let run = async |command: String| {
        let helper = sandbox.start(&bridged).unwrap();
        end_of(helper, &order(&command, world.home.path())).await.0
    };
    assert_eq!(run(format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo through")).await, "through");
    let refused = run(format!("exec 3<>/dev/tcp/127.0.0.1/{other}")).await;
    assert!(refused.contains("Permission denied"), "{refused}");
    if !fs::exists(PYTHON).unwrap() {
        return left_out(&format!("there is no {PYTHON}"));
    }
    for attempt in [
        format!("socket.socket().sendto(b'x', 0x20000000, ('127.0.0.1', {other}))"),
        format!("socket.socket().sendmsg([b'x'], [], 0x20000000, ('127.0.0.1', {other}))"),
        "socket.socket().setsockopt(6, 30, 1)".to_owned(),
        "socket.socket().setsockopt(6, 31, b'smc')".to_owned(),
        "socket.socket(2, 1, 262)".to_owned(),
        "socket.socket(2, 2)".to_owned(),
        "socket.socket(2, 3, 6)".to_owned(),
        "socket.socket(1, 1)".to_owned(),
        "socket.socket().listen()".to_owned(),
        "socket.socket().bind(('127.0.0.1', 0))".to_owned(),
    ] {
        let script = format!("import socket\ntry:\n    {attempt}\nexcept OSError:\n    print('refused')");
        fs::write(world.home.path().join("attempt.py"), script).unwrap();
        assert_eq!(run(format!("{PYTHON} attempt.py")).await, "refused", "{attempt}");
    }
}

#[tokio::test]
async fn unix_sockets_at_landlock_are_a_setting() {
    if !fs::exists(PYTHON).unwrap() {
        return left_out(&format!("there is no {PYTHON}"));
    }
    let sandbox = walls().pop().unwrap();
    for (allowed, expected) in [(false, 1), (true, 0)] {
        let world = World::at(&sandbox, |config| config.terminal.unix_sockets = allowed);
        let (_, code) = world.sh(&format!("{PYTHON} -c 'import socket; socket.socket(1, 1)'")).await;
        assert_eq!(code, expected, "{allowed}");
        assert_eq!(world.sh(&format!("{PYTHON} -c 'import socket; socket.socket(2, 2)'")).await.1, 1);
    }
}

/// As root a command can have a user of its own: what it makes belongs to that user, and root's files are closed.
#[tokio::test]
async fn commands_run_as_the_owner_of_their_world() {
    if !rustix::process::geteuid().is_root() {
        return left_out("only root can give commands a user of their own");
    }
    let owner = Owner { uid: 20_001, gid: 20_001 };
    for sandbox in walls() {
        let world = World::at(&sandbox, |_| {});
        let workspace = world.home.path().join("own");
        fs::create_dir(&workspace).unwrap();
        // Below a folder that its user could not walk through: only the view leads there.
        let closed = if world.is_strict() { 0o700 } else { 0o711 };
        fs::set_permissions(world.home.path(), fs::Permissions::from_mode(closed)).unwrap();
        chown(&workspace, Some(owner.uid), Some(owner.gid)).unwrap();
        let owned = sandbox::World {
            workspace: workspace.clone(),
            tmp: workspace.clone(),
            owner: Some(owner),
            ..world.bare()
        };
        let helper = sandbox.start(&owned).unwrap();
        let command = "touch made && id -G | wc -w; cat /etc/ssl/private/* /etc/shadow 2>/dev/null | wc -c";
        let (output, report) = end_of(helper, &order(command, &workspace)).await;
        assert_eq!((output.as_str(), report), ("1\n0", Report::Exited(0)), "{}", world.wall());
        let made = fs::metadata(workspace.join("made")).unwrap();
        assert_eq!((made.uid(), made.gid()), (owner.uid, owner.gid), "{}", world.wall());
    }
}

/// The same walls for a gateway without any privilege: the helper is started through a program that gives them up.
#[tokio::test]
async fn an_ordinary_user_s_gateway_has_the_walls_too() {
    if !rustix::process::geteuid().is_root() {
        return left_out("everything here runs without privileges already");
    }
    let place = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = place.path().join("hermes");
    fs::copy(env!("CARGO_BIN_EXE_hermes"), &program).unwrap();
    let helper = place.path().join("helper");
    let text = format!(
        "#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups {} \"$@\"\n",
        program.display()
    );
    fs::write(&helper, text).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let mine = place.path().join("mine");
    fs::create_dir(&mine).unwrap();
    chown(&mine, Some(65_534), Some(65_534)).unwrap();
    for sandbox in walls() {
        if !sandbox.way.user_namespace {
            continue;
        }
        let world = World::at(&sandbox, |_| {});
        let sandbox = Sandbox { helper: std::sync::Arc::new(ForkServer::new(helper.clone())), ..sandbox };
        let unprivileged = sandbox::World { workspace: mine.clone(), tmp: mine.clone(), ..world.bare() };
        let helper = sandbox.start(&unprivileged).unwrap();
        let command =
            "echo x > made; cat /proc/self/status | grep -E '^(CapEff|NoNewPrivs|Seccomp):' | tr -d '\\t\\n'";
        let (output, report) = end_of(helper, &order(command, &mine)).await;
        let expected = if world.is_strict() { "CapEff:0000000000000000NoNewPrivs:1Seccomp:2" } else { "" };
        assert!(output.starts_with(expected), "{}: {output} {report:?}", world.wall());
        assert_eq!(fs::metadata(mine.join("made")).unwrap().uid(), 65_534, "{}: {output}", world.wall());
        fs::remove_file(mine.join("made")).unwrap();
    }
}

/// Every wall can be left out alone: what stands without it is what the others hold.
#[tokio::test]
async fn a_wall_that_is_left_out_is_gone_and_the_others_stand() {
    for world in strict() {
        let run = async |omit: Vec<Wall>, command: &str| {
            let less = sandbox::World { omit, ..world.bare() };
            let helper = world.sandbox.start(&less).unwrap();
            end_of(helper, &order(command, world.home.path())).await.0
        };
        let status = |name: &str| format!("grep '^{name}:' /proc/self/status | tr -d ' \\t'");
        let cases = [
            (Wall::MountView, "test -e /sys && echo seen".to_owned(), "seen"),
            (Wall::PidNamespace, "test $$ -gt 9 && echo outside".to_owned(), "outside"),
            (Wall::UtsNamespace, "test \"$(uname -n)\" = sandbox || echo machine".to_owned(), "machine"),
            (Wall::Seccomp, status("Seccomp"), "Seccomp:0"),
            (Wall::NoNewPrivs, status("NoNewPrivs"), "NoNewPrivs:0"),
            (Wall::Rlimits, "test $(ulimit -n) != 4096 && echo more".to_owned(), "more"),
            (Wall::Dumpable, "test -e /proc/1/status && echo seen".to_owned(), "seen"),
        ];
        for (wall, command, without) in cases {
            if wall == Wall::UtsNamespace && rustix::system::uname().nodename() == c"sandbox" {
                continue;
            }
            assert_ne!(run(Vec::new(), &command).await, without, "{}: {wall:?}", world.wall());
            assert_eq!(run(vec![wall], &command).await, without, "{}: {wall:?}", world.wall());
        }
    }
}

#[tokio::test]
async fn two_hundred_at_once_are_no_trouble() {
    let world = World::new();
    let calls = (0..200).map(|number| {
        let world = &world;
        async move {
            let session = format!("s{number}");
            world.call_in(&session, "terminal", json!({ "command": format!("echo {number}") })).await
        }
    });
    for (number, result) in futures_util::future::join_all(calls).await.into_iter().enumerate() {
        assert_eq!((&result["output"], &result["error"]), (&json!(number.to_string()), &Value::Null));
    }
}
