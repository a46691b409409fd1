//! A session that is locked to a model.

use super::{create, patch, say};
use crate::{
    selection::{model, with_lab},
    support::{Client, House, Reply, ask},
};
use awc::http::Method;
use serde_json::{Value, json};

async fn lock(client: &Client, session: &str, body: Value) -> Reply {
    client.post(&format!("/api/sessions/{session}/model"), body).await
}

async fn locked(client: &Client, body: Value) -> String {
    let session = create(client, json!({})).await;
    let reply = lock(client, &session, body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    session
}

async fn shown(client: &Client, session: &str) -> Value {
    client.get(&format!("/api/sessions/{session}")).await.body["session"].clone()
}

#[actix_web::test]
async fn the_lock_counts_before_the_request_on_every_surface() {
    let (house, lab) = with_lab("").await;
    let alice = house.alice().await;
    let session = locked(&alice, json!({"model": "large", "provider": "LAB"})).await;
    let named = [("X-Hermes-Session-Id", session.as_str())];
    for (path, headers, body) in [
        (format!("/api/sessions/{session}/chat"), &[][..], json!({"message": "a", "model": "fast"})),
        (format!("/api/sessions/{session}/chat"), &[], json!({"message": "a", "provider": "nope"})),
        (
            "/v1/chat/completions".to_owned(),
            &named,
            json!({"messages": [{"role": "user", "content": "b"}], "model": "small", "provider": "lab"}),
        ),
    ] {
        let asked = lab.requests().len();
        let reply = alice.post_with(&path, headers, body.clone()).await;
        assert_eq!(reply.status, 200, "{body}: {}", reply.text);
        assert_eq!((lab.requests().len(), model(&lab)), (asked + 1, json!("large")), "{body}");
    }
    let run = alice.run_with(json!({"input": "c", "session_id": session, "model": "fast"})).await;
    let run = alice.finished(&run).await;
    assert_eq!((&run["status"], &run["model"]), (&json!("completed"), &json!("fast")), "echoed: {run}");
    let body = json!({"input": "d", "model": "fast"});
    let response = alice.post_with("/v1/responses", &named, body).await;
    let body = json!({"input": "e", "model": "fast", "previous_response_id": response.body["id"]});
    let next = alice.post("/v1/responses", body).await;
    assert_eq!((response.status, next.status), (200, 200), "{} {}", response.text, next.text);
    let asked: Vec<_> = lab.requests().iter().map(|request| request["model"].clone()).collect();
    assert_eq!(asked, ["large"; 6], "a response that goes on from another is of its session");
    assert_eq!(house.upstream.requests().len(), 0);

    let other = create(&alice, json!({})).await;
    assert_eq!(say(&alice, &other, "x").await.status, 200);
    assert_eq!(model(&house.upstream), "scripted", "another session has no lock");
    let off = lock(&alice, &session, json!({"model": null})).await;
    let runtime = json!({
        "provider": "custom", "model": "scripted", "route_source": "global",
        "requested": {"provider": null, "model": null}, "model_lock": "",
    });
    assert_eq!(off.body["runtime"], runtime);
    assert_eq!(say(&alice, &session, "x").await.body["runtime"], runtime);
    assert_eq!(house.upstream.requests().len(), 2, "without its lock it is as every other");
    assert_eq!(shown(&alice, &session).await["model_lock"], Value::Null);
    house.close().await;
}

#[actix_web::test]
async fn answers_and_streams_tell_who_answered_also_when_they_are_asked_for_again() {
    let (house, _lab) = with_lab("").await;
    let alice = house.alice().await;
    let session = create(&alice, json!({})).await;
    let path = format!("/api/sessions/{session}/chat");
    let lock_it = json!({"model": "think"});
    let told = lock(&alice, &session, lock_it.clone()).await.body;
    let expected = json!({
        "provider": "lab", "model": "large", "route_source": "session_model_lock",
        "requested": {"provider": null, "model": "think"}, "model_lock": "accepted",
    });
    assert_eq!(
        told,
        json!({"object": "hermes.session.model_lock", "session_id": session, "runtime": expected})
    );
    let session_now = shown(&alice, &session).await;
    assert_eq!(session_now["model_lock"], json!({"provider": null, "model": "think"}));
    assert_eq!((&session_now["model"], &session_now["has_model_config"]), (&json!("think"), &json!(true)));

    let key = [("Idempotency-Key", "who")];
    let ask = json!({"message": "x", "model": "fast"});
    let mut expected = expected;
    expected["requested"]["model"] = json!("fast");
    let first = alice.post_with(&path, &key, ask.clone()).await;
    assert_eq!(first.body["runtime"], expected);
    assert_eq!(lock(&alice, &session, json!({"model": null})).await.status, 200);
    let again = alice.post_with(&path, &key, ask.clone()).await;
    assert_eq!((again.header("Idempotency-Replayed"), &again.body), (Some("true"), &first.body));

    let frames = alice.stream(Method::POST, &format!("{path}/stream"), &[], Some(ask)).await.rest().await;
    let raw = json!({
        "provider": "custom", "model": "scripted-fast", "route_source": "model_routes",
        "requested": {"provider": null, "model": "fast"}, "model_lock": "",
    });
    let frames: Vec<_> = frames.into_iter().filter(|frame| frame.event.is_some()).collect();
    let telling = frames.iter().filter(|frame| frame.json().get("runtime").is_some());
    let telling: Vec<_> = telling.map(|frame| (frame.event.as_deref().unwrap(), frame.json())).collect();
    assert!(telling.iter().all(|(_, told)| told["runtime"] == raw), "{telling:?}");
    let names: Vec<_> = telling.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["run.started", "assistant.completed", "run.completed"]);
    let run = frames[0].json()["run_id"].as_str().unwrap().to_owned();
    let back = [("X-Hermes-Run-Id", run.as_str())];
    let resumed = alice.stream(Method::POST, &format!("{path}/stream"), &back, None).await;
    let resumed: Vec<_> = resumed.rest().await.into_iter().filter(|frame| frame.event.is_some()).collect();
    assert_eq!(resumed, frames, "told as before");
    house.close().await;
}

