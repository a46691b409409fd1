//! Sessions: made, changed, forked, deleted, read by pages; and the indexes that lists go by.

use crate::{
    domain::{Event, Finish, Message, RunId, RunStatus, SessionRef, ToolCall, Usage, now},
    store::{
        Change, ForkSession, NewSession, RunFilter, SessionAppend, SessionChange, SessionCursor,
        SessionError, SessionFilter, Store, StoreError, Title,
        batch::Batch,
        keyspace::{Key, Table},
        testing::*,
    },
};
use std::sync::Arc;

fn titled(session: &str, title: &str) -> NewSession {
    let title = Title::Given(Some(title.to_owned()));
    NewSession { title, ..NewSession::new(id(session), "api_server", "m".to_owned()) }
}

fn texts(count: usize) -> Vec<Message> {
    (0..count).map(|number| Message::user(format!("n{number}"))).collect()
}

fn listed(store: &Store, filter: &SessionFilter) -> Vec<String> {
    store.sessions(filter).unwrap().iter().map(|header| header.id.to_string()).collect()
}

fn all(limit: usize) -> SessionFilter {
    SessionFilter { limit, ..SessionFilter::default() }
}

#[tokio::test]
async fn an_id_and_a_title_belong_to_one_session_also_when_many_ask_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let bench = store.0.bench();
    let asked: Vec<_> = ["a", "b", "a"].map(|session| store.create_session(titled(session, "T"))).into();
    drop(bench);
    let mut made = Vec::new();
    for one in asked {
        made.push(one.await.map(|header| header.id));
    }
    let taken = SessionError::TitleTaken { title: "T".to_owned(), by: id("a") };
    assert_eq!(made, [Ok(id("a")), Err(taken.clone()), Err(SessionError::Exists(id("a")))]);
    assert_eq!(store.session(&id("b")).unwrap(), None, "nothing is left of what was refused");

    let rename = |title: Option<&str>| SessionChange {
        title: Some(title.map(str::to_owned)),
        ..SessionChange::default()
    };
    store.create_session(titled("b", "B")).await.unwrap();
    assert_eq!(store.change_session(id("b"), rename(Some("T"))).await, Err(taken));
    store.change_session(id("a"), rename(None)).await.unwrap();
    let b = store.change_session(id("b"), rename(Some("T"))).await.unwrap();
    assert_eq!(b.title.as_deref(), Some("T"));
    store.create_session(titled("c", "B")).await.unwrap();
    assert_eq!(store.change_session(id("none"), rename(None)).await, Err(SessionError::NotFound(id("none"))));

    let store = open(crash(dir.path()).path());
    assert_eq!(store.session(&id("b")).unwrap(), Some(b), "what was told is on disk");
}

#[tokio::test]
async fn an_edit_that_cannot_be_written_says_so_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = options();
    let fault = options.fault.clone();
    let store = open_with(dir.path(), options);
    fault.set(Some(StoreError::Full));
    let made = store.create_session(titled("a", "T")).await;
    assert_eq!(made, Err(SessionError::Store(StoreError::Full)));
    fault.set(None);
    assert_eq!(store.session(&id("a")).unwrap(), None);
    store.create_session(titled("b", "T")).await.unwrap();
}

#[tokio::test]
async fn counters_prompt_and_preview_are_kept_with_the_session() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let prompt = "p".repeat(20_000);
    let new = NewSession { system_prompt: Some(prompt.clone()), ..titled("a", "T") };
    store.create_session(new).await.unwrap();
    let call = ToolCall { id: "c".to_owned(), name: "t".to_owned(), arguments: "{}".to_owned() };
    let turn = vec![
        Message::user(format!("one\ntwo {}", "x".repeat(100))),
        Message::calling("", vec![call]),
        Message::Tool { tool_call_id: "c".to_owned(), name: None, content: "r".to_owned() },
        Message::assistant("done"),
    ];
    say(&store, "a", turn.clone()).await;

    let header = store.session(&id("a")).unwrap().unwrap();
    assert_eq!((header.messages, header.turns, header.answers, header.tool_calls), (4, 1, 2, 1));
    assert_eq!(header.preview.unwrap(), format!("one two {}", "x".repeat(52)));
    assert_eq!(store.session_prompt(&id("a")).unwrap(), Some(prompt));
    let page = store.session_messages(&id("a"), 0, 10).unwrap().unwrap();
    let stored: Vec<Message> = page.messages.iter().map(|row| row.message.clone()).collect();
    assert_eq!(stored, turn);
    assert_eq!(store.session_history(&id("a")).unwrap(), turn);
    assert_eq!(page.messages[0].at, Some(7));
    let finish: Vec<Option<Finish>> = page.messages.iter().map(|row| row.finish).collect();
    assert_eq!(finish, [None, None, None, Some(Finish::Stop)]);

    let clear = SessionChange { system_prompt: Some(None), ..SessionChange::default() };
    assert!(!store.change_session(id("a"), clear).await.unwrap().has_prompt);
    assert_eq!(store.session_prompt(&id("a")).unwrap(), None);
}

