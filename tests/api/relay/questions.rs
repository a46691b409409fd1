//! What the far agent asks, for approval and for itself: asked here, answered on either side.

use super::{Chain, of_kind};
use crate::support::{Client, Frames, House, Plan, Reply, house::key};
use serde_json::{Value, json};
use std::time::Duration;

const DANGEROUS: &str = r#"@@tool terminal {"command":"rm -rf ./none; echo went > went"}"#;

/// A near run that waits for an answer.
async fn asked(alice: &Client) -> (String, Frames, Value) {
    let run = alice.run(DANGEROUS).await;
    let mut events = alice.events(&run, None).await;
    let request = events.until("approval.request").await.json();
    (run, events, request)
}

async fn answer(client: &Client, request: &Value, body: Value) -> Reply {
    client.post(&format!("/v1/approvals/{}", request["approval_id"].as_str().unwrap()), body).await
}

#[actix_web::test]
async fn a_question_of_the_far_agent_is_answered_here() {
    for (choice, ran) in [("once", true), ("deny", false)] {
        let chain = Chain::new().await;
        let alice = chain.alice().await;
        let (run, events, request) = asked(&alice).await;
        let waiting = alice.get(&format!("/v1/runs/{run}")).await.body;
        assert_eq!(waiting["status"], "waiting_for_approval", "{waiting}");
        assert_eq!(waiting["approval"]["command"], request["command"]);
        assert_eq!(chain.far_runs().await[0]["status"], "waiting_for_approval");

        let reply = answer(&alice, &request, json!({"choice": choice, "reason": "as I say"})).await;
        assert_eq!((reply.status, &reply.body["decision"]), (200, &json!(choice)), "{}", reply.text);
        let rest = events.rest().await;
        assert_eq!(of_kind(&rest, "approval.responded").count(), 1);
        assert_eq!(rest.last().unwrap().kind(), "run.completed", "{choice}");
        assert_eq!(of_kind(&rest, "tool.completed").next().unwrap()["error"], json!(!ran));
        assert_eq!(chain.far.profile_dir("alice").join("workspace/went").exists(), ran, "{choice}");
        let there = answer(&chain.far.alice().await, &request, json!({"choice": choice})).await;
        assert_eq!((there.status, &there.body["reason"]), (200, &json!("as I say")), "{}", there.text);
        chain.close().await;
    }
}

#[actix_web::test]
async fn an_answer_that_was_given_there_shows_here() {
    let chain = Chain::new().await;
    let alice = chain.alice().await;
    let (_run, events, request) = asked(&alice).await;
    let there = answer(&chain.far.alice().await, &request, json!({"choice": "deny"})).await;
    assert_eq!(there.status, 200, "{}", there.text);
    let rest = events.rest().await;
    assert_eq!(of_kind(&rest, "approval.responded").next().unwrap()["choice"], "deny");
    assert_eq!(rest.last().unwrap().kind(), "run.completed");
    let late = answer(&alice, &request, json!({"choice": "once"})).await;
    assert_eq!((late.status, late.code()), (409, "approval_already_decided"), "{}", late.text);
    chain.close().await;
}

#[actix_web::test]
async fn a_chat_that_cannot_ask_has_the_question_denied() {
    let chain = Chain::new().await;
    let reply = chain.alice().await.chat(DANGEROUS).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert!(!chain.far.profile_dir("alice").join("workspace/went").exists());
    assert_eq!(chain.far_end().await["status"], "completed");
    let pending = chain.alice().await.get("/v1/approvals?status=pending").await.body;
    assert_eq!(pending["data"], json!([]), "nobody here is asked");
    chain.close().await;
}

#[actix_web::test]
async fn a_stop_while_a_question_waits_withdraws_it_on_both_sides() {
    let chain = Chain::new().await;
    let alice = chain.alice().await;
    let (run, events, request) = asked(&alice).await;
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    assert_eq!(events.rest().await.last().unwrap().kind(), "run.cancelled");
    assert_eq!(chain.far_end().await["status"], "cancelled");
    for client in [alice, chain.far.alice().await] {
        let path = format!("/v1/approvals/{}", request["approval_id"].as_str().unwrap());
        assert_eq!(client.get(&path).await.body["status"], "withdrawn");
    }
    chain.close().await;
}

#[actix_web::test]
async fn a_question_that_nobody_answers_expires_on_both_sides() {
    let far = House::with(Plan::config("approvals:\n  timeout: 1\n")).await;
    let chain = Chain::to(far, "", &key("alice")).await;
    let alice = chain.alice().await;
    let (_run, events, request) = asked(&alice).await;
    let rest = events.rest().await;
    let responded = of_kind(&rest, "approval.responded").next().unwrap();
    assert_eq!((&responded["choice"], &responded["expired"]), (&json!("deny"), &json!(true)));
    assert_eq!(rest.last().unwrap().kind(), "run.completed", "the turn goes on");
    for client in [alice, chain.far.alice().await] {
        let path = format!("/v1/approvals/{}", request["approval_id"].as_str().unwrap());
        let kept = client.get(&path).await.body;
        assert_eq!((&kept["status"], &kept["decision"]), (&json!("expired"), &json!("deny")));
    }
    chain.close().await;
}

