//! Pieces of a turn's work that are done by children of it.

use crate::support::{Client, Frame, House, Plan};
use hermes_gateway::actors::Rights;
use serde_json::{Value, json};
use std::time::Duration;

/// What makes the scripted model give this work to children.
fn delegate(tasks: &Value) -> String {
    format!("@@tool delegate_task {tasks}")
}

/// The whole result of the call, as the model read it.
fn result(house: &House) -> Value {
    let requests = house.upstream.requests();
    let messages = requests.iter().rev().find_map(|request| {
        let messages = request["messages"].as_array()?;
        messages.iter().rev().find(|message| message["role"] == "tool" && text(message).contains("results"))
    });
    serde_json::from_str(text(messages.unwrap())).unwrap()
}

fn text(message: &Value) -> &str {
    message["content"].as_str().unwrap_or_default()
}

async fn record(alice: &Client, run: &Value) -> Value {
    alice.get(&format!("/v1/runs/{}", run.as_str().unwrap())).await.body
}

#[actix_web::test]
async fn a_child_works_with_tools_of_its_own_and_its_tokens_are_the_parents() {
    let house = House::open().await;
    let alice = house.alice().await;
    let goal = r#"@@tool write_file {"path":"by-the-child","content":"x"}"#;
    let run = alice.run(&delegate(&json!({"goal": goal, "context": "it is urgent"}))).await;
    let frames = alice.events(&run, None).await.rest().await;
    let event = |name: &str| frames.iter().find(|frame| frame.kind() == name).unwrap().json();
    let (start, end) = (event("subagent.start"), event("subagent.complete"));
    assert_eq!(
        (&start["goal"], &start["parent_id"], &start["depth"]),
        (&json!(goal), &json!(run), &json!(1))
    );
    assert_eq!(
        (&end["status"], &end["api_calls"], &end["tool_count"]),
        (&json!("completed"), &json!(2), &json!(1))
    );
    assert!(house.profile_dir("alice").join("workspace/by-the-child").exists());

    let result = result(&house);
    let one = &result["results"][0];
    assert_eq!((&one["status"], &one["exit_reason"]), (&json!("completed"), &json!("completed")), "{result}");
    assert!(one["summary"].as_str().unwrap().starts_with("Tool said:"), "{result}");
    assert_eq!(one["tool_trace"][0]["tool"], "write_file");

    // Two calls of the parent, two of the child.
    let parent = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!(parent["usage"]["input_tokens"], 200, "{parent}");
    let child = record(&alice, &start["subagent_id"]).await;
    assert_eq!((&child["parent_run_id"], &child["status"]), (&json!(run), &json!("completed")));
    assert_eq!(child["usage"]["input_tokens"], 100);
    let sessions = alice.get("/api/sessions").await.body;
    assert!(!sessions.to_string().contains(start["child_session_id"].as_str().unwrap()), "{sessions}");

    // It knows its task and what it was told of it, and nothing of the conversation.
    let asked = &house.upstream.requests()[1];
    let users: Vec<&str> =
        asked["messages"].as_array().unwrap().iter().filter(|m| m["role"] == "user").map(text).collect();
    assert_eq!(users, [format!("{goal}\n\nWhat is known:\nit is urgent")]);
    let tools = asked["tools"].to_string();
    assert!(tools.contains("write_file") && !tools.contains("delegate_task"), "{tools}");
    house.close().await;
}

#[actix_web::test]
async fn children_work_side_by_side_in_the_one_place_of_their_parent() {
    let house = House::with(Plan::config("gateway:\n  api_server:\n    max_concurrent_runs: 1\n")).await;
    let alice = house.alice().await;
    let tasks = json!({"tasks": [{"goal": "@@gate a"}, {"goal": "@@gate b"}, {"goal": "@@gate c"}]});
    let run = alice.run(&delegate(&tasks)).await;
    for gate in ["a", "b", "c"] {
        house.upstream.reached(gate).await;
    }
    for gate in ["c", "a", "b"] {
        house.upstream.open(gate);
    }
    assert_eq!(alice.finished(&run).await["status"], "completed");
    let result = result(&house);
    let order: Vec<&Value> =
        result["results"].as_array().unwrap().iter().map(|one| &one["task_index"]).collect();
    assert_eq!(order, [0, 1, 2]);
    house.close().await;
}

