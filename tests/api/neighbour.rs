//! What a noisy neighbour does to the others. Not part of the suite: it keeps the whole machine busy for a minute.
//!
//! `cargo test --release --test api neighbour -- --ignored --nocapture`

use crate::support::{Client, House, Plan};
use futures_util::future::{join_all, select};
use serde_json::json;
use std::{
    pin::pin,
    time::{Duration, Instant},
};

const MEASURED: Duration = Duration::from_secs(8);
/// The loaded p99 may be so many times the quiet one.
const LIMIT: u32 = 3;

/// Each is bounded by itself as well, so that a limit that does not hold costs a machine some seconds and no more.
const FORKS: &str = "for n in $(seq 400); do (sleep 3 &); done; sleep 1";
const MEMORY: &str =
    "for n in 1 2 3 4; do bash -c 'x=$(head -c 300000000 /dev/zero | tr \"\\0\" y); sleep 3' & done; wait";
const CPU: &str = "for n in 1 2 3 4 5 6 7 8; do timeout 5 bash -c 'while :; do :; done' & done; wait";
const OUTPUT: &str = "head -c 300000000 /dev/zero | tr '\\0' y";

/// The same chat again and again: half of them took less than the first figure, 99 % less than the second.
async fn chats(bob: &Client) -> (Duration, Duration) {
    let mut took = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < MEASURED {
        let asked = Instant::now();
        let body = json!({"model": "bob", "messages": [{"role": "user", "content": "hello"}]});
        assert_eq!(bob.post("/v1/chat/completions", body).await.status, 200);
        took.push(asked.elapsed());
    }
    took.sort_unstable();
    (took[took.len() / 2], took[took.len() * 99 / 100])
}

/// Runs a command whenever the one before has ended or was killed.
async fn repeat(alice: &Client, command: &str) {
    loop {
        let prompt = format!("run: {command}");
        let body = json!({"model": "alice", "messages": [{"role": "user", "content": prompt}]});
        assert_eq!(alice.post("/v1/chat/completions", body).await.status, 200);
    }
}

#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
#[ignore = "keeps the whole machine busy for a minute"]
#[actix_web::test]
async fn a_chat_stays_quick_beside_a_neighbour_that_takes_all_it_can() {
    let limits = "approvals:\n  mode: off\nterminal:\n  limits:\n    processes: 200\n    memory: 512MiB\n    profile_memory: 1GiB\n";
    let plan = Plan { model: Some(String::new()), more_workers: 1, ..Plan::config(limits) };
    let house = House::with(plan).await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    // The first chat opens the store.
    chats(&bob).await;
    let (quiet_p50, quiet_p99) = chats(&bob).await;
    println!("quiet: p50 {quiet_p50:?}, p99 {quiet_p99:?}");
    let cases: [(&str, &[&str]); 5] = [
        ("forks", &[FORKS]),
        ("memory", &[MEMORY]),
        ("processor", &[CPU]),
        ("output", &[OUTPUT]),
        ("forks, memory and processor at once", &[FORKS, MEMORY, CPU]),
    ];
    let mut worst = Duration::ZERO;
    for (case, commands) in cases {
        let load = pin!(join_all(commands.iter().map(|command| repeat(&alice, command))));
        let measured = pin!(async {
            // Until the load is there.
            tokio::time::sleep(Duration::from_secs(1)).await;
            chats(&bob).await
        });
        let (p50, p99) = match select(measured, load).await {
            futures_util::future::Either::Left((measured, _load)) => measured,
            futures_util::future::Either::Right(_) => panic!("the load ended by itself"),
        };
        println!(
            "{case}: p50 {p50:?}, p99 {p99:?}, {:.1} times",
            p99.as_secs_f64() / quiet_p99.as_secs_f64()
        );
        worst = worst.max(p99);
    }
    house.close().await;
    assert!(worst <= quiet_p99 * LIMIT, "{worst:?} against {quiet_p99:?}");
}