#[actix_web::test]
async fn a_question_outlives_a_restart_of_the_near_gateway() {
    let mut chain = Chain::new().await;
    let (run, _events, request) = asked(&chain.alice().await).await;
    chain.near.stop(Duration::ZERO).await;
    assert_eq!(chain.far_runs().await[0]["status"], "waiting_for_approval");
    chain.near.start().await;

    let alice = chain.alice().await;
    let reply = answer(&alice, &request, json!({"choice": "once"})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let frames = alice.events(&run, None).await.rest().await;
    assert_eq!(frames.last().unwrap().kind(), "run.completed", "{frames:?}");
    for (kind, count) in
        [("approval.request", 1), ("approval.responded", 1), ("tool.started", 1), ("tool.completed", 1)]
    {
        assert_eq!(of_kind(&frames, kind).count(), count, "{kind}");
    }
    assert_eq!(chain.far_runs().await.len(), 1, "nothing was started again");
    chain.close().await;
}

const CLARIFY: &str = r#"@@tool clarify {"question":"Tea or coffee?","choices":["tea","coffee"]}"#;

/// A near run whose far agent asks the person.
async fn asks(alice: &Client) -> (String, Frames, Value) {
    let run = alice.run(CLARIFY).await;
    let mut events = alice.events(&run, None).await;
    let request = events.until("clarify.request").await.json();
    (run, events, request)
}

fn clarify(run: &str) -> String {
    format!("/v1/runs/{run}/clarify")
}

#[actix_web::test]
async fn what_the_far_agent_asks_itself_is_answered_here() {
    let chain = Chain::new().await;
    let alice = chain.alice().await;
    let (run, events, request) = asks(&alice).await;
    assert_eq!((&request["question"], &request["choices"][1]), (&json!("Tea or coffee?"), &json!("coffee")));
    let waiting = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!(
        (&waiting["status"], &waiting["clarify"]["clarify_id"]),
        (&json!("waiting_for_clarify"), &request["clarify_id"])
    );
    assert_eq!(chain.far_runs().await[0]["status"], "waiting_for_clarify");

    let reply = alice.post(&clarify(&run), json!({"response": "neither: water"})).await;
    assert_eq!((reply.status, &reply.body["response"]), (200, &json!("neither: water")), "{}", reply.text);
    let rest = events.rest().await;
    let responded = of_kind(&rest, "clarify.responded").next().unwrap();
    assert_eq!(responded["response"], "neither: water");
    let end = rest.last().unwrap().json();
    assert_eq!(end["event"], "run.completed");
    assert!(end["output"].as_str().unwrap().contains("neither: water"), "{end}");
    let late = alice.post(&clarify(&run), json!({"response": "tea"})).await;
    assert_eq!((late.status, late.code()), (409, "clarify_not_pending"), "{}", late.text);
    chain.close().await;
}

#[actix_web::test]
async fn an_answer_to_the_far_agent_that_was_given_there_shows_here() {
    let chain = Chain::new().await;
    let alice = chain.alice().await;
    let (run, events, _request) = asks(&alice).await;
    let far_run = chain.far_runs().await[0]["run_id"].as_str().unwrap().to_owned();
    let there = chain.far.alice().await.post(&clarify(&far_run), json!({"response": "coffee"})).await;
    assert_eq!(there.status, 200, "{}", there.text);
    let rest = events.rest().await;
    assert_eq!(of_kind(&rest, "clarify.responded").next().unwrap()["response"], "coffee");
    assert_eq!(rest.last().unwrap().kind(), "run.completed");
    let record = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!((&record["status"], record.get("clarify")), (&json!("completed"), None));
    chain.close().await;
}

#[actix_web::test]
async fn on_a_chat_the_far_agent_is_told_that_nobody_can_answer() {
    let chain = Chain::new().await;
    let reply = chain.alice().await.chat(CLARIFY).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert!(reply.text.contains("Nobody can answer here"), "{}", reply.text);
    chain.close().await;
}

#[actix_web::test]
async fn a_question_of_the_far_agent_outlives_a_restart_and_ends_with_a_stop() {
    let mut chain = Chain::new().await;
    let (run, _events, _request) = asks(&chain.alice().await).await;
    chain.near.stop(Duration::ZERO).await;
    chain.near.start().await;
    let alice = chain.alice().await;
    assert_eq!(alice.get(&format!("/v1/runs/{run}")).await.body["status"], "waiting_for_clarify");
    assert_eq!(alice.post(&clarify(&run), json!({"response": "tea"})).await.status, 200);
    let frames = alice.events(&run, None).await.rest().await;
    assert_eq!(frames.last().unwrap().kind(), "run.completed", "{frames:?}");
    for kind in ["clarify.request", "clarify.responded"] {
        assert_eq!(of_kind(&frames, kind).count(), 1, "{kind}");
    }

    let (run, events, _request) = asks(&alice).await;
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    assert_eq!(events.rest().await.last().unwrap().kind(), "run.cancelled");
    assert_eq!(chain.far_end().await["status"], "cancelled");
    chain.close().await;
}
