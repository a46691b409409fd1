//! How long lists take in a profile with very many sessions. Not part of the suite: it fills a store first.
//!
//! `cargo test --release --test api sessions::load -- --ignored --nocapture`

use crate::support::{Client, House};
use futures_util::future::join_all;
use hermes_gateway::{
    domain::{Finish, Message, RunId, SessionId, SessionRef, Usage, now},
    store::{Change, ProfileLock, SessionAppend, Store},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const SESSIONS: usize = 20_000;
/// In pairs of question and answer: 360,000 messages in all.
const TURNS: usize = 9;
const REQUESTS: usize = 200;
type Path = Box<dyn Fn(usize) -> String>;

const LIMIT: Duration = Duration::from_millis(50);

fn turn(session: usize) -> Change {
    let text = format!("A question about the matter {session}, of an ordinary length for a question.");
    Change::SessionAppend(Box::new(SessionAppend {
        summary: None,
        prompt: None,
        session: SessionRef { id: SessionId::parse(&format!("s{session}")).unwrap(), named: true },
        run_id: RunId::new(),
        source: "api_server",
        model: "m".to_owned(),
        began_at: now(),
        messages: (0..TURNS)
            .flat_map(|_| [Message::user(&*text), Message::assistant(text.repeat(4))])
            .collect(),
        finish: Some(Finish::Stop),
        usage: Usage::default(),
        cost: None,
    }))
}

async fn p99(alice: &Client, path: impl Fn(usize) -> String) -> Duration {
    let mut took = Vec::with_capacity(REQUESTS);
    for number in 0..REQUESTS {
        let begun = Instant::now();
        assert_eq!(alice.get(&path(number)).await.status, 200);
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    took[REQUESTS * 99 / 100]
}

#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
#[ignore = "fills a store with 360,000 messages"]
#[actix_web::test]
async fn lists_stay_quick_with_very_many_sessions() {
    let mut house = House::open().await;
    house.stop(Duration::ZERO).await;
    let state = house.profile_dir("alice").join("state");
    let store = Store::open(&state, Arc::new(ProfileLock::acquire(&state).unwrap())).unwrap();
    for some in (0..SESSIONS).collect::<Vec<_>>().chunks(500) {
        let committed = join_all(some.iter().map(|session| store.commit(vec![turn(*session)]))).await;
        assert!(committed.iter().all(Result::is_ok));
    }
    tokio::task::spawn_blocking(move || store.close()).await.unwrap().unwrap();
    house.start().await;
    let alice = house.alice().await;
    let begun = Instant::now();
    while alice.get("/api/sessions/search?q=question").await.body["complete"] != true {}
    println!("index made in {:?}", begun.elapsed());
    let cases: [(&str, Path); 8] = [
        ("first page of 50", Box::new(|_| "/api/sessions".to_owned())),
        ("page of 200", Box::new(|_| "/api/sessions?limit=200".to_owned())),
        ("offset", Box::new(|number| format!("/api/sessions?offset={}", number * 97))),
        (
            "search, a word of one session",
            Box::new(|number| format!("/api/sessions/search?q={}", number * 97)),
        ),
        ("search, words of all", Box::new(|_| "/api/sessions/search?q=question+matter".to_owned())),
        (
            "search, newest of a role",
            Box::new(|_| "/api/sessions/search?q=ordinary&role=user&sort=newest".to_owned()),
        ),
        (
            "search, in a session",
            Box::new(|number| format!("/api/sessions/search?q=len*&session_id=s{number}")),
        ),
        ("messages", Box::new(|number| format!("/api/sessions/s{}/messages", number * 97))),
    ];
    for (case, path) in cases {
        let p99 = p99(&alice, path).await;
        println!("{case}: p99 {p99:?}");
        // A word of every message is a list of them all.
        let limit = if case.starts_with("search") { 4 * LIMIT } else { LIMIT };
        assert!(cfg!(debug_assertions) || p99 < limit, "{case}: {p99:?}");
    }
    house.close().await;
}
