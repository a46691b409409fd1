//! Background commands, from turn to turn.

use crate::support::{Client, House, Plan};
use serde_json::{Value, json};

/// One turn of a session that makes this call; the result as the model read it.
async fn call(house: &House, client: &Client, session: &str, tool: &str, arguments: Value) -> Value {
    let input = format!("@@tool {tool} {arguments}");
    let run = client.run_with(json!({ "input": input, "session_id": session })).await;
    client.finished(&run).await;
    result(house)
}

/// The last result that the upstream was given.
fn result(house: &House) -> Value {
    let asked = house.upstream.requests().pop().unwrap();
    let last = asked["messages"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["role"], "tool", "{last}");
    serde_json::from_str(last["content"].as_str().unwrap()).unwrap()
}

async fn start(house: &House, client: &Client, session: &str, command: &str) -> String {
    let started =
        call(house, client, session, "terminal", json!({ "command": command, "background": true })).await;
    started["session_id"].as_str().unwrap_or_else(|| panic!("{started}")).to_owned()
}

async fn process(house: &House, client: &Client, session: &str, action: &str, id: &str) -> Value {
    call(house, client, session, "process", json!({ "action": action, "session_id": id, "timeout": 20 }))
        .await
}

#[actix_web::test]
async fn a_later_turn_of_the_session_looks_after_it_and_nobody_else_does() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let id = start(&house, &alice, "s1", "read -r x; echo \"<$x>\"").await;
    assert_eq!(process(&house, &alice, "s1", "poll", &id).await["status"], "running");
    for (client, session) in [(&alice, "s2"), (&bob, "s1")] {
        for action in ["poll", "log", "wait", "kill", "close"] {
            let foreign = process(&house, client, session, action, &id).await;
            assert_eq!(foreign["code"], "not_found", "{session} {action}: {foreign}");
        }
        let list = process(&house, client, session, "list", &id).await;
        assert_eq!(list, json!({ "processes": [] }));
    }
    call(&house, &alice, "s1", "process", json!({ "action": "submit", "session_id": id, "data": "hi" }))
        .await;
    let done = process(&house, &alice, "s1", "wait", &id).await;
    assert_eq!((&done["output"], &done["exit_code"]), (&json!("<hi>"), &json!(0)), "{done}");
    house.close().await;
}

#[actix_web::test]
async fn a_stop_of_its_run_ends_it() {
    let house = House::open().await;
    let alice = house.alice().await;
    let both =
        r#"@@tools terminal {"command":"sleep 1000","background":true} ;; terminal {"command":"sleep 1000"}"#;
    let run = alice.run_with(json!({ "input": both, "session_id": "s1" })).await;
    let mut events = alice.events(&run, None).await;
    events.until("tool.completed").await;
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    events.rest().await;
    let list = process(&house, &alice, "s1", "list", "").await;
    let one = &list["processes"][0];
    let id = one["session_id"].as_str().unwrap();
    let done = process(&house, &alice, "s1", "wait", id).await;
    assert_eq!((&done["status"], &done["exit_code"]), (&json!("exited"), &json!(130)), "{done}");
    house.close().await;
}

#[actix_web::test]
async fn it_ends_with_its_session_and_a_new_one_of_that_name_knows_nothing_of_it() {
    let house = House::open().await;
    let alice = house.alice().await;
    start(&house, &alice, "s1", "while :; do date > alive; sleep 0.05; done").await;
    let kept = start(&house, &alice, "s2", "sleep 1000").await;
    assert_eq!(alice.delete("/api/sessions/s1").await.status, 200);
    let alive = house.profile_dir("alice").join("workspace/alive");
    let _gone_already = std::fs::remove_file(&alive);
    assert_eq!(process(&house, &alice, "s1", "list", "").await, json!({ "processes": [] }));
    assert!(!alive.exists(), "it still writes");
    assert_eq!(process(&house, &alice, "s2", "poll", &kept).await["status"], "running");
    house.close().await;
}

