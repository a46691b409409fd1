//! `Idempotency-Key`: one act, one answer, however often and however much at once it is asked.

use crate::support::{Client, House, Opened, Plan, Sent, ask};
use awc::http::Method;
use futures_util::future::{Either, join_all, select};
use hermes_gateway::{
    actors::{Carried, CreateSession, FindAnswer, Idempotency},
    domain::SessionId,
};
use serde_json::{Value, json};
use std::time::Duration;

const KEY: [(&str, &str); 1] = [("Idempotency-Key", "retry-1")];

async fn ask_to_delete(alice: &Client) -> (String, String) {
    let run = alice.run(&format!("@@tool terminal {}", json!({"command": "rm -rf build"}))).await;
    let mut events = alice.events(&run, None).await;
    let asked = events.until("approval.request").await.json();
    (run, asked["approval_id"].as_str().unwrap().to_owned())
}

#[actix_web::test]
async fn a_retried_answer_gets_the_first_answer_and_another_body_is_a_conflict() {
    let house = House::open().await;
    let alice = house.alice().await;
    let (run, approval) = ask_to_delete(&alice).await;
    let path = format!("/v1/approvals/{approval}");
    let first = alice.post_with(&path, &KEY, json!({"choice": "deny"})).await;
    assert_eq!((first.status, first.header("Idempotency-Replayed")), (200, None), "{}", first.text);
    let again = alice.post_with(&path, &KEY, json!({"choice": "deny"})).await;
    assert_eq!((again.status, again.header("Idempotency-Replayed")), (200, Some("true")));
    assert_eq!(again.body, first.body);
    let other = alice.post_with(&path, &KEY, json!({"choice": "once"})).await;
    assert_eq!((other.status, other.code()), (409, "idempotency_key_conflict"), "{}", other.text);
    alice.finished(&run).await;
    house.close().await;
}

#[actix_web::test]
async fn a_key_means_one_run_and_one_route() {
    let house = House::open().await;
    let alice = house.alice().await;
    let (one, two) = (alice.run("@@gate on").await, alice.run("@@gate on").await);
    let stop = |run: &str| format!("/v1/runs/{run}/stop");
    assert_eq!(alice.post_with(&stop(&one), &KEY, json!({})).await.status, 200);
    let other = alice.post_with(&stop(&two), &KEY, json!({})).await;
    assert_eq!((other.status, other.code()), (409, "idempotency_key_conflict"), "{}", other.text);
    let elsewhere = alice.post_with("/v1/runs", &KEY, json!({"input": "hello"})).await;
    assert_eq!((elsewhere.status, &elsewhere.body["replayed"]), (202, &json!(false)), "{}", elsewhere.text);
    house.upstream.open("on");
    assert_eq!(alice.finished(&one).await["status"], "cancelled");
    assert_eq!(alice.finished(&two).await["status"], "completed", "the second was never stopped");
    house.close().await;
}

#[actix_web::test]
async fn a_refusal_reserves_nothing() {
    let house = House::open().await;
    let alice = house.alice().await;
    let (run, approval) = ask_to_delete(&alice).await;
    let path = format!("/v1/runs/{run}/approval");
    let refused = alice.post_with(&path, &KEY, json!({"choice": "perhaps"})).await;
    assert_eq!((refused.status, refused.code()), (400, "invalid_approval_choice"));
    let broken = alice.send(Method::POST, &path, &KEY, Some(b"{".to_vec())).await;
    assert_eq!((broken.status, broken.code()), (400, "invalid_json"), "{}", broken.text);
    let good = alice.post_with(&path, &KEY, json!({"choice": "deny", "approval_id": approval})).await;
    assert_eq!((good.status, good.header("Idempotency-Replayed")), (200, None), "{}", good.text);
    let bad = alice.post_with(&path, &[("Idempotency-Key", "a b")], json!({"choice": "deny"})).await;
    assert_eq!((bad.status, bad.code()), (400, "invalid_idempotency_key"));
    alice.finished(&run).await;
    house.close().await;
}

