//! What a crash leaves, and how a log goes on.

use crate::{
    domain::{Event, RunStatus, Seq},
    store::{
        StoreError, Wake,
        testing::{
            accepted, completed, crash, delta, open, open_with, options, read_all, running, settled, started,
            try_open,
        },
    },
};

#[tokio::test]
async fn numbers_are_never_used_twice_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let small = crate::store::Options { reserve: 8, ..options() };
    let store = open_with(dir.path(), small.clone());
    let (spec, mut log) = running(&store).await;
    let mut reader = store.tail(spec.run_id, Seq(0)).unwrap().unwrap();
    let mut seen = 0;
    for round in 0..40 {
        log.delta(delta("x")).unwrap();
        while let Some(events) = futures_util::FutureExt::now_or_never(reader.next()) {
            seen = events.unwrap().unwrap().last().unwrap().seq.0;
        }
        if round % 7 == 0 {
            // A kill at this moment: whatever a reader has seen must never come again.
            // The files of one moment: a copy takes longer than a kill, so nothing is written meanwhile.
            let still = store.0.bench();
            let copy = crash(dir.path());
            drop(still);
            let after = open_with(copy.path(), small.clone());
            let found = after.open_runs().unwrap().remove(0);
            let stored = found.record.last_seq;
            let mut log = after.resume(&found);
            log.append(Event::RunStopping {}, Vec::new()).unwrap().await.unwrap();
            let first = log.record().last_seq;
            assert!(first.0 > seen, "{first} after a reader saw {seen}");
            let tail = read_all_but_end(&after, spec.run_id, stored.0).await;
            // Without a hole when the whole block was used up: the next number was never shown.
            let hole = first != stored.next();
            assert_eq!(tail, (first, hole.then_some(stored)));
            std::mem::forget(log);
        }
    }
    std::mem::forget(log);
}

async fn read_all_but_end(
    store: &crate::store::Store,
    run: crate::domain::RunId,
    after: u64,
) -> (Seq, Option<Seq>) {
    let mut cursor = store.tail(run, Seq(after)).unwrap().unwrap();
    let events = cursor.next().await.unwrap().unwrap();
    (events[0].seq, events[0].lost_after)
}

#[tokio::test]
async fn a_parked_log_goes_on_without_a_hole_and_its_readers_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (spec, mut log) = running(&store).await;
    log.delta(delta("one ")).unwrap();
    let stayed = tokio::spawn({
        let (store, run) = (store.clone(), spec.run_id);
        async move { read_all(&store, run, 0).await }
    });
    log.park().await.unwrap();
    assert!(store.0.live(spec.run_id).is_none());
    let parked = store.run(spec.run_id).unwrap().unwrap();
    assert_eq!((parked.status, parked.text.as_str()), (RunStatus::Running, "one "));

    let late = tokio::spawn({
        let (store, run) = (store.clone(), spec.run_id);
        async move { read_all(&store, run, 1).await }
    });
    tokio::task::yield_now().await;
    let found = store.stored_run(spec.run_id).unwrap().unwrap();
    let mut log = store.resume(&found);
    log.delta(delta("two")).unwrap();
    log.append(completed("one two"), Vec::new()).unwrap().await.unwrap();

    let stayed = stayed.await.unwrap();
    assert_eq!(stayed.iter().map(|logged| logged.seq.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(stayed.iter().all(|logged| logged.lost_after.is_none()));
    assert_eq!(late.await.unwrap(), stayed[1..]);
    assert_eq!(store.run(spec.run_id).unwrap().unwrap().text, "one two");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (queued, waiting) = accepted(&store).await;
    let (ended, mut log) = running(&store).await;
    log.delta(delta("text")).unwrap();
    log.append(completed("text"), Vec::new()).unwrap().await.unwrap();
    assert!(Wake::read(dir.path()).unwrap().open_runs);

    let copy = crash(dir.path());
    let after = open(copy.path());
    let open_runs = after.open_runs().unwrap();
    assert_eq!(open_runs.len(), 1);
    assert_eq!(open_runs[0].spec, *queued);
    assert_eq!(read_all(&after, ended.run_id, 0).await, read_all(&store, ended.run_id, 0).await);
    // A queued run has given out no number, so it goes on without a hole.
    let mut log = after.resume(&open_runs[0]);
    log.append(started(&queued), Vec::new()).unwrap().await.unwrap();
    assert_eq!(log.record().last_seq, Seq(1));
    std::mem::forget((waiting, log));
}

/// As a full disk leaves it: sled names it before it has any byte.
#[tokio::test]
async fn a_snapshot_that_was_not_finished_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (run, mut log) = running(&store).await;
    log.append(completed("kept"), Vec::new()).unwrap().await.unwrap();
    let before = read_all(&store, run.run_id, 0).await;
    settled(&store).await;
    store.close().unwrap();
    for (name, content) in
        [("snap.FFFFFFFFFFFFFFFF.generating", ""), ("snap.0000000000000001.generating", "half")]
    {
        let copy = crash(dir.path());
        std::fs::write(copy.path().join("db").join(name), content).unwrap();
        let after = open(copy.path());
        assert_eq!(read_all(&after, run.run_id, 0).await, before, "{name}");
        assert!(!copy.path().join("db").join(name).exists());
    }
}

#[tokio::test]
async fn a_store_that_lost_something_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for _ in 0..40 {
        let (_, mut log) = running(&store).await;
        log.append(completed(&"x".repeat(9000)), Vec::new()).unwrap().await.unwrap();
    }
    settled(&store).await;
    store.close().unwrap();
    drop(store);
    let size = std::fs::metadata(dir.path().join("db/db")).unwrap().len();
    type Harm = fn(&std::path::Path, u64);
    let cases: [(&str, Harm); 6] = [
        ("cut to half", |state, size| cut(&state.join("db/db"), size / 2)),
        ("cut to nothing", |state, _| cut(&state.join("db/db"), 0)),
        ("database gone", |state, _| {
            std::fs::remove_dir_all(state.join("db")).unwrap();
        }),
        ("mark gone", |state, _| {
            std::fs::remove_file(state.join("mark")).unwrap();
        }),
        ("mark overwritten", |state, _| {
            std::fs::write(state.join("mark"), [7; 8192]).unwrap();
        }),
        ("another store's database", |state, _| {
            let other = tempfile::tempdir().unwrap();
            open(other.path()).close().unwrap();
            std::fs::copy(other.path().join("mark"), state.join("mark")).unwrap();
        }),
    ];
    for (case, harm) in cases {
        let copy = crash(dir.path());
        harm(copy.path(), size);
        let opened = try_open(copy.path(), options()).map(drop);
        assert!(matches!(opened, Err(StoreError::Damaged(_))), "{case}: {opened:?}");
    }
    open(crash(dir.path()).path()).close().unwrap();
}

fn cut(path: &std::path::Path, size: u64) {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(size).unwrap();
}
