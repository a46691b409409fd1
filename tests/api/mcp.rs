//! Tools of other servers, by MCP over HTTP.

use crate::support::{
    House, Plan, called,
    mcp::{McpServer, tool},
    within,
};
use hermes_gateway::actors::Rights;
use serde_json::{Value, json};

fn notes(server: &McpServer, more: &str) -> Plan {
    Plan::config(&format!("mcp_servers:\n  notes:\n    url: {}\n{more}", server.url()))
}

fn simple(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| tool(name, &json!({"type": "object", "properties": {}}))).collect()
}

/// The names of the server's tools that the upstream was offered last.
fn offered(house: &House) -> Vec<String> {
    let request = house.upstream.requests().pop().unwrap();
    let names = request["tools"].as_array().unwrap().iter();
    let names = names.map(|tool| tool["function"]["name"].as_str().unwrap().to_owned());
    names.filter(|name| name.starts_with("mcp_")).collect()
}

#[actix_web::test]
async fn a_servers_tools_are_the_agents_under_names_of_their_own() {
    let server = McpServer::start(simple(&["add", "stream", "fail", "structured", "long"])).await;
    let house = House::with(notes(&server, "")).await;
    let alice = house.alice().await;
    let got = called(&house, &alice, "mcp_notes_add", json!({"a": 1})).await;
    assert_eq!(got["content"], r#"add got {"a":1}"#, "{got}");
    assert!(got["notice"].as_str().unwrap().contains("`notes`"), "{got}");
    assert_eq!(
        offered(&house),
        ["mcp_notes_add", "mcp_notes_fail", "mcp_notes_long", "mcp_notes_stream", "mcp_notes_structured"]
    );
    assert_eq!(called(&house, &alice, "mcp_notes_stream", json!({})).await["content"], "stream got {}");
    assert_eq!(called(&house, &alice, "mcp_notes_structured", json!({})).await["content"], r#"{"n":1}"#);
    let failed = called(&house, &alice, "mcp_notes_fail", json!({})).await;
    assert_eq!((&failed["error"], &failed["code"]), (&json!("it is full"), &json!("mcp_tool_failed")));
    let long = called(&house, &alice, "mcp_notes_long", json!({})).await;
    assert_eq!((long["content"].as_str().unwrap().len(), &long["truncated"]), (50_000, &json!(true)));
    assert_eq!(called(&house, &alice, "mcp_elsewhere_unheard_of", json!({})).await["code"], "unknown_tool");
    let listed = server.methods().iter().filter(|method| *method == "tools/list").count();
    assert_eq!(listed, 3, "three pages, once");

    let sets = alice.get("/v1/toolsets").await.body;
    let set = sets["data"].as_array().unwrap().iter().find(|set| set["name"] == "mcp_notes").unwrap();
    assert_eq!((&set["enabled"], set["tools"].as_array().unwrap().len()), (&json!(true), 5), "{set}");
    let bob = house.bob().await;
    bob.chat("hi").await;
    assert_eq!(
        server.methods().iter().filter(|method| *method == "initialize").count(),
        2,
        "of each profile its own"
    );
    house.close().await;
}

#[actix_web::test]
async fn settings_keys_and_requests_choose_among_them() {
    let server = McpServer::start(simple(&["add", "remove", "read"])).await;
    let more = "    tools:\n      include: [add, read]\n      exclude: [read]\n";
    let house = House::with(notes(&server, more)).await;
    let alice = house.alice().await;
    alice.chat("hi").await;
    assert_eq!(offered(&house), ["mcp_notes_add"]);
    let run = alice.run_with(json!({"input": "hi", "disabled_toolsets": ["mcp_notes"]})).await;
    alice.finished(&run).await;
    assert_eq!(offered(&house), [""; 0]);
    let with = |tool: &str| Rights { tools: Some([tool.to_owned()].into()), ..Rights::all() };
    let reader = house.holder("alice", with("read_file")).await;
    let got = called(&house, &reader, "mcp_notes_add", json!({})).await;
    assert_eq!(got["code"], "tool_not_allowed");
    assert!(!server.methods().contains(&"tools/call".to_owned()));
    let adder = house.holder("alice", with("mcp_notes_add")).await;
    let got = called(&house, &adder, "mcp_notes_add", json!({})).await;
    assert_eq!(got["content"], "add got {}", "{got}");
    house.close().await;
}

#[actix_web::test]
async fn a_server_that_is_not_there_costs_its_tools_alone_and_is_named() {
    let house = House::with(Plan::config("mcp_servers:\n  gone:\n    url: http://127.0.0.1:9/mcp\n")).await;
    let alice = house.alice().await;
    assert_eq!(alice.chat("hi").await.status, 200);
    let sets = alice.get("/v1/toolsets").await.body;
    let set = sets["data"].as_array().unwrap().iter().find(|set| set["name"] == "mcp_gone").unwrap();
    assert_eq!((&set["enabled"], &set["tools"]), (&json!(false), &json!([])));
    assert!(set["missing"]["*"].as_str().unwrap().contains("server"), "{set}");
    house.close().await;
}

#[actix_web::test]
async fn a_session_that_the_server_has_forgotten_is_opened_anew() {
    let server = McpServer::start(simple(&["add"])).await;
    let house = House::with(notes(&server, "")).await;
    let alice = house.alice().await;
    called(&house, &alice, "mcp_notes_add", json!({})).await;
    server.forget();
    let got = called(&house, &alice, "mcp_notes_add", json!({"a": 2})).await;
    assert_eq!(got["content"], r#"add got {"a":2}"#);
    house.close().await;
}

#[actix_web::test]
async fn tools_that_change_are_there_with_the_next_turn() {
    let server = McpServer::telling(simple(&["add", "stream"])).await;
    let house = House::with(notes(&server, "")).await;
    let alice = house.alice().await;
    called(&house, &alice, "mcp_notes_add", json!({})).await;
    assert_eq!(offered(&house), ["mcp_notes_add", "mcp_notes_stream"]);
    server.change(simple(&["stream", "remove"])).await;
    let sets = alice.get("/v1/toolsets").await.body;
    let set = sets["data"].as_array().unwrap().iter().find(|set| set["name"] == "mcp_notes").unwrap();
    assert_eq!(set["tools"], json!(["mcp_notes_remove", "mcp_notes_stream"]));
    assert_eq!(called(&house, &alice, "mcp_notes_add", json!({})).await["code"], "unknown_tool");
    assert_eq!(called(&house, &alice, "mcp_notes_remove", json!({})).await["content"], "remove got {}");

    // The answer of a call says it, too; the turn that called has the tools that it began with.
    called(&house, &alice, "mcp_notes_stream", json!({"name": "later"})).await;
    within(server.replied("amid")).await;
    assert_eq!(offered(&house), ["mcp_notes_remove", "mcp_notes_stream"]);
    assert_eq!(called(&house, &alice, "mcp_notes_later", json!({})).await["content"], "later got {}");
    server.forget();
    assert_eq!(called(&house, &alice, "mcp_notes_later", json!({})).await["content"], "later got {}");
    server.change(simple(&["add"])).await;
    alice.chat("hi").await;
    assert_eq!(offered(&house), ["mcp_notes_add"], "a new session is listened to as well");
    house.close().await;
}

#[actix_web::test]
async fn its_headers_are_sent_and_never_shown() {
    let server = McpServer::start(simple(&["head"])).await;
    let more = "    headers:\n      Authorization: Bearer ${NOTES_TOKEN}\n";
    let plan = Plan { alice_env: "NOTES_TOKEN=a-very-secret-token\n".to_owned(), ..notes(&server, more) };
    let house = House::with(plan).await;
    let alice = house.alice().await;
    let got = called(&house, &alice, "mcp_notes_head", json!({})).await;
    assert!(server.heads().iter().all(|head| head.contains("authorization: bearer a-very-secret-token")));
    assert!(!got.to_string().contains("a-very-secret-token"), "{got}");
    house.close().await;
}

#[actix_web::test]
async fn a_hostile_server_fills_neither_the_names_nor_the_schemas() {
    let mut tools: Vec<Value> =
        (0..100).map(|n| tool(&format!("t{n}"), &json!({"type": "object"}))).collect();
    let huge = json!({"type": "object", "properties": {"x": {"description": "y".repeat(20_000)}}});
    tools.insert(0, tool("a b/../ü\"", &huge));
    tools.insert(0, tool(&"n".repeat(500), &json!("no schema")));
    tools.insert(
        0,
        json!({"name": "terminal", "description": "z".repeat(50_000), "inputSchema": {"type": "object"}}),
    );
    tools.insert(0, json!({"description": "nameless"}));
    tools.insert(0, json!(7));
    let server = McpServer::start(tools).await;
    let house = House::with(notes(&server, "")).await;
    house.alice().await.chat("hi").await;
    // Sixteen pages of two; five of the first are bad or bounded.
    let names = offered(&house);
    assert!(names.len() <= 64 && names.contains(&"mcp_notes_terminal".to_owned()), "{names:?}");
    let fits = |name: &String| {
        name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
    };
    assert!(names.iter().all(fits), "{names:?}");
    let request = house.upstream.requests().pop().unwrap();
    let foreign = request["tools"].as_array().unwrap().iter();
    let foreign = foreign.filter(|tool| tool["function"]["name"].as_str().unwrap().starts_with("mcp_"));
    assert!(foreign.map(|tool| tool.to_string().len()).all(|length| length < 10_000));
    house.close().await;
}
