//! What was changed by whom, and taking it back.

use super::{remember, text, write};
use crate::support::House;
use serde_json::{Value, json};

#[actix_web::test]
async fn every_change_can_be_seen_and_taken_back() {
    let house = House::open().await;
    let alice = house.alice().await;
    alice.post("/api/memory", json!({"content": "one"})).await;
    alice.post("/api/memory", json!({"content": "two"})).await;
    remember(&alice, json!({"action": "replace", "old_text": "one", "content": "uno"})).await;
    let history = alice.get("/api/memory/history?limit=2").await.body;
    assert_eq!(history["has_more"], json!(true));
    let newest = &history["data"][0];
    assert_eq!(
        (&newest["act"], &newest["author"], &newest["added"], &newest["removed"]),
        (&json!("replace"), &json!("agent"), &json!(["uno"]), &json!(["one"])),
    );
    let before = alice.get("/api/memory/history?before=2").await.body;
    assert_eq!(before["data"].as_array().unwrap().len(), 1, "{before}");

    let undone = alice.post("/api/memory/history/3/undo", json!({})).await;
    assert_eq!(undone.body["file"]["entries"], json!(["one", "two"]), "{}", undone.text);
    assert_eq!(
        (&undone.body["change"]["act"], &undone.body["change"]["undoes"]),
        (&json!("undo"), &json!(3))
    );
    // An undo is a change as well; an older one can be taken back from among later ones.
    assert_eq!(
        alice.post("/api/memory/history/4/undo", json!({})).await.body["file"]["entries"],
        json!(["uno", "two"])
    );
    assert_eq!(
        alice.post("/api/memory/history/2/undo", json!({})).await.body["file"]["entries"],
        json!(["uno"])
    );
    let superseded = alice.post("/api/memory/history/1/undo", json!({})).await;
    assert_eq!((superseded.status, superseded.code()), (409, "memory_superseded"), "{}", superseded.text);
    assert_eq!(text(&house, "alice", "MEMORY.md"), "uno\n");
    house.close().await;
}

#[actix_web::test]
async fn what_a_person_did_with_an_editor_is_kept_and_shown() {
    let house = House::open().await;
    let alice = house.alice().await;
    alice.post("/api/memory", json!({"content": "one"})).await;
    write(&house, "alice", "MEMORY.md", "one\n§\nby hand\n");
    alice.post("/api/memory", json!({"content": "two"})).await;
    assert_eq!(text(&house, "alice", "MEMORY.md"), "one\n§\nby hand\n§\ntwo\n");
    let history = alice.get("/api/memory/history").await.body;
    let acts: Vec<Value> = history["data"].as_array().unwrap().iter().map(|row| row["act"].clone()).collect();
    assert_eq!(acts, [json!("add"), json!("found"), json!("add")]);
    assert_eq!(history["data"][1]["added"], json!(["by hand"]));
    let details = alice.get("/api/memory").await.body["memory"]["details"].clone();
    let authors: Vec<&str> =
        details.as_array().unwrap().iter().map(|detail| detail["author"].as_str().unwrap()).collect();
    assert_eq!(authors, ["person", "file", "person"]);
    // Somebody empties the file by mistake: the next writer's history has it.
    write(&house, "alice", "MEMORY.md", "");
    alice.post("/api/memory", json!({"content": "three"})).await;
    let undone = alice.post("/api/memory/history/4/undo", json!({})).await;
    assert_eq!(undone.body["file"]["entries"], json!(["one", "by hand", "two", "three"]), "{}", undone.text);
    house.close().await;
}

#[actix_web::test]
async fn history_outlives_the_gateway() {
    let mut house = House::open().await;
    house.alice().await.post("/api/memory", json!({"content": "one", "target": "user"})).await;
    house.stop(std::time::Duration::ZERO).await;
    house.start().await;
    let alice = house.alice().await;
    let history = alice.get("/api/memory/history?target=user").await.body;
    assert_eq!(history["data"][0]["added"], json!(["one"]), "{history}");
    assert_eq!(alice.get("/api/memory").await.body["user"]["details"][0]["author"], json!("person"));
    house.close().await;
}