#[actix_web::test]
async fn a_stop_of_the_parent_reaches_the_childs_command() {
    let house = House::open().await;
    let alice = house.alice().await;
    let goal = r#"@@tool terminal {"command":"touch begun; sleep 600"}"#;
    let run = alice.run(&delegate(&json!({ "goal": goal }))).await;
    let mut events = alice.events(&run, None).await;
    let child = events.until("subagent.start").await.json()["subagent_id"].clone();
    alice.events(child.as_str().unwrap(), None).await.until("tool.started").await;
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    let ended = events.until("subagent.complete").await.json();
    assert_eq!(ended["status"], "cancelled");
    let cancelled = events.until("run.cancelled").await.json();
    assert_eq!(cancelled["usage"]["input_tokens"], 100, "the child's call is counted: {cancelled}");
    assert_eq!(record(&alice, &child).await["status"], "cancelled");
    house.close().await;
}

#[actix_web::test]
async fn what_a_child_asks_is_asked_and_answered_at_its_parent() {
    let house = House::open().await;
    let alice = house.alice().await;
    for (choice, failed) in [("session", "completed"), ("deny", "failed")] {
        let goal = if failed == "failed" { "rm -rf ./other" } else { "rm -rf ./none" };
        let goal = format!("@@tool terminal {}", json!({"command": goal}));
        let run =
            alice.run_with(json!({"input": delegate(&json!({ "goal": goal })), "session_id": "talk"})).await;
        let mut events = alice.events(&run, None).await;
        let asked = events.until("approval.request").await.json();
        let waiting = alice.get(&format!("/v1/runs/{run}")).await.body;
        assert_eq!(waiting["status"], "waiting_for_approval", "{waiting}");
        assert_eq!(waiting["approval"]["session_id"], "talk", "{waiting}");
        let answer = json!({"choice": choice, "approval_id": asked["approval_id"]});
        let path = format!("/v1/runs/{run}/approval");
        for _again in 0..2 {
            let answered = alice.post(&path, answer.clone()).await;
            assert_eq!(answered.status, 200, "{}", answered.text);
        }
        let done = events.until("subagent.complete").await.json();
        assert_eq!(done["status"], "completed");
        assert_eq!(alice.finished(&run).await["status"], "completed");
        let result = result(&house);
        assert_eq!(result["results"][0]["tool_trace"][0]["status"], failed, "{result}");
    }
    // What was allowed for the session is allowed to the parent itself.
    let own = r#"@@tool terminal {"command":"rm -rf ./none"}"#;
    let run = alice.run_with(json!({"input": own, "session_id": "talk"})).await;
    let kinds: Vec<String> = alice.events(&run, None).await.rest().await.iter().map(Frame::kind).collect();
    assert!(!kinds.contains(&"approval.request".to_owned()), "{kinds:?}");
    house.close().await;
}

#[actix_web::test]
async fn a_stop_withdraws_what_a_child_still_asks() {
    let house = House::open().await;
    let alice = house.alice().await;
    let goal = r#"@@tool terminal {"command":"rm -rf ./none"}"#;
    let run = alice.run(&delegate(&json!({ "goal": goal }))).await;
    let mut events = alice.events(&run, None).await;
    let child = events.until("subagent.start").await.json()["subagent_id"].clone();
    events.until("approval.request").await;
    alice.post(&format!("/v1/runs/{}/stop", child.as_str().unwrap()), json!({})).await;
    assert_eq!(events.until("approval.responded").await.json()["choice"], "deny");
    let parent = alice.finished(&run).await;
    assert_eq!(parent["status"], "completed", "the parent goes on: {parent}");
    assert_eq!(alice.get("/v1/approvals?status=pending").await.body["data"], json!([]));
    house.close().await;
}

