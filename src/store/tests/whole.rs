//! Runs that were written in one piece, beside those that were not.

use super::housekeeping::run;
use crate::{
    domain::{Message, ProfileName, RunId, RunStatus, Seq, SessionRef},
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

/// A chat as the gateway writes it: with its session's part.
pub(super) async fn labelled(store: &Store, label: &str, says: &str) -> RunId {
    let mut spec = spec(false);
    spec.session = SessionRef { id: id(label), named: false };
    let spec = Arc::new(spec);
    let (mut log, begun) = store.begin(Arc::clone(&spec), None);
    begun.await.unwrap();
    log.append(started(&spec), Vec::new()).unwrap().await.unwrap();
    let said = vec![Message::user(says), Message::assistant("yes")];
    let append = turn(spec.session.clone(), spec.run_id, said);
    log.append(completed("yes"), vec![Change::SessionAppend(Box::new(append))]).unwrap().await.unwrap();
    settled(store).await;
    spec.run_id
}

fn records(store: &Store, table: Table) -> usize {
    let mut count = 0;
    let count_one = |_: Key, _: Vec<u8>| {
        count += 1;
        Ok(true)
    };
    store.0.read(|db| db.scan_all(table, Key::table(table), count_one)).unwrap();
    count
}

#[tokio::test]
async fn a_first_chat_is_four_records_and_its_session_knows_it_through_later_turns_and_other_lives() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let runs_of = |store: &Store, label: &str| ids(store, &RunFilter { session: Some(id(label)), ..all() });
    let said = |store: &Store, label: &str| {
        let page = store.session_messages(&id(label), 0, 100).unwrap().unwrap();
        page.messages.into_iter().map(|message| message.message).collect::<Vec<_>>()
    };
    let first = labelled(&store, "l", "one").await;
    let tables = [Table::WholeRun, Table::SessionMessage, Table::Session, Table::SessionActivity];
    assert_eq!(tables.map(|table| records(&store, table)), [1; 4]);
    assert_eq!(records(&store, Table::SessionRun), 0, "its header says it");
    assert_eq!(runs_of(&store, "l"), [first]);

    let second = labelled(&store, "l", "two").await;
    let other = labelled(&store, "other", "three").await;
    let dialogue = |words: &[&str]| -> Vec<Message> {
        words.iter().flat_map(|word| [Message::user(*word), Message::assistant("yes")]).collect()
    };
    let again = open(crash(dir.path()).path());
    for (case, store) in [("live", &store), ("after a crash", &again)] {
        assert_eq!(runs_of(store, "l"), [second, first], "{case}");
        assert_eq!(runs_of(store, "other"), [other], "{case}");
        assert_eq!(said(store, "l"), dialogue(&["one", "two"]), "{case}");
        let newest = RunFilter { session: Some(id("l")), limit: 1, ..RunFilter::default() };
        assert_eq!(ids(store, &newest), [second], "{case}");
        assert_eq!(ids(store, &RunFilter { after: Some(second), ..newest }), [first], "{case}");
    }

    store.delete_session(id("l")).await.unwrap();
    assert_eq!(runs_of(&store, "l"), [second, first], "runs outlive their session");
    let third = labelled(&store, "l", "again").await;
    assert_eq!(runs_of(&store, "l"), [third, second, first]);
    assert_eq!(said(&store, "l"), dialogue(&["again"]), "and its words do not");

    let day = Duration::from_secs(24 * 3600);
    let keep = Retention { runs: day, derived_sessions: 9 * day, idempotency: day };
    let later = store.run(third).unwrap().unwrap().created_at + 3 * 24 * 3_600_000;
    assert_eq!(store.housekeep(later, &keep).unwrap().runs_deleted, 4);
    assert_eq!(runs_of(&store, "l"), [], "an old run is not listed by a header that names it");
    let fourth = labelled(&store, "l", "late").await;
    assert_eq!(runs_of(&store, "l"), [fourth]);
}

#[tokio::test]
async fn memory_keeps_little_of_what_the_disk_has_and_a_long_chat_is_still_one_record() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let kept = store.0.options.ring_read;
    for durable in [true, false] {
        let spec = Arc::new(spec(durable));
        let (mut log, begun) = store.begin(Arc::clone(&spec), None);
        begun.await.unwrap();
        let live = store.0.live(spec.run_id).unwrap();
        // Somebody reads, and is far behind.
        let reader = store.tail(spec.run_id, Seq(0)).unwrap().unwrap();
        log.append(started(&spec), Vec::new()).unwrap().await.unwrap();
        for number in 0..2 * kept {
            log.delta(delta(&format!("{number} "))).unwrap();
            // Now and then the disk gets what there is.
            if number % 16 == 0 {
                settled(&store).await;
            }
        }
        // The text's own commit is told of after the one that waits for it: by the next one both are through.
        settled(&store).await;
        settled(&store).await;
        assert_eq!(live.state().holds_more_than(kept, usize::MAX), !durable, "durable: {durable}");
        log.append(completed("text"), Vec::new()).unwrap().await.unwrap();
        settled(&store).await;
        drop(reader);
        let read = read_all(&store, spec.run_id, 0).await;
        assert_eq!(read.len(), 2 * kept + 2, "durable: {durable}");
        assert!((1..).zip(&read).all(|(seq, logged)| logged.seq == Seq(seq)), "durable: {durable}");
    }
    assert_eq!((records(&store, Table::WholeRun), records(&store, Table::Run)), (1, 1));
}
