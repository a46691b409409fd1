//! A port that somebody else has: that profile fails and says why, the other serves.

use crate::support::Site;
use std::net::TcpListener;

#[actix_web::test]
async fn a_port_that_is_taken_fails_one_profile_only() {
    let site = Site::new().await;
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    site.set_env("alice", port, Some("alice-key-0123456789abcdef"));
    let process = site.start().await;
    assert_eq!(process.bob().chat("hello").await.status, 200);
    let status = site.status("alice");
    assert_eq!(status["state"], "failed", "{status}");
    let reason = status["reason"].as_str().unwrap();
    assert!(reason.contains(&format!("port {port}")) && reason.contains("API_SERVER_PORT"), "{reason}");

    // Once it is free, the profile comes up without touching bob.
    drop(taken);
    site.hermes(&["profile", "start", "alice"]);
    assert_eq!(site.status("alice")["state"], "serving");
}
