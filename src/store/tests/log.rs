//! A log and its readers.

use crate::{
    domain::{Event, Logged, RunStatus, Seq, Usage},
    store::{
        Options, RunFilter, Store, StoreError,
        testing::{
            accepted, completed, crash, delta, open, open_with, options, read_all, running, settled, spec,
            started,
        },
    },
};
use std::sync::Arc;

fn names(events: &[Logged]) -> Vec<(u64, &'static str)> {
    events.iter().map(|logged| (logged.seq.0, logged.event.name())).collect()
}

#[tokio::test]
async fn a_durable_log_reads_the_same_live_and_from_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (spec, mut log) = accepted(&store).await;
    let live = tokio::spawn({
        let store = store.clone();
        let run = spec.run_id;
        async move { read_all(&store, run, 0).await }
    });
    log.append(started(&spec), Vec::new()).unwrap().await.unwrap();
    for word in ["a ", "b ", "c"] {
        log.delta(delta(word)).unwrap();
    }
    log.append(Event::RunStopping {}, Vec::new()).unwrap().await.unwrap();
    log.delta(delta("!")).unwrap();
    log.append(completed("a b c!"), Vec::new()).unwrap().await.unwrap();

    let live = live.await.unwrap();
    let stored = read_all(&store, spec.run_id, 0).await;
    assert_eq!(live, stored);
    assert_eq!(
        names(&stored),
        [
            (1, "run.started"),
            (2, "message.delta"),
            (3, "message.delta"),
            (4, "message.delta"),
            (5, "run.stopping"),
            (6, "message.delta"),
            (7, "run.completed"),
        ]
    );
    for after in 0..=8 {
        let rest: Vec<Logged> = stored.iter().filter(|logged| logged.seq.0 > after).cloned().collect();
        assert_eq!(read_all(&store, spec.run_id, after).await, rest, "after {after}");
    }
    assert_eq!(store.run(spec.run_id).unwrap().unwrap().text, "a b c!");
    assert!(store.0.live(spec.run_id).is_none(), "the disk has it");
}

#[tokio::test]
async fn an_event_is_visible_only_when_the_disk_has_it_and_holds_what_follows() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (spec, mut log) = accepted(&store).await;
    let mut cursor = store.tail(spec.run_id, Seq(0)).unwrap().unwrap();
    // Nobody commits while the bench is held.
    let bench = store.0.bench();
    let committed = log.append(started(&spec), Vec::new()).unwrap();
    log.delta(delta("x")).unwrap();
    assert!(futures_util::FutureExt::now_or_never(cursor.next()).is_none());
    assert_eq!(store.run(spec.run_id).unwrap().unwrap().status, RunStatus::Queued);
    assert_eq!(log.record().status, RunStatus::Running);
    drop(bench);
    committed.await.unwrap();
    let events = cursor.next().await.unwrap().unwrap();
    assert_eq!(events.iter().map(|logged| logged.seq.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(cursor.record().unwrap(), log.record());
    // A delta with nothing in front of it waits for nobody.
    let _bench = store.0.bench();
    log.delta(delta("y")).unwrap();
    assert_eq!(cursor.next().await.unwrap().unwrap()[0].seq, Seq(3));
    std::mem::forget(log);
}

#[tokio::test]
async fn a_stateless_chat_waits_for_nothing_and_is_written_at_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let spec = Arc::new(spec(false));
    let bench = store.0.bench();
    let (mut log, begun) = store.begin(Arc::clone(&spec), None);
    begun.await.unwrap();
    log.append(started(&spec), Vec::new()).unwrap().await.unwrap();
    log.delta(delta("hello")).unwrap();
    log.append(completed("hello"), Vec::new()).unwrap().await.unwrap();
    let live = read_all(&store, spec.run_id, 0).await;
    assert_eq!(live.len(), 3);
    assert!(!store.0.is_stored(spec.run_id).unwrap());
    assert_eq!(store.runs(&RunFilter { limit: 9, ..RunFilter::default() }).unwrap().len(), 1);
    let before = bench.at.commit;
    drop(bench);
    settled(&store).await;
    assert_eq!(store.0.bench().at.commit, before + 1, "one commit");
    assert!(store.0.live(spec.run_id).is_none());
    assert_eq!(read_all(&store, spec.run_id, 0).await, live);
    assert_eq!(store.runs(&RunFilter { limit: 9, ..RunFilter::default() }).unwrap().len(), 1);
    assert!(!dir.path().join("events").exists(), "a short chat needs no second database");
    assert!(!crate::store::Wake::read(dir.path()).unwrap().open_runs);
}

#[tokio::test]
async fn a_chat_that_becomes_durable_brings_all_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut spec = spec(false);
    spec.history = vec![crate::domain::Message::user("before")];
    let spec = Arc::new(spec);
    let (mut log, _) = store.begin(Arc::clone(&spec), None);
    drop(log.append(started(&spec), Vec::new()).unwrap());
    log.delta(delta("thinking")).unwrap();
    log.make_durable();
    log.append(Event::RunStopping {}, Vec::new()).unwrap().await.unwrap();

    let copy = crash(dir.path());
    let after = open(copy.path());
    let found = after.open_runs().unwrap().remove(0);
    assert_eq!(found.spec.history, spec.history, "enough to go on");
    assert_eq!((found.record.text.as_str(), found.record.last_seq), ("thinking", Seq(3)));
    drop(log);
}

