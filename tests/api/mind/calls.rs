//! Calls of tools: beside each other, in circles, with results beyond all measure.

use crate::support::{House, Plan, within};
use serde_json::{Value, json};
use std::{fs::File, io::Write, os::unix::fs::OpenOptionsExt, time::Duration};

/// The results that the model read at its last call.
fn results(house: &House) -> Vec<String> {
    let asked = house.upstream.requests().pop().unwrap();
    let messages = asked["messages"].as_array().unwrap().clone();
    let tools = messages.into_iter().filter(|message| message["role"] == "tool");
    tools.map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn commands_that_cannot_meet_run_beside_each_other_and_answer_in_order() {
    let house = House::open().await;
    let alice = house.alice().await;
    // Each waits for the file that the other makes: one after the other, the first would never end.
    let wait = |mine: &str, other: &str| {
        let command =
            format!("touch {mine}; while [ ! -e ../{other}/{other} ]; do sleep 0.05; done; echo {mine}");
        json!({"command": command, "workdir": mine, "timeout": 15})
    };
    let run = alice.run(r#"@@tool terminal {"command":"mkdir a b"}"#).await;
    alice.finished(&run).await;
    let run = alice.run(&format!("@@tools terminal {} ;; terminal {}", wait("a", "b"), wait("b", "a"))).await;
    alice.finished(&run).await;
    let outputs: Vec<Value> =
        results(&house).iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    assert_eq!((&outputs[0]["output"], &outputs[1]["output"]), (&json!("a"), &json!("b")), "{outputs:?}");
    house.close().await;
}

#[actix_web::test]
async fn commands_that_only_look_run_beside_each_other_in_one_folder() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run(r#"@@tool terminal {"command":"mkfifo a b"}"#).await;
    alice.finished(&run).await;
    let run = alice.run(r#"@@tools terminal {"command":"cat a"} ;; terminal {"command":"cat b"}"#).await;
    // Each is open for writing as soon as, and as long as, its command reads: at the end both do.
    let workspace = house.profile_dir("alice").join("workspace");
    let mut pipes = Vec::new();
    for name in ["a", "b"] {
        let open = || {
            let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
            File::options().write(true).custom_flags(flags).open(workspace.join(name))
        };
        let pipe = within(async {
            loop {
                match open() {
                    Ok(pipe) => return pipe,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
        pipes.push(pipe.await);
    }
    for (pipe, text) in pipes.iter_mut().zip(["seen a", "seen b"]) {
        pipe.write_all(text.as_bytes()).unwrap();
    }
    drop(pipes);
    alice.finished(&run).await;
    let read = results(&house);
    assert!(read[0].contains("seen a") && read[1].contains("seen b"), "{read:?}");
    house.close().await;
}

#[actix_web::test]
async fn what_fails_again_and_again_is_warned_of_and_can_be_ended() {
    let fails = r#"@@loop 20 terminal {"command":"false"}"#;
    for (config, calls) in
        [("agent:\n  loop_guard: stop\n  max_turns: 12\n", 5), ("agent:\n  max_turns: 12\n", 12)]
    {
        let house = House::with(Plan::config(config)).await;
        let alice = house.alice().await;
        let run = alice.run(fails).await;
        let record = alice.finished(&run).await;
        assert_eq!(record["tools"].as_array().unwrap().len(), calls, "{config}");
        let read = results(&house);
        let warned = read.iter().filter(|text| text.contains("note of the gateway")).count();
        assert_eq!(warned, calls - 1, "all but the first: {read:?}");
        house.close().await;
    }
}

#[actix_web::test]
async fn a_result_beyond_measure_is_kept_as_a_file_that_the_agent_can_read() {
    let house = House::with(Plan::config("tool_output:\n  max_bytes: 400000\n")).await;
    let alice = house.alice().await;
    let run = alice.run_with(json!({
        "input": r#"@@tool terminal {"command":"seq 1 40000; echo the-end"}"#, "session_id": "s",
    }));
    let run = run.await;
    alice.finished(&run).await;
    let result: Value = serde_json::from_str(&results(&house)[0]).unwrap();
    assert_eq!(result["truncated"], true, "{result}");
    assert_eq!(result["output"].as_str().unwrap().chars().count(), 1_500);
    assert_eq!(result["exit_code"], 0, "the rest of the result stays: {result}");
    let file = result["file"].as_str().unwrap();
    let read = json!({"pattern": "the-end", "path": file});
    let run =
        alice.run_with(json!({"input": format!("@@tool search_files {read}"), "session_id": "s"})).await;
    let record = alice.finished(&run).await;
    assert!(record["output"].as_str().unwrap().contains("40001"), "its line is found: {record}");

    // Together they are too much, each by itself is not.
    let some = r#"terminal {"command":"head -c 90000 /dev/zero | tr '\\0' x"}"#;
    let run = alice.run(&format!("@@tools {some} ;; {some} ;; {some}")).await;
    alice.finished(&run).await;
    let kept: Vec<bool> = results(&house).iter().map(|text| text.contains("/tmp/results/")).collect();
    assert_eq!(kept, [false, false, true]);
    house.close().await;
}

#[actix_web::test]
async fn a_call_that_is_made_twice_is_run_twice() {
    let house = House::open().await;
    let alice = house.alice().await;
    let add = r#"terminal {"command":"echo line >> log; wc -l < log"}"#;
    let run = alice.run(&format!("@@tools {add} ;; {add}")).await;
    let record = alice.finished(&run).await;
    assert_eq!(record["tools"].as_array().unwrap().len(), 2, "{record}");
    let outputs: Vec<Value> =
        results(&house).iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    assert_eq!((&outputs[0]["output"], &outputs[1]["output"]), (&json!("1"), &json!("2")));
    house.close().await;
}

#[actix_web::test]
async fn a_long_result_keeps_no_secret() {
    let plan = Plan {
        config: "tool_output:\n  max_bytes: 400000\nterminal:\n  env_passthrough: [CANARY_TOKEN]\n"
            .to_owned(),
        alice_env: "CANARY_TOKEN=canary-4f9b2d7713\n".to_owned(),
        ..Plan::default()
    };
    let house = House::with(plan).await;
    let alice = house.alice().await;
    let call = r#"@@tool terminal {"command":"seq 1 40000; echo [$CANARY_TOKEN]"}"#;
    let run = alice.run_with(json!({"input": call, "session_id": "s"})).await;
    alice.finished(&run).await;
    let result: Value = serde_json::from_str(&results(&house)[0]).unwrap();
    let command = json!({"path": result["file"], "offset": 40001});
    let run =
        alice.run_with(json!({"input": format!("@@tool read_file {command}"), "session_id": "s"})).await;
    let record = alice.finished(&run).await;
    let output = record["output"].as_str().unwrap();
    assert!(output.contains("40001") && !output.contains("canary-4f9b2d7713"), "{output}");
    house.close().await;
}

#[actix_web::test]
async fn what_may_write_waits_for_those_that_look() {
    let house = House::open().await;
    let alice = house.alice().await;
    let look = r#"terminal {"command":"cat /etc/hostname; echo done"}"#;
    let write = r#"terminal {"command":"echo x > written"}"#;
    let run = alice.run(&format!("@@tools {look} ;; {look} ;; {write} ;; {look}")).await;
    let events = alice.events(&run, None).await.rest().await;
    let order: String = events
        .iter()
        .filter_map(|event| match event.kind().as_str() {
            "tool.started" => Some('('),
            "tool.completed" => Some(')'),
            _ => None,
        })
        .collect();
    assert_eq!(order, "(())()()");
    house.close().await;
}

#[actix_web::test]
async fn arguments_with_a_slip_are_mended_and_hopeless_ones_are_told_to_the_model() {
    let house = House::open().await;
    let alice = house.alice().await;
    let slips = [r#"{"command":"echo mended",}"#, r#""{\"command\":\"echo mended\"}""#];
    for slip in slips {
        let run = alice.run(&format!("@@tool terminal {slip}")).await;
        assert_eq!(alice.finished(&run).await["status"], "completed");
        assert!(results(&house)[0].contains(r#""output":"mended""#), "{slip}: {:?}", results(&house));
    }
    let run =
        alice.run(r#"@@tools terminal echo ;; terminal ["echo"] ;; terminal {"command":"echo ran"}"#).await;
    let record = alice.finished(&run).await;
    let read: Vec<Value> = results(&house).iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    for hopeless in &read[..2] {
        assert_eq!(hopeless["code"], "invalid_arguments", "{hopeless}");
        assert!(hopeless["error"].is_string() && hopeless["hint"].is_string(), "{hopeless}");
    }
    assert_eq!((&read[2]["output"], &record["status"]), (&json!("ran"), &json!("completed")), "{record}");
    house.close().await;
}