#[tokio::test]
async fn lists_go_by_last_activity_and_every_page_is_where_the_last_one_ended() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for name in ["a", "b", "c", "d", "e"] {
        say(&store, name, texts(1)).await;
        while now() == store.session(&id(name)).unwrap().unwrap().last_active {
            std::hint::spin_loop();
        }
    }
    say(&store, "b", texts(1)).await;
    assert_eq!(listed(&store, &all(10)), ["b", "e", "d", "c", "a"]);
    assert_eq!(listed(&store, &SessionFilter { offset: 1, ..all(2) }), ["e", "d"]);
    let mut after = None;
    let mut seen = Vec::new();
    loop {
        let page = store.sessions(&SessionFilter { after, ..all(2) }).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(SessionCursor::of(last));
        seen.extend(page.iter().map(|header| header.id.to_string()));
        // What is used meanwhile moves to the front and disturbs nobody.
        say(&store, "e", texts(1)).await;
    }
    assert_eq!(seen, ["b", "e", "d", "c", "a"]);
    let other = SessionFilter { source: Some("cli".to_owned()), ..all(10) };
    assert_eq!(listed(&store, &other), [""; 0]);
}

#[tokio::test]
async fn messages_are_read_by_pages() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    say(&store, "a", texts(5)).await;
    let page = |after, limit| {
        let page = store.session_messages(&id("a"), after, limit).unwrap().unwrap();
        (page.messages.iter().map(|row| row.number).collect::<Vec<_>>(), page.has_more)
    };
    let cases = [
        ((0, 2), (vec![1, 2], true)),
        ((2, 3), (vec![3, 4, 5], false)),
        ((4, 9), (vec![5], false)),
        ((5, 9), (vec![], false)),
        ((9, 9), (vec![], false)),
        ((u64::MAX, 9), (vec![], false)),
    ];
    for ((after, limit), expected) in cases {
        assert_eq!(page(after, limit), expected, "{limit} behind {after}");
    }
    assert_eq!(store.session_messages(&id("none"), 0, 1).unwrap(), None);

    let large = vec![Message::user("x".repeat(3 << 20)); 4];
    say(&store, "big", large).await;
    let page = store.session_messages(&id("big"), 0, 500).unwrap().unwrap();
    assert_eq!((page.messages.len(), page.has_more), (3, true), "a page has a bounded size");
}

#[tokio::test]
async fn an_id_that_is_used_again_does_not_find_the_old_messages() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.create_session(titled("a", "T")).await.unwrap();
    say(&store, "a", texts(2500)).await;
    store.delete_session(id("a")).await.unwrap();
    assert_eq!(store.delete_session(id("a")).await, Err(SessionError::NotFound(id("a"))));
    // As a crash at this moment would leave it.
    let crashed = crash(dir.path());
    store.create_session(titled("a", "T")).await.unwrap();
    say(&store, "a", texts(1)).await;
    assert_eq!(store.session_history(&id("a")).unwrap(), texts(1));
    assert_eq!(listed(&store, &all(10)), ["a"]);

    let store = open(crashed.path());
    assert_eq!(listed(&store, &all(10)), [""; 0]);
    store.0.clear_trash().unwrap();
    assert_eq!(left(&store), 0, "what a crash left behind is cleared away");
}

/// Messages and marks that are on disk, of whomever.
fn left(store: &Store) -> usize {
    let mut count = 0;
    for table in [Table::SessionMessage, Table::SessionTrash] {
        let visit = |_, json: Vec<u8>| {
            // Some messages lie together.
            let list: Result<Vec<serde_json::Value>, _> = serde_json::from_slice(&json);
            count += list.map_or(1, |list| list.len());
            Ok(true)
        };
        store.0.read(|db| db.scan_all(table, Key::table(table), visit)).unwrap();
    }
    count
}

#[tokio::test]
async fn a_fork_is_a_copy_with_a_life_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let new = NewSession { system_prompt: Some("Be brief.".to_owned()), ..titled("a", "Plans") };
    store.create_session(new).await.unwrap();
    // More than fits one commit.
    say(&store, "a", texts(1203)).await;
    let fork = |name: &str, title: Option<&str>| ForkSession {
        from: id("a"),
        id: id(name),
        title: title.map(str::to_owned),
        idempotency: None,
    };
    let first = store.fork_session(fork("f", None)).await.unwrap();
    assert_eq!(
        (first.title.as_deref(), &first.parent, first.messages),
        (Some("Plans #2"), &Some(id("a")), 1203)
    );
    assert_eq!(store.session_prompt(&id("f")).unwrap().as_deref(), Some("Be brief."));
    say(&store, "f", texts(1)).await;
    assert_eq!(store.session_history(&id("f")).unwrap().len(), 1204);
    assert_eq!(store.session_history(&id("a")).unwrap(), texts(1203), "the source did not mind");
    let ended = store.session(&id("a")).unwrap().unwrap().ended.unwrap();
    assert_eq!(ended.reason, "branched");

    assert_eq!(store.fork_session(fork("f", None)).await, Err(SessionError::Exists(id("f"))));
    let taken = store.fork_session(fork("g", Some("Plans"))).await;
    assert!(matches!(taken, Err(SessionError::TitleTaken { .. })), "{taken:?}");
    assert_eq!(store.session(&id("g")).unwrap(), None);
    let third = store.fork_session(fork("g", None)).await.unwrap();
    assert_eq!(third.title.as_deref(), Some("Plans #3"));
    store.delete_session(id("a")).await.unwrap();
    store.0.clear_trash().unwrap();
    assert_eq!(store.session_history(&id("g")).unwrap(), texts(1203), "nothing is shared");
    assert_eq!(left(&store), 1204 + 1203);
}

