//! `kill -9` in the middle of a session's turn: the session remembers what was said and done, as of any turn that failed.

use crate::support::{Client, Fifo, Site, ask};
use awc::http::Method;
use serde_json::{Value, json};

/// The messages that the upstream was sent last, without those of the system.
fn heard(site: &Site) -> Vec<Value> {
    let request = site.upstream.requests().pop().unwrap();
    let messages = request["messages"].as_array().unwrap().iter();
    messages.filter(|message| message["role"] != "system").cloned().collect()
}

fn roles(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["role"].as_str().unwrap()).collect()
}

async fn transcript(alice: &Client, session: &str) -> Vec<Value> {
    let page = alice.get(&format!("/api/sessions/{session}/messages")).await.body;
    page["data"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
}

#[actix_web::test]
async fn the_users_message_the_calls_and_their_results_stay_in_the_session() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    let made = alice.post("/api/sessions", json!({})).await.body;
    let id = made["session"]["id"].as_str().unwrap();
    let said = alice.post(&format!("/api/sessions/{id}/chat"), json!({"message": "hello"})).await;
    assert_eq!(said.status, 200, "{}", said.text);
    let mut fifo = Fifo::make(&site.profile_dir("alice").join("workspace/pipe"));
    let commands =
        [json!({"command": "echo first-3"}), json!({"command": "exec 3>pipe; echo go >&3; sleep 600"})];
    let input = format!("@@tools terminal {} ;; terminal {}", commands[0], commands[1]);
    let path = format!("/api/sessions/{id}/chat/stream");
    let _turn = alice.stream(Method::POST, &path, &[], Some(json!({"message": input}))).await;
    fifo.reads("go\n").await;
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    let rows = transcript(&alice, id).await;
    assert_eq!(roles(&rows), ["user", "assistant", "user", "assistant", "tool", "tool"]);
    assert_eq!(rows[2]["content"], json!(input));
    let result = |at: usize| rows[at]["content"].as_str().unwrap();
    assert!(result(4).contains("first-3"), "{}", rows[4]);
    assert!(result(5).contains("interrupted"), "{}", rows[5]);
    for (call, row) in [(0, 4), (1, 5)] {
        assert_eq!(rows[3]["tool_calls"][call]["call_id"], rows[row]["tool_call_id"]);
    }
    let session = &alice.get(&format!("/api/sessions/{id}")).await.body["session"];
    assert_eq!((&session["message_count"], &session["tool_call_count"]), (&json!(6), &json!(2)));
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    assert_eq!(transcript(&alice, id).await, rows, "it is remembered once, whatever comes later");
    let said = alice.post(&format!("/api/sessions/{id}/chat"), json!({"message": "and now?"})).await;
    assert_eq!(said.status, 200, "{}", said.text);
    let heard = heard(&site);
    assert_eq!(roles(&heard), ["user", "assistant", "user", "assistant", "tool", "tool", "user"]);
    for (call, row) in [(0, 4), (1, 5)] {
        assert_eq!(heard[3]["tool_calls"][call]["id"], heard[row]["tool_call_id"]);
        assert_eq!(heard[row]["content"], rows[row]["content"]);
    }
}

#[actix_web::test]
async fn what_had_been_said_is_known_to_the_next_turn_on_every_surface() {
    const TALK: &str = "@@stream 3000 2";
    let session = [("X-Hermes-Session-Id", "s-chat")];
    let response =
        |text: &str, stream: bool| json!({"input": text, "conversation": "talk", "stream": stream});
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    let run = alice.run_with(json!({"input": TALK, "session_id": "s-run"})).await;
    let mut streams = [
        alice.events(&run, None).await,
        alice.stream(Method::POST, "/v1/chat/completions", &session, Some(ask(TALK, true))).await,
        alice.stream(Method::POST, "/v1/responses", &[], Some(response(TALK, true))).await,
    ];
    for stream in &mut streams {
        for _ in 0..60 {
            stream.data().await.unwrap();
        }
    }
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    let record = alice.get(&format!("/v1/runs/{run}")).await.body;
    let rows = transcript(&alice, "s-run").await;
    assert_eq!(roles(&rows), ["user", "assistant"]);
    assert_eq!(rows[1]["content"], record["partial_output"], "the record and the session tell the same");
    let known = |surface: &str| {
        let heard = heard(&site);
        assert_eq!(roles(&heard), ["user", "assistant", "user"], "{surface}");
        assert_eq!((&heard[0]["content"], &heard[2]["content"]), (&json!(TALK), &json!("and now?")));
        assert!(heard[1]["content"].as_str().unwrap().starts_with("tok0 "), "{surface}: {}", heard[1]);
    };
    let next = alice.run_with(json!({"input": "and now?", "session_id": "s-run"})).await;
    assert_eq!(alice.finished(&next).await["status"], "completed");
    known("runs");
    let reply = alice.post_with("/v1/chat/completions", &session, ask("and now?", false)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    known("chat");
    let reply = alice.post("/v1/responses", response("and now?", false)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    known("responses");
}
