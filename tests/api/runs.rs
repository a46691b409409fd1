//! Runs: accepted, followed by any number of readers, stopped, listed.

use crate::support::{Frame, House};
use serde_json::json;

#[actix_web::test]
async fn a_run_tells_its_story_from_start_to_end() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run("hello").await;

    let frames = alice.events(&run, None).await.rest().await;
    let kinds: Vec<String> = frames.iter().map(Frame::kind).collect();
    assert_eq!(kinds.first().map(String::as_str), Some("run.started"));
    assert_eq!(kinds.last().map(String::as_str), Some("run.completed"));
    let text: String =
        frames.iter().filter_map(|frame| frame.json()["delta"].as_str().map(str::to_owned)).collect();
    assert_eq!(text, "You said: hello");
    let seqs: Vec<u64> = frames.iter().map(|frame| frame.json()["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "numbered from 1 without a gap");
    let last = frames.last().unwrap().json();
    assert_eq!(last["usage"], json!({"input_tokens": 50, "output_tokens": 2, "total_tokens": 52}));
    house.close().await;
}

#[actix_web::test]
async fn fault_15_and_17_every_reader_sees_the_same_bytes_live_late_and_resumed() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run("@@stream 20 5").await;

    let (one, two) = (alice.events(&run, None).await, alice.events(&run, None).await);
    let (one, two) = futures_util::join!(one.rest(), two.rest());
    let late = alice.events(&run, None).await.rest().await;
    assert_eq!(one, two, "two readers at once");
    assert_eq!(one, late, "a reader after the end");
    for at in [0, one.len() / 2, one.len() - 1] {
        let resumed = alice.events(&run, one[at].id.as_deref()).await.rest().await;
        assert_eq!(resumed, one[at + 1..], "after frame {at}");
    }
    house.close().await;
}

#[actix_web::test]
async fn fault_16_a_reader_that_drops_comes_back_where_it_was() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run("@@stream 30 10").await;

    let mut first = alice.events(&run, None).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(first.data().await.unwrap());
    }
    drop(first);
    let rest = alice.events(&run, seen.last().unwrap().id.as_deref()).await.rest().await;
    seen.extend(rest);
    assert_eq!(seen, alice.events(&run, None).await.rest().await);
    assert_eq!(seen.last().unwrap().kind(), "run.completed", "the run did not mind");
    house.close().await;
}

#[actix_web::test]
async fn fault_21_a_tool_call_shows_id_arguments_and_result() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run(r#"@@tool terminal {"command":"echo rt-11"}"#).await;

    let frames = alice.events(&run, None).await.rest().await;
    let tools: Vec<_> = frames.iter().map(Frame::json).filter(|event| event["tool"].is_string()).collect();
    assert_eq!(tools.len(), 2);
    assert_eq!((&tools[0]["event"], &tools[0]["preview"]), (&json!("tool.started"), &json!("echo rt-11")));
    assert_eq!(tools[0]["arguments"], json!({"command": "echo rt-11"}));
    assert_eq!(tools[0]["call_id"], tools[1]["call_id"]);
    assert_eq!((&tools[1]["event"], &tools[1]["error"]), (&json!("tool.completed"), &json!(false)));
    assert!(tools[1]["result"].as_str().unwrap().contains("rt-11"));
    let status = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!(status["status"], "completed");
    assert!(status["output"].as_str().unwrap().contains("rt-11"), "{status}");
    assert_eq!(status["usage"]["total_tokens"], 102, "summed over two model calls");
    house.close().await;
}

