//! Full disks, failed commits, closing.

use crate::{
    domain::{
        Approval, ApprovalStatus, Event, Message, RunRecord, RunSpec, RunStatus, Seq, SessionRef, Usage, now,
    },
    store::{Change, Options, RunFilter, Store, StoreError, testing::*},
};
use std::{sync::Arc, time::Duration};

#[tokio::test]
async fn a_full_disk_ends_the_log_in_memory_and_the_store_heals() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Options { ring_events: 3, ring_unread: 3, ..options() };
    let store = open_with(dir.path(), limits.clone());
    let (first, mut log) = accepted(&store).await;
    let mut slow = store.tail(first.run_id, Seq(0)).unwrap().unwrap();
    log.append(started(&first), Vec::new()).unwrap().await.unwrap();

    limits.fault.set(Some(StoreError::Full));
    let refused = log.append(Event::RunStopping {}, Vec::new()).unwrap().await;
    assert_eq!(refused, Err(StoreError::Full));
    for _ in 0..10 {
        assert_eq!(log.delta(delta("x")), Err(StoreError::Full));
    }
    assert_eq!(log.append(completed("x"), Vec::new()).err(), Some(StoreError::Full));
    drop(log);
    // Readers get their end all the same; one that was too slow is told what it missed.
    let (mut seen, mut gaps) = (Vec::new(), 0);
    while let Some(events) = slow.next().await {
        for logged in events.unwrap() {
            gaps += usize::from(matches!(logged.event, Event::Gap { .. }));
            seen.push(logged.seq.0);
        }
    }
    assert_eq!((gaps, seen.last()), (1, Some(&13)), "{seen:?}");
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
    assert!(store.run(first.run_id).unwrap().unwrap().status.is_terminal());

    let second = Arc::new(spec(true));
    let (log, begun) = store.begin(Arc::clone(&second), None);
    assert_eq!(begun.await, Err(StoreError::Full));
    drop(log);
    assert_eq!(store.run(second.run_id).unwrap(), None, "it was never accepted");

    limits.fault.set(None);
    let (third, mut log) = running(&store).await;
    log.append(completed(""), Vec::new()).unwrap().await.unwrap();
    assert_eq!(read_all(&store, third.run_id, 0).await.len(), 2);
    let after = open(crash(dir.path()).path());
    assert!(after.open_runs().unwrap().is_empty());
    assert_eq!(after.run(second.run_id).unwrap(), None, "nor is it made one later");
    assert!(after.run(first.run_id).unwrap().unwrap().status.is_terminal(), "it went ahead of the third");
}

#[tokio::test]
async fn an_end_that_the_disk_did_not_take_is_written_once_it_takes_commits_again() {
    for (ring, by_closing) in [(100, false), (100, true), (3, false)] {
        let dir = tempfile::tempdir().unwrap();
        let save_after = if by_closing { options().save_after } else { Duration::from_millis(20) };
        let limits = Options { ring_events: ring, ring_unread: ring, save_after, ..options() };
        let store = open_with(dir.path(), limits.clone());
        let (spec, mut log) = running(&store).await;
        let asked = Approval { run_id: spec.run_id, ..approval(ApprovalStatus::Pending) };
        log.append(question(&asked), vec![Change::Approval(asked.clone())]).unwrap().await.unwrap();

        limits.fault.set(Some(StoreError::Full));
        let refused = log.append(Event::RunStopping {}, Vec::new()).unwrap().await;
        assert_eq!(refused, Err(StoreError::Full));
        for _ in 0..10 {
            assert_eq!(log.delta(delta("x")), Err(StoreError::Full));
        }
        let end = Event::RunCancelled {
            partial_output: "x".repeat(10),
            usage: Usage::default(),
            pending_steer: None,
        };
        assert_eq!(log.append(end, vec![said(&spec, "kept")]).err(), Some(StoreError::Full));
        drop(log);
        let told = store.run(spec.run_id).unwrap().unwrap();
        assert_eq!(told.status, RunStatus::Cancelled);
        let told = RunRecord { reserved: told.last_seq, ..told };

        limits.fault.set(None);
        if !by_closing {
            gone_from_memory(&store, &spec).await;
            assert_eq!(store.run(spec.run_id).unwrap().unwrap(), told, "as readers were told");
        }
        tokio::task::spawn_blocking(move || store.close().unwrap()).await.unwrap();
        let store = open(dir.path());
        assert!(store.open_runs().unwrap().is_empty(), "nobody takes it up again");
        assert_eq!(store.run(spec.run_id).unwrap().unwrap(), told);
        assert_eq!(talk(&store), [Message::user("kept")]);
        let approval = store.approval(asked.id).unwrap().unwrap();
        assert_eq!(approval.status, ApprovalStatus::Withdrawn);
        let events = read_all(&store, spec.run_id, 0).await;
        let seen: Vec<(u64, Option<u64>)> =
            events.iter().map(|event| (event.seq.0, event.lost_after.map(|seq| seq.0))).collect();
        let whole = (1..=14).map(|seq| (seq, None));
        // Of what was written while nobody read it memory had kept the last three.
        let cut = [(1, None), (2, None), (12, Some(2)), (13, None), (14, None)];
        let expected: Vec<_> = if ring == 3 { cut.to_vec() } else { whole.collect() };
        assert_eq!(seen, expected, "{ring} {by_closing}");
    }
}

