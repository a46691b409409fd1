//! What model calls cost: the same sums wherever they are told.

use crate::support::{Client, House, Plan, Upstream};
use hermes_gateway::actors::{Rights, Scope};
use serde_json::{Value, json};

async fn total(client: &Client, query: &str) -> Value {
    let reply = client.get(&format!("/api/usage{query}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.body["total"].clone()
}

/// Input and output of a `usage` in either spelling.
fn tokens(usage: &Value) -> (u64, u64) {
    let of = |names: [&str; 2]| names.iter().find_map(|name| usage[name].as_u64()).unwrap();
    (of(["input_tokens", "prompt_tokens"]), of(["output_tokens", "completion_tokens"]))
}

#[actix_web::test]
async fn every_surface_tells_what_the_ledger_has() {
    let house = House::open().await;
    let alice = house.alice().await;
    let call = r#"@@loop 2 terminal {"command":"echo hi"}"#;
    let mut seen = Vec::new();
    seen.push(tokens(&alice.chat(call).await.body["usage"]));
    seen.push(tokens(&alice.post("/v1/responses", json!({"input": call})).await.body["usage"]));
    let run = alice.run(call).await;
    seen.push(tokens(&alice.finished(&run).await["usage"]));
    alice.post("/api/sessions", json!({"id": "s"})).await;
    seen.push(tokens(&alice.post("/api/sessions/s/chat", json!({"input": call})).await.body["usage"]));
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    let session = &alice.get("/api/sessions/s").await.body["session"];
    assert_eq!(
        (session["input_tokens"].as_u64(), session["output_tokens"].as_u64()),
        (Some(seen[0].0), Some(seen[0].1))
    );
    let all = total(&alice, "").await;
    assert_eq!(tokens(&all), (4 * seen[0].0, 4 * seen[0].1));
    assert_eq!((&all["calls"], &all["failed_calls"]), (&json!(12), &json!(0)));
    let by_session = alice.get("/api/usage?by=session").await.body;
    let row = by_session["data"].as_array().unwrap().iter().find(|row| row["session_id"] == "s").unwrap();
    assert_eq!(tokens(row), seen[0]);
    house.close().await;
}

#[actix_web::test]
async fn a_session_tells_what_it_cost_with_its_children_as_the_ledger_does() {
    let house = House::with(Plan::config("  prices: {input: 2, cached: 0.5, output: 10}\n")).await;
    let alice = house.alice().await;
    let child = json!({"goal": r#"@@tool terminal {"command":"echo hi"}"#});
    let mut told = Vec::new();
    for said in ["hello".to_owned(), format!("@@tool delegate_task {child}")] {
        let run = alice.run_with(json!({"input": said, "session_id": "s"})).await;
        alice.finished(&run).await;
        let session = alice.get("/api/sessions/s").await.body["session"].clone();
        let (cost, sum) = (&session["estimated_cost_usd"], &total(&alice, "").await["cost_usd"]);
        assert!(cost.as_f64() > Some(0.0) && cost == sum, "{said}: {cost} {sum}");
        assert_eq!(session["actual_cost_usd"], Value::Null, "no provider has sent its bill");
        told.push(cost.as_f64());
    }
    assert!(told[0] < told[1], "{told:?}");
    house.close().await;
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run_with(json!({"input": "hello", "session_id": "s"})).await;
    alice.finished(&run).await;
    let session = alice.get("/api/sessions/s").await.body["session"].clone();
    assert_eq!(session["estimated_cost_usd"], Value::Null, "without prices nobody knows");
    house.close().await;
}

#[actix_web::test]
async fn failed_turns_and_failed_attempts_are_in_it_too() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    for said in ["@@nothing 99", "@@length", "@@loop 9 teleport {}", "@@status 400", "@@flaky 1 503"] {
        alice.chat(said).await;
    }
    let runs = alice.get("/v1/runs").await.body;
    let paid: u64 = runs["data"].as_array().unwrap().iter().map(|run| tokens(&run["usage"]).0).sum();
    let asked = house.upstream.requests().len() as u64;
    let all = total(&alice, "").await;
    assert_eq!(
        (tokens(&all).0, all["calls"].as_u64(), all["failed_calls"].as_u64()),
        (paid, Some(asked), Some(2))
    );
    house.stop(std::time::Duration::from_secs(5)).await;
    house.start().await;
    assert_eq!(total(&house.alice().await, "").await, all, "a restart forgets nothing");
    house.close().await;
}

#[actix_web::test]
async fn sums_are_told_apart_by_day_key_and_model_with_their_cost() {
    let spare = Upstream::start().await;
    let config = format!(
        "  prices: {{input: 2, cached: 0.5, output: 10}}\nfallback_providers:\n  - {{provider: second, model: spare, base_url: '{}'}}\n",
        spare.url()
    );
    let house = House::with(Plan::config(&config)).await;
    let alice = house.alice().await;
    let other = house.holder("alice", Rights::of(&[Scope::Chat, Scope::Read])).await;
    alice.chat("@@usage 30 1").await;
    other.chat("@@only scripted status 401").await;

    let by_model = alice.get("/api/usage?by=model").await.body;
    let rows = by_model["data"].as_array().unwrap();
    let of = |model: &str| rows.iter().find(|row| row["model"] == model).unwrap();
    let own = of("scripted");
    assert_eq!(
        (&own["provider"], &own["calls"], &own["failed_calls"]),
        (&json!("custom"), &json!(2), &json!(1))
    );
    let (input, output) = tokens(own);
    let [input, output] = [input, output].map(|tokens| f64::from(u32::try_from(tokens).unwrap()));
    let expected = ((input - 30.0) * 2.0 + 30.0 * 0.5 + output * 10.0) / 1e6;
    assert!((own["cost_usd"].as_f64().unwrap() - expected).abs() < 1e-9, "{own} {expected}");
    assert_eq!((&own["cached_tokens"], &own["reasoning_tokens"]), (&json!(30), &json!(1)));
    assert_eq!((&of("spare")["provider"], &of("spare")["cost_usd"]), (&json!("second"), &Value::Null));

    let by_key = alice.get("/api/usage?by=key&limit=1").await.body;
    assert_eq!((by_key["data"].as_array().unwrap().len(), &by_key["has_more"]), (1, &json!(true)));
    let rest = alice.get("/api/usage?by=key&limit=1&offset=1").await.body;
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["has_more"]), (1, &json!(false)));
    assert_ne!(rest["data"][0]["key_id"], by_key["data"][0]["key_id"]);

    let today = alice.get("/api/usage").await.body["data"][0]["day"].as_str().unwrap().to_owned();
    assert_eq!(total(&alice, &format!("?from={today}&to={today}")).await["calls"], 3);
    assert_eq!(total(&alice, "?from=2001-01-01&to=2001-12-31").await["calls"], 0);
    house.close().await;
}

#[actix_web::test]
async fn the_ledger_is_each_profiles_own_and_asks_for_the_right_to_read() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    alice.chat("hello").await;
    assert_eq!(total(&bob, "").await["calls"], 0);
    let intruder = bob.with_key(alice.key.as_deref());
    assert_eq!(intruder.get("/api/usage").await.status, 401);
    let chatter = house.holder("alice", Rights::of(&[Scope::Chat])).await;
    assert_eq!(chatter.get("/api/usage").await.status, 403);
    for (query, param) in [
        ("by=weather", "by"),
        ("from=yesterday", "from"),
        ("to=-1", "to"),
        ("from=9e99", "from"),
        ("limit=0", "limit"),
        ("limit=1000000", "limit"),
        ("offset=-1", "offset"),
        ("from=2026-01-02&to=2026-01-01", "from"),
        ("from=99999-01-01", "from"),
    ] {
        let reply = alice.get(&format!("/api/usage?{query}")).await;
        assert_eq!(
            (reply.status, &reply.body["error"]["param"]),
            (400, &json!(param)),
            "{query}: {}",
            reply.text
        );
    }
    house.close().await;
}