#[actix_web::test]
async fn fault_22_a_stop_ends_the_model_call_and_keeps_the_partial_text() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run("@@stream 1000 20").await;

    let mut events = alice.events(&run, None).await;
    events.until("message.delta").await;
    let stop = alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    assert_eq!((stop.status, &stop.body["status"]), (200, &json!("stopping")));
    let last = events.rest().await.pop().unwrap();
    assert_eq!(last.kind(), "run.cancelled");
    let status = alice.get(&format!("/v1/runs/{run}")).await.body;
    assert_eq!(status["status"], "cancelled");
    assert!(status["partial_output"].as_str().unwrap().starts_with("tok0"), "{status}");
    let again = alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    assert_eq!((again.status, &again.body["status"]), (200, &json!("cancelled")), "a finished run says so");
    house.close().await;
}

#[actix_web::test]
async fn a_run_says_that_it_stops_as_soon_as_its_stop_is_answered() {
    let house = House::open().await;
    let alice = house.alice().await;
    for input in ["@@gate on", r#"@@tool terminal {"command":"trap '' TERM; sleep 60"}"#] {
        let run = alice.run(input).await;
        let mut events = alice.events(&run, None).await;
        events.until(if input.contains("tool") { "tool.started" } else { "message.delta" }).await;
        let stop = alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
        let status = alice.get(&format!("/v1/runs/{run}")).await.body;
        assert_eq!((stop.status, &stop.body["status"]), (200, &json!("stopping")));
        assert!(status["status"] == "stopping" || status["status"] == "cancelled", "{status}");
        let told: Vec<String> = events.rest().await.iter().map(Frame::kind).collect();
        let told: Vec<&str> =
            told.iter().map(String::as_str).filter(|kind| *kind != "message.delta").collect();
        // A tool that the stop ends may say so before or after it.
        let without_tool: Vec<&str> = told.iter().copied().filter(|kind| *kind != "tool.completed").collect();
        assert_eq!(without_tool, ["run.stopping", "run.cancelled"], "{told:?}");
        assert_eq!(told.last(), Some(&"run.cancelled"), "{told:?}");
    }
    house.close().await;
}

