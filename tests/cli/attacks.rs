//! What must not bring a gateway down, and how it ends when it is busy.

use crate::support::{Home, address, connect, get, post, until};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
};

#[test]
fn strangers_on_the_control_socket_are_refused_and_harm_nothing() {
    let home = Home::new();
    home.profile("alice");
    let gateway = home.gateway(&[]);
    let socket = home.path().join(format!("run/{}.sock", gateway.pid()));
    let token = "0".repeat(64);
    let cases = [
        ("no JSON", "hello\n".to_owned(), "not a request"),
        ("no token", "{\"command\":\"status\"}\n".to_owned(), "token"),
        ("wrong token", format!("{{\"token\":\"{token}\",\"command\":\"stop_gateway\"}}\n"), "token"),
        ("unknown command", format!("{{\"token\":\"{token}\",\"command\":\"explode\"}}\n"), "not a request"),
        ("deep", format!("{}\n", "[".repeat(60_000)), "not a request"),
        ("too long", "x".repeat(200_000), "one line of at most"),
        ("cut off", "{\"token\"".to_owned(), "one line of at most"),
    ];
    for (case, request, told) in cases {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // A request that is too long is answered before all of it was taken.
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = String::new();
        let _ = BufReader::new(stream).read_line(&mut answer);
        assert!(answer.contains("refused") && answer.contains(told), "{case}: {answer}");
    }
    let silent: Vec<_> = (0..20).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    home.ok(&["gateway", "status"]);
    drop(silent);
    home.ok(&["gateway", "stop"]);
    assert_eq!(gateway.wait().code, Some(0));
}

#[test]
fn a_damaged_store_is_refused_and_comes_back_from_a_backup() {
    let home = Home::new();
    home.profile("alice");
    home.profile("bob");
    for number in 0..20 {
        home.ok(&["-p", "alice", "key", "create", "--name", &format!("number {number}")]);
    }
    let keys = home.json(&["-p", "alice", "key", "list", "--json"]);
    home.ok(&["backup", "alice", "alice.jsonl"]);
    cut(&home.path().join("profiles/alice/state/db/db"));

    let gateway = home.gateway(&[]);
    let bob = address(&home, "bob").unwrap();
    // A store that nobody waits for is opened by the first request that needs it.
    let alice = address(&home, "alice").unwrap();
    assert_eq!(get(alice, "/v1/models", "hk_00000000_00000000000000000000000000000000"), 503);
    home.until("alice", "failed");
    let told = home.ok(&["gateway", "status"]);
    assert!(told.contains(" restore alice FILE"), "{told}");
    assert_eq!(get(bob, "/health", ""), 200);

    let other = home.run(&["restore", "bob", "alice.jsonl", "--stop"]);
    assert!(other.code == Some(1) && other.err.contains("a backup of `alice`"), "{other:?}");
    let restored = home.run(&["restore", "alice", "alice.jsonl"]);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    assert!(restored.err.contains("-p alice key revoke ID`"), "its revocations are lost: {restored:?}");
    assert_eq!(home.json(&["-p", "alice", "key", "list", "--json"]), keys);
    assert!(home.ok(&["profile", "list"]).lines().all(|line| !line.contains("failed")));
    drop(gateway);
}

/// Cuts sled's log within its records; a segment is longer than all that the test writes.
fn cut(log: &std::path::Path) {
    std::fs::OpenOptions::new().write(true).open(log).unwrap().set_len(2_000).unwrap();
}

const BUSY: &str = r#"{"model":"alice","messages":[{"role":"user","content":"run: while [ ! -e go ]; do :; done; echo ended"}]}"#;

#[test]
fn a_turn_under_way_is_finished_before_the_end() {
    let home = Home::new();
    home.profile("alice");
    let gateway = home.gateway(&[]);
    let (key, alice) = (gateway.key(), address(&home, "alice").unwrap());
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| post(alice, "/v1/chat/completions", &key, BUSY));
        home.until("alice", "serving");
        until(|| is_busy(alice, &key));
        gateway.signal("TERM");
        // Draining: refused, and not by a closed port.
        until(|| post(alice, "/v1/chat/completions", &key, BUSY_NOT).0 == 503);
        std::fs::write(home.path().join("profiles/alice/workspace/go"), "").unwrap();
        let (status, body) = busy.join().unwrap();
        assert!(status == 200 && body.contains("ended"), "{status} {body}");
    });
    assert_eq!(gateway.wait().code, Some(0));
}

const BUSY_NOT: &str = r#"{"model":"alice","messages":[{"role":"user","content":"hello"}]}"#;

#[test]
fn a_second_signal_ends_at_once() {
    let home = Home::new();
    home.profile("alice");
    let gateway = home.gateway(&[]);
    let (key, alice) = (gateway.key(), address(&home, "alice").unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| post(alice, "/v1/chat/completions", &key, BUSY));
        until(|| is_busy(alice, &key));
        gateway.signal("TERM");
        until(|| post(alice, "/v1/chat/completions", &key, BUSY_NOT).0 == 503);
        gateway.signal("TERM");
        let done = gateway.wait();
        assert!(done.code == Some(1) && done.err.contains("ended at once"), "{done:?}");
    });
}

/// Whether a run is under way.
fn is_busy(address: std::net::SocketAddr, key: &str) -> bool {
    let mut stream = connect(address).unwrap();
    write!(
        stream,
        "GET /v1/runs HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.contains("\"running\"")
}

#[test]
fn commands_get_nothing_of_the_gateway_s_environment() {
    let home = Home::new();
    home.profile("alice");
    let mut command = home.command(&["gateway"]);
    let names = "LD_PRELOAD LD_LIBRARY_PATH BASH_ENV ENV PROMPT_COMMAND GIT_DIR GIT_CONFIG_GLOBAL GIT_SSH GIT_EXEC_PATH \
                 GIT_ASKPASS PYTHONPATH PYTHONSTARTUP PERL5OPT NODE_OPTIONS RUBYOPT http_proxy https_proxy ALL_PROXY \
                 no_proxy SSH_AUTH_SOCK AWS_SECRET_ACCESS_KEY OPENAI_API_KEY KUBECONFIG DBUS_SESSION_BUS_ADDRESS";
    for name in names.split_whitespace() {
        command.env(name, "/from-the-gateway");
    }
    let gateway = Home::serve(&mut command);
    let (key, alice) = (gateway.key(), address(&home, "alice").unwrap());
    let body = r#"{"model":"alice","messages":[{"role":"user","content":"run: env; cat /proc/self/environ; echo seen"}]}"#;
    let (status, answer) = post(alice, "/v1/chat/completions", &key, body);
    assert!(status == 200 && answer.contains("seen") && answer.contains("TMPDIR="), "{answer}");
    assert!(!answer.contains("from-the-gateway"), "{answer}");
}
