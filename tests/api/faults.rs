//! What goes wrong: bad input, bad upstreams, panics, damage. Each is answered by name and hurts nobody else.

use crate::support::{Frame, House, Plan, within};
use actix::{Handler, Message};
use futures_util::future::join_all;
use hermes_gateway::{
    actors::{ProfileActor, run::RunActor},
    domain::RunId,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

/// A message that the product does not have: it makes an actor panic.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Panic;

impl Handler<Panic> for ProfileActor {
    type Result = ();

    fn handle(&mut self, _: Panic, _ctx: &mut Self::Context) {
        panic!("a test asked for it");
    }
}

impl Handler<Panic> for RunActor {
    type Result = ();

    fn handle(&mut self, _: Panic, _ctx: &mut Self::Context) {
        panic!("a test asked for it");
    }
}

#[actix_web::test]
async fn an_upstream_that_fails_is_a_failed_turn_with_a_name() {
    let house = House::open().await;
    let alice = house.alice().await;
    let cases = [
        ("@@status 400", 502, "upstream_error"),
        ("@@status 401", 502, "upstream_error"),
        ("@@drop 3", 502, "upstream_error"),
        ("@@midstream-error", 502, "upstream_error"),
        ("@@garbage", 502, "upstream_error"),
        ("@@bigline", 502, "upstream_error"),
    ];
    for (directive, status, code) in cases {
        let reply = alice.chat(directive).await;
        assert_eq!((reply.status, reply.code()), (status, code), "{directive}: {}", reply.text);
        assert_eq!(reply.body["hermes"]["failed"], json!(true), "{directive}");
        assert!(reply.body["choices"].is_null(), "{directive}: an error is never an answer");
        assert!(reply.header("x-should-retry").is_some(), "{directive}");
        let partial = if reply.body["hermes"]["partial"] == true { "true" } else { "false" };
        let told = ["X-Hermes-Completed", "X-Hermes-Partial"].map(|name| reply.header(name));
        assert_eq!(told, [Some("false"), Some(partial)], "{directive}");
        assert_eq!(reply.header("X-Hermes-Error"), reply.body["error"]["message"].as_str(), "{directive}");
    }
    house.close().await;
}

#[actix_web::test]
async fn an_upstream_that_stays_away_or_is_busy_is_named_too() {
    // The first setting belongs to the section `model`, the last one of the profile's.
    let house = House::with(Plan::config(
        "  first_byte_timeout: 1\n  idle_timeout: 1\nagent:\n  api_max_retries: 1\n",
    ));
    let house = house.await;
    let alice = house.alice().await;
    let cases = [
        ("@@status 429 7", 429, "upstream_rate_limited", Some("7")),
        ("@@status 429", 429, "upstream_rate_limited", Some("8")),
        ("@@status 500", 502, "upstream_error", None),
        ("@@status 503", 502, "upstream_error", None),
        ("@@no-head", 504, "upstream_timeout", None),
        ("@@hang", 504, "upstream_timeout", None),
    ];
    for (directive, status, code, wait) in cases {
        let asked = house.upstream.requests().len();
        let reply = alice.chat(directive).await;
        assert_eq!((reply.status, reply.code()), (status, code), "{directive}: {}", reply.text);
        assert_eq!(house.upstream.requests().len(), asked + 1, "{directive}: one attempt, as configured");
        assert_eq!(reply.header("Retry-After"), wait, "{directive}");
        let run = alice.run(directive).await;
        let record = alice.finished(&run).await;
        assert_eq!(
            (&record["status"], &record["error_code"]),
            (&json!("failed"), &json!(code)),
            "{directive}"
        );
        let frames = alice.chat_stream(directive).await.rest().await;
        assert_eq!(frames.last().unwrap().data.as_deref(), Some("[DONE]"), "{directive}");
        assert_eq!(frames[frames.len() - 2].json()["error"]["code"], code, "{directive}");
    }
    house.close().await;
}

#[actix_web::test]
async fn a_stream_that_is_cut_keeps_its_text_and_ends_as_an_error() {
    let house = House::open().await;
    let frames = house.alice().await.chat_stream("@@drop 3").await.rest().await;
    let chunks: Vec<_> =
        frames.iter().filter(|frame| frame.data.as_deref() != Some("[DONE]")).map(Frame::json).collect();
    let text: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "tok0 tok1 tok2 ");
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "error");
    assert_eq!(
        (&last["error"]["code"], &last["hermes"]["partial"]),
        (&json!("upstream_error"), &json!(true))
    );
    house.close().await;
}

