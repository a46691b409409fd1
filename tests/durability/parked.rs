//! A run that waits for an approval outlives its process: the same question can still be answered, or expires.

use crate::support::{Client, Frame, Site, outlives_a_kill};
use serde_json::{Value, json};

/// Starts a run that has to ask, and reads until it does.
async fn asked(alice: &Client) -> (String, Vec<Frame>, Value) {
    let call = json!({ "command": "rm -rf ./none && echo went-1 >> went && cat went" });
    let run = alice.run(&format!("@@tool terminal {call}")).await;
    let mut events = alice.events(&run, None).await;
    let mut seen = Vec::new();
    loop {
        seen.push(events.data().await.unwrap());
        if seen.last().unwrap().kind() == "approval.request" {
            let request = seen.last().unwrap().json();
            return (run, seen, request);
        }
    }
}

#[actix_web::test]
async fn a_question_outlives_two_kills_and_is_answered_once() {
    let site = Site::new().await;
    let process = site.start().await;
    let (run, seen, request) = asked(&process.alice()).await;
    process.kill().await;
    site.start().await.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    let record = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!(record["status"], "waiting_for_approval", "{record}");
    assert_eq!(record["approval"]["id"], request["approval_id"]);
    let pending = alice.get("/v1/approvals?status=pending").await.body;
    assert_eq!(pending["data"].as_array().unwrap().len(), 1, "{pending}");
    assert_eq!(pending["data"][0]["arguments_digest"], request["arguments_digest"]);

    let resumed = alice.events(&run, seen.last().unwrap().id.as_deref()).await;
    let answer = alice.post(&format!("/v1/runs/{run}/approval"), json!({"choice": "once"})).await;
    assert_eq!((answer.status, &answer.body["resolved"]), (200, &json!(1)), "{}", answer.text);
    let rest = resumed.rest().await;
    assert_eq!(rest.first().unwrap().kind(), "approval.responded");
    assert_eq!(rest.last().unwrap().kind(), "run.completed");
    let after = alice.events(&run, None).await.rest().await;
    outlives_a_kill(&seen, &after);
    let record = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!(record["status"], "completed", "{record}");
    let output = record["output"].as_str().unwrap();
    assert_eq!(output.matches("went-1").count(), 1, "it ran, and ran once: {output}");
    assert_eq!(site.upstream.requests().len(), 2, "the model was asked before the question and after it");
}

