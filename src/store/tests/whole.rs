//! Runs that were written in one piece, beside those that were not.

use super::housekeeping::run;
use crate::{
    domain::{Message, ProfileName, RunId, RunStatus, Seq},
    store::{
        Change, ProfileLock, Retention, RunFilter, Store, backup,
        keyspace::{Key, Table},
        restore,
        testing::*,
    },
};
use std::{io::Cursor, sync::Arc, time::Duration};

async fn chat(store: &Store, output: &str) -> RunId {
    let mut spec = spec(false);
    spec.history = vec![Message::user("long ago")];
    let spec = Arc::new(spec);
    let (mut log, begun) = store.begin(Arc::clone(&spec), None);
    begun.await.unwrap();
    log.append(started(&spec), Vec::new()).unwrap().await.unwrap();
    log.delta(delta(output)).unwrap();
    log.write(vec![Change::Message(Message::assistant(output))]).await.unwrap();
    log.append(completed(output), Vec::new()).unwrap().await.unwrap();
    settled(store).await;
    spec.run_id
}

fn ids(store: &Store, filter: &RunFilter) -> Vec<RunId> {
    store.runs(filter).unwrap().into_iter().map(|record| record.run_id).collect()
}

fn all() -> RunFilter {
    RunFilter { limit: 100, ..RunFilter::default() }
}

#[tokio::test]
async fn lists_take_turns_between_runs_of_both_kinds() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut runs = Vec::new();
    for number in 0..6 {
        runs.push(if number % 3 == 0 { run(&store, &["x"], "x").await } else { chat(&store, "y").await });
    }
    runs.reverse();
    assert_eq!(ids(&store, &all()), runs);
    assert_eq!(ids(&store, &RunFilter { status: Some(RunStatus::Completed), ..all() }), runs);
    assert_eq!(ids(&store, &RunFilter { status: Some(RunStatus::Failed), ..all() }), []);
    let page = RunFilter { after: Some(runs[1]), limit: 3, ..RunFilter::default() };
    assert_eq!(ids(&store, &page), runs[2..5]);
    for run in &runs {
        let session = store.run(*run).unwrap().unwrap().session_id;
        assert_eq!(ids(&store, &RunFilter { session: Some(session), ..all() }), [*run]);
    }
}

#[tokio::test]
async fn a_run_in_one_piece_reads_from_any_place_and_is_one_record() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let run = chat(&store, "hello").await;
    let log = read_all(&store, run, 0).await;
    assert_eq!(log.iter().map(|logged| logged.seq).collect::<Vec<_>>(), [Seq(1), Seq(2), Seq(3)]);
    for after in 0..=3 {
        assert_eq!(read_all(&store, run, after).await, log[usize::try_from(after).unwrap()..]);
    }
    let stored = store.stored_run(run).unwrap().unwrap();
    assert_eq!(stored.messages, [Message::assistant("hello")]);
    assert_eq!(stored.spec.history, [], "nobody goes on with it");
    for table in [Table::Run, Table::Spec, Table::Message, Table::Event, Table::Deltas, Table::EndedRun] {
        let found =
            store.0.read(|db| db.last_key(table, Key::table(table), Key::table(table).end())).unwrap();
        assert_eq!(found, None, "{}", table.name());
    }
}

#[tokio::test]
async fn a_run_in_one_piece_comes_back_from_a_backup_and_ages_like_others() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path());
    let run = chat(&store, "hello").await;
    let log = read_all(&store, run, 0).await;
    let (profile, mut text) = (ProfileName::parse("alice").unwrap(), Vec::new());
    backup(&store, &profile, &mut text).unwrap();
    let lock = ProfileLock::acquire(other.path()).unwrap();
    restore(other.path(), &profile, &lock, &mut Cursor::new(text)).unwrap();
    drop(lock);

    let store = open(other.path());
    assert_eq!(read_all(&store, run, 0).await, log);
    let record = store.run(run).unwrap().unwrap();
    let of_session = RunFilter { session: Some(record.session_id), ..all() };
    assert_eq!(ids(&store, &of_session), [run]);

    let day = Duration::from_secs(24 * 3600);
    let keep = Retention { runs: day, derived_sessions: day, idempotency: day };
    let housekept = store.housekeep(record.created_at + 3 * 24 * 3_600_000, &keep).unwrap();
    assert_eq!(housekept.runs_deleted, 1);
    assert_eq!((store.run(run).unwrap(), ids(&store, &of_session)), (None, vec![]));
}
