//! What the agents of sessions ask, and what waits for a person.

use super::create;
use crate::support::{Client, House};
use hermes_gateway::actors::{Rights, Scope};
use serde_json::{Value, json};
use std::time::Duration;

/// A turn of a session that waits, and its question.
async fn asks(alice: &Client, session: &str, question: &str) -> (String, Value) {
    let input = format!("@@tool clarify {}", json!({"question": question, "choices": ["tea", "coffee"]}));
    let run =
        alice.post("/v1/runs", json!({"input": input, "session_id": session})).await.body["run_id"].clone();
    let run = run.as_str().unwrap().to_owned();
    let request = alice.events(&run, None).await.until("clarify.request").await.json();
    (run, request)
}

fn path(session: &str) -> String {
    format!("/api/sessions/{session}/clarify")
}

#[actix_web::test]
async fn what_a_session_asks_is_listed_and_answered_there_once_also_after_a_restart() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let none = alice.get("/api/sessions/waiting").await;
    assert_eq!((none.status, &none.body), (200, &json!({"object": "list", "data": []})));
    let (run, request) = asks(&alice, "drinks", "Tea or coffee?").await;
    house.stop(Duration::ZERO).await;
    house.start().await;
    let alice = house.alice().await;

    let listed = alice.get(&path("drinks")).await.body;
    let question = &listed["data"][0];
    assert_eq!(question["clarify_id"], request["clarify_id"], "{listed}");
    assert_eq!((&question["run_id"], &question["choices"]), (&json!(run), &json!(["tea", "coffee"])));
    let waiting = alice.get("/api/sessions/waiting").await.body;
    let (session, since) = (&waiting["data"][0], &question["created_at"]);
    assert_eq!((&session["session_id"], &session["since"]), (&json!("drinks"), since), "{waiting}");
    assert_eq!((&session["clarify"][0], &session["approvals"]), (question, &json!([])));

    let answer = alice.post(&path("drinks"), json!({"response": ["tea", "milk"]})).await;
    assert_eq!((answer.status, &answer.body["response"]), (200, &json!("tea, milk")), "{}", answer.text);
    assert_eq!((&answer.body["run_id"], &answer.body["clarify_id"]), (&json!(run), &request["clarify_id"]));
    assert!(alice.finished(&run).await["output"].as_str().unwrap().contains("tea, milk"));
    assert_eq!(alice.get("/api/sessions/waiting").await.body["data"], json!([]));
    assert_eq!(alice.get(&path("drinks")).await.body["data"], json!([]));

    let named = |text: &str| json!({"clarify_id": request["clarify_id"], "response": text});
    assert_eq!(alice.post(&path("drinks"), named("tea, milk")).await.status, 200, "the same again");
    assert_eq!(alice.post(&path("drinks"), named("coffee")).await.code(), "approval_already_decided");
    let late = alice.post(&path("drinks"), json!({"response": "coffee"})).await;
    assert_eq!((late.status, late.code()), (409, "clarify_not_pending"), "{}", late.text);
    house.close().await;
}

