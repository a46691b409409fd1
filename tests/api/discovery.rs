//! What a profile tells of itself: skills, memory, settings, capabilities, and the page about its API.

use crate::support::{House, Plan};
use serde_json::json;
use std::fs;

#[actix_web::test]
async fn skills_are_read_from_the_profiles_folder_as_it_is_now() {
    let house = House::open().await;
    let (alice, bob) = (house.alice().await, house.bob().await);
    let none = json!({"object": "list", "data": []});
    assert_eq!(alice.get("/v1/skills").await.body, none);
    let folder = house.profile_dir("alice").join("skills/writing/report");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("SKILL.md"), "---\nname: report\ndescription: Writes a report.\n---\nText.\n")
        .unwrap();
    let row =
        json!({"name": "report", "description": "Writes a report.", "category": "writing", "status": "free"});
    for path in ["/v1/skills", "/api/skills"] {
        assert_eq!(alice.get(path).await.body, json!({"object": "list", "data": [row]}), "{path}");
        assert_eq!(bob.get(path).await.body, none, "{path}: a neighbour has its own");
    }
    house.close().await;
}

#[actix_web::test]
async fn the_settings_are_shown_and_no_secret_with_them() {
    let house = House::with(Plan::config("approvals:\n  timeout: 7s\n  deny: ['curl *']\n")).await;
    let env = house.profile_dir("alice").join(".env");
    let text = fs::read_to_string(&env).unwrap();
    fs::write(&env, format!("{text}SOME_TOKEN=very-secret-value\n")).unwrap();
    let alice = house.alice().await;
    let reply = alice.get("/api/config").await;
    let config = &reply.body["config"];
    assert_eq!(
        (&config["approvals"]["timeout"], &config["approvals"]["deny"]),
        (&json!(7.0), &json!(["curl *"]))
    );
    assert_eq!(
        (&config["model"]["default"], &config["model"]["has_api_key"]),
        (&json!("scripted"), &json!(true))
    );
    assert_eq!(config["terminal"]["timeout"], json!(180.0), "defaults are filled in");
    for secret in ["sk-test", "alice-key", "very-secret", house.home.to_str().unwrap()] {
        assert!(!reply.text.contains(secret), "{secret}: {}", reply.text);
    }
    house.close().await;
}

#[actix_web::test]
async fn the_settings_that_choose_models_and_order_turns_are_shown() {
    let text = "\
providers:
  lab:
    base_url: http://127.0.0.1:9/v1
    api_key: sk-lab
    models: [small, large]
    vision: false
    options: {note: option-value}
direct_model_requests: true
responses:
  stored: 7
  tool_items: mcp_call
gateway:
  api_server:
    on_busy: steer
    failed_turn_status: 200
    model_routes:
      fast: {provider: lab, model: small, options: {note: option-value}}
";
    let house = House::with(Plan::config(text)).await;
    let reply = house.alice().await.get("/api/config").await;
    let config = &reply.body["config"];
    let lab = json!({
        "default": "small",
        "models": ["small", "large"],
        "base_url": "http://127.0.0.1:9/v1",
        "context_length": null,
        "max_tokens": null,
        "vision": "false",
        "has_api_key": true,
        "more_api_keys": 0,
        "send_reasoning": false,
    });
    assert_eq!(config["providers"], json!({"lab": lab}), "the profile's own is under `model`");
    assert_eq!(config["direct_model_requests"], json!(true));
    assert_eq!(config["responses"], json!({"stored": 7, "tool_items": "mcp_call"}));
    let (model, server) = (&config["model"], &config["api_server"]);
    assert_eq!((&server["on_busy"], &server["failed_turn_status"]), (&json!("steer"), &json!(200)));
    assert_eq!(server["model_routes"], json!({"fast": {"provider": "lab", "model": "small"}}));
    assert_eq!(model["vision"], json!("auto"));
    let times = ["connect_timeout", "first_byte_timeout", "idle_timeout"].map(|name| model[name].clone());
    assert_eq!(times, [json!(10.0), json!(120.0), json!(180.0)]);
    for secret in ["sk-test", "sk-lab", "option-value"] {
        assert!(!reply.text.contains(secret), "{secret}: {}", reply.text);
    }
    house.close().await;
}