#[actix_web::test]
async fn a_large_body_and_a_deep_one_are_carried_to_the_handler_as_they_came() {
    let house = House::open().await;
    let alice = house.alice().await;
    let (run, approval) = ask_to_delete(&alice).await;
    let path = format!("/v1/approvals/{approval}");
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000)).into_bytes();
    let refused = alice.send(Method::POST, &path, &KEY, Some(deep)).await;
    assert_eq!((refused.status, refused.code()), (400, "invalid_json"), "{}", refused.text);
    let huge = alice.send(Method::POST, &path, &KEY, Some(vec![b'a'; 10_000_001])).await;
    assert_eq!((huge.status, huge.code()), (413, "body_too_large"), "{}", huge.text);
    let body = json!({"choice": "deny", "reason": "x", "more": "y".repeat(1_000_000)});
    let first = alice.post_with(&path, &KEY, body.clone()).await;
    assert_eq!((first.status, first.header("Idempotency-Replayed")), (200, None), "{}", first.text);
    let again = alice.post_with(&path, &KEY, body).await;
    assert_eq!((again.status, again.header("Idempotency-Replayed")), (200, Some("true")), "{}", again.text);
    alice.finished(&run).await;
    house.close().await;
}

#[actix_web::test]
async fn a_session_that_is_made_twice_with_one_key_is_made_once() {
    let house = House::open().await;
    let alice = house.alice().await;
    let body = json!({"title": "Plans"});
    let all = join_all((0..4).map(|_| alice.post_with("/api/sessions", &KEY, body.clone()))).await;
    assert!(
        all.iter().all(|reply| reply.status == 201),
        "{:?}",
        all.iter().map(|r| &r.text).collect::<Vec<_>>()
    );
    assert!(all.iter().all(|reply| reply.body == all[0].body));
    assert_eq!(alice.get("/api/sessions").await.body["data"].as_array().unwrap().len(), 1);
    let path = format!("/api/sessions/{}", all[0].body["session"]["id"].as_str().unwrap());
    let other = alice.send(Method::PATCH, &path, &KEY, Some(b"{\"title\": \"x\"}".to_vec())).await;
    assert_eq!(
        (other.status, other.header("Idempotency-Replayed")),
        (200, None),
        "another route, another scope"
    );
    let deletions = [
        alice.send(Method::DELETE, &path, &KEY, None).await,
        alice.send(Method::DELETE, &path, &KEY, None).await,
    ];
    assert!(deletions.iter().all(|reply| reply.status == 200), "{}", deletions[1].text);
    assert_eq!(deletions[1].header("Idempotency-Replayed"), Some("true"));
    house.close().await;
}

#[actix_web::test]
async fn retries_at_the_same_moment_are_one_act() {
    let house = House::open().await;
    let alice = house.alice().await;
    let (run, _) = ask_to_delete(&alice).await;
    let path = format!("/v1/runs/{run}/approval");
    let all = join_all((0..8).map(|_| alice.post_with(&path, &KEY, json!({"choice": "deny"})))).await;
    // Without a key all but the first would find nothing that waits.
    assert!(
        all.iter().all(|reply| reply.status == 200),
        "{:?}",
        all.iter().map(|r| &r.text).collect::<Vec<_>>()
    );
    assert_eq!(all.iter().filter(|reply| reply.header("Idempotency-Replayed").is_none()).count(), 1);
    assert!(all.iter().all(|reply| reply.body == all[0].body));
    alice.finished(&run).await;
    house.close().await;
}

#[actix_web::test]
async fn a_deletion_that_is_retried_after_a_restart_is_answered_as_before() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let (run, approval) = ask_to_delete(&alice).await;
    let allowed = alice.post(&format!("/v1/approvals/{approval}"), json!({"choice": "always"})).await;
    assert_eq!(allowed.status, 200, "{}", allowed.text);
    alice.finished(&run).await;
    let rules = alice.get("/v1/approvals/rules").await.body;
    let path = format!("/v1/approvals/rules/{}", rules["data"][0]["id"].as_str().unwrap());
    let first = alice.send(Method::DELETE, &path, &KEY, None).await;
    assert_eq!(first.status, 200, "{}", first.text);

    house.stop(Duration::ZERO).await;
    house.start().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let again = alice.send(Method::DELETE, &path, &KEY, None).await;
    assert_eq!((again.status, again.header("Idempotency-Replayed")), (200, Some("true")), "{}", again.text);
    assert_eq!(again.body, first.body);
    assert_eq!(alice.delete(&path).await.code(), "rule_not_found", "without the key it is gone");
    assert_eq!(
        bob.send(Method::DELETE, &path, &KEY, None).await.code(),
        "rule_not_found",
        "keys are one's own"
    );
    house.close().await;
}