#[actix_web::test]
async fn a_stop_kills_the_whole_process_tree_of_a_command() {
    let house = House::open().await;
    let alice = house.alice().await;
    let mark = house.profile_dir("alice").join("workspace/alive");
    let command = "(trap '' TERM HUP; while :; do date +%N > alive; done) | sleep 60";
    let run = alice.run(&format!("@@tool terminal {}", json!({ "command": command }))).await;

    let mut events = alice.events(&run, None).await;
    events.until("tool.started").await;
    crate::support::appears(&mark).await;
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    assert_eq!(events.rest().await.pop().unwrap().kind(), "run.cancelled");
    // Nobody writes any more: the file can be taken away and stays away.
    std::fs::remove_file(&mark).unwrap();
    let echo = alice.run(r#"@@tool terminal {"command":"sleep 0.3; ls"}"#).await;
    let status = alice.finished(&echo).await;
    assert!(!status["output"].as_str().unwrap().contains("alive"), "{status}");
    house.close().await;
}

#[actix_web::test]
async fn runs_are_listed_newest_first_with_filters_and_pages() {
    let house = House::open().await;
    let alice = house.alice().await;
    let mut runs = Vec::new();
    for n in 0..3 {
        let run = alice.run(&format!("n {n}")).await;
        alice.finished(&run).await;
        runs.push(run);
    }
    alice.chat("a chat is a run too").await;

    let list = alice.get("/v1/runs").await.body;
    assert_eq!(list["data"].as_array().unwrap().len(), 4, "{list}");
    let page = alice.get("/v1/runs?limit=2").await.body;
    assert_eq!(page["data"][1]["run_id"], json!(runs[2]));
    let next = alice.get(&format!("/v1/runs?limit=2&after={}", runs[2])).await.body;
    assert_eq!(next["data"][0]["run_id"], json!(runs[1]));
    let none = alice.get("/v1/runs?status=failed").await.body;
    assert_eq!(none["data"], json!([]));
    house.close().await;
}

#[actix_web::test]
async fn a_session_remembers_and_takes_one_turn_at_a_time() {
    let house = House::open().await;
    let alice = house.alice().await;
    let first = alice.run_with(json!({"input": "@@gate one", "session_id": "s1"})).await;
    let mut events = alice.events(&first, None).await;
    events.until("message.delta").await;
    let second = alice.run_with(json!({"input": "second", "session_id": "s1"})).await;
    let queued = alice.get(&format!("/v1/runs/{second}")).await.body;
    assert_eq!(queued["status"], "queued", "{queued}");

    house.upstream.open("one");
    events.rest().await;
    alice.finished(&second).await;
    let said = house.upstream.requests().pop().unwrap();
    let roles: Vec<&str> = said["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|message| message["role"].as_str())
        .filter(|role| *role != "system")
        .collect();
    assert_eq!(roles, ["user", "assistant", "user"], "{said}");
    house.close().await;
}

#[actix_web::test]
async fn an_idempotency_key_runs_the_agent_once() {
    let house = House::open().await;
    let alice = house.alice().await;
    let key = [("Idempotency-Key", "key-1")];
    let body = json!({"input": r#"@@tool terminal {"command":"date +%s%N"}"#});
    let one = alice.post_with("/v1/runs", &key, body.clone()).await;
    let two = alice.post_with("/v1/runs", &key, body.clone()).await;
    assert_eq!(one.body["run_id"], two.body["run_id"]);
    assert_eq!((two.status, two.header("Idempotency-Replayed")), (202, Some("true")));
    let other = alice.post_with("/v1/runs", &key, json!({"input": "other"})).await;
    assert_eq!((other.status, other.code()), (409, "idempotency_key_conflict"));
    house.close().await;
}

#[actix_web::test]
async fn over_the_cap_a_run_queues_and_over_the_queue_it_is_refused() {
    let plan =
        crate::support::Plan::config("gateway:\n  api_server:\n    max_concurrent_runs: 1\n    queue: 1\n");
    let house = House::with(plan).await;
    let alice = house.alice().await;
    let running = alice.run("@@gate hold").await;
    alice.events(&running, None).await.until("message.delta").await;
    let queued = alice.run("next").await;
    assert_eq!(alice.get(&format!("/v1/runs/{queued}")).await.body["status"], "queued");
    let refused = alice.post("/v1/runs", json!({"input": "too many"})).await;
    assert_eq!((refused.status, refused.code()), (429, "rate_limit_exceeded"));
    assert!(refused.header("Retry-After").is_some());

    house.upstream.open("hold");
    assert_eq!(alice.finished(&queued).await["status"], "completed");
    house.close().await;
}

#[actix_web::test]
async fn a_page_of_runs_with_long_texts_ends_early_and_the_next_one_goes_on() {
    let house = House::open().await;
    let alice = house.alice().await;
    let long = "long words ".repeat(80_000);
    let mut runs = vec![alice.run("short").await];
    alice.finished(&runs[0]).await;
    for _ in 0..5 {
        let run = alice.run(&long).await;
        alice.finished(&run).await;
        runs.push(run);
    }
    // One that is not on the disk yet.
    let held = alice.run("@@gate held").await;
    alice.events(&held, None).await.until("message.delta").await;
    runs.push(held);
    let mut seen: Vec<String> = Vec::new();
    let mut pages = Vec::new();
    loop {
        let after = seen.last().map(|last| format!("?after={last}")).unwrap_or_default();
        let page = alice.get(&format!("/v1/runs{after}")).await;
        assert!(page.text.len() < 5 << 20, "{}", page.text.len());
        let rows = page.body["data"].as_array().unwrap();
        pages.push(rows.len());
        seen.extend(rows.iter().map(|row| row["run_id"].as_str().unwrap().to_owned()));
        if page.body["has_more"] == false {
            break;
        }
    }
    seen.reverse();
    assert_eq!((seen, pages), (runs, vec![5, 2]), "each once");
    house.upstream.open("held");
    house.close().await;
}