#[actix_web::test]
async fn a_flag_is_true_exactly_when_its_route_is_there() {
    let house = House::open().await;
    let capabilities = house.alice().await.get("/v1/capabilities").await.body;
    let endpoints = &capabilities["endpoints"];
    for (flag, endpoint) in [
        ("run_stop", "run_stop"),
        ("run_steer", "run_steer"),
        ("responses_api", "responses"),
        ("session_resources", "sessions"),
        ("session_fork", "session_fork"),
        ("session_search", "session_search"),
        ("skills_api", "skills"),
        ("approvals_api", "approvals"),
    ] {
        let there = endpoints.get(endpoint).is_some();
        assert_eq!(capabilities["features"][flag], json!(there), "{flag}");
    }
    for name in [
        "run_event_replay",
        "approvals_api",
        "responses_background",
        "client_tools",
        "run_submission_idempotency",
        "admin_config_rw",
        "jobs_admin",
        "audio_api",
    ] {
        assert!(capabilities["features"][name].is_boolean(), "{name}");
    }
    assert_eq!(capabilities["features"]["runs_idempotency"]["supported"], json!(true));
    assert!(capabilities["sandbox"]["level"].is_string() && capabilities["limits"].is_object());
    house.close().await;
}

#[actix_web::test]
async fn the_page_about_the_api_asks_nothing_of_other_places() {
    let house = House::open().await;
    let nobody = house.alice().await.with_key(None);
    for path in ["/docs", "/docs/page.js", "/docs/page.css"] {
        let reply = nobody.get(path).await;
        assert_eq!(reply.status, 200, "{path}");
        let policy = reply.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(!reply.text.contains("://") && !reply.text.contains("innerHTML"), "{path}");
    }
    assert_eq!(nobody.get("/health").await.header("content-security-policy").unwrap().split(';').count(), 2);
    house.close().await;
}

#[actix_web::test]
async fn what_can_be_collected_is_what_health_says() {
    let house = House::open().await;
    let alice = house.alice().await;
    let run = alice.run(r#"@@tool terminal {"command":"rm -rf ./none"}"#).await;
    alice.events(&run, None).await.until("approval.request").await;
    let health = alice.get("/health/detailed").await.body;
    let reply = alice.get("/metrics").await;
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let value = |row: &str| {
        let rest = reply.text.lines().find_map(|line| line.strip_prefix(row));
        rest.unwrap_or_else(|| panic!("no {row} in {}", reply.text)).trim().to_owned()
    };
    let wall = &health["sandbox"];
    let (level, abi) = (wall["level"].as_str().unwrap(), &wall["abi"]);
    let (limits, quota) = (wall["limits"]["held_by"].as_str().unwrap(), &health["disk_quota"]);
    let held = quota["held_by"].as_str().unwrap();
    let labels =
        format!(r#"profile="alice",level="{level}",abi="{abi}",limits="{limits}",disk_quota="{held}""#);
    assert_eq!(value(&format!("hermes_sandbox_info{{{labels}}}")), "1");
    assert_eq!(value(r#"hermes_turns{profile="alice",state="waiting_for_approval"}"#), "1");
    assert_eq!(value(r#"hermes_turns{profile="alice",state="queued"}"#), "0");
    assert_eq!(value(r#"hermes_turns{profile="alice",state="running"}"#), "0");
    assert_eq!(value(r#"hermes_disk_quota_bytes{profile="alice"}"#), quota["bytes"].to_string());
    assert_eq!(value(r#"hermes_profile_up{profile="alice"}"#), "1");
    // A person's key at a neighbour's port, and no key at all, collect nothing.
    assert_eq!(house.client("bob").await.with_key(None).get("/metrics").await.status, 401);
    alice.post(&format!("/v1/runs/{run}/stop"), json!({})).await;
    house.close().await;
}

#[actix_web::test]
async fn the_health_of_a_model_is_what_the_last_turn_found() {
    let house = House::open().await;
    let alice = house.alice().await;
    let model = async || {
        let health = alice.get("/health/detailed").await.body;
        (health["readiness"]["checks"]["model"].clone(), health["status"].clone())
    };
    let (unknown, whole) = model().await;
    assert_eq!(
        (&unknown["status"], &unknown["last_call"], whole),
        (&json!("unknown"), &json!(null), json!("ok"))
    );
    let cases = [
        ("hello", "ok", json!(null)),
        ("@@status 401", "degraded", json!("upstream_error")),
        ("@@status 413", "ok", json!("context_length_exceeded")),
    ];
    for (said, status, code) in cases {
        alice.chat(said).await;
        let (known, whole) = model().await;
        assert_eq!((&known["status"], &known["last_call"]["error_code"]), (&json!(status), &code), "{said}");
        assert!(known["last_call"]["at"].as_f64().is_some_and(|at| at > 1e9), "{known}");
        assert_eq!(whole, json!("ok"), "{said}: this gateway is well");
    }
    house.close().await;
}
