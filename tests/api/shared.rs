//! `/p/<profile>/…` on the home's own port: one address for all, and the same wall between them.

use crate::support::{Client, House, Plan, Reply, contract, within};
use awc::http::Method;
use futures_util::future::join_all;
use hermes_gateway::{domain::ProfileName, gateway::Action};
use serde_json::json;
use std::time::{Duration, Instant};

const ORIGIN: &str = "https://app.example";

/// A house whose home listens too, with the profiles on different threads.
async fn house() -> House {
    let home_env = "API_SERVER_KEY=home-key-0123456789abcdef\nAPI_SERVER_PORT=0\n".to_owned();
    let home_config = "agent:\n  restart_drain_timeout: 0s\n".to_owned();
    House::with(Plan { home_env, home_config, more_workers: 2, ..Plan::default() }).await
}

/// A client of the home's port below `/p/<profile>`, with that profile's key.
async fn through(house: &House, profile: &str) -> Client {
    let key = format!("{profile}-key-0123456789abcdef");
    Client::new(format!("{}/p/{profile}", house.base("default").await), Some(key))
}

fn without_date(reply: &Reply) -> Vec<(String, String)> {
    let shown = reply.headers.iter().filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    let mut shown: Vec<_> =
        shown.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    shown.sort();
    shown
}

#[actix_web::test]
async fn each_profile_answers_through_the_homes_port_with_its_own_key() {
    let house = house().await;
    for name in ["alice", "bob", "default"] {
        let client = match name {
            "default" => through(&house, name).await.with_key(Some("home-key-0123456789abcdef")),
            _ => through(&house, name).await,
        };
        assert_eq!(client.get("/health").await.status, 200, "{name}");
        let model = client.get("/v1/models").await.body["data"][0]["id"].clone();
        assert_eq!(model, if name == "default" { "hermes-agent" } else { name });
        let run = client.run("hello").await;
        let record = client.finished(&run).await;
        assert_eq!(record["status"], "completed", "{name}: {record}");
        let frames = client.chat_stream("@@stream 3 1").await.rest().await;
        assert_eq!(frames.last().unwrap().data.as_deref(), Some("[DONE]"), "{name}");
        if name != "default" {
            // It is the same profile, whichever way one comes in.
            let own = house.client(name).await.get(&format!("/v1/runs/{run}")).await;
            assert_eq!((own.status, &own.body), (200, &record));
        }
    }
    house.close().await;
}