#[actix_web::test]
async fn of_several_questions_one_has_to_be_named_and_approvals_are_none() {
    let house = House::open().await;
    let alice = house.alice().await;
    let both = r#"@@tools clarify {"question":"Tea?"} ;; clarify {"question":"Milk?"} ;; terminal {"command":"rm -rf ./x"}"#;
    let run =
        alice.post("/v1/runs", json!({"input": both, "session_id": "drinks"})).await.body["run_id"].clone();
    let run = run.as_str().unwrap().to_owned();
    let mut events = alice.events(&run, None).await;
    let first = events.until("clarify.request").await.json();
    let second = events.until("clarify.request").await.json();
    let approval = events.until("approval.request").await.json();
    let (other, _) = asks(&alice, "snacks", "Nuts?").await;

    let waiting = alice.get("/api/sessions/waiting").await.body;
    let sessions: Vec<&Value> =
        waiting["data"].as_array().unwrap().iter().map(|one| &one["session_id"]).collect();
    assert_eq!(sessions, ["drinks", "snacks"], "longest waiting first: {waiting}");
    let drinks = &waiting["data"][0];
    assert_eq!(drinks["clarify"].as_array().unwrap().len(), 2, "{waiting}");
    assert_eq!(drinks["approvals"][0]["approval_id"], approval["approval_id"]);
    assert!(!waiting.to_string().contains("rm -rf"), "what it is needs the right to approve");

    let which = alice.post(&path("drinks"), json!({"response": "yes"})).await;
    assert_eq!((which.status, which.code()), (409, "clarify_ambiguous"), "{}", which.text);
    for (session, id) in [("snacks", &first["clarify_id"]), ("drinks", &approval["approval_id"])] {
        let crossed = alice.post(&path(session), json!({"clarify_id": id, "response": "yes"})).await;
        assert_eq!((crossed.status, crossed.code()), (409, "clarify_not_pending"), "{}", crossed.text);
    }
    for question in [&second, &first] {
        let named = json!({"clarify_id": question["clarify_id"], "response": "yes"});
        assert_eq!(alice.post(&path("drinks"), named).await.status, 200);
    }
    assert_eq!(alice.get(&format!("/v1/runs/{run}")).await.body["status"], "waiting_for_approval");
    for run in [run, other] {
        alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
        alice.finished(&run).await;
    }
    assert_eq!(alice.get("/api/sessions/waiting").await.body["data"], json!([]), "nobody waits any more");
    house.close().await;
}

#[actix_web::test]
async fn who_may_not_speak_to_a_session_answers_nothing_of_it() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let (run, _) = asks(&alice, "drinks", "Tea or coffee?").await;
    let answer = json!({"response": "tea"});
    assert_eq!(bob.get("/api/sessions/waiting").await.body["data"], json!([]), "another's");
    for (reply, code) in [
        (bob.get(&path("drinks")).await, "session_not_found"),
        (bob.post(&path("drinks"), answer.clone()).await, "session_not_found"),
        (bob.with_key(alice.key.as_deref()).get("/api/sessions/waiting").await, "invalid_api_key"),
        (alice.get(&path("nope")).await, "session_not_found"),
        (alice.post(&path("nope"), json!([])).await, "session_not_found"),
    ] {
        assert_eq!(reply.code(), code, "{}", reply.text);
    }
    let runs = house.holder("alice", Rights::of(&[Scope::Runs])).await;
    for path in ["/api/sessions/waiting".to_owned(), path("drinks")] {
        assert_eq!(runs.get(&path).await.code(), "insufficient_scope", "{path}");
    }
    assert_eq!(runs.post(&path("drinks"), answer.clone()).await.code(), "insufficient_scope");
    let tools = Some(["read_file".to_owned()].into());
    let reader = house.holder("alice", Rights { tools, ..Rights::all() }).await;
    assert_eq!(reader.post(&path("drinks"), answer.clone()).await.code(), "insufficient_scope");
    for body in [json!({}), json!({"response": ""}), json!({"response": 5}), json!([]), json!("tea")] {
        assert_eq!(alice.post(&path("drinks"), body.clone()).await.status, 400, "{body}");
    }
    let quiet = create(&alice, json!({})).await;
    assert_eq!(alice.get(&path(&quiet)).await.body["data"], json!([]));
    assert_eq!(alice.post(&path(&quiet), answer.clone()).await.code(), "clarify_not_pending");

    let chats = house.holder("alice", Rights::of(&[Scope::Chat])).await;
    let once = [("Idempotency-Key", "my-answer")];
    for replayed in [None, Some("true")] {
        let reply = chats.post_with(&path("drinks"), &once, answer.clone()).await;
        assert_eq!((reply.status, reply.header("Idempotency-Replayed")), (200, replayed), "{}", reply.text);
    }
    assert_eq!(alice.finished(&run).await["status"], "completed");
    house.close().await;
}