#[tokio::test]
async fn old_labels_go_and_take_their_messages_along() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    say(&store, "named", texts(1)).await;
    let label = SessionAppend {
        summary: None,
        prompt: None,
        session: SessionRef { id: id("label"), named: false },
        run_id: RunId::new(),
        source: "api_server",
        model: "m".to_owned(),
        began_at: now(),
        messages: texts(3),
        finish: None,
        usage: Usage::default(),
        cost: None,
    };
    store.commit(vec![Change::SessionAppend(Box::new(label))]).await.unwrap();
    let day = std::time::Duration::from_secs(24 * 3600);
    let keep = crate::store::Retention { runs: day, derived_sessions: day, idempotency: day };
    let kept = store.housekeep(now() + 2 * 24 * 3_600_000, &keep).unwrap();
    assert_eq!(kept.sessions_deleted, 1);
    assert_eq!((listed(&store, &all(10)), left(&store)), (vec!["named".to_owned()], 1));
}

async fn run(store: &Store, session: &str, end: Option<Event>) -> RunId {
    let mut spec = spec(true);
    spec.session = SessionRef { id: id(session), named: true };
    let spec = Arc::new(spec);
    let (mut log, begun) = store.begin(Arc::clone(&spec), None);
    begun.await.unwrap();
    log.append(started(&spec), Vec::new()).unwrap().await.unwrap();
    match end {
        Some(end) => log.append(end, Vec::new()).unwrap().await.unwrap(),
        None => log.park().await.unwrap(),
    }
    spec.run_id
}

fn runs(store: &Store, session: Option<&str>, status: Option<RunStatus>) -> Vec<RunId> {
    let filter = RunFilter { session: session.map(id), status, limit: 10, ..RunFilter::default() };
    store.runs(&filter).unwrap().iter().map(|record| record.run_id).collect()
}

#[tokio::test]
async fn runs_are_found_by_session_and_status_also_after_an_upgrade_and_a_restore() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let cancelled = || Event::RunCancelled {
        partial_output: String::new(),
        usage: Usage::default(),
        pending_steer: None,
    };
    let one = run(&store, "a", Some(completed("x"))).await;
    let two = run(&store, "a", Some(cancelled())).await;
    let three = run(&store, "b", Some(cancelled())).await;
    let open_one = run(&store, "a", None).await;
    store.create_session(titled("a", "T")).await.unwrap();
    let check = |store: &Store, case: &str| {
        assert_eq!(runs(store, Some("a"), None), [open_one, two, one], "{case}");
        assert_eq!(runs(store, Some("a"), Some(RunStatus::Cancelled)), [two], "{case}");
        assert_eq!(runs(store, None, Some(RunStatus::Cancelled)), [three, two], "{case}");
        assert_eq!(runs(store, None, Some(RunStatus::Running)), [open_one], "{case}");
        assert_eq!(runs(store, Some("c"), None), [], "{case}");
        assert_eq!(listed(store, &all(10)), ["a"], "{case}");
        let taken = store.sessions(&all(1)).unwrap();
        assert_eq!(taken[0].title.as_deref(), Some("T"), "{case}");
    };
    check(&store, "as written");

    // A store from before there were indexes.
    {
        let mut batch = Batch::default();
        let mut bench = store.0.bench();
        bench.checkpoint(&store.0).unwrap();
        store
            .0
            .read(|db| {
                for table in [Table::SessionRun, Table::EndedRun, Table::SessionActivity, Table::SessionTitle]
                {
                    db.remove_all(&mut batch, Key::table(table))?;
                }
                let meta =
                    format!(r#"{{"generation":{},"commit":{}}}"#, bench.at.generation, bench.at.commit);
                let key = Key::table(Table::Meta);
                crate::store::codec::put(&mut batch, &store.0.payloads, key, meta.as_bytes())?;
                db.commit(&batch)
            })
            .unwrap();
    }
    let crashed = crash(dir.path());
    let old = open(crashed.path());
    check(&old, "upgraded");
    assert!(matches!(old.create_session(titled("z", "T")).await, Err(SessionError::TitleTaken { .. })));

    let mut lines = Vec::new();
    let alice = crate::domain::ProfileName::parse("alice").unwrap();
    crate::store::backup(&store, &alice, &mut lines).unwrap();
    let target = tempfile::tempdir().unwrap();
    let lock = crate::store::ProfileLock::acquire(target.path()).unwrap();
    crate::store::restore(target.path(), &alice, &lock, &mut lines.as_slice()).unwrap();
    drop(lock);
    check(&open(target.path()), "restored");
}
