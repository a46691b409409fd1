//! An MCP server that is a process, when its gateway dies.

use crate::support::{Fifo, Site};

const CONFIG: &str = "mcp_servers:
  local:
    command: sh
    args: [-c, 'exec 9>alive; echo up >&9; echo \"the token is $NOTES_TOKEN\" >&2; exec sleep 1000']
    env: {NOTES_TOKEN: a-very-secret-token}
    connect_timeout: 60
";

#[actix_web::test]
async fn a_kill_takes_it_along_and_its_words_are_in_the_log_without_its_secrets() {
    let site = Site::with(CONFIG).await;
    let mut alive = Fifo::make(&site.profile_dir("alice").join("workspace/alive"));
    let process = site.start().await;
    let alice = process.alice();
    // It never answers, so the turn waits for it.
    let _waiting = alice.run("hi").await;
    alive.reads("up\n").await;
    let log = || std::fs::read_to_string(site.home.with_file_name("gateway.log")).unwrap();
    tokio::time::timeout(crate::support::PATIENCE, async {
        while !log().contains("the token is") {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    process.kill().await;
    alive.closed().await;
    let log = log();
    let line = log.lines().find(|line| line.contains("the token is")).unwrap();
    assert!(line.contains("alice/local") && line.contains("[redacted:NOTES_TOKEN]"), "{line}");
    assert!(!log.contains("a-very-secret-token"), "{log}");
}