#[actix_web::test]
async fn an_approval_a_stop_and_a_lost_reader_work_across_threads() {
    let house = house().await;
    let alice = through(&house, "alice").await;
    let run = alice.run(&format!("@@tool terminal {}", json!({"command": "rm -rf build"}))).await;
    let mut events = alice.events(&run, None).await;
    let asked = events.until("approval.request").await.json();
    let answer = format!("/v1/approvals/{}", asked["approval_id"].as_str().unwrap());
    assert_eq!(alice.post(&answer, json!({"choice": "deny"})).await.status, 200);
    assert_eq!(events.rest().await.pop().unwrap().kind(), "run.completed");

    let run = alice.run("@@gate on").await;
    let mut events = alice.events(&run, None).await;
    events.until("message.delta").await;
    assert_eq!(alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await.status, 200);
    assert_eq!(events.rest().await.pop().unwrap().kind(), "run.cancelled");

    let mut chat = alice.chat_stream("@@gate on").await;
    let run = chat.headers.get("x-hermes-run-id").unwrap().to_str().unwrap().to_owned();
    chat.data().await;
    drop(chat);
    // Asked, not followed: whoever follows it is a reader again.
    let path = format!("/v1/runs/{run}");
    within(async {
        while alice.get(&path).await.body["status"] != "cancelled" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    house.close().await;
}

#[actix_web::test]
async fn fault_44_no_key_opens_another_profile_and_none_tells_who_is_there() {
    let house = house().await;
    let (alice, own) = (through(&house, "alice").await, house.alice().await);
    let run = own.run("hello").await;
    own.finished(&run).await;
    let nobody = through(&house, "nobody").await;
    let keys = [
        None,
        Some("bob-key-0123456789abcdef"),
        Some("home-key-0123456789abcdef"),
        Some("hk_00000000_0000000000000000000000000000000000000000"),
    ];
    for key in keys {
        let (known, unknown) = (alice.with_key(key), nobody.with_key(key));
        // All at once: each refusal takes its time.
        join_all(contract::operations().map(async |(name, template, _)| {
            let path = template.replace("{run_id}", &run);
            let body = (name == "POST" || name == "PATCH").then(|| b"{}".to_vec());
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            let page = [("Origin", ORIGIN)];
            let (known, unknown) = futures_util::join!(
                known.send(method.clone(), &path, &page, body.clone()),
                unknown.send(method, &path, &page, body)
            );
            let case = format!("{name} {path} with {key:?}");
            assert_eq!((known.status, known.code()), (401, "invalid_api_key"), "{case}: {}", known.text);
            assert_eq!((known.status, &known.text), (unknown.status, &unknown.text), "{case}");
            assert_eq!(without_date(&known), without_date(&unknown), "{case}");
        }))
        .await;
    }
    for path in ["/nope", "/v1/nope", "", "/", "/p/alice/v1/models"] {
        let known = alice.with_key(None).get(path).await;
        assert_eq!((known.status, &known.text), (401, &nobody.get(path).await.text), "{path}");
    }
    let names =
        ["..", "%2e%2e", "ALICE", "alice%00", "a b", "", "x".repeat(5_000).as_str()].map(str::to_owned);
    for name in names.iter().filter(|name| !name.contains(' ')) {
        let path = format!("{}/p/{name}/v1/models", house.base("default").await);
        let reply = Client::new(path, alice.key.clone()).get("").await;
        assert_eq!((reply.status, reply.code()), (401, "invalid_api_key"), "{name}");
    }
    house.close().await;
}

#[actix_web::test]
async fn a_wrong_key_takes_as_long_as_an_unknown_profile_also_when_a_store_has_to_be_opened() {
    let house = house().await;
    let key = "hk_00000000_0000000000000000000000000000000000000000";
    let mut times = Vec::new();
    for name in ["bob", "nobody", "bob", "nobody"] {
        let client = through(&house, name).await.with_key(Some(key));
        let begun = Instant::now();
        assert_eq!(client.get("/v1/models").await.status, 401);
        times.push(begun.elapsed());
    }
    let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert!(*least >= Duration::from_millis(250) && *most - *least < Duration::from_millis(150), "{times:?}");
    house.close().await;
}

#[actix_web::test]
async fn only_the_homes_port_is_shared() {
    let house = house().await;
    let alice = house.alice().await;
    let reply = alice.get("/p/alice/v1/models").await;
    assert_eq!((reply.status, reply.code()), (404, "not_found"), "{}", reply.text);
    let shared = through(&house, "alice").await;
    let missing = shared.get("/v1/nope").await;
    assert_eq!((missing.status, missing.code()), (404, "not_found"), "with the key one is told");
    let wrong = shared.delete("/v1/runs").await;
    assert_eq!((wrong.status, wrong.header("Allow")), (405, Some("GET, HEAD, POST")));
    let spelt = shared.get("//v1//v1/models").await;
    assert_eq!(spelt.status, 200, "{}", spelt.text);
    house.close().await;
}

#[actix_web::test]
async fn pages_are_judged_by_the_origins_of_the_profile_that_is_meant() {
    let mut house = house().await;
    let env = house.profile_dir("alice").join(".env");
    let text = std::fs::read_to_string(&env).unwrap();
    std::fs::write(&env, format!("{text}API_SERVER_CORS_ORIGINS={ORIGIN}\n")).unwrap();
    house.stop(Duration::ZERO).await;
    house.start().await;
    let (alice, bob) = (through(&house, "alice").await, through(&house, "bob").await);
    let page = [("Origin", ORIGIN)];
    let good = alice.send(Method::GET, "/v1/models", &page, None).await;
    assert_eq!((good.status, good.header("access-control-allow-origin")), (200, Some(ORIGIN)));
    let bad = bob.send(Method::GET, "/v1/models", &page, None).await;
    assert_eq!((bad.status, bad.code()), (403, "origin_not_allowed"), "{}", bad.text);
    let asks = [
        page[0],
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization"),
    ];
    for client in [&alice, &bob, &through(&house, "nobody").await] {
        let preflight = client.with_key(None).send(Method::OPTIONS, "/v1/runs", &asks, None).await;
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (200, Some(ORIGIN)));
        assert_eq!(preflight.header("access-control-allow-headers"), Some("authorization"));
        let refused = client.with_key(None).send(Method::GET, "/v1/models", &page, None).await;
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, Some(ORIGIN)));
    }
    house.close().await;
}

#[actix_web::test]
async fn a_profile_that_is_stopped_ends_its_streams_and_is_nobody_until_it_is_back() {
    let house = house().await;
    let (alice, bob) = (through(&house, "alice").await, through(&house, "bob").await);
    let run = alice.run("@@gate on").await;
    let mut events = alice.events(&run, None).await;
    events.until("message.delta").await;
    let name = ProfileName::parse("alice").unwrap();
    let (stopped, rest) = futures_util::join!(house.gateway().act(&name, Action::Stop), events.rest());
    assert!(stopped.is_ok(), "{stopped:?}");
    assert!(rest.last().is_none_or(|last| last.kind().starts_with("run.")), "{rest:?}");
    let gone = alice.get("/v1/models").await;
    assert_eq!(
        (gone.status, &gone.text),
        (401, &through(&house, "nobody").await.get("/v1/models").await.text)
    );
    assert_eq!(bob.get("/v1/models").await.status, 200);

    house.gateway().act(&name, Action::Start).await.unwrap();
    let record = alice.get(&format!("/v1/runs/{run}")).await;
    assert_eq!((record.status, &record.body["error_code"]), (200, &json!("interrupted")), "{}", record.text);
    house.close().await;
}

#[actix_web::test]
async fn a_profile_that_failed_says_so_to_its_own_key_alone() {
    let mut house = house().await;
    let run = house.alice().await.run("hello").await;
    house.alice().await.finished(&run).await;
    house.stop(Duration::ZERO).await;
    let db = house.profile_dir("alice").join("state/db/db");
    let length = std::fs::metadata(&db).unwrap().len();
    std::fs::File::options().write(true).open(&db).unwrap().set_len(length / 2).unwrap();
    house.start().await;
    let alice = through(&house, "alice").await;
    let failed = alice.get(&format!("/v1/runs/{run}")).await;
    assert_eq!((failed.status, failed.code()), (503, "profile_unavailable"), "{}", failed.text);
    let stranger = alice.with_key(Some("hk_00000000_00000000000000000000")).get("/v1/models").await;
    assert_eq!((stranger.status, stranger.code()), (401, "invalid_api_key"), "{}", stranger.text);
    assert_eq!(through(&house, "bob").await.get("/v1/models").await.status, 200);
    house.close().await;
}
