//! What an agent's commands reach, through a whole gateway.

use crate::support::{Client, Frame, House, Plan};
use serde_json::json;
use std::{
    io::{Read, Write},
    net::TcpListener,
    path::Path,
};

const OPEN: &str = "terminal:\n  network_allow: [127.0.0.0/8]\n";

fn curl_is_missing() -> bool {
    let missing = !Path::new("/usr/bin/curl").exists();
    assert!(!missing || std::env::var_os("HERMES_TEST_TOOLS").is_none(), "`curl` is missing: install it");
    if missing {
        eprintln!("NOT TESTED: `curl` is not installed");
    }
    missing
}

/// Answers every request with one page until the test ends.
pub fn page(text: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        }
    });
    port
}

/// What a command printed, and the run that it belonged to.
async fn sh(client: &Client, command: &str) -> (String, String) {
    let run = client.run(&format!("@@tool terminal {}", json!({ "command": command }))).await;
    let frames = client.events(&run, None).await.rest().await;
    let done = frames.iter().map(Frame::json).find(|event| event["event"] == "tool.completed").unwrap();
    (done["result"].as_str().unwrap().to_owned(), run)
}

#[actix_web::test]
async fn a_command_gets_out_as_far_as_its_profile_says_and_the_decision_is_kept() {
    if curl_is_missing() {
        return;
    }
    let house = House::with(Plan::config(OPEN)).await;
    let alice = house.alice().await;
    let port = page("from outside");
    let (result, run) = sh(&alice, &format!("curl -sS http://127.0.0.1:{port}/")).await;
    assert!(result.contains("from outside"), "{result}");
    let (result, _) = sh(&alice, "curl -sS http://169.254.169.254/").await;
    assert!(result.contains("network_refused"), "{result}");
    let log = house.audit("alice");
    let decided =
        |host: &str| log.iter().find(|line| line["act"] == "network.decided" && line["host"] == host);
    let allowed = decided("127.0.0.1").unwrap();
    assert_eq!(
        (&allowed["run"], &allowed["port"], &allowed["allowed"]),
        (&json!(run), &json!(port), &json!(true))
    );
    let refused = decided("169.254.169.254").unwrap();
    assert_eq!(
        (&refused["allowed"], &refused["why"]),
        (&json!(false), &json!("the metadata service of a cloud"))
    );
    house.close().await;
}

#[actix_web::test]
async fn no_agent_reaches_a_port_of_the_gateway_its_own_or_anothers() {
    if curl_is_missing() {
        return;
    }
    let house = House::with(Plan::config(OPEN)).await;
    let alice = house.alice().await;
    for profile in ["alice", "bob"] {
        let base = house.base(profile).await;
        let port = base.rsplit_once(':').unwrap().1;
        for url in [
            format!("{base}/health"),
            format!("http://localhost.:{port}/health"),
            format!("http://0x7f.1:{port}/health"),
            format!("http://[::ffff:127.0.0.1]:{port}/health"),
        ] {
            for option in ["", "--proxytunnel"] {
                let (result, _) = sh(&alice, &format!("curl -sS --noproxy '' {option} '{url}'")).await;
                assert!(result.contains("a port of this gateway"), "{url} {option}: {result}");
                assert!(!result.contains("\\\"status\\\""), "{result}");
            }
        }
    }
    house.close().await;
}

#[actix_web::test]
async fn the_policy_in_force_is_published_and_follows_the_settings() {
    let house = House::with(Plan::config(
        "terminal:\n  network: allowlist\n  network_allow: ['*.example.org:443', 10.0.0.0/8]\n",
    ))
    .await;
    let alice = house.alice().await;
    let capabilities = alice.get("/v1/capabilities").await.body;
    assert_eq!(capabilities["network"]["policy"], "allowlist");
    let level = capabilities["sandbox"]["level"].as_str().unwrap();
    let in_force = if level == "none" { "full" } else { "allowlist" };
    assert_eq!(capabilities["network"]["in_force"], in_force);
    assert_eq!(alice.get("/health/detailed").await.body["network"], capabilities["network"]);
    let settings = alice.get("/api/config").await.body;
    let terminal = &settings["config"]["terminal"];
    assert_eq!(terminal["network"], "allowlist");
    assert_eq!(terminal["network_allow"], json!(["*.example.org:443", "10.0.0.0/8"]));
    house.close().await;
}
