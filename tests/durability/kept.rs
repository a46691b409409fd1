//! What was acknowledged outlives a kill: idempotency keys, issued keys, revocations, sessions.

use crate::support::Site;
use serde_json::{Value, json};

#[actix_web::test]
async fn fault_23_an_idempotency_key_stands_for_the_same_run_after_a_kill() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    let (ended, cut) = ([("Idempotency-Key", "ended")], [("Idempotency-Key", "cut")]);
    let (hello, hold) = (json!({"input": "hello"}), json!({"input": "@@gate hold"}));
    let first = alice.post_with("/v1/runs", &ended, hello.clone()).await;
    alice.finished(first.body["run_id"].as_str().unwrap()).await;
    // Killed right behind its 202.
    let second = alice.post_with("/v1/runs", &cut, hold.clone()).await;
    process.kill().await;
    let asked = site.upstream.requests().len();

    let process = site.start().await;
    let alice = process.alice();
    let again = alice.post_with("/v1/runs", &ended, hello).await;
    assert_eq!((again.status, &again.body["run_id"]), (202, &first.body["run_id"]), "{}", again.text);
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    let other = alice.post_with("/v1/runs", &ended, json!({"input": "other"})).await;
    assert_eq!((other.status, other.code()), (409, "idempotency_key_conflict"));
    assert!(site.upstream.requests().len() <= asked + 1, "nothing is done twice");
    site.upstream.open("hold");
    let again = alice.post_with("/v1/runs", &cut, hold).await;
    assert_eq!(again.body["run_id"], second.body["run_id"], "{}", again.text);
    // Whether it had begun before the kill is a race; that it has one end is not.
    let record = alice.finished(second.body["run_id"].as_str().unwrap()).await;
    let end = (record["status"].as_str().unwrap(), record["error_code"].as_str());
    assert!([("failed", Some("interrupted")), ("completed", None)].contains(&end), "{record}");
}

#[actix_web::test]
async fn a_chat_with_an_idempotency_key_is_answered_from_the_log_after_a_kill() {
    let site = Site::new().await;
    let process = site.start().await;
    let key = [("Idempotency-Key", "chat-1")];
    let body = json!({"messages": [{"role": "user", "content": "remember this"}]});
    let first = process.alice().post_with("/v1/chat/completions", &key, body.clone()).await;
    assert_eq!(first.status, 200, "{}", first.text);
    process.kill().await;

    let process = site.start().await;
    let again = process.alice().post_with("/v1/chat/completions", &key, body).await;
    assert_eq!((again.status, again.header("Idempotency-Replayed")), (200, Some("true")), "{}", again.text);
    assert_eq!(again.body, first.body);
    assert_eq!(site.upstream.requests().len(), 1);
}

#[actix_web::test]
async fn a_session_is_remembered_after_a_kill() {
    let site = Site::new().await;
    let process = site.start().await;
    let run = process.alice().run_with(json!({"input": "one", "session_id": "s1"})).await;
    process.alice().finished(&run).await;
    process.kill().await;

    let process = site.start().await;
    let run = process.alice().run_with(json!({"input": "two", "session_id": "s1"})).await;
    process.alice().finished(&run).await;
    let said = site.upstream.requests().pop().unwrap();
    let said = said["messages"].as_array().unwrap().iter().filter(|message| message["role"] != "system");
    let said: Vec<&Value> = said.map(|message| &message["content"]).collect();
    assert_eq!(said, [&json!("one"), &json!("You said: one"), &json!("two")]);
}

#[actix_web::test]
async fn keys_and_revocations_outlive_a_kill() {
    let site = Site::new().await;
    let process = site.start().await;
    let make = |name: &str| -> Value {
        let made = site.hermes(&["-p", "alice", "key", "create", "--name", name, "--json"]);
        serde_json::from_str(&made).unwrap()
    };
    let (kept, revoked) = (make("kept"), make("revoked"));
    site.hermes(&["-p", "alice", "key", "revoke", revoked["key"]["id"].as_str().unwrap()]);
    process.kill().await;

    for _start in 0..2 {
        let process = site.start().await;
        for (key, status) in [(&kept, 200), (&revoked, 401)] {
            let alice = process.alice().with_key(key["token"].as_str());
            assert_eq!(alice.get("/v1/models").await.status, status, "{}", key["key"]["name"]);
            let bob = process.bob().with_key(key["token"].as_str());
            assert_eq!(bob.get("/v1/models").await.status, 401, "a key of alice at bob's port");
        }
        process.kill().await;
    }
}

#[actix_web::test]
async fn the_first_key_is_good_from_the_moment_it_is_shown_and_is_shown_once() {
    let site = Site::new().await;
    site.set_env("alice", 0, None);
    let mut process = site.start().await;
    assert_eq!(process.line().await, "New keys, shown this once:");
    let shown = process.line().await;
    let key = shown.split_whitespace().last().unwrap().to_owned();
    process.kill().await;

    let mut process = site.start().await;
    let alice = process.alice().with_key(Some(&key));
    assert_eq!(alice.chat("hello").await.status, 200, "{key}");
    assert_eq!(process.line().await, "Try it:", "no other key was made");
    process.kill().await;
}

#[actix_web::test]
async fn a_kill_in_the_middle_of_a_sessions_turn_leaves_a_transcript_to_go_on_with() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    let made = alice.post("/api/sessions", json!({"id": "s1", "title": "Plans"})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let chat = "/api/sessions/s1/chat";
    assert_eq!(alice.post(chat, json!({"message": "one"})).await.status, 200);
    let run = alice.run_with(json!({"input": "@@stream 3000 2", "session_id": "s1"})).await;
    alice.events(&run, None).await.until("message.delta").await;
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    let session = alice.get("/api/sessions/s1").await.body;
    let session = &session["session"];
    assert_eq!((&session["title"], &session["message_count"]), (&json!("Plans"), &json!(2)), "{session}");
    let taken = alice.post("/api/sessions", json!({"title": "Plans"})).await;
    assert_eq!(taken.status, 400, "the title is still taken: {}", taken.text);
    assert_eq!(alice.post(chat, json!({"message": "two"})).await.status, 200);
    let page = alice.get("/api/sessions/s1/messages").await.body;
    let said: Vec<_> = page["data"].as_array().unwrap().iter().map(|row| row["content"].clone()).collect();
    assert_eq!(said, ["one", "You said: one", "two", "You said: two"]);
}
