//! What commands reach, and what they do not, at every level: with the programs that people use for it.

use crate::{
    site::Site,
    support::{self, World, appears},
};
use hermes_gateway::{
    config::{NetworkConfig, NetworkMode, SandboxLevel},
    sandbox::Sandbox,
};
use serde_json::{Value, json};
use std::{fs, net::UdpSocket, path::Path, time::Duration};
use tokio_util::sync::CancellationToken;

const PYTHON: &str = "/usr/bin/python3";

/// The walls that can hold a command to a proxy. Landlock knows no ports before ABI 4.
fn walls() -> Vec<Sandbox> {
    let (able, not): (Vec<_>, Vec<_>) = support::walls()
        .into_iter()
        .partition(|wall| wall.network(NetworkMode::Public) == NetworkMode::Public);
    for wall in not {
        eprintln!("NOT TESTED at `{}`, where Landlock has ABI {}", wall.level.name(), wall.abi);
    }
    able
}

fn world(sandbox: &Sandbox, mode: NetworkMode, allow: &[&str]) -> World {
    let allow = allow.iter().map(|text| text.parse().unwrap()).collect();
    World::at(sandbox, |config| config.terminal.network = NetworkConfig { mode, allow })
}

/// One world per wall, with the machine's loopback on its list.
pub fn open_worlds() -> Vec<World> {
    walls().iter().map(|wall| world(wall, NetworkMode::Public, &["127.0.0.0/8"])).collect()
}

/// Whether a program is there, as commands see it. Where the tests must have everything, it is an error if not.
pub fn has(program: &str) -> bool {
    let found =
        ["/usr/local/bin", "/usr/bin", "/bin"].iter().any(|dir| Path::new(dir).join(program).exists());
    assert!(found || std::env::var_os("HERMES_TEST_TOOLS").is_none(), "`{program}` is missing: install it");
    if !found {
        eprintln!("NOT TESTED: `{program}` is not installed");
    }
    found
}

/// Runs a command that may fail; the whole result.
pub async fn run(world: &World, command: &str) -> Value {
    world.call("terminal", json!({ "command": command, "timeout": 60 })).await
}

pub fn text(result: &Value) -> &str {
    result["output"].as_str().unwrap()
}

#[tokio::test]
async fn curl_reaches_what_is_listed_by_forwarding_and_by_a_tunnel() {
    if !has("curl") {
        return;
    }
    let site = Site::new(&[("/page", "the page")]);
    for world in open_worlds() {
        for option in ["", "--proxytunnel"] {
            let result = run(&world, &format!("curl -sS {option} {}", site.url("/page"))).await;
            assert_eq!(text(&result), "the page", "{} {option}: {result}", world.wall());
            assert_eq!(result["network_refused"], Value::Null);
        }
        // Twice in one shell, and in the next call: nothing of one call's proxy is in the way.
        let result = run(&world, &format!("export X=1; curl -sS {0} {0}", site.url("/page"))).await;
        assert_eq!(text(&result), "the pagethe page", "{}: {result}", world.wall());
    }
}

#[tokio::test]
async fn what_is_not_listed_is_refused_and_the_agent_is_told_why() {
    if !has("curl") {
        return;
    }
    let site = Site::new(&[("/page", "the page")]);
    for wall in walls() {
        let world = world(&wall, NetworkMode::Public, &[]);
        for option in ["", "--proxytunnel"] {
            // `--noproxy ''`: the loopback would be the sandbox's own.
            let result = run(&world, &format!("curl -sS --noproxy '' {option} {}", site.url("/page"))).await;
            assert!(!text(&result).contains("the page"), "{}: {result}", world.wall());
            let told = result["network_refused"][0].as_str().unwrap();
            assert!(told.contains("127.0.0.1 is the loopback of the machine"), "{told}");
        }
        let result = run(&world, "curl -sS http://169.254.169.254/latest/meta-data").await;
        assert!(text(&result).contains("the metadata service of a cloud"), "{}: {result}", world.wall());
    }
    assert!(!site.was_asked("/page"));
}

