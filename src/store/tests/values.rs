//! Chats whose values lie in files beside the database.

use super::whole::labelled;
use crate::{
    domain::{Message, ProfileName, RunId, SessionRef, UsageBy, now},
    store::{
        Change, Committed, Options, ProfileLock, Retention, RunFilter, SessionChange, SessionError,
        SessionFilter, Store, StoreError, UsageFilter, backup, keyspace::Table, restore, testing::*,
    },
};
use std::{io::Cursor, path::Path, time::Duration};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn wide() -> Options {
    Options { wide: 1, ..options() }
}

fn keep(runs: Duration) -> Retention {
    Retention { runs, derived_sessions: 9 * DAY, idempotency: DAY }
}

/// How many records lie in files.
fn in_files(store: &Store) -> usize {
    let mut count = 0;
    for &table in Table::IN_FILES {
        store.0.read(|db| db.places(table, |_, _| count += 1)).unwrap();
    }
    count
}

fn files(store: &Store) -> Vec<u32> {
    store.0.payloads.values().list().unwrap().into_iter().map(|(number, _)| number).collect()
}

/// A turn beside those of runs.
fn add(store: &Store, session: &str, says: &str) -> Committed {
    let session = SessionRef { id: id(session), named: true };
    store.commit(vec![Change::SessionAppend(Box::new(turn(
        session,
        RunId::new(),
        vec![Message::user(says)],
    )))])
}

fn said(store: &Store, session: &str) -> Vec<Message> {
    store.session_history(&id(session)).unwrap()
}

/// All that can be asked of a few chats.
async fn seen(store: &Store, runs: &[RunId]) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut logs = Vec::new();
    for run in runs {
        let stored = store.stored_run(*run).unwrap().unwrap();
        logs.push((store.run(*run).unwrap(), stored.spec, stored.messages, read_all(store, *run, 0).await));
    }
    let filter = SessionFilter { limit: 10, ..SessionFilter::default() };
    let sessions = store.sessions(&filter).unwrap();
    let words: Vec<_> = sessions.iter().map(|header| said(store, header.id.as_str())).collect();
    (logs, sessions, words, store.runs(&RunFilter { limit: 10, ..RunFilter::default() }).unwrap())
}

#[tokio::test]
async fn chats_in_files_read_as_others_after_a_crash_a_compaction_and_from_a_backup() {
    let plain = tempfile::tempdir().unwrap();
    // The first one goes the plain way: both kinds lie side by side.
    let store = open(plain.path());
    let mut runs = vec![labelled(&store, "one", "first").await];
    let dir = crash(plain.path());
    let options = Options { compact_floor: 0, ..wide() };
    let store = open_with(dir.path(), options.clone());
    assert_eq!(in_files(&store), 0);
    runs.push(labelled(&store, "one", &"second ".repeat(30)).await);
    runs.push(labelled(&store, "two", &"third ".repeat(30)).await);
    assert_eq!(in_files(&store), 2 + 2 + 2, "two runs, their messages, the headers of both sessions");
    let before = seen(&store, &runs).await;

    let copy = crash(dir.path());
    let again = open_with(copy.path(), options);
    assert_eq!(seen(&again, &runs).await, before);
    let fourth = labelled(&again, "two", "behind what the other process wrote").await;
    assert!(again.stored_run(fourth).unwrap().is_some());
    drop(again);

    let (profile, mut text) = (ProfileName::parse("alice").unwrap(), Vec::new());
    backup(&store, &profile, &mut text).unwrap();
    let other = tempfile::tempdir().unwrap();
    let lock = ProfileLock::acquire(other.path()).unwrap();
    restore(other.path(), &profile, &lock, &mut Cursor::new(text)).unwrap();
    drop(lock);
    let restored = open(other.path());
    assert_eq!(seen(&restored, &runs).await, before);
    assert_eq!(in_files(&restored), 0, "a backup needs nothing beside itself");

    assert!(store.housekeep(now(), &keep(7 * DAY)).unwrap().compacted);
    assert_eq!(seen(&store, &runs).await, before);
    assert_eq!(in_files(&store), 6);
}

#[tokio::test]
async fn a_file_goes_with_its_chats_and_what_is_left_in_it_moves_into_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), wide());
    let long = "a word that takes room ".repeat(1000);
    let old = labelled(&store, "old", &long).await;
    labelled(&store, "kept", "short").await;
    let named = SessionChange { title: Some(Some("mine".to_owned())), ..SessionChange::default() };
    store.change_session(id("kept"), named).await.unwrap();
    store.housekeep(now(), &keep(DAY)).unwrap();
    assert_eq!(files(&store), [0], "the one that is being written stays");

    store.0.bench().values.turn_over();
    add(&store, "other", &long).await.unwrap();
    assert_eq!(files(&store), [0, 1]);
    store.housekeep(now(), &keep(DAY)).unwrap();
    assert_eq!(files(&store), [0, 1], "most of it is named");
    let before = (said(&store, "kept"), said(&store, "other"));
    assert!(store.run(old).unwrap().is_some());
    store.housekeep(now() + 10 * 24 * 3_600_000, &keep(DAY)).unwrap();
    assert_eq!(files(&store), [1]);
    for store in [&store, &open_with(crash(dir.path()).path(), wide())] {
        assert_eq!((said(store, "kept"), said(store, "other")), before);
        assert_eq!(store.run(old).unwrap(), None);
    }
    assert_eq!(before.0.len(), 2);
}

