//! `hermes sessions` and `hermes usage`: the same while a gateway serves the profile, and when none does.

use crate::support::{Home, address, post};
use serde_json::{Value, json};

const ALICE: [&str; 2] = ["-p", "alice"];

fn alice(home: &Home, words: &[&str]) -> Value {
    home.json(&[&ALICE, words, &["--json"]].concat())
}

/// A gateway whose alice has had these turns in the session `s`.
fn with_turns(home: &Home, turns: usize) -> crate::support::Gateway {
    home.profile("alice");
    let short = "compression:\n  protect_first_n: 1\n  protect_last_n: 1\n";
    std::fs::write(home.path().join("profiles/alice/config.yaml"), short).unwrap();
    let gateway = home.gateway(&[]);
    let (at, key) = (address(home, "alice").unwrap(), gateway.key());
    assert_eq!(post(at, "/api/sessions", &key, r#"{"id": "s", "title": "Garden"}"#).0, 201);
    for turn in 0..turns {
        let body = json!({ "message": format!("pears and plums, {turn}") }).to_string();
        let (status, answer) = post(at, "/api/sessions/s/chat", &key, &body);
        assert_eq!(status, 200, "{answer}");
    }
    gateway
}

#[test]
fn a_session_is_compressed_listed_and_searched_beside_the_gateway() {
    let home = Home::new();
    let gateway = with_turns(&home, 8);
    let done = home.ok(&["-p", "alice", "sessions", "compress", "s", "--focus", "the pears"]);
    assert!(done.starts_with("Compressed: of 16 messages, "), "{done}");
    let again = alice(&home, &["sessions", "compress", "s"]);
    assert_eq!((&again["object"], &again["session_id"]), (&json!("hermes.session.compression"), &json!("s")));

    let asked = |words: &[&str]| alice(&home, words);
    let listed = asked(&["sessions", "list"]);
    assert_eq!((&listed["data"][0]["id"], &listed["data"][0]["title"]), (&json!("s"), &json!("Garden")));
    assert!(home.ok(&["-p", "alice", "sessions", "list"]).contains("Garden"));
    let found = asked(&["sessions", "search", "plums", "pears"]);
    assert_eq!((&found["data"][0]["session_id"], found["data"].as_array().unwrap().len()), (&json!("s"), 16));
    assert!(home.ok(&["-p", "alice", "sessions", "search", "quinces"]).contains("nothing was found"));

    let unknown = home.run(&["-p", "alice", "sessions", "compress", "none"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("Session not found: none"), "{unknown:?}");
    let long = "x".repeat(1_001);
    let refused = home.run(&["-p", "alice", "sessions", "compress", "s", "--focus", &long]);
    assert!(refused.code == Some(1) && refused.err.contains("longer than 1000"), "{refused:?}");

    home.ok(&["gateway", "stop"]);
    gateway.wait();
    assert_eq!(asked(&["sessions", "list"]), listed, "the store tells the same");
    assert_eq!(asked(&["sessions", "search", "plums", "pears"]), found);
    let late = home.run(&["-p", "alice", "sessions", "compress", "s"]);
    assert!(late.code == Some(1) && late.err.contains("-p alice gateway"), "{late:?}");
}

#[test]
fn what_calls_cost_is_told_beside_the_gateway_and_without_it() {
    let home = Home::new();
    let gateway = with_turns(&home, 6);
    home.ok(&["-p", "alice", "sessions", "compress", "s"]);
    let told = || ["day", "session", "key", "model", "kind"].map(|by| alice(&home, &["usage", "--by", by]));
    let beside = told();
    assert!(beside.iter().all(|report| report["total"] == beside[0]["total"]), "{beside:?}");
    assert_eq!(beside[0]["total"]["calls"], 7);
    let kinds: Vec<_> = beside[4]["data"].as_array().unwrap().iter().map(|row| &row["kind"]).collect();
    assert!(kinds.len() == 2 && kinds.contains(&&json!("main")) && kinds.contains(&&json!("compression")));
    let table = home.ok(&["-p", "alice", "usage", "--by", "kind"]);
    assert!(
        table.starts_with("KIND") && table.contains("compression") && table.contains("\nall "),
        "{table}"
    );
    let none = home.ok(&["-p", "alice", "usage", "--from", "2001-01-01", "--to", "2001-01-31"]);
    assert!(none.contains("asked no model"), "{none}");
    let wrong = home.run(&["-p", "alice", "usage", "--from", "soon"]);
    assert!(wrong.code == Some(1) && wrong.err.contains("a day such as"), "{wrong:?}");

    home.ok(&["gateway", "stop"]);
    gateway.wait();
    let without = told();
    for (one, other) in beside.iter().zip(&without) {
        assert_eq!((&one["data"], &one["total"]), (&other["data"], &other["total"]));
    }
}

#[test]
fn a_profile_that_never_had_a_turn_has_nothing_and_gets_no_store_by_being_asked() {
    let home = Home::new();
    home.profile("alice");
    assert_eq!(alice(&home, &["usage"])["total"]["calls"], 0);
    assert_eq!(alice(&home, &["sessions", "list"])["data"], json!([]));
    assert_eq!(alice(&home, &["sessions", "search", "pears"])["data"], json!([]));
    assert!(!home.path().join("profiles/alice/state/db").exists());
    for (case, words) in [
        ("by what", ["-p", "alice", "usage", "--by", "weather"].as_slice()),
        ("whose", &["usage"]),
        ("how many", &["-p", "alice", "sessions", "list", "--limit", "0"]),
        ("which words", &["-p", "alice", "sessions", "search"]),
    ] {
        assert_eq!(home.run(words).code, Some(2), "{case}");
    }
}
