//! MCP servers that are processes: their tools, and what the wall leaves them.

use crate::{
    network::page,
    support::{Client, House, Plan, called, mcp},
};
use serde_json::{Value, json};

/// One server for each profile, with these settings beside its command.
fn plan(more: &str) -> Plan {
    Plan::config(&mcp::command(&[], more))
}

async fn house(plan: Plan) -> House {
    let house = House::with(plan).await;
    mcp::install(&house);
    house
}

/// What the text of a call's result says.
async fn content(house: &House, client: &Client, tool: &str, arguments: Value) -> Value {
    let got = called(house, client, &format!("mcp_local_{tool}"), arguments).await;
    let text = got["content"].as_str().unwrap_or_else(|| panic!("{got}"));
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

async fn set(client: &Client) -> Value {
    let sets = client.get("/v1/toolsets").await.body;
    let found = sets["data"].as_array().unwrap().iter().find(|set| set["name"] == "mcp_local");
    found.unwrap_or_else(|| panic!("{sets}")).clone()
}

#[actix_web::test]
async fn a_process_brings_its_tools_and_stays_from_turn_to_turn() {
    let house = house(plan("")).await;
    let alice = house.alice().await;
    assert_eq!(mcp::starts(&house, "alice"), 0, "nobody has needed it");
    assert_eq!(content(&house, &alice, "say", json!({"text": "hi"})).await, "hi");
    assert_eq!(content(&house, &alice, "say", json!({"text": "ö\n\u{2028}"})).await, "ö\n\u{2028}");
    assert_eq!(mcp::starts(&house, "alice"), 1);
    let set = set(&alice).await;
    assert_eq!((&set["enabled"], set["tools"].as_array().unwrap().len()), (&json!(true), 17), "{set}");
    house.close().await;
}

#[actix_web::test]
async fn what_it_asks_is_refused_but_a_ping_is_answered() {
    let house = house(plan("")).await;
    let alice = house.alice().await;
    assert_eq!(
        content(&house, &alice, "ask", json!({})).await,
        json!({
            "ping": {}, "roots/list": -32_601, "sampling/createMessage": -32_601, "elicitation/create": -32_601
        })
    );
    house.close().await;
}

#[actix_web::test]
async fn another_list_of_tools_is_there_with_the_next_turn() {
    let house = house(plan("")).await;
    let alice = house.alice().await;
    content(&house, &alice, "grow", json!({"names": ["later"]})).await;
    let tools = set(&alice).await["tools"].clone();
    assert!(tools.as_array().unwrap().contains(&json!("mcp_local_later")), "{tools}");
    assert_eq!(content(&house, &alice, "later", json!({"n": 1})).await, r#"later got {"n": 1}"#);
    assert_eq!(mcp::starts(&house, "alice"), 1);
    house.close().await;
}

#[actix_web::test]
async fn its_environment_is_what_commands_have_and_its_own() {
    let more = "    env: {NOTES_TOKEN: '${NOTES_TOKEN}', LEVEL: '3', PATH: '/usr/bin:/bin'}\n";
    let alice_env = "NOTES_TOKEN=a-very-secret-token\nOTHER_TOKEN=another-secret-token\n";
    let house = house(Plan { alice_env: alice_env.to_owned(), ..Plan::default() }).await;
    mcp::reconfigure(&house, "alice", &mcp::command(&[], more)).await;
    let alice = house.alice().await;
    let env = content(&house, &alice, "env", json!({})).await;
    assert_eq!(
        (&env["LEVEL"], &env["PATH"], &env["USER"]),
        (&json!("3"), &json!("/usr/bin:/bin"), &json!("alice"))
    );
    assert!(
        env["NOTES_TOKEN"].as_str().unwrap().contains("redacted"),
        "it has it, and nobody else sees it: {env}"
    );
    let text = env.to_string();
    assert!(
        !text.contains("a-very-secret") && !text.contains("another-secret") && !text.contains("OTHER"),
        "{env}"
    );
    assert!(!text.contains("API_SERVER") && !text.contains("sk-test"), "{env}");
    house.close().await;
}

#[actix_web::test]
async fn two_profiles_servers_do_not_see_each_others_files() {
    let house = house(plan("")).await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    content(&house, &bob, "write", json!({"path": "canary", "text": "bob's own"})).await;
    content(&house, &alice, "write", json!({"path": "canary", "text": "alice's own"})).await;
    let path = |of: &str, file: &str| house.profile_dir(of).join(file).display().to_string();
    let own = content(&house, &bob, "read", json!({"path": "canary"})).await;
    assert_eq!(own, "bob's own");
    for file in ["workspace/canary", ".env", "config.yaml"] {
        let got = content(&house, &alice, "read", json!({"path": path("bob", file)})).await;
        assert!(got.as_str().unwrap().starts_with("error:"), "{file}: {got}");
    }
    let own_keys = content(&house, &alice, "read", json!({"path": path("alice", ".env")})).await;
    assert!(own_keys.as_str().unwrap().starts_with("error:"), "{own_keys}");
    house.close().await;
}

#[actix_web::test]
async fn it_reaches_the_network_as_far_as_its_profile_says_and_that_is_written_down() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let policy = |network: &str| Plan::config(&format!("terminal: {network}\n{}", mcp::command(&[], "")));
    let off = house(policy("{network: 'off'}")).await;
    let alice = off.alice().await;
    let got = content(&off, &alice, "connect", json!({"host": "127.0.0.1", "port": port})).await;
    assert!(got.as_str().unwrap().starts_with("error:"), "{got}");
    off.close().await;

    let house = house(policy("{network: allowlist, network_allow: [127.0.0.0/8]}")).await;
    let alice = house.alice().await;
    let url = format!("http://127.0.0.1:{}/", page("from outside"));
    assert_eq!(content(&house, &alice, "fetch", json!({ "url": url })).await, "from outside");
    let got = content(&house, &alice, "fetch", json!({"url": "http://elsewhere.example/"})).await;
    assert!(got.as_str().unwrap().contains("elsewhere.example"), "{got}");
    let log = house.audit("alice");
    for (host, allowed) in [("127.0.0.1", true), ("elsewhere.example", false)] {
        let decided = log.iter().find(|line| line["act"] == "network.decided" && line["host"] == host);
        let decided = decided.unwrap_or_else(|| panic!("{host}: {log:?}"));
        assert_eq!(
            (&decided["mcp_server"], &decided["run"], &decided["allowed"]),
            (&json!("local"), &json!(null), &json!(allowed)),
            "{decided}"
        );
    }
    house.close().await;
}

#[actix_web::test]
async fn behind_a_wall_that_does_not_hold_it_is_not_run_and_the_reason_is_shown() {
    let house = house(plan("")).await;
    let alice = house.alice().await;
    house.tenant("alice").await.note(Some("reading another's file came through".to_owned()));
    assert_eq!(alice.chat("hi").await.status, 200);
    let set = set(&alice).await;
    assert_eq!((&set["enabled"], &set["tools"]), (&json!(false), &json!([])), "{set}");
    let why = set["missing"]["*"].as_str().unwrap();
    assert!(why.contains("another's file came through") && why.contains("terminal.sandbox"), "{why}");
    assert_eq!(mcp::starts(&house, "alice"), 0);
    house.close().await;
}

#[actix_web::test]
async fn it_starts_in_a_folder_of_the_profile_and_nowhere_else() {
    for (cwd, why) in [("/etc", "outside"), ("../../bob", "outside"), ("nowhere", "nowhere")] {
        let house = house(plan(&format!("    cwd: {cwd}\n"))).await;
        let alice = house.alice().await;
        let set = set(&alice).await;
        assert!(set["missing"]["*"].as_str().unwrap().contains(why), "{cwd}: {set}");
        assert_eq!(mcp::starts(&house, "alice"), 0, "{cwd}");
        house.close().await;
    }
}