#[actix_web::test]
async fn a_child_has_no_children_and_no_tool_that_its_parents_key_has_not() {
    let house = House::open().await;
    let tools = Some(["delegate_task", "read_file"].map(str::to_owned).into());
    let bounded = house.holder("alice", Rights { tools, ..Rights::all() }).await;
    for goal in [r#"@@tool delegate_task {"goal":"x"}"#, r#"@@tool write_file {"path":"a","content":"b"}"#] {
        let run = bounded.run(&delegate(&json!({ "goal": goal }))).await;
        bounded.finished(&run).await;
        let result = result(&house);
        let summary = result["results"][0]["summary"].as_str().unwrap();
        assert!(summary.contains("tool_not_allowed"), "{summary}");
    }
    assert_eq!(house.alice().await.get("/v1/runs").await.body["data"].as_array().unwrap().len(), 4);
    house.close().await;
}

#[actix_web::test]
async fn tasks_that_are_none_or_too_many_begin_nothing() {
    let house = House::open().await;
    let alice = house.alice().await;
    let many = vec![json!({"goal": "x"}); 4];
    let cases = [
        (json!({}), "invalid_arguments"),
        (json!({"goal": "  "}), "invalid_arguments"),
        (json!({"goal": 5}), "invalid_arguments"),
        (json!({"tasks": []}), "invalid_arguments"),
        (json!({"tasks": "x"}), "invalid_arguments"),
        (json!({"tasks": ["x"]}), "invalid_arguments"),
        (json!({"tasks": [{"goal": "x"}, {"context": "y"}]}), "invalid_arguments"),
        (json!({"tasks": many}), "too_many_tasks"),
    ];
    for (arguments, code) in cases {
        let run = alice.run(&delegate(&arguments)).await;
        let record = alice.finished(&run).await;
        assert!(record["output"].as_str().unwrap().contains(code), "{arguments}: {record}");
    }
    let runs = alice.get("/v1/runs?limit=100").await.body;
    assert!(!runs.to_string().contains("parent_run_id"), "{runs}");
    house.close().await;
}

#[actix_web::test]
async fn a_child_that_waits_ends_with_its_parent_when_the_gateway_does() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let goal = r#"@@tool terminal {"command":"rm -rf ./none"}"#;
    let run = alice.run(&delegate(&json!({ "goal": goal }))).await;
    let mut events = alice.events(&run, None).await;
    let child = events.until("subagent.start").await.json()["subagent_id"].clone();
    events.until("approval.request").await;
    house.stop(Duration::ZERO).await;
    house.start().await;
    let alice = house.alice().await;
    for run in [&json!(run), &child] {
        let record = record(&alice, run).await;
        assert_eq!(
            (&record["status"], &record["error_code"]),
            (&json!("failed"), &json!("interrupted")),
            "{record}"
        );
    }
    assert_eq!(alice.get("/v1/approvals?status=pending").await.body["data"], json!([]));
    house.close().await;
}

#[actix_web::test]
async fn a_child_has_a_cap_of_its_own_and_sums_up_at_it() {
    let house = House::with(Plan::config("delegation:\n  max_iterations: 2\n")).await;
    let alice = house.alice().await;
    let goal = r#"@@as-long-as-offered terminal {"command":"date +%N"}"#;
    let run = alice.run(&delegate(&json!({ "goal": goal }))).await;
    let ended = alice.finished(&run).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    let result = result(&house);
    let one = &result["results"][0];
    assert_eq!(
        (&one["summary"], &one["api_calls"]),
        (&json!("This is what was done."), &json!(3)),
        "{result}"
    );
    for member in ["task_index", "duration_seconds", "model", "exit_reason", "tokens", "tool_trace"] {
        assert!(!one[member].is_null(), "{member}: {result}");
    }
    assert!(result["total_duration_seconds"].is_number(), "{result}");
    house.close().await;
}