#[tokio::test]
async fn a_chat_that_the_disk_did_not_take_is_written_once_and_before_what_comes_next() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), options());
    let limits = store.0.options.fault.clone();
    limits.set(Some(StoreError::Full));
    let chat = Arc::new(spec(false));
    let (mut log, _) = store.begin(Arc::clone(&chat), None);
    drop(log.append(started(&chat), Vec::new()).unwrap());
    let kept = vec![said(&chat, "first"), Change::Message(Message::user("first"))];
    drop(log.append(completed("x"), kept).unwrap());
    for _ in 0..3 {
        assert_eq!(store.commit(vec![idempotency(1)]).await, Err(StoreError::Full));
    }
    assert_eq!(read_all(&store, chat.run_id, 0).await.len(), 2, "from memory");
    limits.set(None);

    say(&store, "talk", vec![Message::user("second")]).await;
    let after = open(crash(dir.path()).path());
    assert_eq!(talk(&after), ["first", "second"].map(Message::user));
    assert_eq!(after.run(chat.run_id).unwrap().unwrap().status, RunStatus::Completed);
    assert_eq!(read_all(&after, chat.run_id, 0).await.len(), 2);
}

/// What a turn leaves in the session `talk`.
fn said(spec: &RunSpec, text: &str) -> Change {
    let session = SessionRef { id: id("talk"), named: true };
    Change::SessionAppend(Box::new(turn(session, spec.run_id, vec![Message::user(text)])))
}

fn talk(store: &Store) -> Vec<Message> {
    let page = store.session_messages(&id("talk"), 0, 9).unwrap().unwrap();
    page.messages.into_iter().map(|row| row.message).collect()
}

/// Waits until the store alone has the run.
async fn gone_from_memory(store: &Store, spec: &RunSpec) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while store.0.live(spec.run_id).is_some() {
        assert!(std::time::Instant::now() < deadline, "its end was not written");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_failed_store_is_left_alone_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Options { heal_after: Duration::from_secs(3600), ..options() };
    let store = open_with(dir.path(), limits.clone());
    limits.fault.set(Some(StoreError::Io("broken".to_owned())));
    let refused = store.commit(vec![idempotency(1)]).await;
    limits.fault.set(None);
    assert_eq!(store.commit(vec![idempotency(2)]).await, refused);
    assert_eq!(store.close(), refused);
}

fn idempotency(scope: u8) -> Change {
    Change::Idempotency(crate::store::IdempotencyEntry {
        scope: [scope; 32],
        fingerprint: [0; 32],
        stands_for: crate::domain::StandsFor::Run(crate::domain::RunId::new()),
        created_at: now(),
    })
}

#[tokio::test]
async fn closing_writes_what_waits_and_refuses_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let chat = Arc::new(spec(false));
    let (mut log, _) = store.begin(Arc::clone(&chat), None);
    drop(log.append(started(&chat), Vec::new()).unwrap());
    drop(log.append(completed("x"), Vec::new()).unwrap());
    let (_, mut going) = running(&store).await;
    going.delta(delta("waits")).unwrap();
    let (parked, mut waiting) = accepted(&store).await;
    let reader = store.tail(parked.run_id, Seq(0)).unwrap().unwrap();
    let reader = tokio::spawn({
        let mut reader = reader;
        async move { reader.next().await.map(|events| events.map(|_| ())) }
    });
    waiting.park().await.unwrap();
    tokio::task::yield_now().await;

    tokio::task::spawn_blocking({
        let store = store.clone();
        move || store.close().unwrap()
    })
    .await
    .unwrap();
    assert_eq!(reader.await.unwrap(), Some(Err(StoreError::Closed)));
    assert_eq!(store.commit(vec![idempotency(1)]).await, Err(StoreError::Closed));
    assert_eq!(store.runs(&RunFilter { limit: 1, ..RunFilter::default() }).err(), Some(StoreError::Closed));
    assert!(matches!(going.delta(delta("late")), Err(StoreError::Closed)));
    drop((going, log));
    drop(store);
    let store = open(dir.path());
    assert_eq!(read_all(&store, chat.run_id, 0).await.len(), 2);
    let texts: Vec<String> = store.open_runs().unwrap().into_iter().map(|run| run.record.text).collect();
    assert_eq!(texts, ["waits", ""]);
}

#[tokio::test]
async fn a_store_says_when_the_disk_is_low() {
    for (floor, low) in [(0, false), (u64::MAX, true)] {
        let dir = tempfile::tempdir().unwrap();
        let store = open_with(dir.path(), Options { disk_floor: floor, ..options() });
        assert_eq!(store.is_disk_low(), low);
    }
}

/// A machine that loses its power keeps what an fsync has confirmed, and nothing else for certain.
#[tokio::test]
async fn what_the_disk_does_not_confirm_is_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (_, mut log) = running(&store).await;
    settled(&store).await;
    store.0.bench().journal.lose_the_disk();
    let told = log.append(completed("only written"), Vec::new()).unwrap().await;
    assert!(told.is_err(), "{told:?}");

    // The values of a wide commit lie in a file of their own.
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut bench = store.0.bench();
    bench.values.begin();
    assert!(bench.values.put(b"key", b"a value").is_some());
    bench.values.lose_the_disk();
    assert!(bench.values.flush().is_err());
}