/// Ring of four, pages of three: readers live off the disk.
fn tight() -> Options {
    Options { ring_events: 4, ring_unread: 2, page: 3, reserve: 16, ..options() }
}

#[tokio::test]
async fn slow_late_and_quick_readers_see_the_same() {
    for durable in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let store = open_with(dir.path(), tight());
        let spec = Arc::new(spec(durable));
        let (mut log, begun) = store.begin(Arc::clone(&spec), None);
        begun.await.unwrap();
        let mut slow = store.tail(spec.run_id, Seq(0)).unwrap().unwrap();
        let quick = tokio::spawn(follow(store.clone(), spec.run_id));
        assert_eq!(store.readers(spec.run_id).min(1), 1);
        let mut text = String::new();
        log.append(started(&spec), Vec::new()).unwrap().await.unwrap();
        for number in 0..500 {
            let word = format!("{number} ");
            text.push_str(&word);
            log.delta(delta(&word)).unwrap();
            if number % 50 == 0 {
                settled(&store).await;
            }
        }
        log.append(completed(&text), Vec::new()).unwrap().await.unwrap();
        let quick = quick.await.unwrap();
        let mut late = Vec::new();
        while let Some(events) = slow.next().await {
            late.extend(events.unwrap().iter().map(|logged| (**logged).clone()));
        }
        settled(&store).await;
        let stored = read_all(&store, spec.run_id, 0).await;
        assert_eq!(stored.len(), 502, "durable: {durable}");
        assert!(stored.iter().zip(1..).all(|(logged, seq)| logged.seq.0 == seq));
        for (reader, seen) in [("quick", quick), ("slow", late)] {
            let differs = seen.iter().zip(&stored).find(|(seen, stored)| seen != stored);
            assert!(seen == stored, "{reader}, durable: {durable}, {} events: {differs:?}", seen.len());
        }
    }
}

async fn follow(store: Store, run: crate::domain::RunId) -> Vec<Logged> {
    read_all(&store, run, 0).await
}

#[tokio::test]
async fn readers_are_counted_while_they_live() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let spec = Arc::new(spec(false));
    let (log, _) = store.begin(Arc::clone(&spec), None);
    let one = store.tail(spec.run_id, Seq(0)).unwrap();
    let two = store.tail(spec.run_id, Seq(0)).unwrap();
    assert_eq!(store.readers(spec.run_id), 2);
    drop((one, two));
    assert_eq!(store.readers(spec.run_id), 0);
    drop(log);
}

#[tokio::test]
async fn a_log_that_is_dropped_fails_its_run() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (spec, mut log) = running(&store).await;
    let usage = Usage { input_tokens: 1, output_tokens: 2, total_tokens: 3, ..Usage::default() };
    log.add_usage(usage, None);
    drop(log);
    settled(&store).await;
    let record = store.run(spec.run_id).unwrap().unwrap();
    assert_eq!((record.status, record.usage.total_tokens), (RunStatus::Failed, 3));
    assert!(store.open_runs().unwrap().is_empty());
}

#[tokio::test]
async fn an_illegal_step_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (spec, mut log) = accepted(&store).await;
    let before = log.record();
    let refused = log.append(completed(""), Vec::new()).map(|_| ());
    assert!(matches!(refused, Err(StoreError::Illegal(_))), "{refused:?}");
    assert!(matches!(log.delta(Event::RunStopping {}), Err(StoreError::Illegal(_))));
    assert_eq!(log.record(), before);
    log.append(started(&spec), Vec::new()).unwrap().await.unwrap();
    log.append(completed(""), Vec::new()).unwrap().await.unwrap();
    assert!(matches!(log.delta(delta("late")), Err(StoreError::Illegal(_))));
    assert_eq!(read_all(&store, spec.run_id, 0).await.len(), 2);
}

#[tokio::test]
async fn a_chat_that_became_durable_by_a_record_waits_for_the_disk_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let spec = Arc::new(spec(false));
    let (mut log, _) = store.begin(Arc::clone(&spec), None);
    drop(log.append(started(&spec), Vec::new()).unwrap());
    log.make_durable();
    log.write(Vec::new()).await.unwrap();
    let mut cursor = store.tail(spec.run_id, Seq(1)).unwrap().unwrap();
    let bench = store.0.bench();
    let stopping = log.append(Event::RunStopping {}, Vec::new()).unwrap();
    assert!(futures_util::FutureExt::now_or_never(cursor.next()).is_none());
    drop(bench);
    stopping.await.unwrap();
    assert_eq!(cursor.next().await.unwrap().unwrap()[0].seq, Seq(2));
    drop(log);
}

#[test]
fn handles_may_cross_threads() {
    fn crosses<T: Send + 'static>() {}
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Store>();
    crosses::<crate::store::LogWriter>();
    crosses::<crate::store::EventCursor>();
}