#[actix_web::test]
async fn an_answer_that_was_given_before_the_kill_is_kept() {
    let site = Site::new().await;
    let process = site.start().await;
    let (run, _seen, request) = asked(&process.alice()).await;
    let path = format!("/v1/approvals/{}", request["approval_id"].as_str().unwrap());
    let answer = process.alice().post(&path, json!({"choice": "deny", "reason": "no-9"})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    let approval = alice.get(&path).await.body;
    assert_eq!((&approval["status"], &approval["decision"]), (&json!("decided"), &json!("deny")));
    let last = alice.events(&run, None).await.rest().await.pop().unwrap();
    // It may have come to its end before the kill did.
    assert!(["run.failed", "run.completed"].contains(&last.kind().as_str()), "{last:?}");
    assert!(!site.profile_dir("alice").join("workspace/went").exists());
}

#[actix_web::test]
async fn a_question_that_expired_meanwhile_is_denied_and_its_run_goes_on() {
    let site = Site::with("approvals:\n  timeout: 3\n").await;
    let process = site.start().await;
    let (run, seen, request) = asked(&process.alice()).await;
    process.kill().await;
    // Nobody is there to tell the time but the clock itself.
    let expires = std::time::Duration::from_secs_f64(request["expires_at"].as_f64().unwrap());
    let left = (std::time::UNIX_EPOCH + expires).duration_since(std::time::SystemTime::now());
    tokio::time::sleep(left.unwrap_or_default()).await;

    let process = site.start().await;
    let alice = process.alice();
    let after = alice.events(&run, None).await.rest().await;
    outlives_a_kill(&seen, &after);
    let responded = after.iter().find(|frame| frame.kind() == "approval.responded").unwrap().json();
    assert_eq!((&responded["choice"], &responded["expired"]), (&json!("deny"), &json!(true)));
    let tool = after.iter().find(|frame| frame.kind() == "tool.completed").unwrap().json();
    assert_eq!(tool["error"], true, "{tool}");
    assert_eq!(after.last().unwrap().kind(), "run.completed", "the turn goes on");
    let approval =
        alice.get(&format!("/v1/approvals/{}", request["approval_id"].as_str().unwrap())).await.body;
    assert_eq!(approval["status"], "expired", "{approval}");
    assert!(!site.profile_dir("alice").join("workspace/went").exists());
}

#[actix_web::test]
async fn of_two_questions_the_answered_one_stays_answered() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    let call = |name: &str| {
        format!("terminal {}", json!({ "command": format!("rm -rf ./{name} && echo {name}-5") }))
    };
    let run = alice.run(&format!("@@tools {} ;; {}", call("one"), call("two"))).await;
    let mut events = alice.events(&run, None).await;
    let first = events.until("approval.request").await.json();
    let second = events.until("approval.request").await.json();
    let path = format!("/v1/approvals/{}", first["approval_id"].as_str().unwrap());
    assert_eq!(alice.post(&path, json!({"choice": "deny"})).await.status, 200);
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    let record = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!(record["waiting"], json!([second["approval_id"]]), "{record}");
    let other = alice.post(&path, json!({"choice": "once"})).await;
    assert_eq!((other.status, other.code()), (409, "approval_already_decided"), "{}", other.text);
    let answer = alice.post(&format!("/v1/runs/{run}/approval"), json!({"choice": "once"})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let frames = alice.events(&run, None).await.rest().await;
    let tools = frames.iter().map(Frame::json).filter(|event| event["event"] == "tool.completed");
    let failed: Vec<Value> = tools.map(|event| event["error"].clone()).collect();
    assert_eq!(failed, [json!(true), json!(false)], "the first was denied, the second ran");
    assert_eq!(frames.last().unwrap().kind(), "run.completed");
}

#[actix_web::test]
async fn a_waiting_run_keeps_its_turn_in_the_session() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    let asks = r#"@@tool terminal {"command":"rm -rf ./none"}"#;
    let first = alice.run_with(json!({ "input": asks, "session_id": "s1" })).await;
    alice.events(&first, None).await.until("approval.request").await;
    let second = alice.run_with(json!({ "input": "second", "session_id": "s1" })).await;
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    // A turn of another session shows that the profile works while these two wait.
    assert_eq!(alice.chat("hello").await.status, 200);
    assert_eq!(alice.get(&format!("/v1/runs/{second}")).await.body["status"], "queued");
    let answer = alice.post(&format!("/v1/runs/{first}/approval"), json!({"choice": "always"})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(alice.finished(&second).await["status"], "completed");
    let said = site.upstream.requests().pop().unwrap()["messages"].as_array().unwrap().clone();
    assert!(said.iter().any(|message| message["content"] == asks), "the second turn knows of the first");
    process.kill().await;

    let process = site.start().await;
    let again = process.alice().run(asks).await;
    assert_eq!(process.alice().finished(&again).await["status"], "completed", "`always` outlives a kill");
}

#[actix_web::test]
async fn a_run_whose_key_was_revoked_meanwhile_is_cancelled() {
    let site = Site::new().await;
    let process = site.start().await;
    let made: Value =
        serde_json::from_str(&site.hermes(&["-p", "alice", "key", "create", "--json"])).unwrap();
    let (run, _seen, request) = asked(&process.alice().with_key(made["token"].as_str())).await;
    process.kill().await;
    site.hermes(&["-p", "alice", "key", "revoke", made["key"]["id"].as_str().unwrap()]);

    let process = site.start().await;
    let alice = process.alice();
    assert_eq!(alice.finished(&run).await["status"], "cancelled");
    let path = format!("/v1/approvals/{}", request["approval_id"].as_str().unwrap());
    let late = alice.post(&path, json!({"choice": "once"})).await;
    assert_eq!(late.status, 409, "{}", late.text);
    assert_eq!(
        alice.get("/v1/approvals?status=pending").await.body["data"],
        json!([]),
        "nobody asks any more"
    );
    assert!(!site.profile_dir("alice").join("workspace/went").exists());
}