#[actix_web::test]
async fn an_orderly_stop_of_the_gateway_ends_it_and_that_is_remembered() {
    let mut house = House::open().await;
    let alice = house.alice().await;
    let (over, going) =
        (start(&house, &alice, "s1", "exit 7").await, start(&house, &alice, "s1", "sleep 1000").await);
    process(&house, &alice, "s1", "wait", &over).await;
    house.stop(std::time::Duration::ZERO).await;
    house.start().await;
    let alice = house.alice().await;
    for (id, code) in [(&over, 7), (&going, 137)] {
        let told = process(&house, &alice, "s1", "poll", id).await;
        assert_eq!((&told["status"], &told["exit_code"]), (&json!("exited"), &json!(code)), "{told}");
    }
    house.close().await;
}

#[actix_web::test]
async fn what_is_typed_into_a_shell_is_judged_like_a_command() {
    let house = House::with(Plan::config("approvals:\n  unattended: deny\n")).await;
    let alice = house.alice().await;
    let id = start(&house, &alice, "s1", "bash").await;
    for (action, data) in [("submit", "rm -rf /"), ("write", "rm -rf /\n")] {
        let typed = json!({ "action": action, "session_id": id, "data": data });
        let refused = call(&house, &alice, "s1", "process", typed).await;
        assert_eq!(refused["status"], "blocked", "{action}: {refused}");
    }
    let run = alice
        .run_with(json!({
            "input": format!("@@tool process {}", json!({ "action": "submit", "session_id": id, "data": "rm -rf ./none" })),
            "session_id": "s1",
        }))
        .await;
    let asked = alice.events(&run, None).await.until("approval.request").await.json();
    assert!(asked["command"].as_str().unwrap().contains("rm -rf ./none"), "{asked}");
    alice.post(&format!("/v1/runs/{run}/approval"), json!({ "choice": "deny" })).await;
    alice.finished(&run).await;
    assert_eq!(process(&house, &alice, "s1", "poll", &id).await["output"], "", "nothing was typed");
    house.close().await;
}

/// Types, where nothing stands in the way.
async fn type_in(house: &House, client: &Client, id: &str, action: &str, data: &str) -> Value {
    call(house, client, "s1", "process", json!({ "action": action, "session_id": id, "data": data })).await
}

