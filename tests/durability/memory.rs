//! `kill -9` while the memory is written: what was acknowledged is there, and the file is whole.

use crate::support::{Client, Site};
use futures_util::future::select;
use serde_json::{Value, json};
use std::{cell::Cell, fs, pin::pin};
use tokio::sync::Notify;

fn entry(number: usize) -> String {
    format!("entry {number} {}", "with some words behind it ".repeat(20).trim())
}

/// Adds entries one after the other, from `first`, until so many more are acknowledged; the next one is on its way then.
/// Gives the number behind the last one that was acknowledged.
async fn add(alice: &Client, first: usize, count: usize) -> usize {
    let (next, enough) = (Cell::new(first), Notify::new());
    let writing = async {
        loop {
            let reply = alice.post("/api/memory", json!({ "content": entry(next.get()) })).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            next.set(next.get() + 1);
            if next.get() >= first + count {
                enough.notify_one();
            }
        }
    };
    let _ = select(pin!(writing), pin!(enough.notified())).await;
    next.get()
}

#[actix_web::test]
async fn whenever_the_kill_comes_the_memory_is_whole_and_nothing_acknowledged_is_lost() {
    let site = Site::with("memory:\n  memory_char_limit: 20000\n").await;
    let file = site.profile_dir("alice").join("memories/MEMORY.md");
    let mut kept = 0;
    for count in [1, 2, 5, 9] {
        let process = site.start().await;
        let acknowledged = add(&process.alice(), kept, count).await;
        process.kill().await;

        let text = fs::read_to_string(&file).unwrap();
        let entries: Vec<&str> = text.strip_suffix('\n').unwrap().split("\n§\n").collect();
        let whole: Vec<String> = (0..entries.len()).map(entry).collect();
        assert_eq!(entries, whole, "each in its order, none twice, none torn");
        assert!(
            [acknowledged, acknowledged + 1].contains(&entries.len()),
            "{acknowledged} {}",
            entries.len()
        );

        let process = site.start().await;
        let alice = process.alice();
        let shown = alice.get("/api/memory").await.body;
        assert_eq!(shown["memory"]["entries"], json!(whole));
        let details = shown["memory"]["details"].as_array().unwrap();
        let authors: Vec<&Value> = details[..acknowledged].iter().map(|detail| &detail["author"]).collect();
        assert!(authors.iter().all(|author| **author == "person"), "who wrote them is known: {authors:?}");
        let history = alice.get("/api/memory/history?limit=200").await.text;
        assert!((0..acknowledged).all(|number| history.contains(&entry(number))), "{history}");
        kept = entries.len();
        process.kill().await;
    }
}
