//! What model calls cost, while their runs are kept and after.

use crate::{
    domain::{CallKind, Code, DAY, UpstreamCall, Usage, UsageBy, UsageGroup, UsageSums, now},
    store::{Retention, Store, UsageFilter, UsageReport, backup, restore, testing::*},
};
use std::{io::Cursor, sync::Arc, time::Duration};

fn call(tokens: u64, error: Option<Code>) -> UpstreamCall {
    UpstreamCall {
        at: now(),
        kind: CallKind::Main,
        provider: "p".to_owned(),
        model: "m".to_owned(),
        ms: 5,
        usage: Usage { input_tokens: tokens, total_tokens: tokens, ..Usage::default() },
        error,
        cost: Some(tokens),
    }
}

/// A run with a call of each of these sizes, the first of which fails.
async fn run(store: &Store, durable: bool, calls: &[u64]) {
    let spec = Arc::new(spec(durable));
    let (mut log, begun) = store.begin(Arc::clone(&spec), None);
    begun.await.unwrap();
    log.append(started(&spec), Vec::new()).unwrap().await.unwrap();
    for (at, tokens) in calls.iter().enumerate() {
        log.add_call(call(*tokens, (at == 0).then_some(Code::UpstreamError)));
    }
    log.append(completed("x"), Vec::new()).unwrap().await.unwrap();
    settled(store).await;
}

fn usage(store: &Store, by: UsageBy) -> UsageReport {
    store.usage(&UsageFilter { by, from: now() - DAY, until: now() + DAY }).unwrap()
}

const ALL: UsageSums = UsageSums {
    calls: 4,
    failed: 2,
    usage: Usage {
        input_tokens: 1111,
        output_tokens: 0,
        total_tokens: 1111,
        cached_tokens: 0,
        reasoning_tokens: 0,
    },
    ms: 20,
    cost: Some(1111),
};

#[tokio::test]
async fn every_call_counts_once_while_its_run_is_kept_and_after() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    run(&store, true, &[1, 10]).await;
    run(&store, false, &[100, 1000]).await;
    for (_, by) in UsageBy::NAMED {
        let report = usage(&store, by);
        assert_eq!((report.total, report.groups.len()), (ALL, if by == UsageBy::Session { 2 } else { 1 }));
    }
    let later = UsageFilter { by: UsageBy::Day, from: now() + 1_000, until: now() + DAY };
    assert_eq!(store.usage(&later).unwrap(), UsageReport::default(), "none of another time");

    let retention = Retention {
        runs: Duration::from_secs(60),
        derived_sessions: Duration::from_hours(1),
        idempotency: Duration::from_hours(1),
    };
    let housekept = store.housekeep(now() + 120_000, &retention).unwrap();
    assert_eq!(housekept.runs_deleted, 2);
    for by in [UsageBy::Day, UsageBy::Key, UsageBy::Model, UsageBy::Kind] {
        assert_eq!(usage(&store, by).total, ALL, "{by:?}");
    }
    let gone = UsageGroup::Session(None);
    assert_eq!(usage(&store, UsageBy::Session).groups.keys().collect::<Vec<_>>(), [&gone]);

    // What comes later is added to what is left.
    run(&store, true, &[5]).await;
    store.housekeep(now() + 120_000, &retention).unwrap();
    let report = usage(&store, UsageBy::Model);
    assert_eq!((report.total.calls, report.total.usage.input_tokens, report.groups.len()), (5, 1116, 1));
}

#[tokio::test]
async fn a_restored_store_knows_what_was_spent() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path());
    run(&store, true, &[1, 10]).await;
    run(&store, false, &[100, 1000]).await;
    let name = crate::domain::ProfileName::parse("alice").unwrap();
    let mut text = Vec::new();
    backup(&store, &name, &mut text).unwrap();
    let lock = crate::store::ProfileLock::acquire(other.path()).unwrap();
    restore(other.path(), &name, &lock, &mut Cursor::new(text)).unwrap();
    drop(lock);
    assert_eq!(usage(&open(other.path()), UsageBy::Day).total, ALL);
}
