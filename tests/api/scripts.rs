//! `execute_code` and the tools that its scripts call.

use super::keys::with_tools;
use crate::support::{Client, House, Plan, appears};
use hermes_gateway::actors::Rights;
use serde_json::{Value, json};

/// Runs a script as a turn, with one approval, and gives back its result.
async fn script(house: &House, client: &Client, code: &str) -> Value {
    let run = client.run(&format!("@@tool execute_code {}", json!({ "code": code }))).await;
    let mut events = client.events(&run, None).await;
    let asked = events.until("approval.request").await.json();
    assert_eq!(asked["command"], json!(code), "a person sees the script: {asked}");
    let answered = client.post(&format!("/v1/runs/{run}/approval"), json!({ "choice": "once" })).await;
    assert_eq!(answered.body["resolved"], json!(1), "{}", answered.text);
    events.rest().await;
    let asked = house.upstream.requests().pop().unwrap();
    let last = asked["messages"].as_array().unwrap().last().unwrap().clone();
    serde_json::from_str(last["content"].as_str().unwrap()).unwrap()
}

#[actix_web::test]
async fn one_approval_lets_a_script_call_the_tools_as_functions() {
    let house = House::open().await;
    let alice = house.alice().await;
    let code = "from hermes_tools import write_file\n\
                write_file('a.txt', 'one\\ntwo\\n')\n\
                patch(mode='replace', path='a.txt', old_string='two', new_string='three')\n\
                print(read_file('a.txt', 2)['content'])\n\
                print(search_files('three')['total_count'], terminal(command='wc -l < a.txt')['output'])\n\
                print(read_file('none')['code'], help is not None, read_file.__doc__[:4])";
    let done = script(&house, &alice, code).await;
    assert_eq!(done["output"], "2|three\n1 2\nnot_found True Read", "{done}");
    assert_eq!((&done["status"], &done["tool_calls_made"]), (&json!("success"), &json!(6)));
    // Who asks for the same script again asks again.
    let again = script(&house, &alice, code).await;
    assert_eq!(again["exit_code"], 0, "{again}");
    house.close().await;
}

#[actix_web::test]
async fn a_script_gets_no_further_than_the_turn_itself_would_without_asking() {
    let house = House::with(Plan::config("approvals:\n  deny: ['*forbidden*']\n")).await;
    let alice = house.alice().await;
    let code = "for command in ['rm -rf ./none', 'rm -rf /', 'echo forbidden', 'echo allowed']:\n    \
                done = terminal(command); print(done.get('code') or done.get('status') or done['output'])\n\
                print(terminal('sleep 9', background=True)['code'], terminal('true', pty=True)['code'])\n\
                for tool in ['process', 'memory', 'delegate_task', 'execute_code', 'clarify']: print(tool in globals())";
    let done = script(&house, &alice, code).await;
    let refused = "approval_needed\nblocked\nblocked\nallowed\ninvalid_arguments invalid_arguments";
    assert_eq!(done["output"], format!("{refused}\nFalse\nFalse\nFalse\nFalse\nFalse"), "{done}");
    // A key's tools bound its scripts, too.
    let holder = house.holder("alice", with_tools(Rights::all(), &["execute_code", "read_file"])).await;
    let code = "print(read_file('none')['code'], write_file('a', 'b')['code'], terminal('true')['code'])";
    let done = script(&house, &holder, code).await;
    assert_eq!(done["output"], "not_found tool_not_allowed tool_not_allowed", "{done}");
    assert!(!house.profile_dir("alice").join("workspace/a").exists());
    house.close().await;
}

#[actix_web::test]
async fn a_script_may_make_fifty_calls() {
    let house = House::open().await;
    let alice = house.alice().await;
    let code =
        "codes = [read_file('none')['code'] for _ in range(52)]\nprint(codes[49], codes[50], codes[51])";
    let done = script(&house, &alice, code).await;
    assert_eq!(done["output"], "not_found too_many_calls too_many_calls", "{done}");
    assert_eq!(done["tool_calls_made"], 50);
    assert!(done["warning"].as_str().unwrap().contains("50"), "{done}");
    house.close().await;
}

#[actix_web::test]
async fn without_an_approval_nothing_of_a_script_runs() {
    let house = House::open().await;
    let alice = house.alice().await;
    let call = format!("@@tool execute_code {}", json!({ "code": "open('went', 'w')" }));
    let chat = alice.chat(&call).await;
    assert_eq!(chat.status, 200, "{}", chat.text);
    let run = alice.run(&call).await;
    alice.events(&run, None).await.until("approval.request").await;
    alice.post(&format!("/v1/runs/{run}/approval"), json!({ "choice": "deny" })).await;
    alice.finished(&run).await;
    assert!(!house.profile_dir("alice").join("workspace/went").exists());
    house.close().await;
}

#[actix_web::test]
async fn a_stop_ends_a_script_in_the_middle_of_a_call() {
    let house = House::with(Plan::config("approvals:\n  mode: off\n")).await;
    let alice = house.alice().await;
    let code = "terminal('touch begun; sleep 1000')\nopen('after', 'w')";
    let run = alice.run(&format!("@@tool execute_code {}", json!({ "code": code }))).await;
    let workspace = house.profile_dir("alice").join("workspace");
    appears(&workspace.join("begun")).await;
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    assert_eq!(alice.finished(&run).await["status"], "cancelled");
    assert!(!workspace.join("after").exists());
    house.close().await;
}
