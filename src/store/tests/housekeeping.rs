//! Retention, compaction and generations.

use crate::{
    domain::{
        Event, KeyId, ResponseRecord, ResponseRequest, RunId, RunStatus, Seq, SessionId, SessionRef, now,
    },
    store::{
        Change, ClientCall, Housekept, IdempotencyEntry, Options, Retention, SessionAppend, Store, testing::*,
    },
};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn retention() -> Retention {
    Retention { runs: 7 * DAY, derived_sessions: 30 * DAY, idempotency: DAY }
}

pub(super) async fn run(store: &Store, texts: &[&str], output: &str) -> RunId {
    let (spec, mut log) = running(store).await;
    for text in texts {
        log.delta(delta(text)).unwrap();
        settled(store).await;
    }
    log.append(completed(output), Vec::new()).unwrap().await.unwrap();
    spec.run_id
}

fn append(session: &SessionRef, run_id: RunId) -> SessionAppend {
    SessionAppend {
        summary: None,
        prompt: None,
        session: session.clone(),
        run_id,
        source: "chat",
        model: "m".to_owned(),
        began_at: now(),
        messages: vec![crate::domain::Message::user("hi")],
        finish: None,
        usage: crate::domain::Usage::default(),
        cost: None,
    }
}

fn days(count: i64) -> i64 {
    now() + count * 24 * 3_600_000
}

#[tokio::test]
async fn what_is_old_is_deleted_and_what_is_named_or_open_stays() {
    let dir = tempfile::tempdir().unwrap();
    // Each generation holds one commit: the limit is below an empty database.
    let store = open_with(dir.path(), Options { generation_bytes: 1, ..options() });
    let ended = run(&store, &["a", "b"], "ab").await;
    let (waiting, log) = accepted(&store).await;
    let named = SessionRef { id: SessionId::parse("named").unwrap(), named: true };
    let label = SessionRef { id: SessionId::parse("label").unwrap(), named: false };
    for session in [&named, &label] {
        let append = append(session, ended);
        let entry = IdempotencyEntry {
            scope: [1; 32],
            fingerprint: [2; 32],
            stands_for: crate::domain::StandsFor::Run(ended),
            created_at: now(),
        };
        let call =
            ClientCall { key_id: KeyId::env(), call_id: "c".to_owned(), run_id: ended, created_at: now() };
        let changes = vec![
            Change::SessionAppend(Box::new(append)),
            Change::Idempotency(entry),
            Change::ClientCall(call),
        ];
        store.commit(changes).await.unwrap();
    }
    assert!(store.0.deltas.list().len() >= 2, "{:?}", store.0.deltas.list());
    assert_eq!(store.housekeep(now(), &retention()).unwrap(), Housekept::default());
    assert_eq!(read_all(&store, ended, 0).await.len(), 4);
    assert!(store.client_call(&KeyId::env(), "c").unwrap().is_some());

    let mut reader = store.tail(ended, Seq(1)).unwrap().unwrap();
    let kept = store.housekeep(days(8), &retention()).unwrap();
    assert_eq!(kept, Housekept { runs_deleted: 1, ..Housekept::default() });
    assert_eq!(store.run(ended).unwrap(), None);
    assert!(store.tail(ended, Seq(0)).unwrap().is_none());
    assert_eq!(store.idempotency(&[1; 32]).unwrap(), None);
    assert_eq!(store.client_call(&KeyId::env(), "c").unwrap(), None, "it goes with its run");
    assert_eq!(store.0.deltas.list().len(), 1, "the newest is kept, the others are folders that went");
    // A reader that was quicker than retention at first is told so.
    let gap = reader.next().await.unwrap().unwrap();
    assert!(matches!(gap[0].event, Event::Gap { from: Seq(2), .. }), "{gap:?}");
    assert!(reader.next().await.is_none());

    let kept = store.housekeep(days(31), &retention()).unwrap();
    assert_eq!(kept, Housekept { sessions_deleted: 1, ..Housekept::default() });
    assert_eq!(store.session_history(&named.id).unwrap().len(), 1);
    assert_eq!(store.session(&label.id).unwrap(), None);
    assert_eq!(store.session_history(&label.id).unwrap(), []);
    assert_eq!(store.run(waiting.run_id).unwrap().unwrap().status, RunStatus::Queued);
    std::mem::forget(log);
}

