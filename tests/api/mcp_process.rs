//! MCP servers that are processes: their life, and what a hostile or broken one can do.

use crate::support::{Client, House, Plan, appears, called, mcp, within};
use hermes_gateway::{domain::ProfileName, gateway::Action};
use serde_json::{Value, json};
use std::{fs, time::Duration};

async fn house(arguments: &[&str], more: &str) -> House {
    let house = House::with(Plan::config(&mcp::command(arguments, more))).await;
    mcp::install(&house);
    house
}

async fn call(house: &House, client: &Client, tool: &str, arguments: Value) -> Value {
    called(house, client, &format!("mcp_local_{tool}"), arguments).await
}

async fn says(house: &House, client: &Client, text: &str) {
    assert_eq!(call(house, client, "say", json!({ "text": text })).await["content"], text);
}

/// The notifications that alice's server has had. It may answer late where calls may not take long.
async fn heard(house: &House, client: &Client) -> Value {
    within(async {
        loop {
            let got = call(house, client, "heard", json!({})).await;
            match got["content"].as_str() {
                Some(text) => return serde_json::from_str(text).unwrap(),
                None => assert_eq!(got["code"], "timeout", "{got}"),
            }
        }
    })
    .await
}

/// Processes of the house that run a server's script with this mark.
fn processes(mark: &str) -> usize {
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    let lines = numbers.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(mark)).count()
}

fn mark(of: &str) -> String {
    format!("mark-{of}-{}", std::process::id())
}

#[actix_web::test]
async fn a_server_that_dies_amid_a_call_fails_it_once_and_is_started_again() {
    let house = house(&[], "").await;
    let alice = house.alice().await;
    let got = call(&house, &alice, "crash", json!({})).await;
    assert_eq!(got["code"], "mcp_server_ended", "{got}");
    let said = got["error"].as_str().unwrap();
    assert!(said.contains("exit code 3") && said.contains("something broke"), "{said}");
    assert!(got["hint"].as_str().unwrap().contains("not known"), "{got}");
    assert_eq!(mcp::starts(&house, "alice"), 1, "the call was not repeated");
    says(&house, &alice, "back again").await;
    assert_eq!(mcp::starts(&house, "alice"), 2);
    house.close().await;
}

#[actix_web::test]
async fn one_that_dies_at_once_is_not_started_for_every_turn_and_says_why() {
    let house = house(&["dies"], "    env: {TOKEN: a-very-secret-token}\n").await;
    let alice = house.alice().await;
    for _ in 0..30 {
        let sets = alice.get("/v1/toolsets").await.body;
        let set = sets["data"].as_array().unwrap().iter().find(|set| set["name"] == "mcp_local").unwrap();
        let why = set["missing"]["*"].as_str().unwrap();
        assert!(why.contains("exit code 4") && why.contains("there is no database [redacted"), "{why}");
    }
    // The rests double: thirty starts would take hours.
    let starts = mcp::starts(&house, "alice");
    assert!((1..30).contains(&starts), "{starts}");
    house.close().await;
}

#[actix_web::test]
async fn a_program_that_is_not_there_is_named() {
    let config = "mcp_servers:\n  local:\n    command: no-such-program\n";
    let house = House::with(Plan::config(config)).await;
    let alice = house.alice().await;
    assert_eq!(alice.chat("hi").await.status, 200);
    let sets = alice.get("/v1/toolsets").await.body.to_string();
    assert!(sets.contains("no-such-program") && sets.contains("127"), "{sets}");
    house.close().await;
}

#[actix_web::test]
async fn one_that_never_greets_costs_its_tools_alone() {
    let house = house(&["mute"], "    connect_timeout: 1\n").await;
    let alice = house.alice().await;
    assert_eq!(alice.chat("hi").await.status, 200);
    let sets = alice.get("/v1/toolsets").await.body.to_string();
    assert!(sets.contains("does not answer in time") || sets.contains("greeting"), "{sets}");
    house.close().await;
}

#[actix_web::test]
async fn a_call_that_hangs_is_given_up_and_taken_back_and_the_server_lives_on() {
    let house = house(&[], "    timeout: 1\n").await;
    let alice = house.alice().await;
    let got = call(&house, &alice, "hang", json!({})).await;
    assert_eq!(got["code"], "timeout", "{got}");
    let heard = heard(&house, &alice).await;
    assert_eq!(heard[0]["method"], "notifications/initialized");
    assert_eq!(heard[1]["method"], "notifications/cancelled", "{heard}");
    assert!(heard[1]["params"]["requestId"].is_u64(), "{heard}");
    assert_eq!(mcp::starts(&house, "alice"), 1);
    house.close().await;
}

