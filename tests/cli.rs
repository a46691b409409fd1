//! The real binary: what it says, and with which exit code it ends.
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

const HERMES: &str = env!("CARGO_BIN_EXE_hermes");

struct Home(tempfile::TempDir);

/// What a command came to.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(HERMES);
        command.env_clear().arg("--home").arg(self.path()).args(words).current_dir(self.path());
        command
    }

    fn run(&self, words: &[&str]) -> Done {
        let Output { status, stdout, stderr } = self.command(words).stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Done { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    /// Runs a command that must succeed.
    fn ok(&self, words: &[&str]) -> String {
        let done = self.run(words);
        assert_eq!(done.code, Some(0), "{words:?}: {done:?}");
        done.out
    }

    fn json(&self, words: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ok(words)).unwrap()
    }

    /// A profile at a port that the kernel chooses.
    fn profile(&self, name: &str) {
        self.ok(&["profile", "create", name]);
        self.set_port(name, 0);
    }

    fn set_port(&self, name: &str, port: u16) {
        let env = self.path().join("profiles").join(name).join(".env");
        std::fs::write(env, format!("API_SERVER_ENABLED=true\nAPI_SERVER_PORT={port}\n")).unwrap();
    }

    /// A gateway, as soon as its table stands.
    fn gateway(&self, words: &[&str]) -> Gateway {
        let mut words = words.to_vec();
        words.push("gateway");
        let mut child = self
            .command(&words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut table = String::new();
        // The curl line is the last of it.
        while !table.contains("curl ") && reader.read_line(&mut table).unwrap() > 0 {}
        Gateway { child, table, _out: reader }
    }
}

/// A running gateway; killed if a test ends early.
struct Gateway {
    child: Child,
    table: String,
    _out: BufReader<std::process::ChildStdout>,
}

impl Gateway {
    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    fn wait(mut self) -> Done {
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let code = self.child.wait().unwrap().code();
        Done { code, out: std::mem::take(&mut self.table), err }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Ended already: then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a running gateway serves a profile.
fn address(home: &Home, profile: &str) -> Option<SocketAddr> {
    let gateways = home.json(&["gateway", "status", "--json"]);
    let all = gateways.as_array().unwrap().iter().flat_map(|gateway| gateway["profiles"].as_array().unwrap());
    let found = all.filter(|status| status["name"] == profile).find_map(|status| status["address"].as_str());
    found.map(|address| address.parse().unwrap())
}

/// The status code of an answer to `GET path`.
fn get(address: SocketAddr, path: &str, token: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer[9..12].parse().unwrap()
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').filter(|word| !word.is_empty()).collect()
}

#[test]
fn wrong_use_ends_with_2_and_says_what_to_type() {
    let home = Home::new();
    home.profile("alice");
    let cases = [
        ("no command", "", "Usage:"),
        ("mistyped", "gatway", "gateway"),
        ("no name", "profile create", "<NAME>"),
        ("bad name", "profile create Alice", "a-z"),
        ("reserved name", "profile create root", "profile create root-1"),
        ("the home's own name", "profile create default", "profile create default-1"),
        ("no profile", "profile show", "profile show NAME"),
        ("two profiles", "-p bob profile show alice", "profile show alice"),
        ("delete without yes", "profile delete alice", "--yes"),
        ("delete the home", "profile delete default --yes", "default"),
        ("whose key", "key create", "-p NAME key create"),
        ("unknown scope", "-p alice key create --scope everything", "chat, runs"),
        ("no approval", "approvals approve 7", "apr_"),
        (
            "both",
            "approvals approve apr_00000000000000000000000000000000 --session --always",
            "cannot be used with",
        ),
        ("restore what", "restore alice", "<FILE>"),
        ("internal", "-p alice sandbox-exec", "sandbox-exec"),
    ];
    for (case, line, told) in cases {
        let done = home.run(&words(line));
        assert_eq!((done.code, done.err.contains(told)), (Some(2), true), "{case}: {done:?}");
    }
}

#[test]
fn a_failure_ends_with_1_and_says_why() {
    let home = Home::new();
    home.profile("alice");
    let cases = [
        ("made twice", "profile create alice", "there is a profile `alice` already"),
        ("unknown profile", "profile show carol", "`hermes profile create carol`"),
        ("unknown profile's gateway", "-p carol gateway", "carol"),
        ("nothing to start in", "profile start alice", "hermes -p alice gateway"),
        ("nothing to stop", "profile stop alice", "no gateway"),
        ("no gateway", "gateway status", "no gateway runs"),
        ("no gateway to stop", "gateway stop", "no gateway runs"),
        ("no such key", "-p alice key revoke 00000000", "no key"),
        ("no such question", "approvals deny apr_00000000000000000000000000000000", "no profile knows"),
        ("no such file", "restore alice nowhere.jsonl", "nowhere.jsonl"),
    ];
    for (case, line, told) in cases {
        let done = home.run(&words(line));
        assert_eq!((done.code, done.err.contains(told)), (Some(1), true), "{case}: {done:?}");
    }
}

#[test]
fn help_and_version_are_no_failures() {
    let home = Home::new();
    assert_eq!(home.ok(&["--version"]), format!("hermes {}\n", env!("CARGO_PKG_VERSION")));
    for line in ["--help", "gateway --help", "profile --help", "key --help", "approvals --help"] {
        let help = home.ok(&words(line));
        assert!(help.contains("Usage:") && !help.contains("sandbox-exec"), "{line}: {help}");
    }
    assert!(
        std::fs::read_dir(home.path()).unwrap().next().is_none(),
        "asking for help leaves nothing behind"
    );
}

#[test]
fn profiles_are_made_with_a_port_of_their_own_and_deleted_whole() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    home.ok(&["profile", "create", "alice"]);
    home.ok(&["profile", "create", "bob"]);
    let listed = home.json(&["profile", "list", "--json"]);
    let ports: Vec<_> = listed.as_array().unwrap().iter().map(|row| row["port"].as_u64().unwrap()).collect();
    assert!(ports.len() == 2 && ports[0] >= 8643 && ports[0] < ports[1], "{ports:?}");

    let alice = home.path().join("profiles/alice");
    for name in ["config.yaml", "SOUL.md", "skills", "workspace"] {
        assert!(alice.join(name).exists(), "{name}");
    }
    assert_eq!(std::fs::metadata(alice.join(".env")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(home.json(&["profile", "show", "alice", "--json"])["warnings"], serde_json::json!([]));

    home.ok(&["profile", "delete", "alice", "--yes"]);
    let left: Vec<PathBuf> =
        std::fs::read_dir(home.path().join("profiles")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [home.path().join("profiles/bob")]);
}

#[test]
fn many_that_create_at_once_get_different_ports() {
    let home = Home::new();
    let names: Vec<_> = (0..6).map(|number| format!("p{number}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| home.ok(&["profile", "create", name]));
        }
    });
    let listed = home.json(&["profile", "list", "--json"]);
    let ports: std::collections::BTreeSet<_> =
        listed.as_array().unwrap().iter().map(|row| row["port"].as_u64().unwrap()).collect();
    assert_eq!(ports.len(), names.len());
}

#[test]
fn keys_are_made_listed_and_revoked_without_a_gateway() {
    let home = Home::new();
    home.profile("alice");
    assert_eq!(home.json(&["-p", "alice", "key", "list", "--json"]), serde_json::json!([]));
    assert!(!home.path().join("profiles/alice/state/db").exists(), "asking makes no store");

    let made = home.json(&["-p", "alice", "key", "create", "--name", "laptop", "--scope", "chat", "--json"]);
    let (token, id) = (made["token"].as_str().unwrap(), made["key"]["id"].as_str().unwrap());
    assert!(token.starts_with(&format!("hk_{id}_")), "{made}");
    let listed = home.run(&["-p", "alice", "key", "list", "--json"]);
    assert!(!listed.out.contains(token) && !listed.out.contains("phc"), "no secret is listed: {listed:?}");
    let keys: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!((&keys[0]["name"], &keys[0]["scopes"]), (&"laptop".into(), &serde_json::json!(["chat"])));

    home.ok(&["-p", "alice", "key", "revoke", id]);
    assert!(home.json(&["-p", "alice", "key", "list", "--json"])[0]["revoked_at"].is_number());
}

#[test]
fn a_gateway_serves_shows_new_keys_once_and_ends_in_order() {
    let home = Home::new();
    home.profile("alice");
    home.profile("bob");
    let gateway = home.gateway(&[]);
    for part in ["PROFILE", "alice", "bob", "demo (built in)", "just made", "http://127.0.0.1:", "Bearer hk_"]
    {
        assert!(gateway.table.contains(part), "{part}: {}", gateway.table);
    }
    assert!(!gateway.table.contains('\x1b'), "no colours where no terminal is");
    let wide =
        gateway.table.lines().filter(|line| !line.contains("curl")).map(|line| line.chars().count()).max();
    assert!(wide <= Some(100), "{}", gateway.table);

    let key = gateway.table.split("Bearer ").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let (alice, bob) = (address(&home, "alice").unwrap(), address(&home, "bob").unwrap());
    assert_eq!([get(alice, "/v1/models", &key), get(bob, "/v1/models", &key)], [200, 401]);

    gateway.signal("TERM");
    let done = gateway.wait();
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(TcpStream::connect(alice).is_err());

    let again = home.gateway(&[]);
    assert!(again.table.contains("$HERMES_KEY") && !again.table.contains("Bearer hk_"), "{}", again.table);
    assert!(again.table.contains("key create"), "the way to a new one: {}", again.table);
    assert_eq!(
        get(address(&home, "alice").unwrap(), "/v1/models", &key),
        200,
        "the key of the first start still works"
    );
    again.signal("INT");
    assert_eq!(again.wait().code, Some(0));
}

#[test]
fn profiles_start_and_stop_while_their_neighbours_serve() {
    let home = Home::new();
    home.profile("alice");
    let gateway = home.gateway(&[]);
    let alice = address(&home, "alice").unwrap();

    home.profile("bob");
    home.ok(&["profile", "start", "bob"]);
    let bob = address(&home, "bob").unwrap();
    assert_eq!(get(bob, "/health", ""), 200);
    assert_eq!(home.run(&["profile", "delete", "bob", "--yes"]).code, Some(1), "not while it runs");

    home.ok(&["profile", "stop", "bob"]);
    assert!(TcpStream::connect(bob).is_err());
    assert_eq!(get(alice, "/health", ""), 200);

    std::fs::write(home.path().join("profiles/alice/config.yaml"), "agent: [").unwrap();
    let refused = home.run(&["profile", "reload", "alice"]);
    assert!(refused.code == Some(1) && refused.err.contains("config.yaml"), "{refused:?}");
    assert_eq!(get(alice, "/health", ""), 200, "a broken file is no reason to stop");
    std::fs::write(home.path().join("profiles/alice/config.yaml"), "").unwrap();
    home.ok(&["profile", "reload", "alice"]);
    home.ok(&["profile", "restart", "alice"]);
    assert_eq!(address(&home, "alice"), Some(alice), "the port stays open over a restart");

    home.ok(&["profile", "delete", "bob", "--yes"]);
    home.ok(&["gateway", "stop"]);
    assert_eq!(gateway.wait().code, Some(0));
}

#[test]
fn keys_are_managed_while_the_gateway_holds_the_store() {
    let home = Home::new();
    home.profile("alice");
    let gateway = home.gateway(&[]);
    let alice = address(&home, "alice").unwrap();
    let made = home.json(&["-p", "alice", "key", "create", "--json"]);
    let token = made["token"].as_str().unwrap();
    assert_eq!(get(alice, "/v1/models", token), 200);
    home.ok(&["-p", "alice", "key", "revoke", made["key"]["id"].as_str().unwrap()]);
    assert_eq!(get(alice, "/v1/models", token), 401);
    assert_eq!(home.json(&["-p", "alice", "key", "list", "--json"]).as_array().unwrap().len(), 2);
    assert_eq!(home.json(&["approvals", "list", "--json"]), serde_json::json!([]));
    drop(gateway);
}

#[test]
fn one_profile_each_side_by_side_in_one_home() {
    let home = Home::new();
    home.profile("alice");
    home.profile("bob");
    let (alice, bob) = (home.gateway(&["-p", "alice"]), home.gateway(&["-p", "bob"]));
    assert_eq!(home.json(&["gateway", "status", "--json"]).as_array().unwrap().len(), 2);
    assert!(!alice.table.contains("bob"), "{}", alice.table);

    let second = home.run(&["-p", "alice", "gateway"]);
    assert_eq!((second.code, second.out.contains("already has it")), (Some(1), true), "{second:?}");

    home.ok(&["-p", "alice", "gateway", "stop"]);
    assert_eq!(alice.wait().code, Some(0));
    assert_eq!(get(address(&home, "bob").unwrap(), "/health", ""), 200);
    home.ok(&["gateway", "stop"]);
    assert_eq!(bob.wait().code, Some(0));
}

#[test]
fn a_profile_that_cannot_be_served_says_why_and_the_others_serve() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for name in ["alice", "bob", "carol"] {
        home.profile(name);
    }
    home.set_port("bob", taken.local_addr().unwrap().port());
    std::fs::write(home.path().join("profiles/carol/config.yaml"), "a: [").unwrap();
    let gateway = home.gateway(&[]);
    assert!(
        gateway.table.contains("bob failed: port ") && gateway.table.contains("carol failed: "),
        "{}",
        gateway.table
    );
    assert_eq!(get(address(&home, "alice").unwrap(), "/health", ""), 200);

    drop(taken);
    home.ok(&["profile", "start", "bob"]);
    assert_eq!(get(address(&home, "bob").unwrap(), "/health", ""), 200);
    drop(gateway);
}

#[test]
fn a_killed_gateway_leaves_nothing_that_stands_in_the_way() {
    let home = Home::new();
    home.profile("alice");
    let gateway = home.gateway(&[]);
    gateway.signal("KILL");
    drop(gateway.wait());
    assert_eq!(home.run(&["gateway", "status"]).code, Some(1), "its socket deceives nobody");
    let again = home.gateway(&[]);
    let sockets = std::fs::read_dir(home.path().join("run"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|kind| kind == "sock"));
    assert_eq!(sockets.count(), 1, "the dead one's was cleared away");
    drop(again);
}

#[test]
fn a_store_goes_into_a_file_and_comes_back() {
    let home = Home::new();
    home.profile("alice");
    let key = |home: &Home| home.json(&["-p", "alice", "key", "list", "--json"]);
    home.ok(&["-p", "alice", "key", "create", "--name", "kept"]);
    let before = key(&home);
    home.ok(&["backup", "alice", "alice.jsonl"]);
    assert_eq!(home.run(&["backup", "alice", "alice.jsonl"]).code, Some(1), "a backup is never overwritten");

    home.ok(&["-p", "alice", "key", "create", "--name", "later"]);
    home.ok(&["restore", "alice", "alice.jsonl"]);
    assert_eq!(key(&home), before);

    let file = home.path().join("alice.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &text[..text.len() / 2]).unwrap();
    assert_eq!(home.run(&["restore", "alice", "alice.jsonl"]).code, Some(1), "half a backup is none");
    assert_eq!(key(&home), before);

    let gateway = home.gateway(&[]);
    let refused = home.run(&["backup", "alice", "second.jsonl"]);
    assert!(refused.code == Some(1) && refused.err.contains("--stop"), "{refused:?}");
    home.ok(&["backup", "alice", "second.jsonl", "--stop"]);
    assert_eq!(get(address(&home, "alice").unwrap(), "/health", ""), 200, "it serves again");
    drop(gateway);
}