#[actix_web::test]
async fn a_silent_upstream_is_let_go_when_its_run_is_stopped_or_its_client_hangs_up() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run("@@hang").await;
    let events = alice.events(&run, None).await;
    house.upstream.asked(1).await;
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    assert_eq!(events.rest().await.pop().unwrap().kind(), "run.cancelled");
    house.upstream.hung_up(1).await;

    let chat = alice.chat_stream("@@hang").await;
    house.upstream.asked(2).await;
    drop(chat);
    house.upstream.hung_up(2).await;
    house.close().await;
}

#[actix_web::test]
async fn wrong_types_are_400_with_the_place() {
    let house = House::open().await;
    let alice = house.alice().await;
    let chat = "/v1/chat/completions";
    let user = json!([{"role": "user", "content": "x"}]);
    let cases = [
        (chat, json!([]), None),
        (chat, json!({"messages": "x"}), Some("messages")),
        (chat, json!({"messages": []}), Some("messages")),
        (chat, json!({"messages": [1]}), Some("messages[0]")),
        (chat, json!({"messages": [{"role": "nobody", "content": "x"}]}), Some("messages[0].role")),
        (chat, json!({"messages": [{"role": "user", "content": 5}]}), Some("messages[0].content")),
        (chat, json!({"messages": user, "temperature": "hot"}), Some("temperature")),
        (chat, json!({"messages": user, "n": 2}), Some("n")),
        (
            chat,
            json!({"messages": [{"role": "user", "content": [{"type": "file"}]}]}),
            Some("messages[0].content"),
        ),
        ("/v1/runs", json!({}), Some("input")),
        ("/v1/runs", json!({"input": 5}), Some("input")),
        ("/v1/runs", json!({"input": ["a"]}), None),
        ("/v1/runs", json!({"input": "x", "session_id": 5}), Some("session_id")),
        ("/v1/runs", json!({"input": "x", "instructions": 5}), Some("instructions")),
    ];
    for (path, body, param) in cases {
        let reply = alice.post(path, body.clone()).await;
        assert_eq!(reply.status, 400, "{body}: {}", reply.text);
        let error = &reply.body["error"];
        for member in ["message", "type", "param", "code"] {
            assert!(error.get(member).is_some(), "{body}: `{member}` is missing in {error}");
        }
        if let Some(param) = param {
            assert!(error["param"].as_str().unwrap_or("").starts_with(param), "{body}: {error}");
        }
    }
    assert!(house.upstream.requests().is_empty(), "nothing of this went on");
    house.close().await;
}

#[actix_web::test]
async fn json_that_is_deep_cut_or_huge_is_refused_by_name() {
    let house = House::open().await;
    let alice = house.alice().await;
    let deep = format!("{{\"messages\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let cases: [(&str, Vec<u8>, u16, &str); 5] = [
        ("deep", deep.into_bytes(), 400, "invalid_json"),
        ("cut", b"{\"messages\": [".to_vec(), 400, "invalid_json"),
        ("empty", Vec::new(), 400, "invalid_json"),
        ("not utf-8", vec![b'"', 0xff, b'"'], 400, "invalid_json"),
        ("huge", vec![b'a'; 10_000_001], 413, "body_too_large"),
    ];
    for path in ["/v1/chat/completions", "/v1/runs", "/v1/responses", "/api/sessions", "/api/memory"] {
        for (case, body, status, code) in cases.clone() {
            let reply = alice.send(awc::http::Method::POST, path, &[], Some(body)).await;
            assert_eq!((reply.status, reply.code()), (status, code), "{path}, {case}: {}", reply.text);
        }
    }
    assert!(house.upstream.requests().is_empty(), "nothing of this went on");
    house.close().await;
}

