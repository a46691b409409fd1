//! Words to a running turn.

use crate::support::House;
use serde_json::{Value, json};

/// What the upstream was last sent, roles and texts, without the system's.
fn heard(house: &House) -> Vec<(String, String)> {
    let request = house.upstream.requests().pop().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let messages = request["messages"].as_array().unwrap().clone();
    let spoken = messages.iter().filter(|message| message["role"] != "system");
    spoken.map(|message| (text(&message["role"]), text(&message["content"]))).collect()
}

#[actix_web::test]
async fn what_is_said_while_a_tool_runs_is_heard_by_the_next_model_call() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run(r#"@@tool terminal {"command":"until [ -e go ]; do sleep 0.01; done"}"#).await;
    let mut events = alice.events(&run, None).await;
    events.until("tool.started").await;
    let reply = alice.post(&format!("/v1/runs/{run}/steer"), json!({"input": "and be quick"})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.body, json!({"object": "hermes.run.steer", "run_id": run, "accepted": true}));
    let steered = events.until("run.steered").await.json();
    assert_eq!((&steered["accepted"], &steered["input"]), (&json!(true), &json!("and be quick")));
    std::fs::write(house.profile_dir("alice").join("workspace/go"), "").unwrap();
    let done = events.until("run.completed").await.json();
    assert_eq!(done["pending_steer"], Value::Null);
    let heard = heard(&house);
    let roles: Vec<&str> = heard.iter().map(|(role, _)| role.as_str()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "user"], "behind the result, where upstreams take it");
    assert_eq!(heard[3].1, "and be quick");
    house.close().await;
}

#[actix_web::test]
async fn what_comes_after_the_last_model_call_began_is_given_back() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run_with(json!({"input": "@@gate answer", "session_id": "talk"})).await;
    alice.events(&run, None).await.until("message.delta").await;
    for input in ["one", "two"] {
        let reply = alice.post(&format!("/v1/runs/{run}/steer"), json!({"text": input})).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    house.upstream.open("answer");
    let mut events = alice.events(&run, None).await;
    assert_eq!(events.until("run.completed").await.json()["pending_steer"], "one\ntwo");
    assert_eq!(alice.finished(&run).await["pending_steer"], "one\ntwo");
    assert_eq!(house.upstream.requests().len(), 1);
    // Nobody heard it, so the session does not have it either.
    let next = alice.run_with(json!({"input": "next", "session_id": "talk"})).await;
    alice.finished(&next).await;
    let texts: Vec<String> = heard(&house).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["@@gate answer", "tok0 tok1 ", "next"]);
    house.close().await;
}

#[actix_web::test]
async fn what_a_turn_that_breaks_or_is_stopped_did_not_hear_is_given_back_too() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    for (gate, last) in [("stopped", "run.cancelled"), ("shut-down", "run.failed")] {
        let run = alice.run(&format!("@@gate {gate}")).await;
        let mut events = alice.events(&run, None).await;
        events.until("message.delta").await;
        let reply = alice.post(&format!("/v1/runs/{run}/steer"), json!({"input": "wait"})).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        if gate == "stopped" {
            alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
        } else {
            house.stop(std::time::Duration::ZERO).await;
            house.start().await;
            events = house.alice().await.events(&run, None).await;
        }
        assert_eq!(events.until(last).await.json()["pending_steer"], "wait", "{gate}");
        assert_eq!(house.alice().await.finished(&run).await["pending_steer"], "wait", "{gate}");
    }
    let alice = house.alice().await;
    let run = alice.run("@@gate-drop broken").await;
    let mut events = alice.events(&run, None).await;
    events.until("message.delta").await;
    alice.post(&format!("/v1/runs/{run}/steer"), json!({"input": "wait"})).await;
    house.upstream.open("broken");
    let failed = events.until("run.failed").await.json();
    assert_eq!((&failed["error_code"], &failed["pending_steer"]), (&json!("upstream_error"), &json!("wait")));
    house.close().await;
}

