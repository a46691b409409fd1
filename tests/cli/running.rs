//! A running gateway, and commands beside it.

use crate::support::{Home, address, get, post};
use std::net::TcpStream;

const CHAT: &str = r#"{"model": "alice", "messages": [{"role": "user", "content": "hi"}]}"#;

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
    assert!(wide <= Some(120), "{}", gateway.table);

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
    let started = home.ok(&["profile", "start", "bob"]);
    let bob = address(&home, "bob").unwrap();
    let key = started.split("shown this once: ").nth(1).unwrap().trim();
    assert_eq!(get(bob, "/v1/models", key), 200);
    assert!(!home.ok(&["profile", "start", "bob"]).contains("hk_"), "once");
    assert_eq!(home.run(&["profile", "delete", "bob", "--yes"]).code, Some(1), "not while it runs");

    home.ok(&["profile", "stop", "bob"]);
    assert!(TcpStream::connect(bob).is_err());
    assert_eq!(get(alice, "/health", ""), 200);

    std::fs::write(home.path().join("profiles/alice/config.yaml"), "agent: [").unwrap();
    let refused = home.run(&["profile", "reload", "alice"]);
    assert!(refused.code == Some(1) && refused.err.contains("config.yaml"), "{refused:?}");
    assert_eq!(get(alice, "/health", ""), 200, "a broken file is no reason to stop");
    let shown = home.ok(&["profile", "show", "alice"]);
    assert!(shown.contains("config.yaml") && shown.contains("earlier settings are in force"), "{shown}");
    assert_eq!(home.run(&["profile", "restart", "alice"]).code, Some(1));
    assert_eq!(address(&home, "alice"), Some(alice), "the port stays open, and says what is wrong");
    let (status, answer) = post(alice, "/v1/chat/completions", &gateway.key(), CHAT);
    assert!(status == 503 && answer.to_lowercase().contains("retry-after: "), "{answer}");
    assert!(answer.contains("profile_unavailable"), "{answer}");
    std::fs::write(home.path().join("profiles/alice/config.yaml"), "").unwrap();
    let disabled = "API_SERVER_ENABLED=false\nAPI_SERVER_PORT=0\n";
    std::fs::write(home.path().join("profiles/alice/.env"), disabled).unwrap();
    let reloaded = home.run(&["profile", "reload", "alice"]);
    assert!(reloaded.code == Some(0) && reloaded.err.contains("do not enable"), "{reloaded:?}");
    home.set_port("alice", 0);
    assert_eq!(home.run(&["profile", "restart", "alice"]).err, "");
    assert_eq!(address(&home, "alice"), Some(alice), "the port stays open over a restart");

    home.ok(&["profile", "delete", "bob", "--yes"]);
    home.profile("dora");
    std::fs::write(home.path().join("profiles/dora/config.yaml"), "agent: [").unwrap();
    let refused = home.run(&["profile", "reload", "dora"]);
    assert!(refused.code == Some(1) && !refused.err.contains("earlier settings"), "it has none: {refused:?}");
    let states = |home: &Home| {
        let listed = home.json(&["profile", "list", "--json"]);
        listed.as_array().unwrap().iter().find(|row| row["name"] == "dora").unwrap()["state"].clone()
    };
    let beside = states(&home);

    home.ok(&["gateway", "stop"]);
    assert_eq!(gateway.wait().code, Some(0));
    assert_eq!((beside, states(&home)), ("failed".into(), "failed".into()), "one word for it");
}

#[test]
fn a_deleted_profile_is_gone_from_the_status_and_may_come_back() {
    let home = Home::new();
    home.profile("alice");
    let gateway = home.gateway(&[]);
    let status = || home.ok(&["gateway", "status"]);
    home.profile("carol");
    home.ok(&["profile", "start", "carol"]);
    assert!(status().contains("carol"));
    home.ok(&["profile", "stop", "carol"]);
    assert!(status().contains("carol"), "one that is only stopped stays: {}", status());
    home.ok(&["profile", "start", "carol"]);
    home.ok(&["profile", "delete", "carol", "--yes", "--stop"]);
    assert!(!status().contains("carol"), "{}", status());
    assert!(status().contains("alice"), "{}", status());

    home.profile("carol");
    home.ok(&["profile", "start", "carol"]);
    assert_eq!(get(address(&home, "carol").unwrap(), "/health", ""), 200);
    drop(gateway);
}

