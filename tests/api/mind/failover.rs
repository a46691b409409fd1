//! What is tried when a model call fails: again, another key, without a member, another provider.

use crate::support::{Client, House, Plan, Upstream, ask};
use serde_json::{Value, json};

/// A house whose profiles may ask a second upstream, under the model name `spare`.
async fn with_spare(more: &str) -> (House, Upstream) {
    let spare = Upstream::start().await;
    let config = format!(
        "fallback_providers:\n  - provider: second\n    model: spare\n    base_url: {}\n    api_key: sk-spare-7c1d9e\n{more}",
        spare.url()
    );
    (House::with(Plan::config(&config)).await, spare)
}

/// The record of a run, and what was tried in it: action and error code.
async fn tried(alice: &Client, input: &str) -> (Value, Vec<(String, String)>) {
    let run = alice.run(input).await;
    let events = alice.events(&run, None).await.rest().await;
    let retries = events.iter().filter(|event| event.kind() == "run.retrying").map(|event| {
        let event = event.json();
        (event["action"].as_str().unwrap().to_owned(), event["error_code"].as_str().unwrap().to_owned())
    });
    let retries = retries.collect();
    (alice.get(&format!("/v1/runs/{run}")).await.body, retries)
}

fn pair(action: &str, code: &str) -> (String, String) {
    (action.to_owned(), code.to_owned())
}

#[actix_web::test]
async fn a_passing_failure_is_tried_again_and_the_run_says_so() {
    let house = House::open().await;
    let (record, retries) = tried(&house.alice().await, "@@flaky 1 503").await;
    assert_eq!((&record["status"], retries), (&json!("completed"), vec![pair("retry", "upstream_error")]));
    assert_eq!(house.upstream.requests().len(), 2);
    house.close().await;
}

#[actix_web::test]
async fn another_provider_answers_when_the_first_cannot() {
    let (house, spare) = with_spare("").await;
    let alice = house.alice().await;
    let cases = [
        ("@@only scripted status 401", "upstream_error"),
        ("@@only scripted status 402", "upstream_error"),
        ("@@only scripted status 404", "upstream_error"),
        ("@@only scripted garbage", "upstream_error"),
        ("@@only scripted nothing 99", "upstream_error"),
        ("@@only scripted filtered", "upstream_error"),
        ("@@only scripted status 403", "upstream_error"),
        ("@@only scripted status 503 3600", "upstream_error"),
    ];
    for (case, (said, code)) in cases.into_iter().enumerate() {
        let (record, retries) = tried(&alice, said).await;
        assert_eq!(record["output"], "From another one.", "{said}: {record}");
        assert_eq!(retries, [pair("fall_back", code)], "{said}");
        assert_eq!(spare.requests().len(), case + 1, "{said}");
    }
    assert!(spare.keys().iter().all(|key| key.as_deref() == Some("Bearer sk-spare-7c1d9e")));
    assert!(
        house.upstream.keys().iter().all(|key| key.as_deref() == Some("Bearer sk-test")),
        "keys stay home"
    );
    assert_eq!(spare.requests()[0]["model"], "spare");
    house.close().await;
}

#[actix_web::test]
async fn an_upstream_that_had_enough_is_not_waited_for_and_left_alone() {
    let (house, spare) = with_spare("").await;
    let alice = house.alice().await;
    let begun = std::time::Instant::now();
    let (record, retries) = tried(&alice, "@@only scripted status 429 30").await;
    assert_eq!(record["output"], "From another one.");
    assert_eq!(retries, [pair("fall_back", "upstream_rate_limited")]);
    assert!(begun.elapsed().as_secs() < 25, "nobody waited for it");
    let (record, retries) = tried(&alice, "hello").await;
    assert_eq!(record["output"], "You said: hello");
    assert_eq!(retries, [pair("fall_back", "upstream_rate_limited")]);
    assert_eq!((house.upstream.requests().len(), spare.requests().len()), (1, 2));
    let (record, _) = tried(&house.bob().await, "hello").await;
    assert_eq!(record["output"], "You said: hello", "bob has an upstream of his own");
    assert_eq!(house.upstream.requests().len(), 2, "nothing of it is shared between profiles");
    house.close().await;
}

#[actix_web::test]
async fn a_turn_goes_on_with_another_provider_where_the_first_left_it() {
    let (house, spare) = with_spare("").await;
    let alice = house.alice().await;
    let call = r#"@@tool terminal {"command":"echo once >> count; cat count"}"#;
    // The first call is answered; of the second the first upstream knows nothing any more.
    let run = alice.run_with(json!({"input": call, "session_id": "s"})).await;
    alice.finished(&run).await;
    let before = house.upstream.requests().len();
    let run = alice.run_with(json!({"input": "@@only scripted status 401", "session_id": "s"})).await;
    let record = alice.finished(&run).await;
    assert_eq!(record["output"], "From another one.");
    assert_eq!(house.upstream.requests().len(), before + 1);
    let heard = spare.requests().pop().unwrap();
    let roles: Vec<&str> =
        heard["messages"].as_array().unwrap().iter().filter_map(|said| said["role"].as_str()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "assistant", "user"], "all of it");
    house.close().await;
}