#[actix_web::test]
async fn options_of_the_lock_count_before_those_of_the_request_but_not_before_its_own_members() {
    let (house, lab) = with_lab("").await;
    let alice = house.alice().await;
    let options = json!({"model": "think", "model_options": {"reasoning_effort": "high"}});
    let session = locked(&alice, options).await;
    let named = [("X-Hermes-Session-Id", session.as_str())];
    for (members, effort, tier, seed) in [
        (json!({}), json!("high"), Value::Null, 2),
        (
            json!({"model_options": {"reasoning_effort": "low", "fast": true}}),
            json!("high"),
            json!("priority"),
            2,
        ),
        (json!({"reasoning_effort": "low", "seed": 7}), json!("low"), Value::Null, 7),
    ] {
        let mut body = ask("x", false);
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        assert_eq!(alice.post_with("/v1/chat/completions", &named, body).await.status, 200, "{members}");
        let sent = lab.requests().pop().unwrap();
        let sent = ["reasoning_effort", "service_tier", "seed"].map(|name| sent[name].clone());
        assert_eq!(sent, [effort, tier, json!(seed)], "{members}");
    }
    house.close().await;
}

#[actix_web::test]
async fn a_lock_outlives_a_restart_and_refuses_turns_when_its_model_is_gone() {
    let (mut house, lab) = with_lab("").await;
    let alice = house.alice().await;
    let session = locked(&alice, json!({"model": "large", "provider": "lab"})).await;
    house.stop(std::time::Duration::ZERO).await;
    house.start().await;
    let alice = house.alice().await;
    assert_eq!(say(&alice, &session, "x").await.status, 200);
    assert_eq!((model(&lab), house.upstream.requests().len()), (json!("large"), 0));

    house.stop(std::time::Duration::ZERO).await;
    let bare =
        format!("model:\n  default: scripted\n  provider: custom\n  base_url: {}\n", house.upstream.url());
    std::fs::write(house.profile_dir("alice").join("config.yaml"), bare).unwrap();
    house.start().await;
    let alice = house.alice().await;
    let named = [("X-Hermes-Session-Id", session.as_str())];
    for refused in [
        say(&alice, &session, "x").await,
        alice.post(&format!("/api/sessions/{session}/chat/stream"), json!({"message": "x"})).await,
        alice.post_with("/v1/chat/completions", &named, ask("x", true)).await,
        alice.post("/v1/runs", json!({"input": "x", "session_id": session})).await,
    ] {
        assert_eq!((refused.status, refused.code()), (409, "model_lock_unavailable"), "{}", refused.text);
        assert!(refused.text.contains("`lab` is not configured"), "{}", refused.text);
    }
    assert_eq!((lab.requests().len(), house.upstream.requests().len()), (1, 0), "no other model stands in");
    assert_eq!(lock(&alice, &session, json!({"model": null})).await.status, 200);
    assert_eq!(say(&alice, &session, "x").await.status, 200);
    assert_eq!(house.upstream.requests().len(), 1);
    house.close().await;
}