#[tokio::test]
async fn a_file_that_is_cut_changed_or_gone_is_damage_of_its_records_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), wide());
    let first = labelled(&store, "one", "first").await;
    store.0.bench().values.turn_over();
    let second = labelled(&store, "two", "second").await;
    let file = |dir: &Path| dir.join("payloads/values/0000000000");
    let bytes = std::fs::read(file(dir.path())).unwrap();
    let mut changed = bytes.clone();
    changed.iter_mut().for_each(|byte| *byte ^= 1);
    for (case, content) in [("cut", Some(&bytes[..9])), ("changed", Some(&changed[..])), ("gone", None)] {
        let copy = crash(dir.path());
        match content {
            Some(content) => std::fs::write(file(copy.path()), content).unwrap(),
            None => std::fs::remove_file(file(copy.path())).unwrap(),
        }
        let store = open_with(copy.path(), wide());
        assert!(matches!(store.run(first), Err(StoreError::Damaged(_))), "{case}");
        assert!(store.run(second).unwrap().is_some(), "{case}");
        // Nobody's value is written over what is there.
        let third = labelled(&store, "three", "third").await;
        assert!(store.run(third).unwrap().is_some(), "{case}");
        // Lists and sums have the others, and what is old goes.
        let ids = |store: &Store| -> Vec<RunId> {
            let all = RunFilter { limit: 10, ..RunFilter::default() };
            store.runs(&all).unwrap().iter().map(|record| record.run_id).collect()
        };
        assert_eq!(ids(&store), [third, second], "{case}");
        let filter = SessionFilter { limit: 10, ..SessionFilter::default() };
        let sessions = store.sessions(&filter).unwrap();
        let sessions: Vec<&str> = sessions.iter().map(|header| header.id.as_str()).collect();
        assert_eq!(sessions, ["three", "two"], "{case}");
        store.usage(&UsageFilter { by: UsageBy::Day, from: 0, until: now() }).unwrap();
        let kept = store.housekeep(now() + 3 * 24 * 3_600_000, &keep(DAY)).unwrap();
        assert_eq!((kept.runs_deleted, ids(&store)), (3, vec![]), "{case}");
        assert_eq!(store.run(first).unwrap(), None, "{case}");
    }
}

#[tokio::test]
async fn a_session_that_is_damaged_fails_alone() {
    let dir = tempfile::tempdir().unwrap();
    labelled(&open_with(dir.path(), wide()), "one", "first").await;
    let copy = crash(dir.path());
    std::fs::remove_file(copy.path().join("payloads/values/0000000000")).unwrap();
    let patient = Options { heal_after: 9 * DAY, ..wide() };
    let store = open_with(copy.path(), patient);
    // The writer is kept from its work until all three wait for one commit.
    let bench = store.0.bench();
    let commits: Vec<_> = ["two", "one", "three"].map(|name| add(&store, name, "again")).into();
    drop(bench);
    let mut ends = Vec::new();
    for commit in commits {
        ends.push(commit.await.is_ok());
    }
    assert_eq!(ends, [true, false, true]);
    let change = store.change_session(id("one"), SessionChange::default()).await;
    assert!(matches!(change, Err(SessionError::Store(StoreError::Damaged(_)))), "{change:?}");
    assert_eq!(add(&store, "four", "and others go on").await, Ok(()));
    assert_eq!([said(&store, "two").len(), said(&store, "three").len(), said(&store, "four").len()], [1; 3]);
}

#[tokio::test]
async fn a_file_with_a_damaged_value_is_not_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), wide());
    labelled(&store, "old", &"a word that takes room ".repeat(1000)).await;
    labelled(&store, "kept", "short").await;
    let named = SessionChange { title: Some(Some("mine".to_owned())), ..SessionChange::default() };
    store.change_session(id("kept"), named).await.unwrap();
    store.0.bench().values.turn_over();
    add(&store, "other", &"long ".repeat(100)).await.unwrap();
    let copy = crash(dir.path());
    let file = copy.path().join("payloads/values/0000000000");
    let mut bytes = std::fs::read(&file).unwrap();
    // The header that was written last.
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let store = open_with(copy.path(), wide());
    store.housekeep(now() + 10 * 24 * 3_600_000, &keep(DAY)).unwrap();
    assert!(std::fs::read(&file).unwrap() == bytes, "whoever can save it finds it");
    assert_eq!(files(&store), [0, 1]);
}

#[tokio::test]
async fn a_commit_that_fails_leaves_no_place_that_another_one_fills() {
    let dir = tempfile::tempdir().unwrap();
    let options = wide();
    let store = open_with(dir.path(), options.clone());
    let first = labelled(&store, "one", "first").await;
    options.fault.set(Some(StoreError::Full));
    assert_eq!(add(&store, "lost", &"never ".repeat(100)).await, Err(StoreError::Full));
    options.fault.set(None);
    let second = labelled(&store, "two", "second").await;
    for store in [&store, &open_with(crash(dir.path()).path(), wide())] {
        assert!(store.run(first).unwrap().is_some() && store.run(second).unwrap().is_some());
        assert_eq!(store.session(&id("lost")).unwrap(), None);
    }
}

#[tokio::test]
async fn few_at_a_time_go_into_the_database_itself() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    labelled(&store, "one", "first").await;
    assert_eq!((in_files(&store), files(&store)), (0, vec![]));
    // The writer is kept from its work until many wait.
    let bench = store.0.bench();
    let long = "long enough to be worth it ".repeat(10);
    let commits: Vec<_> =
        (0..store.0.options.wide).map(|number| add(&store, &format!("s{number}"), &long)).collect();
    drop(bench);
    for commit in commits {
        commit.await.unwrap();
    }
    assert!(in_files(&store) > 0);
}
