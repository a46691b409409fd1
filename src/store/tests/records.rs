//! Sessions, approvals, keys, idempotency, and how commits are grouped.

use crate::{
    domain::{Approval, ApprovalId, ApprovalStatus, KeyId, Message, RunId, SessionId, SessionRef, Usage},
    store::{Change, IdempotencyEntry, KeyRecord, SessionAppend, Wake, testing::*},
};
use std::sync::Arc;

fn append(session: &SessionRef, texts: &[&str]) -> Change {
    Change::SessionAppend(Box::new(SessionAppend {
        summary: None,
        prompt: None,
        session: session.clone(),
        run_id: RunId::new(),
        source: "chat",
        model: "m".to_owned(),
        began_at: 0,
        finish: None,
        messages: texts.iter().map(|text| Message::user(*text)).collect(),
        usage: Usage { input_tokens: 1, output_tokens: 1, total_tokens: 2, ..Usage::default() },
        cost: None,
    }))
}

#[tokio::test]
async fn appends_to_one_session_in_one_commit_keep_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let session = SessionRef { id: SessionId::parse("suite-1").unwrap(), named: true };
    let bench = store.0.bench();
    let before = bench.at.commit;
    let big = "z".repeat(50_000);
    let commits: Vec<_> = [&["a", "b"][..], &["c"], &[&big]]
        .iter()
        .map(|texts| store.commit(vec![append(&session, texts)]))
        .collect();
    drop(bench);
    for commit in commits {
        commit.await.unwrap();
    }
    assert!(store.0.bench().at.commit <= before + 2, "three commands, at most two commits");
    let history = store.session_history(&session.id).unwrap();
    let expected: Vec<Message> = ["a", "b", "c", &big].iter().map(|text| Message::user(*text)).collect();
    assert!(history == expected);
    let header = store.session(&session.id).unwrap().unwrap();
    assert_eq!((header.messages, header.turns, header.usage.total_tokens), (4, 3, 6));
    assert!(store.session_history(&SessionId::parse("suite-2").unwrap()).unwrap().is_empty());
}

#[tokio::test]
async fn commands_that_wait_together_are_one_commit() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let bench = store.0.bench();
    let before = bench.at.commit;
    let logs: Vec<_> = (0..200).map(|_| store.begin(Arc::new(spec(true)), None)).collect();
    drop(bench);
    let mut writers = Vec::new();
    for (log, begun) in logs {
        begun.await.unwrap();
        writers.push(log);
    }
    let commits = store.0.bench().at.commit - before;
    assert!(commits <= 2, "{commits} commits for 200 runs");
    std::mem::forget(writers);
}

#[tokio::test]
async fn approvals_are_listed_newest_first_and_leave_the_pending_ones_when_answered() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut all: Vec<Approval> = (0..5).map(|_| approval(ApprovalStatus::Pending)).collect();
    store.commit(all.iter().cloned().map(Change::Approval).collect()).await.unwrap();
    all[2].status = ApprovalStatus::Decided;
    store.commit(vec![Change::Approval(all[2].clone())]).await.unwrap();

    let ids = |status, after, limit| -> Vec<usize> {
        let found = store.approvals(status, after, limit).unwrap();
        found.iter().map(|found| all.iter().position(|one| one == found).unwrap()).collect()
    };
    assert_eq!(ids(None, None, 10), [4, 3, 2, 1, 0]);
    assert_eq!(ids(Some(ApprovalStatus::Pending), None, 10), [4, 3, 1, 0]);
    assert_eq!(ids(Some(ApprovalStatus::Pending), Some(all[3].id), 1), [1]);
    assert_eq!(ids(Some(ApprovalStatus::Decided), None, 10), [2]);
    assert_eq!(store.approval(ApprovalId::new()).unwrap(), None);
}

#[tokio::test]
async fn a_run_that_is_abandoned_while_it_waits_asks_nobody_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (spec, mut log) = running(&store).await;
    let asked = Approval { run_id: spec.run_id, ..approval(ApprovalStatus::Pending) };
    log.append(question(&asked), vec![Change::Approval(asked.clone())]).unwrap().await.unwrap();
    drop(log);
    settled(&store).await;
    assert_eq!(store.approvals(Some(ApprovalStatus::Pending), None, 10).unwrap(), []);
    assert_eq!(store.approval(asked.id).unwrap().unwrap().status, ApprovalStatus::Withdrawn);
}

#[tokio::test]
async fn an_idempotency_key_is_on_disk_with_its_run() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let chat = Arc::new(spec(false));
    let entry = IdempotencyEntry {
        scope: [1; 32],
        fingerprint: [2; 32],
        stands_for: crate::domain::StandsFor::Run(chat.run_id),
        created_at: 3,
    };
    let before = store.0.bench().at.commit;
    let (log, begun) = store.begin(Arc::clone(&chat), Some(entry.clone()));
    begun.await.unwrap();
    assert_eq!(store.0.bench().at.commit, before + 1);
    let copy = crash(dir.path());
    let after = open(copy.path());
    assert_eq!(after.idempotency(&[1; 32]).unwrap(), Some(entry));
    assert_eq!(after.open_runs().unwrap()[0].spec.run_id, chat.run_id);
    assert_eq!(after.idempotency(&[9; 32]).unwrap(), None);
    drop(log);
}

#[tokio::test]
async fn the_wake_file_counts_keys_that_are_not_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = |id: &str, revoked_at| KeyRecord {
        id: KeyId::parse(id).unwrap(),
        name: String::new(),
        phc: String::new(),
        fast_hash: String::new(),
        scopes: Vec::new(),
        tools: None,
        created_at: 1,
        expires_at: None,
        rotated_at: None,
        former: None,
        revoked_at,
    };
    for (revoked, wanted) in [(None, 2), (Some(5), 1)] {
        let keys = [key("a", None), key("b", revoked)];
        store.commit(keys.iter().cloned().map(Change::Key).collect()).await.unwrap();
        assert_eq!(store.keys().unwrap(), keys);
        assert_eq!(Wake::read(dir.path()).unwrap().keys, wanted);
    }
}

#[tokio::test]
async fn files_are_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let store = open(&state);
    settled(&store).await;
    let mut folders = vec![state];
    while let Some(folder) = folders.pop() {
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700, "{}", folder.display());
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
            }
        }
    }
}