#[tokio::test]
async fn the_run_of_a_response_stays_for_as_long_as_the_response_or_a_later_link_of_its_chain() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut links: Vec<ResponseRecord> = Vec::new();
    for _ in 0..3 {
        let link = ResponseRecord {
            run_id: run(&store, &["a"], "a").await,
            created_at: now(),
            model: "m".to_owned(),
            session: SessionRef { id: SessionId::parse("s").unwrap(), named: true },
            previous: links.last().map(|link| link.run_id),
            system: None,
            request: ResponseRequest::default(),
            kept: true,
        };
        store.commit(vec![Change::Response(link.clone())]).await.unwrap();
        links.push(link);
    }
    let other = run(&store, &["b"], "b").await;
    let there = || -> Vec<bool> {
        let runs = links.iter().map(|link| link.run_id).chain([other]);
        runs.map(|run| store.run(run).unwrap().is_some()).collect()
    };
    store.housekeep(days(8), &retention()).unwrap();
    assert_eq!(there(), [true, true, true, false], "only the run without a response is old");
    assert_eq!(read_all(&store, links[0].run_id, 0).await.len(), 3, "with its log");

    let delete = |link: &ResponseRecord| store.commit(vec![Change::Response(link.clone().only_link())]);
    delete(&links[1]).await.unwrap();
    store.housekeep(days(8), &retention()).unwrap();
    assert_eq!(there(), [true, true, true, false], "a later link needs it");
    delete(&links[2]).await.unwrap();
    store.housekeep(days(8), &retention()).unwrap();
    assert_eq!(there(), [true, false, false, false]);
    assert_eq!(store.response(links[2].run_id).unwrap(), None);
}

#[tokio::test]
async fn compaction_gives_space_back_under_an_open_stream() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), Options { compact_floor: 4 << 20, ..options() });
    let noise = "n".repeat(800_000);
    for _ in 0..12 {
        run(&store, &[], &noise).await;
    }
    let (spec, mut log) = running(&store).await;
    log.delta(delta("before ")).unwrap();
    let reader = tokio::spawn({
        let (store, run) = (store.clone(), spec.run_id);
        async move { read_all(&store, run, 0).await }
    });
    let before = std::fs::metadata(dir.path().join("db/db")).unwrap().len();
    let kept = tokio::task::spawn_blocking({
        let store = store.clone();
        move || store.housekeep(days(8), &retention()).unwrap()
    })
    .await
    .unwrap();
    assert_eq!(kept, Housekept { runs_deleted: 12, sessions_deleted: 0, compacted: true });
    let after = std::fs::metadata(dir.path().join("db/db")).unwrap().len();
    assert!(after < before / 4, "{before} -> {after}");
    log.delta(delta("after")).unwrap();
    log.append(completed("before after"), Vec::new()).unwrap().await.unwrap();
    let live = reader.await.unwrap();
    assert_eq!(live.len(), 4);
    assert_eq!(read_all(&store, spec.run_id, 0).await, live);
    assert!(!store.housekeep(now(), &retention()).unwrap().compacted, "once is enough");
    assert_eq!(read_all(&open(crash(dir.path()).path()), spec.run_id, 0).await, live);
}

#[tokio::test]
async fn a_swap_that_a_crash_cut_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let ended = run(&store, &["a"], "a").await;
    let copy = crash(dir.path());
    std::fs::rename(copy.path().join("db"), copy.path().join("db.old")).unwrap();
    std::fs::create_dir(copy.path().join("db.compact")).unwrap();
    let after = open(copy.path());
    assert_eq!(read_all(&after, ended, 0).await.len(), 3);
    assert!(!copy.path().join("db.compact").exists());
}