#[actix_web::test]
async fn routes_answer_404_405_and_head_in_one_shape() {
    let house = House::open().await;
    let alice = house.alice().await;
    let missing = alice.get("/v1/nope").await;
    assert_eq!((missing.status, missing.code()), (404, "not_found"));
    let wrong = alice.delete("/v1/chat/completions").await;
    assert_eq!((wrong.status, wrong.code()), (405, "method_not_allowed"));
    assert!(wrong.header("Allow").unwrap().contains("POST"));
    assert_eq!(alice.send(awc::http::Method::HEAD, "/v1/models", &[], None).await.status, 200);
    for path in ["/models", "/v1/models", "/v1/v1/models"] {
        assert_eq!(alice.get(path).await.status, 200, "{path}");
    }
    for path in ["/v1/runs/nope", "/v1/runs/run_zz/events", "/v1/runs/..%2f..%2fetc"] {
        let reply = alice.get(path).await;
        assert_eq!(reply.status, 404, "{path}: {}", reply.text);
    }
    house.close().await;
}

#[actix_web::test]
async fn a_thousand_wrong_keys_store_nothing() {
    let house = House::open().await;
    let alice = house.alice().await;
    let state = house.profile_dir("alice").join("state");
    // A key of alice's is looked for in her store, which is opened for it.
    alice.with_key(Some("hk_00000000_00000000")).get("/v1/models").await;
    let before = files(&state);
    assert!(!before.is_empty());
    // All but the first few are held up, each by itself: many at once.
    for some in 0..5 {
        let replies = (0..200).map(|n| {
            let key = format!("hk_{:08x}_00000000000000000000000000000000", some * 200 + n);
            let client = alice.with_key(Some(&key));
            async move { client.get("/v1/models").await }
        });
        for reply in join_all(replies).await {
            assert_eq!((reply.status, reply.code()), (401, "invalid_api_key"));
            assert_eq!(reply.header("WWW-Authenticate"), Some("Bearer"));
        }
    }
    let after = files(&state);
    assert!(after == before, "{:?} and {:?}", before.keys(), after.keys());
    // One entry for many: that somebody tries keys, and not which.
    let told = house.audit("alice").iter().filter(|entry| entry.to_string().contains("key_failures")).count();
    assert!(told <= 2, "{told}");
    house.close().await;
}

/// What is stored below a folder, but for the audit log.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&path));
        } else if !path.to_string_lossy().contains("/state/audit") {
            found.insert(path.clone(), std::fs::read(path).unwrap());
        }
    }
    found
}