#[actix_web::test]
async fn what_is_no_lock_is_refused_and_changes_nothing() {
    let (house, lab) = with_lab("").await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let session = locked(&alice, json!({"model": "large", "provider": "lab"})).await;
    let long = "x".repeat(300);
    let cases = [
        (json!({}), 400, "missing_model", Some("model")),
        (json!({"provider": "lab"}), 400, "missing_model", Some("model")),
        (json!({"model": " "}), 400, "missing_model", Some("model")),
        (json!({"model": null, "provider": "lab"}), 400, "missing_model", Some("model")),
        (json!({"model": 5}), 400, "invalid_request", Some("model")),
        (json!({"model": "m", "provider": []}), 400, "invalid_request", Some("provider")),
        (json!({"model": "m", "model_options": 1}), 400, "invalid_request", Some("model_options")),
        (json!({"model": long}), 400, "invalid_request", Some("model")),
        (
            json!({"model": "m", "model_options": {"service_tier": long}}),
            400,
            "invalid_request",
            Some("model_options.service_tier"),
        ),
        (json!({"model": "m", "provider": "nope"}), 409, "model_lock_unavailable", Some("provider")),
        (json!({"model": "nope", "provider": "lab"}), 409, "model_lock_unavailable", Some("model")),
        (json!({"model": "fast", "provider": "lab"}), 409, "model_lock_unavailable", Some("provider")),
        (json!([]), 400, "invalid_request", None),
    ];
    for (body, status, code, param) in cases {
        let reply = lock(&alice, &session, body.clone()).await;
        assert_eq!((reply.status, reply.code()), (status, code), "{body}: {}", reply.text);
        assert_eq!(reply.body["error"]["param"].as_str(), param, "{body}");
    }
    let foreign = create(&bob, json!({})).await;
    for id in [foreign.as_str(), "nope", "..%2Fx", "%00"] {
        for body in [json!({"model": "fast"}), json!({"model": null}), json!({})] {
            let reply = lock(&alice, id, body).await;
            assert_eq!((reply.status, reply.code()), (404, "session_not_found"), "{id}: {}", reply.text);
        }
    }
    assert_eq!(shown(&bob, &foreign).await["model_lock"], Value::Null);
    assert_eq!(
        alice.with_key(None).post(&format!("/api/sessions/{session}/model"), json!({})).await.status,
        401
    );
    assert_eq!(patch(&alice, &session, json!({"model": "x"})).await.code(), "unsupported_session_field");
    assert_eq!(say(&alice, &session, "x").await.status, 200);
    assert_eq!((model(&lab), house.upstream.requests().len()), (json!("large"), 0), "the lock stands");
    house.close().await;
}

#[actix_web::test]
async fn a_retried_lock_is_one_lock() {
    let house = House::open().await;
    let alice = house.alice().await;
    let session = create(&alice, json!({})).await;
    let path = format!("/api/sessions/{session}/model");
    let key = [("Idempotency-Key", "lock-1")];
    let first = alice.post_with(&path, &key, json!({"model": "one"})).await;
    assert_eq!(lock(&alice, &session, json!({"model": "two"})).await.status, 200);
    let again = alice.post_with(&path, &key, json!({"model": "one"})).await;
    assert_eq!((again.header("Idempotency-Replayed"), &again.body), (Some("true"), &first.body));
    assert_eq!(shown(&alice, &session).await["model_lock"]["model"], "two", "the retry did not act again");
    let other = alice.post_with(&path, &key, json!({"model": "three"})).await;
    assert_eq!((other.status, other.code()), (409, "idempotency_key_conflict"));
    house.close().await;
}

#[actix_web::test]
async fn a_session_can_be_made_with_a_lock_and_a_copy_keeps_it() {
    let (house, lab) = with_lab("").await;
    let alice = house.alice().await;
    let label = create(&alice, json!({"model": "anything"})).await;
    assert_eq!(say(&alice, &label, "x").await.status, 200);
    let open = create(&alice, json!({"model": "x", "provider": "nope", "require_model_lock": false})).await;
    for session in [&label, &open] {
        assert_eq!(shown(&alice, session).await["model_lock"], Value::Null);
    }
    assert_eq!(model(&house.upstream), "scripted", "a bare model is a label");

    let by_provider = create(&alice, json!({"model": "large", "provider": "lab"})).await;
    let required = create(&alice, json!({"model": "think", "require_model_lock": true})).await;
    let copy = alice.post(&format!("/api/sessions/{required}/fork"), json!({})).await.body;
    let copy = copy["session"]["id"].as_str().unwrap().to_owned();
    for session in [&by_provider, &required, &copy] {
        let asked = lab.requests().len();
        assert_eq!(say(&alice, session, "x").await.status, 200);
        assert_eq!((lab.requests().len(), model(&lab)), (asked + 1, json!("large")), "{session}");
    }

    for (body, status, code) in [
        (json!({"require_model_lock": true}), 400, "missing_model"),
        (json!({"require_model_lock": "perhaps", "model": "x"}), 400, "invalid_request"),
        (json!({"provider": "nope", "model": "x"}), 409, "model_lock_unavailable"),
        (
            json!({"provider": "lab", "model": "nope", "require_model_lock": true}),
            409,
            "model_lock_unavailable",
        ),
    ] {
        let mut body = body;
        body["id"] = json!("refused");
        let reply = alice.post("/api/sessions", body.clone()).await;
        assert_eq!((reply.status, reply.code()), (status, code), "{body}: {}", reply.text);
    }
    assert_eq!(alice.get("/api/sessions/refused").await.status, 404);
    house.close().await;
}
