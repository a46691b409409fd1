//! Questions of the agent's own.

use crate::support::{Client, House, Plan, ask};
use hermes_gateway::actors::{Rights, Scope};
use serde_json::{Value, json};
use std::time::Duration;

const CALL: &str = r#"@@tool clarify {"question":"Tea or coffee?","choices":["tea","coffee"]}"#;

/// A run that asks, and its question.
async fn asked(alice: &Client) -> (String, Value) {
    let run = alice.run(CALL).await;
    let request = alice.events(&run, None).await.until("clarify.request").await.json();
    (run, request)
}

fn path(run: &str) -> String {
    format!("/v1/runs/{run}/clarify")
}

#[actix_web::test]
async fn a_question_is_asked_answered_once_and_the_run_goes_on_with_the_answer() {
    let house = House::open().await;
    let alice = house.alice().await;
    let (run, request) = asked(&alice).await;
    assert_eq!(
        (&request["question"], &request["choices"]),
        (&json!("Tea or coffee?"), &json!(["tea", "coffee"]))
    );
    let status = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!(status["status"], "waiting_for_clarify", "{status}");
    assert_eq!(status["clarify"]["clarify_id"], request["clarify_id"]);
    assert_eq!(status.get("approval"), None);
    let listed = alice.get("/v1/runs?status=waiting_for_clarify").await.body;
    assert_eq!(listed["data"][0]["run_id"], json!(run));

    let answer = alice.post(&path(&run), json!({"response": "neither: water"})).await;
    assert_eq!((answer.status, &answer.body["response"]), (200, &json!("neither: water")), "{}", answer.text);
    let done = alice.finished(&run).await;
    assert_eq!(done["status"], "completed");
    assert!(done["output"].as_str().unwrap().contains("neither: water"), "{done}");
    let events = alice.events(&run, None).await.rest().await;
    let responded = events.iter().find(|frame| frame.kind() == "clarify.responded").unwrap().json();
    assert_eq!(responded["response"], "neither: water");

    let named = |response: &str| json!({"clarify_id": request["clarify_id"], "response": response});
    assert_eq!(alice.post(&path(&run), named("neither: water")).await.status, 200, "the same again");
    let other = alice.post(&path(&run), named("tea")).await;
    assert_eq!((other.status, other.code()), (409, "approval_already_decided"), "{}", other.text);
    let none = alice.post(&path(&run), json!({"response": "tea"})).await;
    assert_eq!((none.status, none.code()), (409, "clarify_not_pending"));
    house.close().await;
}

#[actix_web::test]
async fn a_question_that_waits_outlives_a_restart() {
    let mut house = House::open().await;
    let (run, _) = asked(&house.alice().await).await;
    house.stop(Duration::ZERO).await;
    house.start().await;
    let alice = house.alice().await;
    assert_eq!(alice.get(&format!("/v1/runs/{run}")).await.body["status"], "waiting_for_clarify");
    assert_eq!(alice.post(&path(&run), json!({"response": ["tea", "milk"]})).await.status, 200);
    assert!(alice.finished(&run).await["output"].as_str().unwrap().contains("tea, milk"));
    house.close().await;
}

#[actix_web::test]
async fn nobody_on_a_chat_can_answer_and_the_agent_is_told_so_at_once() {
    let house = House::open().await;
    let alice = house.alice().await;
    let reply = alice.chat(CALL).await;
    assert_eq!(reply.status, 200);
    assert!(reply.text.contains("not_available"), "{}", reply.text);
    // With `approvals.unattended: wait` somebody may answer elsewhere.
    let waiting = House::with(Plan::config("approvals:\n  unattended: wait\n")).await;
    let alice = waiting.alice().await;
    let mut chat = alice.chat_stream(CALL).await;
    loop {
        let frame = chat.data().await.unwrap();
        if frame.data.unwrap().contains("Tea or coffee?") {
            break;
        }
    }
    let runs = alice.get("/v1/runs?status=waiting_for_clarify").await.body;
    let run = runs["data"][0]["run_id"].as_str().unwrap().to_owned();
    assert_eq!(alice.post(&path(&run), json!({"response": "tea"})).await.status, 200);
    let rest: String = chat.rest().await.into_iter().filter_map(|frame| frame.data).collect();
    assert!(rest.contains("tea"), "{rest}");
    waiting.close().await;
    house.close().await;
}