#[tokio::test]
async fn an_allowlist_opens_its_entries_alone() {
    if !has("curl") {
        return;
    }
    let (listed, other) = (Site::new(&[("/", "listed")]), Site::new(&[("/", "other")]));
    for wall in walls() {
        let world = world(&wall, NetworkMode::Allowlist, &[&format!("127.0.0.1:{}", listed.port)]);
        assert_eq!(text(&run(&world, &format!("curl -sS {}", listed.url("/"))).await), "listed");
        let result = run(&world, &format!("curl -sS {}", other.url("/"))).await;
        assert!(text(&result).starts_with("hermes: "), "{}: {result}", world.wall());
        let result = run(&world, "curl -sS http://what-i-know.example.org/").await;
        assert!(text(&result).contains("does not name this host"), "{}: {result}", world.wall());
    }
    assert!(!other.was_asked("/"));
}

#[tokio::test]
async fn a_port_of_the_gateway_is_closed_even_when_it_is_listed() {
    if !has("curl") {
        return;
    }
    let api = Site::new(&[("/v1/approvals", "[]")]);
    for world in open_worlds() {
        let _listening = world.listeners.enter(api.port);
        for option in ["", "--proxytunnel", "--noproxy '*'"] {
            let result = run(&world, &format!("curl -sS {option} {}", api.url("/v1/approvals"))).await;
            assert!(!text(&result).contains("[]"), "{} {option}: {result}", world.wall());
        }
    }
    assert!(!api.was_asked("/v1/approvals"));
}

#[tokio::test]
async fn there_is_no_way_past_the_proxy() {
    if !has("python3") {
        return;
    }
    let site = Site::new(&[("/", "reached")]);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_nonblocking(true).unwrap();
    let (tcp, dns) = (site.port, udp.local_addr().unwrap().port());
    for world in open_worlds() {
        for attempt in [
            format!("socket.create_connection(('127.0.0.1', {tcp}), 5)"),
            format!(
                "socket.socket().sendto(b'GET / HTTP/1.0\\r\\n\\r\\n', 0x20000000, ('127.0.0.1', {tcp}))"
            ),
            format!("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {dns}))"),
            "socket.getaddrinfo('example.org', 80)".to_owned(),
            "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)".to_owned(),
        ] {
            let script =
                format!("import socket\ntry:\n    {attempt}\nexcept OSError:\n    pass\nprint('over')");
            world.call("write_file", json!({ "path": "attempt.py", "content": script })).await;
            assert_eq!(world.sh(&format!("{PYTHON} attempt.py")).await.0, "over", "{attempt}");
        }
        assert!(udp.recv(&mut [0; 8]).is_err(), "{}: a datagram got out", world.wall());
    }
    assert!(!site.was_asked("/"));
}

#[tokio::test]
async fn off_and_full_are_what_they_say() {
    if !has("curl") {
        return;
    }
    let site = Site::new(&[("/", "reached")]);
    let ask = format!("env | grep -ci proxy; curl -sS --max-time 5 {}", site.url("/"));
    for wall in walls() {
        let off = world(&wall, NetworkMode::Off, &["127.0.0.1"]);
        let result = run(&off, &ask).await;
        assert!(
            text(&result).starts_with('0') && !text(&result).contains("reached"),
            "{}: {result}",
            off.wall()
        );
        let full = world(&wall, NetworkMode::Full, &[]);
        let result = run(&full, &ask).await;
        assert_eq!(text(&result), "0\nreached", "{}", full.wall());
    }
}