#[actix_web::test]
async fn a_turn_that_was_just_accepted_is_running_and_hears_what_is_said_to_it() {
    let house = House::open().await;
    let alice = house.alice().await;
    for turn in 0..20 {
        let mut body = json!({"input": format!("@@gate {turn}")});
        if turn % 2 == 1 {
            // Its earlier messages are read first.
            body["session_id"] = json!("talk");
        }
        let run = alice.run_with(body).await;
        if turn % 3 == 0 {
            let status = alice.get(&format!("/v1/runs/{run}")).await.body["status"].clone();
            assert_eq!(status, "running", "{turn}");
        }
        let reply = alice.post(&format!("/v1/runs/{run}/steer"), json!({"input": "hurry"})).await;
        assert_eq!(reply.status, 200, "{turn}: {}", reply.text);
        house.upstream.open(&turn.to_string());
        assert_eq!(alice.finished(&run).await["status"], "completed", "{turn}");
    }
    house.close().await;
}

#[actix_web::test]
async fn only_a_running_turn_can_be_spoken_to() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let steer = |run: &str| format!("/v1/runs/{run}/steer");
    let said = json!({"input": "x"});
    let run = alice.run("@@gate answer").await;
    alice.events(&run, None).await.until("message.delta").await;
    for id in ["run_0198c2f0000070008000000000000000", "nope", "..%2f"] {
        let reply = alice.post(&steer(id), said.clone()).await;
        assert_eq!((reply.status, reply.code()), (404, "run_not_found"), "{id}");
    }
    assert_eq!(bob.post(&steer(&run), said.clone()).await.code(), "run_not_found", "another's run");
    for body in [json!({}), json!({"input": ""}), json!({"input": [1]}), json!({"input": {}})] {
        let reply = alice.post(&steer(&run), body.clone()).await;
        assert_eq!((reply.status, reply.code()), (400, "invalid_steer_input"), "{body}");
    }
    assert_eq!(alice.post(&steer(&run), json!([])).await.status, 400);
    house.upstream.open("answer");
    alice.finished(&run).await;
    let reply = alice.post(&steer(&run), said.clone()).await;
    assert_eq!((reply.status, reply.code()), (409, "run_not_accepting_steer"), "{}", reply.text);

    let run = alice.run(r#"@@tool terminal {"command":"rm -rf ./none"}"#).await;
    alice.events(&run, None).await.until("approval.request").await;
    let reply = alice.post(&steer(&run), said).await;
    assert_eq!((reply.status, reply.code()), (409, "run_not_accepting_steer"), "{}", reply.text);
    house.close().await;
}

#[actix_web::test]
async fn a_retry_under_one_key_is_said_once() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run("@@gate answer").await;
    alice.events(&run, None).await.until("message.delta").await;
    let path = format!("/v1/runs/{run}/steer");
    let key = [("Idempotency-Key", "say-once")];
    let first = alice.post_with(&path, &key, json!({"input": "once"})).await;
    house.upstream.open("answer");
    alice.finished(&run).await;
    let second = alice.post_with(&path, &key, json!({"input": "once"})).await;
    assert_eq!((second.status, &second.body), (200, &first.body), "also after the end");
    assert_eq!(second.header("Idempotency-Replayed"), Some("true"));
    assert_eq!(alice.finished(&run).await["pending_steer"], "once");
    house.close().await;
}

#[actix_web::test]
async fn what_was_said_to_a_turn_that_then_waits_outlives_a_restart() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run(r#"@@tool terminal {"command":"until [ -e go ]; do sleep 0.01; done"}"#).await;
    let mut events = alice.events(&run, None).await;
    events.until("tool.started").await;
    let said = r#"@@tool terminal {"command":"rm -rf ./none"}"#;
    alice.post(&format!("/v1/runs/{run}/steer"), json!({ "input": said })).await;
    std::fs::write(house.profile_dir("alice").join("workspace/go"), "").unwrap();
    events.until("approval.request").await;
    house.stop(std::time::Duration::ZERO).await;
    house.start().await;

    let alice = house.alice().await;
    let approve = json!({"choice": "once"});
    assert_eq!(alice.post(&format!("/v1/runs/{run}/approval"), approve).await.status, 200);
    assert_eq!(alice.finished(&run).await["status"], "completed");
    let heard = heard(&house);
    let roles: Vec<&str> = heard.iter().map(|(role, _)| role.as_str()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "user", "assistant", "tool"]);
    assert_eq!(heard[3].1, said);
    house.close().await;
}
