//! Which model answers: routes, providers, bare names, and what clients can learn of them.

use crate::support::{Client, House, Plan, Upstream, ask};
use serde_json::{Value, json};

/// alice and bob with a second upstream, `lab`.
pub async fn with_lab(extra: &str) -> (House, Upstream) {
    let lab = Upstream::start().await;
    let config = format!(
        "providers:\n  lab:\n    base_url: {}\n    api_key: sk-lab\n    models: [small, large]\n    options: {{top_p: 0.5, seed: 1}}\n\
         gateway:\n  api_server:\n    model_routes:\n      fast: scripted-fast\n      think: {{provider: lab, model: large, options: {{seed: 2}}}}\n\
         {extra}",
        lab.url()
    );
    (House::with(Plan::config(&config)).await, lab)
}

/// A chat with these members beside its one message.
async fn chat(alice: &Client, members: Value) -> crate::support::Reply {
    alice.post("/v1/chat/completions", with(ask("hello", false), members)).await
}

fn with(mut body: Value, members: Value) -> Value {
    let Value::Object(members) = members else { panic!("no object") };
    body.as_object_mut().unwrap().extend(members);
    body
}

/// The model of the newest request that reached an upstream.
pub fn model(upstream: &Upstream) -> Value {
    upstream.requests().pop().map(|request| request["model"].clone()).unwrap_or_default()
}

#[actix_web::test]
async fn fault_10_a_chat_chooses_by_route_then_provider_and_the_model_is_echoed() {
    let (house, lab) = with_lab("").await;
    let alice = house.alice().await;
    // What the client says, and the model that each upstream was last asked for.
    let cases = [
        (json!({"model": "gpt-4o"}), "scripted", None),
        (json!({"model": "fast"}), "scripted-fast", None),
        (json!({"model": "think"}), "scripted-fast", Some("large")),
        (json!({"model": "alice", "provider": "lab"}), "scripted-fast", Some("small")),
        (json!({"model": "large", "provider": "LAB"}), "scripted-fast", Some("large")),
        (json!({"model": "other", "provider": "custom"}), "other", Some("large")),
    ];
    for (members, own, other) in cases {
        let reply = chat(&alice, members.clone()).await;
        assert_eq!((reply.status, &reply.body["model"]), (200, &members["model"]), "{}", reply.text);
        assert_eq!(model(&house.upstream), own, "{members}");
        assert_eq!(model(&lab).as_str(), other, "{members}");
    }
    assert!(
        lab.keys().iter().all(|key| key.as_deref() == Some("Bearer sk-lab")),
        "each upstream has its own key"
    );
    assert!(house.upstream.keys().iter().all(|key| key.as_deref() == Some("Bearer sk-test")));
    house.close().await;
}

