//! Searching: what is found and in which order, what a deletion leaves, and what a crash costs.

use crate::{
    domain::{Message, ToolCall, now},
    store::{ForkSession, Options, Query, SearchFilter, SearchPage, SearchRole, Store, testing::*},
};
use std::time::Duration;

fn filter(query: &str) -> SearchFilter {
    SearchFilter::new(Query::parse(query).unwrap(), 20)
}

/// Session and number of what was found, in order.
fn places(page: &SearchPage) -> Vec<(String, u64)> {
    page.hits.iter().map(|hit| (hit.session.id.to_string(), hit.message.number)).collect()
}

fn found(store: &Store, query: &str) -> Vec<(String, u64)> {
    places(&store.search(&filter(query)).unwrap())
}

fn at(session: &str, number: u64) -> (String, u64) {
    (session.to_owned(), number)
}

#[tokio::test]
async fn messages_are_found_by_their_words_the_rarer_and_the_more_the_better() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(found(&store, "anything"), [], "in a store without a message");
    let call = ToolCall {
        id: "c".to_owned(),
        name: "terminal".to_owned(),
        arguments: r#"{"command":"cargo build"}"#.to_owned(),
    };
    say(
        &store,
        "a",
        vec![
            Message::user("How do I build the Zürich report?"),
            Message::Assistant { content: String::new(), tool_calls: vec![call], reasoning: None },
            Message::Tool {
                tool_call_id: "c".to_owned(),
                name: Some("terminal".to_owned()),
                content: "report.pdf written".to_owned(),
            },
            Message::assistant("The report of Zurich is there. Report ends."),
        ],
    )
    .await;
    // Sessions of one millisecond have no order; `b` comes later.
    let before = now();
    while now() == before {
        tokio::task::yield_now().await;
    }
    say(&store, "b", vec![Message::user("東京都の天気"), Message::assistant("Sunny, as every report says")])
        .await;

    assert_eq!(found(&store, "zurich"), [at("a", 4), at("a", 1)], "accents do not count, newer first");
    assert_eq!(found(&store, "report zurich -build"), [at("a", 4)]);
    assert_eq!(found(&store, "cargo"), [at("a", 2)], "a call's arguments");
    assert_eq!(found(&store, "京都"), [at("b", 1)]);
    assert_eq!(found(&store, "rep* sunny"), [at("b", 2)]);
    assert_eq!(found(&store, "\"report ends\""), [at("a", 4)]);
    assert_eq!(found(&store, "\"ends report\""), []);
    assert_eq!(found(&store, "report").first(), Some(&at("a", 4)), "twice is better than once");

    type Case = (&'static str, SearchFilter, Vec<(String, u64)>);
    let cases: [Case; 5] = [
        ("role", SearchFilter { roles: vec![SearchRole::Tool], ..filter("report") }, vec![at("a", 3)]),
        ("session", SearchFilter { session: Some(id("b")), ..filter("report") }, vec![at("b", 2)]),
        ("source", SearchFilter { source: Some("cli".to_owned()), ..filter("report") }, vec![]),
        ("until", SearchFilter { until: Some(8), ..filter("report") }, vec![at("a", 1)]),
        ("one each", SearchFilter { one_each: true, ..filter("report") }, vec![at("a", 4), at("b", 2)]),
    ];
    for (case, filter, expected) in cases {
        assert_eq!(places(&store.search(&filter).unwrap()), expected, "{case}");
    }
    let newest = SearchFilter { newest: true, ..filter("report") };
    let pages: Vec<_> = (0..4)
        .map(|offset| store.search(&SearchFilter { offset, limit: 1, ..newest.clone() }).unwrap())
        .collect();
    assert_eq!(
        pages.iter().flat_map(places).collect::<Vec<_>>(),
        [at("b", 2), at("a", 4), at("a", 3), at("a", 1)]
    );
    assert_eq!(pages.iter().map(|page| page.has_more).collect::<Vec<_>>(), [true, true, true, false]);
}

#[tokio::test]
async fn what_is_said_later_is_found_and_a_crash_loses_no_word() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    say(&store, "a", vec![Message::user("first apple")]).await;
    assert_eq!(found(&store, "apple"), [at("a", 1)]);
    say(&store, "a", vec![Message::user("second apple")]).await;
    say(&store, "b", vec![Message::user("third apple")]).await;
    let crashed = crash(dir.path());
    for store in [store, open(crashed.path())] {
        let mut all = found(&store, "apple");
        all.sort();
        assert_eq!(all, [at("a", 1), at("a", 2), at("b", 1)]);
    }
    // An index that is gone, or is another store's, is made anew.
    let crashed = crash(crashed.path());
    std::fs::remove_dir_all(crashed.path().join("search")).unwrap();
    assert_eq!(found(&open(crashed.path()), "second"), [at("a", 2)]);
    let (one, other) = (tempfile::tempdir().unwrap(), crash(crashed.path()));
    let stranger = open(one.path());
    say(&stranger, "z", vec![Message::user("a stranger")]).await;
    assert_eq!(found(&stranger, "stranger"), [at("z", 1)]);
    stranger.close().unwrap();
    std::fs::remove_dir_all(other.path().join("search")).unwrap();
    std::fs::rename(one.path().join("search"), other.path().join("search")).unwrap();
    let store = open(other.path());
    assert_eq!((found(&store, "stranger"), found(&store, "second")), (vec![], vec![at("a", 2)]));
}

#[tokio::test]
async fn a_deleted_session_leaves_no_word_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    say(&store, "a", vec![Message::user("a secretword and an apple"), Message::user("pear")]).await;
    say(&store, "b", vec![Message::user("another apple")]).await;
    assert_eq!(found(&store, "apple").len(), 2);
    let fork = ForkSession { from: id("a"), id: id("c"), title: None, idempotency: None };
    store.fork_session(fork).await.unwrap();
    assert_eq!(found(&store, "secretword").len(), 2, "the copy's own");
    for session in ["a", "c"] {
        store.delete_session(id(session)).await.unwrap();
        assert!(found(&store, "secretword").iter().all(|(found, _)| found != session), "at once");
    }
    store.0.clear_trash().unwrap();
    let words = ["another", "apple"].map(str::to_owned).to_vec();
    assert_eq!(store.0.indexed(), (words, 3), "a span, its place, and a mark");
    say(&store, "a", vec![Message::user("a new apple")]).await;
    let mut all = found(&store, "apple");
    all.sort();
    assert_eq!(all, [at("a", 1), at("b", 1)]);
}

#[tokio::test]
async fn the_index_follows_without_a_search() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), Options { index_after: Duration::from_millis(1), ..options() });
    say(&store, "a", vec![Message::user("apple")]).await;
    tokio::time::timeout(Duration::from_secs(20), async {
        while store.0.indexed().0.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_transcript_longer_than_one_round_is_found_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let said = (0..4_500).map(|number| Message::user(format!("common n{number}"))).collect();
    say(&store, "a", said).await;
    for number in [0, 1_999, 2_000, 4_499] {
        assert_eq!(found(&store, &format!("n{number}")), [at("a", number + 1)]);
    }
    let page = store.search(&SearchFilter { offset: 990, ..filter("common") }).unwrap();
    assert_eq!((page.hits.len(), page.complete), (20, true));
    store.delete_session(id("a")).await.unwrap();
    store.0.clear_trash().unwrap();
    assert_eq!(found(&store, "common"), []);
    assert_eq!(store.0.indexed(), (vec![], 0));
}
