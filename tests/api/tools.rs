//! What tools answer: one form of errors, and the truth about what was done.

use crate::support::{Client, House, Plan, called};
use hermes_gateway::{domain::ProfileName, gateway::Action};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

fn workspace(house: &House) -> PathBuf {
    let folder = house.profile_dir("alice").join("workspace");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A value of another type than the schema's.
fn wrong(schema: &Value) -> Value {
    match schema["type"].as_str().unwrap() {
        "string" => json!({}),
        _ => json!("x"),
    }
}

/// What a tool answers in a turn of one session.
async fn in_session(house: &House, client: &Client, tool: &str, arguments: Value) -> Value {
    let run =
        client.run_with(json!({"input": format!("@@tool {tool} {arguments}"), "session_id": "s"})).await;
    client.finished(&run).await;
    let requests = house.upstream.requests();
    let last = requests.last().unwrap()["messages"].as_array().unwrap().last().unwrap().clone();
    serde_json::from_str(last["content"].as_str().unwrap()).unwrap()
}

/// Runs a call that somebody has to allow, and allows it.
async fn allowed(alice: &Client, call: &str) -> Value {
    let run = alice.run(call).await;
    let mut events = alice.events(&run, None).await;
    events.until("approval.request").await;
    alice.post(&format!("/v1/runs/{run}/approval"), json!({"choice": "once"})).await;
    events.rest().await;
    alice.get(&format!("/v1/runs/{run}")).await.body
}

#[actix_web::test]
async fn every_tool_tells_what_is_wrong_with_a_call_in_one_form() {
    let config = "web:\n  search: {provider: searxng, base_url: 'http://127.0.0.1:1'}\n";
    let house = House::with(Plan::config(config)).await;
    let alice = house.alice().await;
    alice.chat("hello").await;
    let offered = house.upstream.requests().pop().unwrap()["tools"].clone();
    let offered = offered.as_array().unwrap();
    assert!(offered.len() >= 17, "all tools are looked at: {}", offered.len());
    for tool in offered {
        let (name, parameters) =
            (tool["function"]["name"].as_str().unwrap(), &tool["function"]["parameters"]);
        let required = parameters["required"].as_array().unwrap();
        let properties = parameters["properties"].as_object().unwrap();
        let named =
            required.first().and_then(Value::as_str).unwrap_or_else(|| properties.keys().next().unwrap());
        let mut calls = vec![json!({ named: wrong(&properties[named]) })];
        if !required.is_empty() {
            calls.push(json!({}));
        }
        for arguments in calls {
            let told = called(&house, &alice, name, arguments.clone()).await;
            assert_eq!(told["code"], "invalid_arguments", "{name} {arguments}: {told}");
            let error = told["error"].as_str().unwrap();
            assert!(
                properties.keys().any(|known| error.contains(&format!("`{known}`"))),
                "{name} {arguments}: {told}"
            );
            assert!(told.as_object().unwrap().contains_key("hint"), "{name} {arguments}: {told}");
        }
    }
    house.close().await;
}

#[actix_web::test]
async fn whoever_refuses_a_call_says_why_and_what_to_do_instead() {
    let house = House::open().await;
    let alice = house.alice().await;
    let none = called(&house, &alice, "teleport", json!({})).await;
    let blocked = called(&house, &alice, "terminal", json!({"command": "rm -rf /"})).await;
    alice.chat(r#"@@tool terminal {"command":"rm -rf ./build"}"#).await;
    let requests = house.upstream.requests();
    let unasked = requests.last().unwrap()["messages"].as_array().unwrap().last().unwrap().clone();
    let unasked: Value = serde_json::from_str(unasked["content"].as_str().unwrap()).unwrap();
    for (told, code) in [(&none, "unknown_tool"), (&blocked, "blocked"), (&unasked, "blocked")] {
        assert_eq!(told["code"], code, "{told}");
        assert!(
            !told["error"].as_str().unwrap().is_empty() && !told["hint"].as_str().unwrap().is_empty(),
            "{told}"
        );
    }
    for told in [&blocked, &unasked] {
        assert_eq!((&told["exit_code"], &told["status"]), (&json!(-1), &json!("blocked")), "{told}");
    }
    house.close().await;
}

#[actix_web::test]
async fn paths_that_are_none_are_told_as_what_they_are() {
    let house = House::open().await;
    let alice = house.alice().await;
    fs::create_dir(workspace(&house).join("folder")).unwrap();
    for (path, code, says) in [
        (json!(5), "invalid_arguments", "`path` must be a string, not a number"),
        (json!(null), "invalid_arguments", "`read_file` needs `path`: a string"),
        (json!(""), "invalid_arguments", "`path` is empty"),
        (json!("folder"), "is_directory", "folder"),
        (json!("missing"), "not_found", "missing"),
        (json!("../.env"), "outside_workspace", ".env"),
    ] {
        let told = called(&house, &alice, "read_file", json!({ "path": path })).await;
        assert_eq!(told["code"], code, "{path}: {told}");
        assert!(told["error"].as_str().unwrap().contains(says), "{path}: {told}");
    }
    house.close().await;
}

#[actix_web::test]
async fn a_search_finds_what_is_there_and_names_a_pattern_that_is_none() {
    let house = House::open().await;
    let alice = house.alice().await;
    fs::create_dir(workspace(&house).join("deep")).unwrap();
    fs::write(workspace(&house).join("deep/notes"), "a needle\n").unwrap();
    for path in [json!("."), json!(null)] {
        let found = called(&house, &alice, "search_files", json!({"pattern": "ne+dle", "path": path})).await;
        assert_eq!(found["total_count"], 1, "{path}: {found}");
    }
    let broken = called(&house, &alice, "search_files", json!({"pattern": "ne(dle"})).await;
    assert_eq!(broken["code"], "invalid_pattern", "{broken}");
    house.close().await;
}

#[actix_web::test]
async fn a_patch_changes_what_it_names_or_is_an_error() {
    let house = House::open().await;
    let alice = house.alice().await;
    let file = workspace(&house).join("code.py");
    let text = "if x:\n    old()\nnew()\n";
    fs::write(&file, text).unwrap();
    let patch = |old: &str, new: &str| json!({"mode": "replace", "path": "code.py", "old_string": old, "new_string": new});
    let absent = called(&house, &alice, "patch", patch("gone()", "new()")).await;
    assert_eq!(absent["code"], "no_match", "the new text is there, yet nothing was done: {absent}");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    let done = called(&house, &alice, "patch", patch("if x:\n  old()", "if x:\n  other()")).await;
    assert_eq!(done["code"], "no_match", "an indentation that fits nowhere is not guessed: {done}");
    let done = called(&house, &alice, "patch", patch("  old()\n", "  other()\n")).await;
    assert_eq!(done["success"], true, "{done}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "if x:\n    other()\nnew()\n", "no column is lost");
    assert!(done["diff"].as_str().unwrap().starts_with("--- a/code.py\n+++ b/code.py\n"), "{done}");
    house.close().await;
}

#[actix_web::test]
async fn reading_and_writing_tell_what_they_did_and_what_they_left_out() {
    let house = House::open().await;
    let alice = house.alice().await;
    let write = async |path: &str, content: &str| {
        called(&house, &alice, "write_file", json!({"path": path, "content": content})).await
    };
    assert_eq!(write("new/file", "x").await["dirs_created"], true);
    assert_eq!(write("new/file", "y").await["dirs_created"], false);
    let json = write("half.json", "{").await;
    assert_eq!((&json["lint"]["status"], &json["bytes_written"]), (&json!("error"), &json!(1)), "{json}");
    assert!(
        write("half.py", "def (").await["error"].is_null(),
        "what is not right yet can be written, of any kind"
    );
    fs::write(workspace(&house).join("wide"), "x".repeat(3_000) + "\n").unwrap();
    let wide = called(&house, &alice, "read_file", json!({"path": "wide"})).await;
    assert_eq!((&wide["truncated"], &wide["total_lines"]), (&json!(true), &json!(1)), "{}", wide["hint"]);
    assert!(!wide["content"].as_str().unwrap().contains("2|"), "no line is shown that is not there");
    house.close().await;
}

#[actix_web::test]
async fn the_shells_directory_is_the_shells_alone() {
    let house = House::open().await;
    let alice = house.alice().await;
    let folder = workspace(&house);
    fs::create_dir(folder.join("sub")).unwrap();
    fs::write(folder.join("here"), "top").unwrap();
    fs::write(folder.join("sub/here"), "below").unwrap();
    let turn = async |tool: &str, arguments: Value| in_session(&house, &alice, tool, arguments).await;
    turn("terminal", json!({"command": "cd sub"})).await;
    assert_eq!(
        turn("terminal", json!({"command": "cat here"})).await["output"],
        "below",
        "commands go on there"
    );
    assert_eq!(turn("read_file", json!({"path": "here"})).await["content"], "1|top");
    turn("write_file", json!({"path": "made", "content": "x"})).await;
    assert!(folder.join("made").exists() && !folder.join("sub/made").exists());
    let found = turn("search_files", json!({"pattern": "here", "target": "files"})).await;
    assert_eq!(found["total_count"], 2, "{found}");
    house.close().await;
}

/// Its shell was started before, with what the settings were then.
#[actix_web::test]
async fn a_command_has_the_variables_of_its_own_time_and_profile() {
    let plan = Plan {
        alice_env: "SERVICE_TOKEN=canary-4f1c9a7e22\n".to_owned(),
        config: "terminal:\n  env_passthrough: [SERVICE_TOKEN]\n".to_owned(),
        ..Plan::default()
    };
    let house = House::with(plan).await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let length = async |client: &Client| {
        let command = json!({"command": "echo ${#SERVICE_TOKEN}"});
        in_session(&house, client, "terminal", command).await["output"].clone()
    };
    for _ in 0..3 {
        assert_eq!((length(&alice).await, length(&bob).await), (json!("17"), json!("0")));
    }
    let file = house.profile_dir("alice").join(".env");
    let env = fs::read_to_string(&file).unwrap();
    fs::write(&file, env.replace("canary-4f1c9a7e22", "canary-now-longer-than-before")).unwrap();
    house.gateway().act(&ProfileName::parse("alice").unwrap(), Action::Reload).await.unwrap();
    let alice = house.alice().await;
    for _ in 0..2 {
        assert_eq!((length(&alice).await, length(&bob).await), (json!("29"), json!("0")));
    }
    house.close().await;
}

#[actix_web::test]
async fn what_the_file_tools_may_not_see_no_command_sees() {
    let house = House::open().await;
    let alice = house.alice().await;
    let env = house.profile_dir("alice").join(".env");
    let command =
        json!({"command": format!("cat '{}' ../.env; find / -name .env 2>/dev/null | head", env.display())});
    let told = called(&house, &alice, "terminal", command).await;
    assert!(!told.to_string().contains("API_SERVER"), "{told}");
    let told = called(&house, &alice, "read_file", json!({"path": env})).await;
    assert!(told["code"].is_string() && !told.to_string().contains("API_SERVER"), "{told}");
    house.close().await;
}

#[actix_web::test]
async fn a_pty_is_a_terminal_and_what_runs_behind_can_be_typed_to() {
    let house = House::open().await;
    let alice = house.alice().await;
    let tty = called(
        &house,
        &alice,
        "terminal",
        json!({"command": "test -t 0 && test -t 1 && echo yes", "pty": true}),
    );
    let tty = tty.await;
    assert_eq!(tty["output"], "yes", "{tty}");
    let turn = async |tool: &str, arguments: Value| {
        let body = json!({"input": format!("@@tool {tool} {arguments}"), "session_id": "s"});
        let run = alice.run_with(body).await;
        alice.finished(&run).await;
        let requests = house.upstream.requests();
        let last = requests.last().unwrap()["messages"].as_array().unwrap().last().unwrap().clone();
        serde_json::from_str::<Value>(last["content"].as_str().unwrap()).unwrap()
    };
    let cat = turn("terminal", json!({"command": "cat", "background": true})).await;
    let id = cat["session_id"].as_str().unwrap();
    turn("process", json!({"action": "submit", "session_id": id, "data": "typed"})).await;
    turn("process", json!({"action": "close", "session_id": id})).await;
    let done = turn("process", json!({"action": "wait", "session_id": id, "timeout": 20})).await;
    assert_eq!((&done["output"], &done["exit_code"]), (&json!("typed"), &json!(0)), "{done}");
    house.close().await;
}

#[actix_web::test]
async fn a_search_that_finds_nothing_is_no_failure_and_an_allowed_command_says_so() {
    let house = House::open().await;
    let alice = house.alice().await;
    fs::write(workspace(&house).join("notes"), "x\n").unwrap();
    let nothing = called(&house, &alice, "terminal", json!({"command": "grep absent notes"})).await;
    assert_eq!(nothing["exit_code"], 1, "{nothing}");
    assert!(nothing["exit_code_meaning"].as_str().unwrap().contains("nothing matched"), "{nothing}");
    let runs = alice.get("/v1/runs").await.body;
    assert_eq!(runs["data"][0]["tools"][0]["status"], "completed", "{runs}");
    let failed = called(&house, &alice, "terminal", json!({"command": "grep absent nowhere"})).await;
    assert_eq!((&failed["exit_code"], failed.get("exit_code_meaning")), (&json!(2), None), "{failed}");

    fs::create_dir(workspace(&house).join("build")).unwrap();
    let record = allowed(&alice, r#"@@tool terminal {"command":"rm -r build"}"#).await;
    assert!(!workspace(&house).join("build").exists(), "{record}");
    let requests = house.upstream.requests();
    let last = requests.last().unwrap()["messages"].as_array().unwrap().last().unwrap().clone();
    let told: Value = serde_json::from_str(last["content"].as_str().unwrap()).unwrap();
    assert!(told["approval"].as_str().unwrap().contains("approved by the user"), "{told}");
    house.close().await;
}
