//! Children of a turn, and questions of the agent, over a kill.

use crate::support::Site;
use serde_json::json;

#[actix_web::test]
async fn a_child_that_waits_is_not_taken_up_again_without_its_parent() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    let goal = r#"@@tool terminal {"command":"rm -rf ./none && touch went"}"#;
    let parent = alice.run(&format!("@@tool delegate_task {}", json!({ "goal": goal }))).await;
    let mut events = alice.events(&parent, None).await;
    let child = events.until("subagent.start").await.json()["subagent_id"].as_str().unwrap().to_owned();
    events.until("approval.request").await;
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    for run in [&parent, &child] {
        let record = alice.get(&format!("/v1/runs/{run}")).await.body;
        assert_eq!(
            (&record["status"], &record["error_code"]),
            (&json!("failed"), &json!("interrupted")),
            "{record}"
        );
    }
    assert_eq!(alice.get("/v1/approvals?status=pending").await.body["data"], json!([]));
    assert!(!site.profile_dir("alice").join("workspace/went").exists());
}

#[actix_web::test]
async fn a_question_of_the_agent_outlives_a_kill() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    let run = alice.run(r#"@@tool clarify {"question":"Tea?"}"#).await;
    alice.events(&run, None).await.until("clarify.request").await;
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    let answer = alice.post(&format!("/v1/runs/{run}/clarify"), json!({"response": "yes, tea"})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let done = alice.finished(&run).await;
    assert!(done["output"].as_str().unwrap().contains("yes, tea"), "{done}");
}

#[actix_web::test]
async fn a_list_of_steps_outlives_a_kill() {
    let site = Site::new().await;
    let process = site.start().await;
    let alice = process.alice();
    let list = json!({"todos": [{"id": "1", "content": "read-it-all", "status": "in_progress"}]});
    let run = alice.run_with(json!({"input": format!("@@tool todo {list}"), "session_id": "talk"})).await;
    alice.events(&run, None).await.until("tool.completed").await;
    process.kill().await;

    let process = site.start().await;
    let alice = process.alice();
    let run = alice.run_with(json!({"input": "@@tool todo {}", "session_id": "talk"})).await;
    let output = alice.finished(&run).await["output"].clone();
    assert!(output.as_str().unwrap().contains("read-it-all"), "{output}");
}