#[test]
fn a_wall_is_told_of_before_a_command_needs_it_where_this_machine_cannot_build_it() {
    let home = Home::new();
    home.profile("alice");
    home.profile("bob");
    std::fs::write(home.path().join("profiles/bob/config.yaml"), "terminal:\n  sandbox: strict\n").unwrap();
    let gateway = home.gateway(&[]);
    let refused =
        |err: &str| err.contains("every command of `bob` will be refused") && err.contains("`strict`");
    // The table says what the machine can do.
    let missing = !gateway.table.contains("strict");
    let said = |err: &str| refused(err) == missing;
    for command in ["show", "restart"] {
        let done = home.run(&["profile", command, "bob"]);
        assert!(done.code == Some(0) && said(&done.err), "{command}: {done:?}");
    }
    gateway.signal("TERM");
    let done = gateway.wait();
    assert!(said(&done.err) && !done.err.contains("of `alice`"), "{done:?}");
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
    let id = made["key"]["id"].as_str().unwrap();
    let rotated = home.json(&["-p", "alice", "key", "rotate", id, "--overlap", "1h", "--json"]);
    let new = rotated["token"].as_str().unwrap();
    assert_eq!((get(alice, "/v1/models", token), get(alice, "/v1/models", new)), (200, 200));
    assert!(home.json(&["-p", "alice", "key", "show", id, "--json"])["last_used_at"].is_number());
    home.ok(&["-p", "alice", "key", "revoke", "cli"]);
    assert_eq!((get(alice, "/v1/models", token), get(alice, "/v1/models", new)), (401, 401));
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

    home.profile("carol");
    home.set_port("carol", address(&home, "alice").unwrap().port());
    let third = home.run(&["-p", "carol", "gateway"]);
    let owner =
        format!("is that of the profile `alice`, which the gateway of process {} serves", alice.pid());
    assert!(third.code == Some(1) && third.out.contains(&owner), "{third:?}");

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
    let id = before[0]["id"].as_str().unwrap();
    home.ok(&["-p", "alice", "key", "revoke", id]);
    let before = key(&home);
    let restored = home.run(&["restore", "alice", "alice.jsonl"]);
    assert!(restored.err.contains("stay revoked: 1"), "{restored:?}");
    assert_eq!(key(&home), before, "a revoked key does not come back");

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

#[test]
fn a_key_that_a_restored_profile_needs_is_shown_by_the_restore() {
    let home = Home::new();
    home.profile("alice");
    home.ok(&["backup", "alice", "empty.jsonl"]);
    let gateway = home.gateway(&[]);
    let restored = home.run(&["restore", "alice", "empty.jsonl", "--stop"]);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    let key =
        restored.err.lines().find_map(|line| line.strip_prefix("New key of `alice`, shown this once: "));
    let key = key.unwrap_or_else(|| panic!("no key: {restored:?}"));
    assert_eq!(get(address(&home, "alice").unwrap(), "/v1/models", key), 200, "and it opens the profile");
    drop(gateway);
}

#[test]
fn a_gateway_clears_the_temporary_folders_of_sessions_that_rest() {
    use std::os::unix::fs::DirBuilderExt as _;
    let home = Home::new();
    home.profile("alice");
    let root = home.path().join("profiles/alice");
    let [old, new] = ["old", "new"].map(|name| {
        let session = hermes_gateway::domain::SessionId::parse(name).unwrap();
        let dir = hermes_gateway::sandbox::session_tmp("alice", &root, &session);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).unwrap();
        dir
    });
    let days_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(48);
    std::fs::File::open(&old).unwrap().set_modified(days_ago).unwrap();

    let gateway = home.gateway(&[]);
    let alice = address(&home, "alice").unwrap();
    // The first request that needs the store brings the profile's actor to life, and with it its housekeeping.
    let answered = get(alice, "/v1/models", "hk_00000000_00000000000000000000000000000000");
    assert_eq!(answered, 401);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while old.exists() {
        assert!(std::time::Instant::now() < deadline, "{} is still there", old.display());
        home.ok(&["gateway", "status"]);
    }
    assert!(new.exists());
    drop(gateway);
    home.ok(&["profile", "delete", "alice", "--yes"]);
}