#[actix_web::test]
async fn a_panic_of_the_profiles_actor_leaves_its_streams_and_the_neighbours_alone() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let run = alice.run("@@gate on").await;
    let mut events = alice.events(&run, None).await;
    events.until("message.delta").await;
    let other = bob.run("@@gate on").await;
    let mut others = bob.events(&other, None).await;
    others.until("message.delta").await;

    let tenant = house.tenant("alice").await;
    let actor = tenant.profile().await.unwrap();
    assert!(actor.send(Panic).await.is_err());
    let refused = alice.get(&format!("/v1/runs/{run}")).await;
    assert_eq!((refused.status, refused.code()), (503, "profile_unavailable"), "{}", refused.text);
    assert!(refused.header("Retry-After").is_some());

    house.upstream.open("on");
    assert_eq!(
        events.rest().await.pop().unwrap().kind(),
        "run.completed",
        "the stream goes on and completes"
    );
    assert_eq!(others.rest().await.pop().unwrap().kind(), "run.completed");
    let back = within(async {
        loop {
            let reply = alice.get(&format!("/v1/runs/{run}")).await;
            if reply.status == 200 {
                break reply.body;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(back["status"], "completed", "the new actor found the run");
    house.close().await;
}

#[actix_web::test]
async fn a_panic_in_a_run_ends_that_run_alone() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run("@@gate on").await;
    let mut events = alice.events(&run, None).await;
    events.until("message.delta").await;
    let other = alice.run("@@gate on").await;
    let mut others = alice.events(&other, None).await;
    others.until("message.delta").await;

    let tenant = house.tenant("alice").await;
    let actor = tenant.board().live(RunId::parse(&run).unwrap()).unwrap();
    assert!(actor.send(Panic).await.is_err());
    let last = events.rest().await.pop().unwrap();
    assert_eq!((last.kind().as_str(), &last.json()["error_code"]), ("run.failed", &json!("internal_error")));
    house.upstream.open("on");
    assert_eq!(others.rest().await.pop().unwrap().kind(), "run.completed");
    house.close().await;
}

#[actix_web::test]
async fn the_session_of_a_run_that_panicked_keeps_what_was_done_and_said() {
    let house = House::open().await;
    let alice = house.alice().await;
    let call = json!({"command": "echo made > made"});
    let input = format!("@@say first @@tool terminal {call}");
    let run = alice.run_with(json!({"input": input, "session_id": "kept"})).await;
    alice.finished(&run).await;
    let run = alice.run_with(json!({"input": "@@gate on", "session_id": "kept"})).await;
    let mut events = alice.events(&run, None).await;
    events.until("message.delta").await;
    let next = alice.run_with(json!({"input": "next", "session_id": "kept"})).await;
    let tenant = house.tenant("alice").await;
    let actor = tenant.board().live(RunId::parse(&run).unwrap()).unwrap();
    assert!(actor.send(Panic).await.is_err());
    assert_eq!(events.rest().await.pop().unwrap().kind(), "run.failed");

    assert_eq!(alice.finished(&next).await["status"], "completed", "the session is free again");
    let heard = house.upstream.requests().pop().unwrap();
    let texts: Vec<&str> =
        heard["messages"].as_array().unwrap().iter().filter_map(|said| said["content"].as_str()).collect();
    assert!(texts.ends_with(&["@@gate on", "tok0 ", "next"]), "{texts:?}");
    house.close().await;
}

#[actix_web::test]
async fn a_damaged_store_is_refused_and_only_that_profile_is_down() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    for n in 0..5 {
        let run = alice.run(&format!("n {n}")).await;
        alice.finished(&run).await;
    }
    house.stop(Duration::ZERO).await;
    let db = house.profile_dir("alice").join("state/db/db");
    let length = std::fs::metadata(&db).unwrap().len();
    std::fs::File::options().write(true).open(&db).unwrap().set_len(length / 2).unwrap();
    house.start().await;

    let reply = house.alice().await.chat("hello").await;
    assert_eq!((reply.status, reply.code()), (503, "profile_unavailable"), "{}", reply.text);
    assert_eq!(std::fs::metadata(&db).unwrap().len(), length / 2, "nothing was overwritten");
    assert_eq!(house.bob().await.chat("hello").await.status, 200);
    house.close().await;
}

#[actix_web::test]
async fn a_draining_gateway_refuses_new_turns_and_lets_running_ones_end() {
    let mut house = House::with(Plan::default()).await;
    let alice = house.alice().await;
    let run = alice.run("@@gate on").await;
    let mut events = alice.events(&run, None).await;
    events.until("message.delta").await;
    let tenant = house.tenant("alice").await;
    tenant.begin_drain();
    let refused = alice.chat("late").await;
    assert_eq!((refused.status, refused.code()), (503, "gateway_draining"), "{}", refused.text);
    assert!(refused.header("Retry-After").is_some());
    house.upstream.open("on");
    let gateway = house.gateway.take().unwrap();
    let (rest, ()) = futures_util::join!(events.rest(), gateway.stop(Duration::from_secs(20)));
    assert_eq!(rest.last().unwrap().kind(), "run.completed");
}

#[actix_web::test]
async fn a_shutdown_interrupts_what_does_not_end_in_time_and_says_so() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run("@@hang").await;
    let mut events = alice.events(&run, None).await;
    events.until("run.started").await;
    let gateway = house.gateway.take().unwrap();
    let (rest, ()) = futures_util::join!(events.rest(), gateway.stop(Duration::ZERO));
    let last = rest.last().unwrap().json();
    assert_eq!((&last["event"], &last["error_code"]), (&json!("run.failed"), &json!("interrupted")));
}
