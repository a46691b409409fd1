//! `hermes sessions import`: the sessions of a `state.db` of the reference.

use crate::{
    state_db::{conversation, insert, make},
    support::{Done, Home, address, post},
};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path};

const IMPORT: [&str; 5] = ["-p", "alice", "sessions", "import", "state.db"];

fn import(home: &Home, more: &[&str]) -> Done {
    home.run(&[&IMPORT, more].concat())
}

fn report(home: &Home, more: &[&str]) -> Value {
    home.json(&[&IMPORT, more, &["--json"]].concat())
}

fn database(home: &Home) -> Connection {
    make(&home.path().join("state.db"))
}

fn listed(home: &Home) -> Vec<String> {
    let list = home.json(&["-p", "alice", "sessions", "list", "--limit", "200", "--json"]);
    list["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

fn alice() -> Home {
    let home = Home::new();
    home.profile("alice");
    home
}

#[test]
fn sessions_are_imported_once_with_a_gateway_and_without_one() {
    let home = alice();
    let db = database(&home);
    conversation(&db, "garden", 0, &["Which pears are ripe?", "The conference pears."]);
    conversation(&db, "trip", 100, &["A trip to Bern", "By train."]);

    let dry = import(&home, &["--dry-run"]);
    assert_eq!(
        (dry.code, dry.out.as_str()),
        (Some(0), "nothing was written; there would come: 2 sessions with 4 messages\n")
    );
    assert!(!home.path().join("profiles/alice/state/db").exists(), "a dry run makes no store");
    let done = import(&home, &[]);
    assert_eq!(
        (done.code, done.out.as_str()),
        (Some(0), "imported: 2 sessions with 4 messages\n"),
        "{done:?}"
    );
    assert_eq!(listed(&home), ["trip", "garden"]);

    // Beside a gateway, with a session more and one that has grown.
    conversation(&db, "book", 200, &["Read it", "I have."]);
    insert(
        &db,
        "messages",
        json!({"session_id": "trip", "role": "user", "content": "By boat", "timestamp": 1_750_000_150}),
    );
    let gateway = home.gateway(&[]);
    let dry = report(&home, &["--dry-run"]);
    assert_eq!(
        (&dry["dry_run"], &dry["sessions"], &dry["already_imported"]),
        (&json!(true), &json!(1), &json!(2))
    );
    assert_eq!(listed(&home).len(), 2);
    let second = report(&home, &[]);
    let counts = ["sessions", "messages", "already_imported", "grown_since", "skipped_count"]
        .map(|name| second[name].clone());
    assert_eq!(counts, [1, 2, 2, 1, 0].map(Value::from), "{second}");
    assert_eq!(listed(&home), ["book", "trip", "garden"]);
    let (at, key) = (address(&home, "alice").unwrap(), gateway.key());
    let (status, answer) = post(at, "/api/sessions/garden/chat", &key, r#"{"message": "and plums?"}"#);
    assert_eq!(status, 200, "{answer}");
    let found = home.json(&["-p", "alice", "sessions", "search", "conference", "--json"]);
    assert_eq!(found["data"][0]["session_id"], "garden");
    assert_eq!(report(&home, &[])["sessions"], 0);

    home.ok(&["gateway", "stop"]);
    gateway.wait();
    assert_eq!(listed(&home), ["garden", "book", "trip"]);
    let audit = home.ok(&["-p", "alice", "audit", "show", "--json"]);
    assert_eq!(audit.matches("sessions.imported").count(), 2, "{audit}");
    let left = fs::read_dir(home.path().join("run")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().starts_with("import.")), "no copy is left");
}

/// All files beside the database, with what is in them.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect()
}

/// The log of a database that is open holds what the file does not have yet.
#[test]
fn a_database_that_is_in_use_is_read_up_to_its_last_commit_and_not_touched() {
    let home = alice();
    let folder = home.path().join("theirs");
    fs::create_dir(&folder).unwrap();
    let db = make(&folder.join("state.db"));
    conversation(&db, "committed", 0, &["one", "two"]);
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    conversation(&db, "under-way", 10, &["three"]);
    let before = files(&folder);
    assert!(before["state.db-wal"].len() > before["state.db"].len(), "all is in the log");
    home.ok(&["-p", "alice", "sessions", "import", "theirs/state.db"]);
    assert!(files(&folder) == before, "not a byte of theirs is another one");
    assert_eq!(listed(&home), ["committed"]);
    db.execute_batch("COMMIT").unwrap();
    home.ok(&["-p", "alice", "sessions", "import", "theirs/state.db"]);
    assert_eq!(listed(&home), ["under-way", "committed"]);
}

#[test]
fn what_is_no_state_db_is_refused_with_what_was_looked_for() {
    let home = alice();
    let here = |name: &str| home.path().join(name);
    fs::write(here("text"), "dear diary").unwrap();
    fs::write(here("empty"), "").unwrap();
    fs::write(here("cut"), b"SQLite format 3\0").unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, here("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for (name, schema) in [
        ("other", "CREATE TABLE songs (id)"),
        ("half", "CREATE TABLE sessions (id)"),
        (
            "view",
            "CREATE TABLE sessions (id); CREATE VIEW messages AS SELECT 1 AS session_id, 2 AS role, 3 AS content",
        ),
        (
            "virtual",
            "CREATE TABLE sessions (id); CREATE VIRTUAL TABLE messages USING fts5(session_id, role, content)",
        ),
    ] {
        Connection::open(here(name)).unwrap().execute_batch(schema).unwrap();
    }
    for (file, why) in [
        ("nowhere", "cannot be found"),
        ("text", "is no SQLite database"),
        ("empty", "is no SQLite database"),
        ("pipe", "is no SQLite database"),
        (".", "is no SQLite database"),
        ("cut", "cannot be read"),
        ("other", "a table `sessions`"),
        ("half", "a table `messages`"),
        ("view", "a table `messages`"),
        ("virtual", "a table `messages`"),
    ] {
        let done = home.run(&["-p", "alice", "sessions", "import", file]);
        assert!(done.code == Some(1) && done.err.contains(why), "{file}: {done:?}");
    }
    assert!(!here("profiles/alice/state/db").exists(), "nothing was made");
}

#[test]
fn an_older_database_without_most_columns_is_read_as_far_as_it_goes() {
    let home = alice();
    let db = Connection::open(home.path().join("state.db")).unwrap();
    db.execute_batch(
        "CREATE TABLE sessions (id TEXT); CREATE TABLE messages (session_id TEXT, role TEXT, content TEXT)",
    )
    .unwrap();
    insert(&db, "sessions", json!({"id": "old"}));
    insert(&db, "messages", json!({"session_id": "old", "role": "user", "content": "pears"}));
    assert_eq!(report(&home, &[])["messages"], 1);
    assert_eq!(listed(&home), ["old"]);
}

#[test]
fn hostile_rows_harm_nobody_and_are_told() {
    let home = alice();
    let db = database(&home);
    for id in
        ["../../etc/passwd", "a/b", "C:x", "line\nbreak", " spaced ", "", "ansi\u{1b}[31m", &"x".repeat(300)]
    {
        conversation(&db, id, 1, &["hello", "you"]);
    }
    conversation(&db, "circle-1", 2, &["round"]);
    conversation(&db, "circle-2", 2, &["and round"]);
    db.execute_batch(
        "UPDATE sessions SET parent_session_id = 'circle-2' WHERE id = 'circle-1';
         UPDATE sessions SET parent_session_id = 'circle-1' WHERE id = 'circle-2';
         UPDATE sessions SET title = 'The same' WHERE id LIKE 'circle%';
         INSERT INTO sessions (id, started_at, input_tokens, actual_cost_usd, ended_at, end_reason) VALUES
           ('types', 'yesterday', -5, 1e300, 9e99, X'00ff'), (X'ff00fe', 9e99, 1e300, 'dear', 'x', 7), ('nobody', 1, 1, 1, 1, 1);
         INSERT INTO messages (session_id, role, content, timestamp) VALUES
           ('types', 'user', 'nul' || char(0) || ' here', 'noon'), ('types', 'user', X'c3280041', 9e99),
           ('types', 'user', 42, -9e99), ('types', 'user', zeroblob(5000000), 1), ('types', 'assistant', 4.5, 1),
           (X'ff00fe', 'user', 'of a blob', 1), ('nowhere', 'user', 'of nobody', 1);",
    )
    .unwrap();
    let told = report(&home, &[]);
    assert_eq!((&told["sessions"], &told["messages"]), (&json!(12), &json!(24)), "{told}");
    // `nobody` has no messages.
    assert_eq!((&told["skipped_count"], &told["skipped"][0]["id"]), (&json!(1), &json!("nobody")));
    assert_eq!(
        (&told["retitled"], &told["without_parent"]),
        (&json!(1), &json!(1)),
        "a circle is cut where it closes"
    );
    assert_eq!(told["renamed_count"], 9, "{told}");
    let ids = listed(&home);
    assert_eq!(ids.iter().filter(|id| id.starts_with("imported-")).count(), 9, "{ids:?}");
    let table = home.ok(&["-p", "alice", "sessions", "list"]);
    assert!(!table.contains('\u{1b}') && table.contains("The same #2"), "{table}");

    let gateway = home.gateway(&[]);
    let (at, key) = (address(&home, "alice").unwrap(), gateway.key());
    for id in ids {
        let (status, answer) = post(at, &format!("/api/sessions/{id}/chat"), &key, r#"{"message": "go on"}"#);
        assert_eq!(status, 200, "{id}: {answer}");
    }
    assert_eq!(report(&home, &[])["sessions"], 0, "ids that were changed are known again");
}

/// A page that is lost takes the sessions that lie on it, and is told.
#[test]
fn of_a_damaged_database_what_can_be_read_is_imported() {
    let home = alice();
    let db = database(&home);
    let text = "pears ".repeat(500);
    for number in 0..40 {
        conversation(&db, &format!("s{number:02}"), number, &[&text, "yes"]);
    }
    db.pragma_update(None, "journal_mode", "DELETE").unwrap();
    drop(db);
    let file = home.path().join("state.db");
    let mut bytes = fs::read(&file).unwrap();
    // A leaf in the midst of the messages.
    let place = bytes.len() / 2 / 4096 * 4096;
    bytes[place..place + 4096].fill(0xff);
    fs::write(&file, bytes).unwrap();

    let done = import(&home, &["--json"]);
    let told: Value = serde_json::from_str(&done.out).unwrap();
    let (sessions, skipped) = (told["sessions"].as_u64().unwrap(), told["skipped_count"].as_u64().unwrap());
    assert!(sessions > 20 && skipped > 0 && sessions + skipped == 40, "{told}");
    assert!(told["skipped"][0]["why"].as_str().unwrap().contains("cannot be read"), "{told}");
    assert_eq!(listed(&home).len() as u64, sessions);
}