#[actix_web::test]
async fn what_children_and_looks_at_images_cost_is_the_turns_own_and_counts_once() {
    let house = House::open().await;
    let alice = house.alice().await;
    let folder = house.profile_dir("alice").join("workspace");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("cat.png"), b"\x89PNG\r\n\x1a\n\0image").unwrap();
    let look = json!({"image_url": "cat.png", "question": "What is it?"});
    let child = json!({"goal": r#"@@tool terminal {"command":"echo hi"}"#});
    let mut paid = 0;
    for call in [format!("vision_analyze {look}"), format!("delegate_task {child}")] {
        let run = alice.run(&format!("@@tool {call}")).await;
        let record = alice.finished(&run).await;
        paid += tokens(&record["usage"]).0;
        assert_eq!(tokens(&total(&alice, "").await).0, paid, "{call}: {record}");
        let by_session = alice.get("/api/usage?by=session").await.body;
        let own = by_session["data"].as_array().unwrap().iter();
        let own: Vec<&Value> = own.filter(|row| row["session_id"] == record["session_id"]).collect();
        assert_eq!(tokens(own[0]), tokens(&record["usage"]), "{call}: {by_session}");
    }
    assert_eq!(house.upstream.requests().len() as u64, total(&alice, "").await["calls"].as_u64().unwrap());
    let by_kind = alice.get("/api/usage?by=kind").await.body;
    let rows = by_kind["data"].as_array().unwrap();
    let calls = |kind: &str| rows.iter().find(|row| row["kind"] == kind).map(|row| row["calls"].clone());
    assert_eq!(["main", "child", "vision"].map(calls), [Some(json!(4)), Some(json!(2)), Some(json!(1))]);
    assert_eq!(by_kind["total"], total(&alice, "").await);
    house.close().await;
}

#[actix_web::test]
async fn a_stopped_turn_keeps_what_it_spent() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run(r#"@@tool terminal {"command":"sleep 60"}"#).await;
    let mut events = alice.events(&run, None).await;
    events.until("tool.started").await;
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    let last = events.rest().await.pop().unwrap().json();
    assert_eq!((&last["event"], tokens(&last["usage"]).0), (&json!("run.cancelled"), 50));
    assert_eq!(tokens(&total(&alice, "").await).0, 50);
    house.close().await;
}