#[actix_web::test]
async fn a_question_without_an_answer_ends_in_time_and_one_of_a_stopped_run_at_once() {
    let house = House::with(Plan::config("approvals:\n  timeout: 1\n")).await;
    let alice = house.alice().await;
    let run = alice.run(CALL).await;
    let events = alice.events(&run, None).await.rest().await;
    let responded = events.iter().find(|frame| frame.kind() == "clarify.responded").unwrap().json();
    assert_eq!((&responded["response"], &responded["expired"]), (&Value::Null, &json!(true)));
    assert!(alice.finished(&run).await["output"].as_str().unwrap().contains("no_answer"));
    house.close().await;

    let house = House::open().await;
    let alice = house.alice().await;
    let (run, _) = asked(&alice).await;
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    assert_eq!(alice.finished(&run).await["status"], "cancelled");
    let late = alice.post(&path(&run), json!({"response": "tea"})).await;
    assert_eq!((late.status, late.code()), (409, "clarify_not_pending"));
    house.close().await;
}

#[actix_web::test]
async fn an_answer_allows_nothing_and_an_approval_answers_nothing() {
    let house = House::open().await;
    let alice = house.alice().await;
    // Asked together: an approval, and a question of the agent.
    let both = r#"@@tools terminal {"command":"rm -rf ./none"} ;; clarify {"question":"Sure?"}"#;
    let run = alice.run(both).await;
    let mut events = alice.events(&run, None).await;
    let approval = events.until("approval.request").await.json();
    let question = events.until("clarify.request").await.json();
    assert_eq!(alice.get(&format!("/v1/runs/{run}")).await.body["status"], "waiting_for_approval");
    let crossed = json!({"clarify_id": approval["approval_id"], "response": "yes"});
    assert_eq!(alice.post(&path(&run), crossed).await.code(), "clarify_not_pending");
    let id = question["clarify_id"].as_str().unwrap();
    let approve = alice.post(&format!("/v1/approvals/{id}"), json!({"choice": "once"})).await;
    assert_eq!((approve.status, approve.code()), (400, "invalid_approval_choice"), "{}", approve.text);

    assert_eq!(alice.post(&path(&run), json!({"response": "yes"})).await.status, 200);
    let status = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!(status["status"], "waiting_for_approval", "the command still waits: {status}");
    let deny = alice.post(&format!("/v1/runs/{run}/approval"), json!({"choice": "deny"})).await;
    assert_eq!(deny.status, 200, "{}", deny.text);
    let tools = alice.finished(&run).await["tools"].clone();
    assert_eq!(
        (&tools[0]["status"], &tools[1]["status"]),
        (&json!("failed"), &json!("completed")),
        "{tools}"
    );
    house.close().await;
}

#[actix_web::test]
async fn who_may_not_speak_to_the_run_does_not_answer_it() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let (run, _) = asked(&alice).await;
    let answer = json!({"response": "tea"});
    assert_eq!(bob.post(&path(&run), answer.clone()).await.code(), "run_not_found", "another's run");
    let foreign = bob.with_key(alice.key.as_deref());
    assert_eq!(foreign.post(&path(&run), answer.clone()).await.status, 401);
    let chats = house.holder("alice", Rights::of(&[Scope::Chat])).await;
    assert_eq!(chats.post(&path(&run), answer.clone()).await.code(), "insufficient_scope");
    let tools = Some(["read_file".to_owned()].into());
    let reader = house.holder("alice", Rights { tools, ..Rights::all() }).await;
    assert_eq!(reader.post(&path(&run), answer.clone()).await.code(), "insufficient_scope");
    for (body, status) in [(json!({}), 400), (json!({"response": ""}), 400), (json!([]), 400)] {
        assert_eq!(alice.post(&path(&run), body.clone()).await.status, status, "{body}");
    }
    assert_eq!(alice.post("/v1/runs/nope/clarify", answer.clone()).await.code(), "run_not_found");
    // Answering does not take the right to approve: nothing is allowed by it.
    let runs = house.holder("alice", Rights::of(&[Scope::Runs])).await;
    assert_eq!(runs.post(&path(&run), answer).await.status, 200);
    assert_eq!(alice.finished(&run).await["status"], "completed");
    house.close().await;
}

#[actix_web::test]
async fn calls_that_ask_nothing_wait_for_nobody() {
    let house = House::open().await;
    let alice = house.alice().await;
    let five = ["a", "b", "c", "d", "e"];
    for arguments in [
        json!({}),
        json!({"question": " "}),
        json!({"question": 5}),
        json!({"question": "x", "choices": five}),
        json!({"question": "x", "choices": [1]}),
        json!({"question": "x".repeat(4_001)}),
    ] {
        let run = alice.run(&format!("@@tool clarify {arguments}")).await;
        let output = alice.finished(&run).await["output"].clone();
        assert!(output.as_str().unwrap().contains("invalid_arguments"), "{arguments}: {output}");
    }
    // A surface that a request has closed stays closed.
    let mut body = ask(CALL, false);
    body["disabled_toolsets"] = json!(["clarify"]);
    let reply = alice.post("/v1/chat/completions", body).await;
    assert!(reply.text.contains("tool_not_allowed"), "{}", reply.text);
    house.close().await;
}
