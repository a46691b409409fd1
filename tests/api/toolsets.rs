//! Which tools an agent has: by its profile's settings, and by a request.

use crate::support::{House, Plan, ask};
use serde_json::{Value, json};

/// The names of the tools that the upstream was offered last.
fn offered(house: &House) -> Vec<String> {
    let request = house.upstream.requests().pop().unwrap();
    let tools = request["tools"].as_array().cloned().unwrap_or_default();
    tools.iter().map(|tool| tool["function"]["name"].as_str().unwrap().to_owned()).collect()
}

const FILE: [&str; 4] = ["patch", "read_file", "search_files", "write_file"];

#[actix_web::test]
async fn a_request_chooses_its_tools_on_every_surface_and_a_call_of_another_does_nothing() {
    let house = House::open().await;
    let alice = house.alice().await;
    alice.post("/api/sessions", json!({"id": "talk"})).await;
    let call = r#"@@tool terminal {"command":"touch went"}"#;
    let turns = [
        ("/v1/chat/completions", ask(call, false)),
        ("/v1/responses", json!({"input": call})),
        ("/api/sessions/talk/chat", json!({"message": call})),
    ];
    for (path, mut body) in turns {
        body["enabled_toolsets"] = json!(["file"]);
        let reply = alice.post(path, body.clone()).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        assert!(reply.text.contains("tool_not_allowed"), "{path}: {}", reply.text);
        assert_eq!(offered(&house), FILE, "{path}");
    }
    let run = alice
        .run_with(json!({"input": call, "enabled_toolsets": ["file", "terminal"],
                                    "disabled_toolsets": ["terminal", "patch"]}))
        .await;
    assert!(alice.finished(&run).await["output"].as_str().unwrap().contains("tool_not_allowed"));
    assert_eq!(offered(&house), FILE[1..]);
    assert!(!house.profile_dir("alice").join("workspace/went").exists());
    alice
        .post("/v1/chat/completions", {
            let mut body = ask("hi", false);
            body["enabled_toolsets"] = json!([]);
            body
        })
        .await;
    assert_eq!(offered(&house), [""; 0]);
    house.close().await;
}

#[actix_web::test]
async fn a_name_that_is_none_is_refused_with_its_place_and_changes_nothing() {
    let house = House::open().await;
    let alice = house.alice().await;
    alice.post("/api/sessions", json!({"id": "talk"})).await;
    let turns = [
        ("/v1/chat/completions", ask("hi", false)),
        ("/v1/responses", json!({"input": "hi"})),
        ("/v1/runs", json!({"input": "hi"})),
        ("/api/sessions/talk/chat", json!({"message": "hi"})),
    ];
    let wrong = [
        ("enabled_toolsets", json!("file"), "enabled_toolsets"),
        ("enabled_toolsets", json!(["file", "fiel"]), "enabled_toolsets[1]"),
        ("disabled_toolsets", json!([7]), "disabled_toolsets[0]"),
        ("disabled_toolsets", json!(vec!["file"; 201]), "disabled_toolsets"),
    ];
    for (path, body) in turns {
        for (member, value, param) in &wrong {
            let mut body = body.clone();
            body[*member] = value.clone();
            let reply = alice.post(path, body).await;
            assert_eq!(
                (reply.status, &reply.body["error"]["param"]),
                (400, &json!(param)),
                "{path} {}",
                reply.text
            );
        }
    }
    assert_eq!(house.upstream.requests().len(), 0);
    house.close().await;
}

#[actix_web::test]
async fn a_profiles_settings_choose_and_the_list_of_toolsets_says_why_a_tool_is_missing() {
    let house = House::with(Plan::config("tools:\n  enabled: [file, terminal]\n  disabled: [patch]\n")).await;
    let alice = house.alice().await;
    alice.chat("hi").await;
    assert_eq!(offered(&house), ["process", "read_file", "search_files", "terminal", "write_file"]);
    // A request cannot bring back what the profile has not.
    let mut body = ask("hi", false);
    body["enabled_toolsets"] = json!(["all"]);
    alice.post("/v1/chat/completions", body).await;
    assert_eq!(offered(&house), ["process", "read_file", "search_files", "terminal", "write_file"]);
    let sets = alice.get("/v1/toolsets").await.body;
    let set = |name: &str| sets["data"].as_array().unwrap().iter().find(|set| set["name"] == name).unwrap();
    assert_eq!(set("file")["tools"], json!(["read_file", "search_files", "write_file"]));
    assert!(set("file")["missing"]["patch"].as_str().unwrap().contains("tools.disabled"));
    let delegation = set("delegation");
    assert_eq!([&delegation["enabled"], &delegation["configured"]], [&Value::Bool(false); 2], "{delegation}");
    house.close().await;
}

#[actix_web::test]
async fn the_references_names_for_the_settings_count_too() {
    let config =
        "platform_toolsets:\n  api_server: [file, browser]\nagent:\n  disabled_toolsets: [search_files]\n";
    let house = House::with(Plan::config(config)).await;
    house.alice().await.chat("hi").await;
    assert_eq!(offered(&house), ["patch", "read_file", "write_file"]);
    house.close().await;
}