#[actix_web::test]
async fn a_stop_of_the_run_takes_its_call_back_and_leaves_the_server() {
    let house = house(&[], "").await;
    let alice = house.alice().await;
    let run = alice.run("@@tool mcp_local_hang {}").await;
    let events = alice.events(&run, None).await;
    let hangs = house.profile_dir("alice").join("workspace/hangs");
    appears(&hangs).await;
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    events.rest().await;
    let heard = heard(&house, &alice).await;
    assert_eq!(heard[1]["method"], "notifications/cancelled", "{heard}");
    assert_eq!(mcp::starts(&house, "alice"), 1);
    house.close().await;
}

#[actix_web::test]
async fn garbage_is_passed_over() {
    let house = house(&[], "").await;
    let alice = house.alice().await;
    assert_eq!(call(&house, &alice, "garbage", json!({})).await["content"], "still here");
    house.close().await;
}

#[actix_web::test]
async fn a_line_without_measure_fails_the_call_and_not_the_server() {
    let house = house(&[], "").await;
    let alice = house.alice().await;
    let got = call(&house, &alice, "big", json!({"bytes": 10 << 20})).await;
    assert_eq!(got["code"], "mcp_failed", "{got}");
    assert!(got["error"].as_str().unwrap().contains("more than 4 MiB"), "{got}");
    says(&house, &alice, "still here").await;
    assert_eq!(mcp::starts(&house, "alice"), 1);
    house.close().await;
}

#[actix_web::test]
async fn one_that_reads_nothing_costs_its_calls_alone_and_ends_with_the_gateway() {
    let mark = mark("deaf");
    let mut house = house(&[&mark], "    timeout: 1\n").await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let long = "x".repeat(300_000);
    for arguments in [json!({}), json!({ "text": long }), json!({ "text": long }), json!({})] {
        assert_eq!(call(&house, &alice, "deaf", arguments).await["code"], "timeout");
    }
    assert_eq!(bob.chat("hi").await.status, 200);
    house.stop(Duration::ZERO).await;
    assert_eq!(processes(&mark), 0);
}

#[actix_web::test]
async fn a_flood_of_lines_is_read_at_leisure_and_others_go_on() {
    let house = house(&[], "").await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let flood = call(&house, &alice, "flood", json!({}));
    let beside = async {
        let statuses = [bob.chat("hi").await.status, bob.get("/health").await.status];
        assert_eq!(statuses, [200, 200]);
    };
    let (flooded, ()) = tokio::join!(flood, beside);
    assert_eq!(flooded["content"], "at last", "{flooded}");
    house.close().await;
}

#[actix_web::test]
async fn nothing_of_it_outlives_its_gateway() {
    let mark = mark("ends");
    let mut house = house(&[&mark], "").await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    says(&house, &alice, "here").await;
    says(&house, &bob, "here").await;
    assert!(processes(&mark) >= 2, "one for each");

    house.stop(Duration::ZERO).await;
    assert_eq!(processes(&mark), 0, "after a stop in order");
}

#[actix_web::test]
async fn a_reload_and_a_stop_of_its_profile_end_it_and_not_the_neighbours() {
    let mark = mark("reload");
    let house = house(&[&mark], "").await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    says(&house, &alice, "here").await;
    says(&house, &bob, "here").await;
    let both = processes(&mark);
    mcp::reconfigure(&house, "alice", "    env: {LEVEL: '3'}\n").await;
    assert_eq!(processes(&mark), both / 2, "bob's stays");
    let env = call(&house, &house.alice().await, "env", json!({})).await;
    assert!(env["content"].as_str().unwrap().contains("LEVEL"), "{env}");
    house.gateway().act(&ProfileName::parse("alice").unwrap(), Action::Stop).await.unwrap();
    assert_eq!(processes(&mark), both / 2);
    says(&house, &bob, "still here").await;
    assert_eq!((mcp::starts(&house, "alice"), mcp::starts(&house, "bob")), (2, 1));
    house.close().await;
}

#[actix_web::test]
async fn a_descendant_that_goes_its_own_way_ends_with_it() {
    let mark = mark("strays");
    let script = format!("(setsid sleep 1000 {mark} >/dev/null 2>&1 &) ; exec python3 mcp_server.py");
    let config = format!(
        "mcp_servers:\n  local:\n    command: sh\n    args: [-c, '{script}']\n    connect_timeout: 60\n"
    );
    let mut house = House::with(Plan::config(&config)).await;
    mcp::install(&house);
    let alice = house.alice().await;
    says(&house, &alice, "here").await;
    house.stop(Duration::ZERO).await;
    assert_eq!(processes(&mark), 0);
}