#[tokio::test]
async fn a_token_of_one_profile_is_worth_nothing_to_another() {
    if !has("curl") {
        return;
    }
    let site = Site::new(&[("/", "reached")]);
    for wall in walls() {
        let alice = world(&wall, NetworkMode::Public, &["127.0.0.0/8"]);
        let bob = world(&wall, NetworkMode::Public, &[]);
        // Alice's command lives while bob's tries to use what it has.
        let hold = "echo $http_proxy > url; touch ready; while [ ! -e done ]; do sleep 0.05; done";
        let alices = run(&alice, hold);
        let bobs = async {
            appears(&alice.workspace().join("ready")).await;
            let url = fs::read_to_string(alice.workspace().join("url")).unwrap();
            let (url, page) = (url.trim(), site.url("/"));
            let script = format!(
                "curl -sS -x '{url}' {page}; own=${{http_proxy##*:}}; theirs='{url}'; \
                 curl -sS --noproxy '' -x \"${{theirs%:*}}:$own\" {page}"
            );
            let result = run(&bob, &script).await;
            fs::write(alice.workspace().join("done"), "").unwrap();
            assert!(!text(&result).contains("reached"), "{}: {result}", bob.wall());
        };
        tokio::join!(alices, bobs);
    }
    assert!(!site.was_asked("/"));
}

#[tokio::test]
async fn the_end_of_a_command_and_a_stop_end_its_connections() {
    if !has("curl") {
        return;
    }
    for world in open_worlds() {
        let site = Site::new(&[]);
        let left_behind = format!("setsid curl -sS {} >/dev/null 2>&1 & sleep 0.3", site.url("/silence"));
        run(&world, &left_behind).await;
        wait_for(&site, "gone true").await;
        let site = Site::new(&[]);
        let stop = CancellationToken::new();
        let command = json!({ "command": format!("curl -sS {}", site.url("/silence")) });
        let call = world.raw("one", "terminal", command, &stop, true);
        let stopping = async {
            wait_for(&site, "/silence").await;
            stop.cancel();
        };
        tokio::join!(call, stopping);
        wait_for(&site, "gone true").await;
    }
}

async fn wait_for(site: &Site, what: &str) {
    let seen = async {
        while !site.was_asked(what) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), seen).await.unwrap_or_else(|_| panic!("no `{what}`"));
}

#[tokio::test]
async fn a_flood_of_connections_leaves_other_profiles_alone() {
    if !has("python3") || !has("curl") {
        return;
    }
    let site = Site::new(&[("/", "reached")]);
    let script = "import os, socket, sys, time, urllib.parse\n\
                  url = urllib.parse.urlparse(os.environ['http_proxy'])\nopen_ones = []\n\
                  for n in range(10000):\n    s = socket.socket(); s.settimeout(0.2)\n    \
                  try: s.connect((url.hostname, url.port)); s.send(b'GET http://')\n    \
                  except OSError: break\n    open_ones.append(s)\n\
                  print(len(open_ones)); sys.stdout.flush()\nopen('flooded', 'w').close()\n\
                  while not os.path.exists('done'): time.sleep(0.05)\n";
    for wall in walls() {
        let alice = world(&wall, NetworkMode::Public, &["127.0.0.0/8"]);
        let bob = world(&wall, NetworkMode::Public, &["127.0.0.0/8"]);
        alice.call("write_file", json!({ "path": "flood.py", "content": script })).await;
        let flood = run(&alice, "python3 flood.py");
        let others = async {
            appears(&alice.workspace().join("flooded")).await;
            let result = run(&bob, &format!("curl -sS --max-time 20 {}", site.url("/"))).await;
            fs::write(alice.workspace().join("done"), "").unwrap();
            assert_eq!(text(&result), "reached", "{}: {result}", bob.wall());
        };
        tokio::join!(flood, others);
    }
}

#[test]
fn what_a_machine_cannot_hold_is_not_said_to_be_in_force() {
    use NetworkMode::{Allowlist, Full, Off, Public};
    let machine = support::walls().remove(0);
    let at = |level, abi| Sandbox { level, abi, ..machine.clone() };
    for (sandbox, held) in [
        (at(SandboxLevel::Strict, 1), [Off, Allowlist, Public, Full]),
        (at(SandboxLevel::Landlock, 4), [Off, Allowlist, Public, Full]),
        (at(SandboxLevel::Landlock, 3), [Off, Off, Off, Full]),
        (at(SandboxLevel::None, 0), [Full; 4]),
    ] {
        assert_eq!([Off, Allowlist, Public, Full].map(|wanted| sandbox.network(wanted)), held, "{sandbox:?}");
    }
}