/// Asks in either form; gives the status, whether it was a replay, and the name of the run or answer.
async fn ask_once(alice: &Client, path: &str, key: &str, body: &Value) -> (u16, bool, String) {
    let request = alice.request(Method::POST, path).insert_header(("Idempotency-Key", key));
    let request = request.insert_header(("Content-Type", "application/json"));
    match alice.open(request, Some(Sent::Whole(body.to_string().into_bytes()))).await {
        Opened::Whole(reply) => {
            let replayed = reply.header("Idempotency-Replayed").is_some();
            let name = ["run_id", "id"].into_iter().find_map(|name| reply.body[name].as_str());
            (reply.status, replayed, name.map_or(reply.text.clone(), str::to_owned))
        }
        Opened::Stream(frames) => {
            let replayed = frames.headers.contains_key("Idempotency-Replayed");
            let first = frames.rest().await.remove(0).json();
            let name = [&first["run_id"], &first["id"], &first["response"]["id"]]
                .into_iter()
                .find_map(Value::as_str);
            (200, replayed, name.map_or(first.to_string(), str::to_owned))
        }
    }
}

#[actix_web::test]
async fn requests_at_the_same_moment_share_one_run_on_every_route_in_either_form() {
    let house = House::open().await;
    let alice = house.alice().await;
    let made = alice.post("/api/sessions", json!({})).await.body;
    let session = format!("/api/sessions/{}/chat", made["session"]["id"].as_str().unwrap());
    let respond = |stream: bool| json!({"input": "hello", "stream": stream});
    let routes = [
        ("/v1/chat/completions", [ask("hello", false), ask("hello", true)]),
        ("/v1/responses", [respond(false), respond(true)]),
        ("/v1/runs", [json!({"input": "hello"}), json!({"input": "hello"})]),
        (&session, [json!({"message": "hello"}), json!({"message": "hello"})]),
    ];
    for (path, forms) in &routes {
        for key in (0..16).map(|n| format!("key-{n}")) {
            let all = join_all((0..6).map(|n| ask_once(&alice, path, &key, &forms[n % 2]))).await;
            assert!(all.iter().all(|(status, ..)| [200, 202].contains(status)), "{path}: {all:?}");
            assert!(all.iter().all(|(.., name)| *name == all[0].2), "{path}: {all:?}");
            assert_eq!(all.iter().filter(|(_, replayed, _)| !replayed).count(), 1, "{path}: {all:?}");
        }
    }
    assert_eq!(house.upstream.requests().len(), 16 * routes.len(), "each key is one turn");
    house.close().await;
}

#[actix_web::test]
async fn a_retry_whose_first_request_is_refused_meanwhile_is_tried_as_a_first_one() {
    let config = "gateway:\n  api_server:\n    max_concurrent_runs: 1\n    queue: 1\n    queue_timeout: 1\n";
    let house = House::with(Plan::config(config)).await;
    let alice = house.alice().await;
    let running = alice.run("@@gate hold").await;
    alice.events(&running, None).await.until("message.delta").await;
    let body = ask("hello", false);
    let send = || Box::pin(alice.post_with("/v1/chat/completions", &KEY, body.clone()));
    // Whichever is the first waits for a place until its time is over, and the other one for what becomes of it.
    let (refused, other) = match select(send(), send()).await {
        Either::Left((refused, other)) | Either::Right((refused, other)) => (refused, other),
    };
    assert_eq!((refused.status, refused.code()), (429, "rate_limit_exceeded"), "{}", refused.text);
    house.upstream.open("hold");
    let answered = other.await;
    assert_eq!((answered.status, answered.header("Idempotency-Replayed")), (200, None), "{}", answered.text);
    house.close().await;
}

#[actix_web::test]
async fn a_session_is_made_once_even_when_its_answer_was_never_kept() {
    let mut house = House::open().await;
    let key = Idempotency { scope: [1; 32], fingerprint: [2; 32] };
    let profile = house.tenant("alice").await.profile().await.unwrap();
    let id = SessionId::parse("made").unwrap();
    let create = CreateSession {
        session: id.clone(),
        title: Some("Plans".to_owned()),
        model: "m".to_owned(),
        lock: None,
        system_prompt: None,
        idempotency: Some(key.clone()),
    };
    profile.send(create).await.unwrap().unwrap();
    // As a crash does: the session is there, and nobody wrote what was to be answered.
    drop(profile);
    house.stop(std::time::Duration::ZERO).await;
    house.start().await;

    let profile = house.tenant("alice").await.profile().await.unwrap();
    let found = profile.send(FindAnswer(key.clone())).await.unwrap().unwrap();
    assert!(
        matches!(found, Some(Carried::Made(made)) if made.id == id && made.title.as_deref() == Some("Plans"))
    );
    let other = Idempotency { fingerprint: [3; 32], ..key };
    let conflict = profile.send(FindAnswer(other)).await.unwrap().unwrap_err();
    assert_eq!(conflict.code.wire(), "idempotency_key_conflict");
    house.close().await;
}
