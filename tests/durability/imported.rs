//! An import that is killed: what came is whole, and importing again brings the rest once.

use crate::{
    state_db::{conversation, make},
    support::{Site, within},
};
use serde_json::Value;
use std::{collections::BTreeSet, fs, process::Stdio, thread, time::Duration};

const SESSIONS: usize = 120;
const MESSAGES: usize = 30;
const IMPORT: [&str; 5] = ["-p", "alice", "sessions", "import", "state.db"];

fn text(session: usize, message: usize) -> String {
    format!("{message} of {session}: {}", "pears and plums ".repeat(40))
}

/// A home with a `state.db`.
async fn site() -> Site {
    let site = Site::new().await;
    let db = make(&site.home.join("state.db"));
    db.execute_batch("BEGIN").unwrap();
    for session in 0..SESSIONS {
        let said: Vec<String> = (0..MESSAGES).map(|message| text(session, message)).collect();
        let said: Vec<&str> = said.iter().map(String::as_str).collect();
        conversation(&db, &format!("s{session}"), session.try_into().unwrap(), &said);
    }
    db.execute_batch("COMMIT").unwrap();
    site
}

/// All sessions that are there; each is whole.
fn whole(site: &Site) -> BTreeSet<String> {
    let list = site.hermes(&["-p", "alice", "sessions", "list", "--limit", "200", "--json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    let rows = list["data"].as_array().unwrap();
    let ids: BTreeSet<String> = rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), rows.len(), "each is there once");
    for row in rows {
        assert_eq!(row["message_count"], MESSAGES, "{row}");
    }
    ids
}

async fn all_is_there(site: &Site, before: usize) {
    let report: Value = serde_json::from_str(&site.hermes(&[&IMPORT[..], &["--json"]].concat())).unwrap();
    let counts = [&report["sessions"], &report["already_imported"], &report["skipped_count"]];
    assert_eq!(counts.map(|count| count.as_u64().unwrap()), [SESSIONS - before, before, 0].map(|n| n as u64));
    assert_eq!(whole(site).len(), SESSIONS);
    let process = site.start().await;
    for session in (0..SESSIONS).step_by(17) {
        let page = process.alice().get(&format!("/api/sessions/s{session}/messages")).await.body;
        let said = page["data"].as_array().unwrap().iter().map(|row| row["content"].as_str().unwrap());
        assert!(said.eq((0..MESSAGES).map(|message| text(session, message))), "{session}");
    }
    process.kill().await;
}

#[actix_web::test]
async fn an_import_that_is_killed_leaves_whole_sessions_and_the_next_one_the_rest() {
    let site = site().await;
    let database = site.profile_dir("alice").join("state/db/db");
    let mut before = BTreeSet::new();
    // At its beginning, and whenever the store has grown by another step.
    for megabytes in [0, 2, 4, 6] {
        let mut command = site.command();
        let mut import = command.args(IMPORT).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let grown = || fs::metadata(&database).is_ok_and(|meta| meta.len() >= megabytes << 20);
        while !grown() && import.try_wait().unwrap().is_none() {
            thread::park_timeout(Duration::from_millis(1));
        }
        let _ended_already = import.kill();
        import.wait().unwrap();
        let now = whole(&site);
        assert!(now.is_superset(&before), "what came stays");
        before = now;
    }
    all_is_there(&site, before.len()).await;
}

#[actix_web::test]
async fn a_gateway_that_is_killed_while_it_imports_keeps_whole_sessions() {
    let site = site().await;
    let process = site.start().await;
    let mut command = site.command();
    let mut import = command.args(IMPORT).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let alice = process.alice();
    // The second one is begun when the first one is on disk.
    within(async {
        while alice.get("/api/sessions?limit=2").await.body["data"].as_array().unwrap().len() < 2 {
            assert!(import.try_wait().unwrap().is_none_or(|status| status.success()));
        }
    })
    .await;
    process.kill().await;
    import.wait().unwrap();
    let before = whole(&site).len();
    assert!(before > 0, "what was on disk stays");
    all_is_there(&site, before).await;
}