#[actix_web::test]
async fn options_count_from_the_request_down_to_the_provider() {
    let (house, lab) = with_lab("").await;
    let alice = house.alice().await;
    let members = ["top_p", "seed", "reasoning_effort", "service_tier"];
    let cases = [
        (json!({"model": "small", "provider": "lab"}), json!([0.5, 1, null, null])),
        (json!({"model": "think"}), json!([0.5, 2, null, null])),
        (json!({"model": "think", "seed": 3, "top_p": 1}), json!([1, 3, null, null])),
        (
            json!({"model": "think", "model_options": {"reasoning": {"effort": "high"}, "fast": true}}),
            json!([0.5, 2, "high", "priority"]),
        ),
        (
            json!({"model": "think", "reasoning_effort": "low", "model_options": {"reasoning_effort": "high"}}),
            json!([0.5, 2, "low", null]),
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(chat(&alice, request.clone()).await.status, 200, "{request}");
        let sent = lab.requests().pop().unwrap();
        assert_eq!(json!(members.map(|name| sent[name].clone())), expected, "{request}");
    }
    house.close().await;
}

#[actix_web::test]
async fn a_bare_model_counts_on_runs_and_where_it_is_switched_on() {
    let (house, _lab) = with_lab("direct_model_requests: true\n").await;
    let alice = house.alice().await;
    assert_eq!(chat(&alice, json!({"model": "gpt-9"})).await.body["model"], "gpt-9");
    assert_eq!(model(&house.upstream), "gpt-9");
    assert_eq!(chat(&alice, json!({"model": "hermes-agent"})).await.status, 200);
    assert_eq!(model(&house.upstream), "scripted", "the agent's name is no model");
    house.close().await;

    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run_with(json!({"input": "hi", "model": "gpt-8"})).await;
    assert_eq!(alice.finished(&run).await["model"], "gpt-8");
    assert_eq!(model(&house.upstream), "gpt-8");
    house.close().await;
}

#[actix_web::test]
async fn wishes_that_cannot_be_met_reach_no_upstream() {
    let (house, lab) = with_lab("").await;
    let alice = house.alice().await;
    let long = "x".repeat(100_000);
    let cases = [
        (json!({"provider": "nope"}), 400, "provider"),
        (json!({"provider": long}), 400, "provider"),
        (json!({"provider": 5}), 400, "provider"),
        (json!({"provider": "lab", "model": "fast"}), 400, "provider"),
        (json!({"provider": "lab", "model": long}), 404, "model"),
        (
            json!({"model_options": {"reasoning": {"effort": "enormous"}}}),
            400,
            "model_options.reasoning.effort",
        ),
    ];
    for (members, status, param) in cases {
        for reply in [
            chat(&alice, members.clone()).await,
            alice.post("/v1/runs", with(json!({"input": "x"}), members.clone())).await,
        ] {
            assert_eq!(
                (reply.status, &reply.body["error"]["param"]),
                (status, &json!(param)),
                "{}",
                reply.text
            );
            assert!(reply.text.len() < 2_000, "what was sent is not sent back");
        }
    }
    assert_eq!((house.upstream.requests().len(), lab.requests().len()), (0, 0));
    house.close().await;
}

#[actix_web::test]
async fn what_can_be_chosen_is_listed_and_nothing_secret() {
    let (house, _lab) = with_lab("direct_model_requests: true\n").await;
    let alice = house.alice().await;
    let list = alice.get("/v1/models").await.body;
    let rows: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|row| (&row["id"], &row["root"])).collect();
    let expected =
        [("alice", "alice"), ("fast", "scripted-fast"), ("think", "large"), ("scripted", "scripted")];
    assert_eq!(format!("{rows:?}"), format!("{:?}", expected.map(|(id, root)| (json!(id), json!(root)))));
    for row in list["data"].as_array().unwrap() {
        let one = alice.get(&format!("/v1/models/{}", row["id"].as_str().unwrap())).await;
        assert_eq!((one.status, &one.body), (200, row));
        assert_eq!(row["parent"].is_null(), row["id"] == "alice");
    }
    assert_eq!(alice.get("/v1/models/nope").await.code(), "model_not_found");

    let options = alice.get("/api/model/options?refresh=1").await;
    assert_eq!((&options.body["provider"], &options.body["model"]), (&json!("custom"), &json!("scripted")));
    let lab = &options.body["providers"][1];
    assert_eq!(
        (&lab["slug"], &lab["models"], &lab["is_current"]),
        (&json!("lab"), &json!(["small", "large"]), &json!(false))
    );
    assert_eq!(options.body["routes"][1], json!({"id": "think", "provider": "lab", "model": "large"}));
    for secret in ["sk-lab", "sk-test", "127.0.0.1"] {
        assert!(!options.text.contains(secret), "{}", options.text);
    }
    assert_eq!(alice.with_key(None).get("/api/model/options").await.status, 401);
    house.close().await;
}

#[actix_web::test]
async fn a_choice_is_one_profiles_own() {
    let (house, lab) = with_lab("").await;
    let bob = house.bob().await;
    std::fs::write(
        house.profile_dir("bob").join("config.yaml"),
        format!("model:\n  default: scripted\n  provider: custom\n  base_url: {}\n", house.upstream.url()),
    )
    .unwrap();
    let mut house = house;
    house.stop(std::time::Duration::ZERO).await;
    house.start().await;
    let bob = Client::new(house.base("bob").await, bob.key);
    let refused = chat(&bob, json!({"provider": "lab"})).await;
    assert_eq!((refused.status, &refused.body["error"]["param"]), (400, &json!("provider")));
    assert_eq!(chat(&bob, json!({"model": "think"})).await.status, 200, "to bob it is only a word");
    assert_eq!((lab.requests().len(), model(&house.upstream)), (0, json!("scripted")));
    house.close().await;
}

#[actix_web::test]
async fn a_choice_outlives_a_restart() {
    let (mut house, lab) = with_lab("").await;
    let alice = house.alice().await;
    let call = r#"@@tool terminal {"command":"rm -rf ./none"}"#;
    let run = alice.run_with(json!({"input": call, "model": "think"})).await;
    alice.events(&run, None).await.until("approval.request").await;
    house.stop(std::time::Duration::ZERO).await;
    house.start().await;

    let alice = house.alice().await;
    let answer = alice.post(&format!("/v1/runs/{run}/approval"), json!({"choice": "deny"})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(alice.finished(&run).await["status"], "completed");
    let asked: Vec<_> =
        lab.requests().iter().map(|request| (request["model"].clone(), request["seed"].clone())).collect();
    assert_eq!(asked, [(json!("large"), json!(2)), (json!("large"), json!(2))], "before it and after it");
    assert_eq!(house.upstream.requests().len(), 0);
    house.close().await;
}
