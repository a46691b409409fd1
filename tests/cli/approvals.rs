//! Questions of several profiles, some of which cannot answer.

use crate::support::{Done, Gateway, Home, address, connect, post, until};
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
};

/// A command that nobody runs without being asked.
const DANGEROUS: &str = r#"{"input": "run: rm -rf build"}"#;
const CHAT: &str =
    r#"{"model": "x", "stream": true, "messages": [{"role": "user", "content": "run: rm -rf build"}]}"#;

/// A home whose profiles each wait for an answer, with the ids.
fn waiting(names: &[&str]) -> (Home, Gateway, Vec<String>) {
    let home = Home::new();
    let mut keys = Vec::new();
    for name in names {
        home.profile(name);
        let made = home.json(&["-p", name, "key", "create", "--json"]);
        keys.push(made["token"].as_str().unwrap().to_owned());
    }
    let gateway = home.gateway(&[]);
    let mut ids = Vec::new();
    for (name, key) in names.iter().zip(&keys) {
        let (status, answer) = post(address(&home, name).unwrap(), "/v1/runs", key, DANGEROUS);
        assert_eq!(status, 202, "{answer}");
        ids.push(asked(&home, name));
    }
    (home, gateway, ids)
}

/// The id of what a profile asks, as the list of all profiles tells it.
fn asked(home: &Home, name: &str) -> String {
    let mut id = None;
    until(|| {
        let listed = home.json(&["approvals", "list", "--json"]);
        let row = listed.as_array().unwrap().iter().find(|row| row["profile"] == name).cloned();
        id = row.map(|row| row["approval"]["id"].as_str().unwrap().to_owned());
        id.is_some()
    });
    id.unwrap()
}

/// Whether a command told on standard error that one profile was left out, and why.
fn leaves_out(done: &Done, name: &str, why: &str) -> bool {
    done.err.contains(&format!("`{name}` is left out")) && done.err.contains(why)
}

#[test]
fn a_profile_that_failed_is_named_and_the_others_are_listed_and_answered() {
    let (home, gateway, ids) = waiting(&["alice", "bob"]);
    fs::write(home.path().join("profiles/bob/config.yaml"), "agent: [").unwrap();
    assert_eq!(home.run(&["profile", "restart", "bob"]).code, Some(1));

    let listed = home.run(&["approvals", "list"]);
    assert!(listed.code == Some(0) && listed.out.contains(&ids[0]), "{listed:?}");
    assert!(leaves_out(&listed, "bob", "profiles/bob/config.yaml:"), "{listed:?}");
    assert!(!listed.err.contains("operator"), "it is the operator who reads this: {listed:?}");
    let alone = home.run(&["-p", "bob", "approvals", "list"]);
    assert!(alone.code == Some(1) && alone.err.contains("config.yaml:"), "{alone:?}");

    let lost = home.run(&["approvals", "deny", &ids[1]]);
    assert!(lost.code == Some(1) && lost.err.contains("`bob` could not be asked"), "{lost:?}");
    let answered = home.run(&["approvals", "approve", &ids[0]]);
    assert!(answered.code == Some(0) && answered.out.contains("approved"), "{answered:?}");

    fs::write(home.path().join("profiles/bob/config.yaml"), "").unwrap();
    home.ok(&["profile", "restart", "bob"]);
    assert_eq!(home.run(&["approvals", "deny", &ids[1]]).code, Some(0), "its question outlived that");
    drop(gateway);
}

#[test]
fn a_damaged_store_is_named_and_those_of_the_others_are_read() {
    let (home, gateway, ids) = waiting(&["alice", "bob"]);
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code, Some(0));
    fs::remove_file(home.path().join("profiles/alice/state/mark")).unwrap();

    let listed = home.run(&["approvals", "list"]);
    assert!(listed.code == Some(0) && listed.out.contains(&ids[1]), "{listed:?}");
    assert!(leaves_out(&listed, "alice", " restore alice FILE`"), "{listed:?}");
    let found = home.run(&["approvals", "approve", &ids[1]]);
    assert!(found.err.contains(" -p bob gateway`"), "{found:?}");
    let lost = home.run(&["approvals", "approve", &ids[0]]);
    assert!(lost.code == Some(1) && lost.err.contains("`alice` could not be asked"), "{lost:?}");
}

#[test]
fn the_list_leaves_stores_closed_in_which_nothing_can_wait() {
    let home = Home::new();
    home.profile("alice");
    home.ok(&["-p", "alice", "key", "create"]);
    // Whoever opens it now is told.
    fs::remove_file(home.path().join("profiles/alice/state/mark")).unwrap();
    let listed = home.run(&["approvals", "list"]);
    assert_eq!((listed.code, listed.err.as_str()), (Some(0), ""), "{listed:?}");
    for line in [vec!["-p", "alice", "approvals", "list"], vec!["-p", "alice", "approvals", "list", "--all"]]
    {
        let asked = home.run(&line);
        assert!(asked.code == Some(1) && asked.err.contains(" restore alice FILE`"), "{line:?}: {asked:?}");
    }
    let all = home.run(&["approvals", "list", "--all"]);
    assert!(all.code == Some(0) && leaves_out(&all, "alice", "damaged"), "{all:?}");
}

#[test]
fn a_chat_that_waits_is_listed_and_its_decided_question_is_known_after_its_end() {
    let home = Home::new();
    home.profile("alice");
    fs::write(home.path().join("profiles/alice/config.yaml"), "approvals:\n  unattended: wait\n").unwrap();
    let gateway = home.gateway(&[]);
    let chat = chat(&home, &gateway.key());
    let id = asked(&home, "alice");
    home.ok(&["approvals", "deny", &id]);
    let mut lines = BufReader::new(chat).lines();
    assert!(lines.any(|line| line.unwrap().contains("[DONE]")), "the chat goes on to its end");

    let wake = home.path().join("profiles/alice/state/wake");
    until(|| fs::read_to_string(&wake).unwrap().contains(r#""open_runs":false"#));
    assert_eq!(home.json(&["approvals", "list", "--json"]), serde_json::json!([]));
    assert_eq!(home.json(&["approvals", "list", "--all", "--json"])[0]["approval"]["id"], *id);
    let again = home.run(&["approvals", "approve", &id]);
    assert!(again.code == Some(1) && !again.err.contains("no profile knows"), "{again:?}");
    drop(gateway);
}

/// A chat whose answer can be read.
fn chat(home: &Home, key: &str) -> TcpStream {
    let mut stream = connect(address(home, "alice").unwrap()).unwrap();
    let length = CHAT.len();
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\
         connection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{CHAT}"
    )
    .unwrap();
    stream
}
