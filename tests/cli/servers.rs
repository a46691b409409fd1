//! Servers of tools that are processes of a profile, and the profile's end.

use crate::support::{Home, address, get, post};
use std::fs;

const SCRIPT: &str = include_str!("../api/support/mcp_server.py");
const CHAT: &str = r#"{"model": "any", "messages": [{"role": "user", "content": "hi"}]}"#;

/// A profile with a server whose command line has this mark.
fn profile(home: &Home, name: &str, mark: &str) {
    home.profile(name);
    let root = home.path().join("profiles").join(name);
    let config = format!(
        "mcp_servers:\n  local:\n    command: python3\n    args: [mcp_server.py, {mark}]\n    connect_timeout: 60\n"
    );
    fs::write(root.join("config.yaml"), config).unwrap();
    fs::create_dir_all(root.join("workspace")).unwrap();
    fs::write(root.join("workspace/mcp_server.py"), SCRIPT).unwrap();
}

/// Processes of this machine that have the mark.
fn processes(mark: &str) -> usize {
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    let lines = numbers.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(mark)).count()
}

#[test]
fn the_servers_of_a_deleted_profile_end_with_it_and_the_neighbours_stay() {
    let home = Home::new();
    let mark = |name: &str| format!("mark-{name}-{}", std::process::id());
    profile(&home, "alice", &mark("alice"));
    let gateway = home.gateway(&[]);
    profile(&home, "carol", &mark("carol"));
    let started = home.ok(&["profile", "start", "carol"]);
    let key = started.split("shown this once: ").nth(1).unwrap().trim().to_owned();
    for (name, key) in [("alice", gateway.key()), ("carol", key)] {
        let (status, answer) = post(address(&home, name).unwrap(), "/v1/chat/completions", &key, CHAT);
        assert_eq!(status, 200, "{answer}");
        assert!(processes(&mark(name)) > 0, "{name}");
    }
    home.ok(&["profile", "delete", "carol", "--yes", "--stop"]);
    assert_eq!(processes(&mark("carol")), 0);
    assert!(processes(&mark("alice")) > 0);
    assert_eq!(get(address(&home, "alice").unwrap(), "/health", ""), 200);
    drop(gateway);
}