/// Types what a person is asked about and does not allow; the command as they were shown it.
async fn asked(client: &Client, id: &str, action: &str, data: &str) -> String {
    let call = json!({ "action": action, "session_id": id, "data": data });
    let input = format!("@@tool process {call}");
    let run = client.run_with(json!({ "input": input, "session_id": "s1" })).await;
    let asked = client.events(&run, None).await.until("approval.request").await.json();
    client.post(&format!("/v1/runs/{run}/approval"), json!({ "choice": "deny" })).await;
    client.finished(&run).await;
    asked["command"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_line_that_is_typed_in_pieces_is_judged_whole_when_it_ends() {
    let house = House::open().await;
    let alice = house.alice().await;
    for pty in [false, true] {
        let shell = json!({ "command": "bash --norc", "background": true, "pty": pty });
        let started = call(&house, &alice, "s1", "terminal", shell).await;
        let id = started["session_id"].as_str().unwrap();
        for piece in ["rm -r", "f ./no"] {
            assert_eq!(type_in(&house, &alice, id, "write", piece).await["status"], "ok", "nothing runs yet");
        }
        let enter = if pty { "ne\r" } else { "ne\n" };
        for (action, rest) in [("write", enter), ("submit", "ne")] {
            assert_eq!(asked(&alice, id, action, rest).await, "rm -rf ./none", "pty: {pty}");
        }
        // What was not allowed was not typed: the beginning still stands there.
        let refused = type_in(&house, &alice, id, "submit", "; rm -rf /").await;
        assert_eq!(refused["status"], "blocked", "{refused}");
        process(&house, &alice, "s1", "kill", id).await;
    }
    house.close().await;
}

#[actix_web::test]
async fn no_way_to_end_a_line_gets_around_the_judgement() {
    let house = House::with(Plan::config("approvals:\n  unattended: deny\n")).await;
    let alice = house.alice().await;
    let shell = async |pty: bool| {
        let shell = json!({ "command": "bash --norc", "background": true, "pty": pty });
        call(&house, &alice, "s1", "terminal", shell).await["session_id"].as_str().unwrap().to_owned()
    };
    let blocked = |told: &Value| told["status"] == "blocked";
    // A line that goes on, in two statements of the tool.
    let id = shell(false).await;
    type_in(&house, &alice, &id, "submit", "rm -rf \\").await;
    assert!(blocked(&type_in(&house, &alice, &id, "submit", "/").await));
    // The end of the input ends it, too.
    type_in(&house, &alice, &id, "write", "/").await;
    let closed = call(&house, &alice, "s1", "process", json!({ "action": "close", "session_id": id })).await;
    assert!(blocked(&closed), "{closed}");
    // A key of the terminal that forgets what was typed before, and one that may not.
    let id = shell(true).await;
    type_in(&house, &alice, &id, "write", "# ").await;
    assert!(blocked(&type_in(&house, &alice, &id, "write", "\u{3}rm -rf /\r").await));
    let id = shell(true).await;
    type_in(&house, &alice, &id, "write", "rm -rf ").await;
    assert!(blocked(&type_in(&house, &alice, &id, "submit", "\u{3}/").await));
    let id = shell(true).await;
    let shown = asked(&alice, &id, "write", "ls nothing\u{7f}\r").await;
    assert!(shown.starts_with("ls nothing"), "a line that was edited is for a person: {shown}");
    house.close().await;
}

#[actix_web::test]
async fn of_two_calls_that_type_into_one_line_the_second_waits_for_the_first() {
    let house = House::open().await;
    let alice = house.alice().await;
    let id = start(&house, &alice, "s1", "bash").await;
    let types =
        |data: &str| format!("process {}", json!({ "action": "write", "session_id": id, "data": data }));
    let both = async |first: &str, second: &str| {
        let input = format!("@@tools {} ;; {}", types(first), types(second));
        let run = alice.run_with(json!({ "input": input, "session_id": "s1" })).await;
        alice.finished(&run).await;
        result(&house)
    };
    assert_eq!(both("# ", "rm -rf ./none\n").await["code"], "one_at_a_time");
    assert_eq!(type_in(&house, &alice, &id, "submit", "").await["status"], "ok", "the first was typed");
    assert_eq!(both("echo one\n", "echo two\n").await["status"], "ok", "lines of their own");
    let shown = asked(&alice, &id, "submit", "rm -rf ./none").await;
    assert_eq!(shown, "rm -rf ./none");
    type_in(&house, &alice, &id, "submit", "exit").await;
    assert_eq!(process(&house, &alice, "s1", "wait", &id).await["output"], "one\ntwo");
    house.close().await;
}

#[actix_web::test]
async fn secrets_that_it_prints_are_not_shown() {
    let plan = Plan {
        alice_env: "SERVICE_TOKEN=canary-4f1c9a7e22\n".to_owned(),
        config: "terminal:\n  env_passthrough: [SERVICE_TOKEN]\n".to_owned(),
        ..Plan::default()
    };
    let house = House::with(plan).await;
    let alice = house.alice().await;
    let id = start(&house, &alice, "s1", "for n in $(seq 2000); do echo \"$n $SERVICE_TOKEN\"; done").await;
    for action in ["wait", "poll", "log", "list"] {
        let shown = process(&house, &alice, "s1", action, &id).await.to_string();
        assert!(!shown.contains("canary-4f1c") && !shown.contains("9a7e22"), "{action}: {shown}");
    }
    house.close().await;
}
