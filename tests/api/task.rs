//! One long piece of work with every kind of tool, asked for by three surfaces.

use crate::support::{Client, House, Plan, ask, site::Site};
use actix_web::http::Method;
use serde_json::{Value, json};

/// A window that the work fills once.
const WINDOW: u64 = 40_000;

/// Forty calls, one after the other: of every kind, one that a person has to allow, and enough output for one compression.
fn steps(site: &Site) -> Vec<(&'static str, Value)> {
    let skill = "---\nname: packing\ndescription: How to pack.\n---\nHeavy things first.\n";
    let child = r#"@@tool write_file {"path":"by-the-child","content":"x"}"#;
    let mut steps = vec![
        ("todo", json!({"todos": [{"id": "1", "content": "pack", "status": "in_progress"}]})),
        ("memory", json!({"action": "add", "content": "The van leaves at nine."})),
        ("skill_manage", json!({"action": "create", "name": "packing", "content": skill})),
        ("skills_list", json!({})),
        ("skill_view", json!({"name": "packing"})),
        ("write_file", json!({"path": "plan.md", "content": "one\ntwo\n"})),
        ("read_file", json!({"path": "plan.md"})),
        ("patch", json!({"mode": "replace", "path": "plan.md", "old_string": "two", "new_string": "three"})),
        ("search_files", json!({"pattern": "three"})),
        ("terminal", json!({"command": "mkdir -p build && echo made > build/x && cat build/x"})),
    ];
    let long = |number: usize| json!({"command": format!("echo part {number}; head -c 9000 /dev/zero | tr '\\0' x")});
    steps.extend((1..=14).map(|number| ("terminal", long(number))));
    steps.extend([
        ("web_extract", json!({"urls": [site.at("/page")]})),
        ("delegate_task", json!({"goal": child})),
        ("terminal", json!({"command": "rm -rf build"})),
        ("search_files", json!({"pattern": "made"})),
    ]);
    let file = |number: usize| format!("part-{number}.txt");
    steps.extend((1..=5).flat_map(|number| {
        [
            ("write_file", json!({"path": file(number), "content": format!("part {number}\n")})),
            ("read_file", json!({"path": file(number)})),
        ]
    }));
    steps.extend([
        ("todo", json!({"todos": [{"id": "1", "status": "completed"}], "merge": true})),
        ("terminal", json!({"command": "ls"})),
    ]);
    assert_eq!(steps.len(), 40);
    steps
}

/// What a surface left behind.
#[derive(Debug, PartialEq)]
struct Done {
    transcript: Vec<Value>,
    usage: Value,
    compressions: usize,
    approvals: usize,
    children: usize,
}

async fn house(site: &Site) -> House {
    let port = site.port();
    let config = format!(
        "  context_length: {WINDOW}\nterminal:\n  network_allow: ['127.0.0.1:{port}']\napprovals:\n  unattended: wait\n"
    );
    House::with(Plan::config(&config)).await
}