#[actix_web::test]
async fn nothing_is_tried_after_the_first_word_or_instead_of_a_chosen_model() {
    let (house, spare) = with_spare("direct_model_requests: true\n").await;
    let alice = house.alice().await;
    for (said, text) in [("drop 2", "tok0 tok1 "), ("filtered Half", "Half")] {
        let (record, retries) = tried(&alice, &format!("@@only scripted {said}")).await;
        assert_eq!((&record["status"], &record["partial_output"]), (&json!("failed"), &json!(text)));
        assert_eq!(retries, []);
    }
    let mut body = ask("@@only other status 401", false);
    body["model"] = json!("other");
    let reply = alice.post("/v1/chat/completions", body).await;
    assert_eq!((reply.status, reply.code()), (502, "upstream_error"), "{}", reply.text);
    assert_eq!(spare.requests().len(), 0);
    house.close().await;
}

#[actix_web::test]
async fn when_nobody_answers_the_last_failure_is_told() {
    let (house, spare) = with_spare("").await;
    let reply = house.alice().await.chat("@@status 401").await;
    assert_eq!((reply.status, reply.code()), (502, "upstream_error"), "{}", reply.text);
    assert_eq!((house.upstream.requests().len(), spare.requests().len()), (1, 1));
    house.close().await;
}

#[actix_web::test]
async fn a_refused_key_rests_and_the_next_one_is_used() {
    let plan = Plan::config("  api_keys: [sk-second-5a5a, sk-third-6b6b]\n");
    let house = House::with(plan).await;
    let alice = house.alice().await;
    let (record, retries) = tried(&alice, "@@for-key sk-third-6b6b").await;
    assert_eq!(record["status"], "completed", "{record}");
    assert_eq!(retries, vec![pair("rotate_key", "upstream_error"); 2]);
    let (_, retries) = tried(&alice, "@@for-key sk-third-6b6b").await;
    assert_eq!(retries, [], "the refused ones rest");
    let (record, _) = tried(&alice, "@@spell it is sk-second-5a5a").await;
    assert!(!record.to_string().contains("sk-second-5a5a"), "every key is a secret: {record}");
    house.close().await;
}

#[actix_web::test]
async fn keys_are_taken_in_turns_where_that_is_set() {
    let plan =
        Plan::config("  api_keys: [sk-second-5a5a]\ncredential_pool_strategies:\n  custom: round_robin\n");
    let house = House::with(plan).await;
    let alice = house.alice().await;
    for _ in 0..4 {
        alice.chat("hello").await;
    }
    let keys: Vec<_> = house.upstream.keys().into_iter().flatten().collect();
    let (one, two) = ("Bearer sk-test".to_owned(), "Bearer sk-second-5a5a".to_owned());
    assert_eq!(keys, [one.clone(), two.clone(), one, two]);
    house.close().await;
}

#[actix_web::test]
async fn a_member_that_the_model_does_not_take_is_left_out_unless_it_matters() {
    let house = House::open().await;
    let alice = house.alice().await;
    let mut body = ask("@@without temperature", false);
    (body["temperature"], body["top_p"]) = (json!(0.5), json!(0.9));
    let reply = alice.post("/v1/chat/completions", body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let asked = house.upstream.requests();
    let members: Vec<(bool, bool)> =
        asked.iter().map(|body| (body.get("temperature").is_some(), body.get("top_p").is_some())).collect();
    assert_eq!(members, [(true, true), (false, true)]);

    let mut body = ask("@@without response_format", false);
    body["response_format"] = json!({"type": "json_object"});
    let reply = alice.post("/v1/chat/completions", body).await;
    assert_eq!(reply.status, 502, "an answer in another form is none: {}", reply.text);
    house.close().await;
}

#[actix_web::test]
async fn every_stream_of_a_turn_that_fell_back_holds_to_its_contract() {
    let (house, _spare) = with_spare("").await;
    let alice = house.alice().await;
    let said = "@@only scripted status 401";
    let frames = alice.chat_stream(said).await.rest().await;
    assert!(frames.iter().all(|frame| frame.event.is_none()), "a chat stream has no such event");
    let body = json!({"input": said, "stream": true});
    let frames = alice.stream(awc::http::Method::POST, "/v1/responses", &[], Some(body)).await.rest().await;
    assert_eq!(frames.last().unwrap().json()["type"], "response.completed");
    alice.post("/api/sessions", json!({"id": "s"})).await;
    let frames = alice
        .stream(awc::http::Method::POST, "/api/sessions/s/chat/stream", &[], Some(json!({"input": said})))
        .await
        .rest()
        .await;
    let names: Vec<&str> = frames.iter().filter_map(|frame| frame.event.as_deref()).collect();
    assert!(names.contains(&"run.retrying") && names.contains(&"run.completed"), "{names:?}");
    house.close().await;
}