/// Follows the run to its end, allows what it asks for, and reads what it left.
async fn followed(alice: &Client, run: &str, session: &str) -> Done {
    let mut events = alice.events(run, None).await;
    let mut kinds = Vec::new();
    while let Some(frame) = events.data().await {
        kinds.push(frame.kind());
        if frame.kind() == "approval.request" {
            let answer = alice.post(&format!("/v1/runs/{run}/approval"), json!({"choice": "once"})).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
    }
    assert_eq!(kinds.last().unwrap(), "run.completed");
    let count = |kind: &str| kinds.iter().filter(|one| *one == kind).count();
    let record = alice.get(&format!("/v1/runs/{run}")).await.body;
    Done {
        transcript: transcript(alice, session).await,
        usage: record["usage"].clone(),
        compressions: count("context.compressed"),
        approvals: count("approval.request"),
        children: count("subagent.complete"),
    }
}

/// Role, words and calls of each message. Of a result only whether it is one of failure: times and process ids differ.
async fn transcript(alice: &Client, session: &str) -> Vec<Value> {
    let page = alice.get(&format!("/api/sessions/{session}/messages?limit=200")).await.body;
    let rows = page["data"].as_array().unwrap_or_else(|| panic!("{page}"));
    let row = |row: &Value| {
        let calls: Vec<Value> =
            row["tool_calls"].as_array().into_iter().flatten().map(|call| call["function"].clone()).collect();
        let content = row["content"].as_str().unwrap_or_default();
        let words = match serde_json::from_str::<Value>(content) {
            Ok(result) if row["role"] == "tool" => {
                json!({"exit": result["exit_code"], "error": result["error"]})
            }
            Ok(_) | Err(_) => json!(content),
        };
        json!({"role": row["role"], "words": words, "calls": calls})
    };
    rows.iter().map(row).collect()
}

fn id(headers: &actix_web::http::header::HeaderMap, name: &str) -> String {
    headers.get(name).unwrap_or_else(|| panic!("no {name}: {headers:?}")).to_str().unwrap().to_owned()
}

#[actix_web::test]
async fn forty_steps_are_the_same_work_on_runs_chat_and_responses() {
    let site = Site::start().await;
    let work: Vec<String> = steps(&site).iter().map(|(tool, call)| format!("{tool} {call}")).collect();
    let said = format!("@@steps {}", work.join(" ;; "));

    let on_runs = async {
        let house = house(&site).await;
        let alice = house.alice().await;
        let run = alice.run_with(json!({"input": said, "session_id": "work"})).await;
        let done = followed(&alice, &run, "work").await;
        house.close().await;
        done
    };
    let on_chat = async {
        let house = house(&site).await;
        let alice = house.alice().await;
        let named = [("X-Hermes-Session-Id", "work")];
        let stream = alice.stream(Method::POST, "/v1/chat/completions", &named, Some(ask(&said, true))).await;
        let run = id(&stream.headers, "x-hermes-run-id");
        let (done, frames) = tokio::join!(followed(&alice, &run, "work"), stream.rest());
        let usage = frames.iter().rev().find_map(|frame| {
            let data = frame.data.as_deref().filter(|data| *data != "[DONE]")?;
            let frame: Value = serde_json::from_str(data).ok()?;
            frame["usage"].is_object().then(|| frame["usage"].clone())
        });
        assert_eq!(usage.unwrap()["total_tokens"], done.usage["total_tokens"]);
        house.close().await;
        done
    };
    let on_responses = async {
        let house = house(&site).await;
        let alice = house.alice().await;
        let body = json!({"model": "test", "input": said, "stream": true, "conversation": "work"});
        let stream = alice.stream(Method::POST, "/v1/responses", &[], Some(body)).await;
        let run = id(&stream.headers, "x-hermes-run-id");
        let session = id(&stream.headers, "x-hermes-session-id");
        let (done, frames) = tokio::join!(followed(&alice, &run, &session), stream.rest());
        let end = frames.last().unwrap().json();
        assert_eq!(end["type"], "response.completed");
        assert_eq!(end["response"]["usage"]["total_tokens"], done.usage["total_tokens"]);
        house.close().await;
        done
    };
    let (runs, chat, responses) = tokio::join!(on_runs, on_chat, on_responses);

    // The user's word, a call and its result for each step, and the answer.
    assert_eq!(runs.transcript.len(), 82);
    assert_eq!(runs.transcript.last().unwrap()["words"], "All steps are done.");
    let failed: Vec<&Value> =
        runs.transcript.iter().filter(|row| row["words"]["error"].is_string()).collect();
    assert_eq!(failed, Vec::<&Value>::new());
    assert_eq!((runs.compressions, runs.approvals, runs.children), (1, 1, 1));
    assert_eq!(runs, chat);
    assert_eq!(runs, responses);
}
