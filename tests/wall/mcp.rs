//! MCP servers that are processes, behind every wall: what they see, and what they may take.

use crate::support::{SECRET, World, appears, walls};
use hermes_gateway::{
    config::{McpCommand, McpServer, McpTransport, ProfileConfig, Secret},
    sandbox::Sandbox,
};
use serde_json::{Value, json};
use std::{fs, time::Duration};

const MIB: u64 = 1 << 20;
const SCRIPT: &str = include_str!("../api/support/mcp_server.py");

/// A profile with a server `local`, which is known.
async fn world(wall: &Sandbox, change: impl FnOnce(&mut ProfileConfig)) -> World {
    let world = World::at(wall, |config| {
        config.mcp.push(McpServer {
            name: "local".into(),
            transport: McpTransport::Stdio(McpCommand {
                program: "python3".into(),
                args: vec!["mcp_server.py".into()],
                env: vec![("OWN".into(), Secret::new("own value"))],
                cwd: None,
            }),
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(60),
            include: None,
            exclude: Vec::new(),
        });
        change(config);
    });
    fs::create_dir_all(world.workspace()).unwrap();
    fs::write(world.workspace().join("mcp_server.py"), SCRIPT).unwrap();
    world.tools.discover().await;
    assert_eq!(world.tools.trouble(), [], "{}", world.wall());
    world
}

async fn call(world: &World, tool: &str, arguments: Value) -> Value {
    world.call(&format!("mcp_local_{tool}"), arguments).await
}

async fn read(world: &World, path: &str) -> String {
    let got = call(world, "read", json!({ "path": path })).await;
    got["content"].as_str().unwrap_or_else(|| panic!("{got}")).to_owned()
}

#[tokio::test]
async fn it_sees_what_commands_see() {
    for wall in walls() {
        let world = world(&wall, |_| {}).await;
        let env = call(&world, "env", json!({})).await.to_string();
        assert!(env.contains("own value") && !env.contains("from-the-env-file"), "{}: {env}", world.wall());
        for secret in ["profiles/alice/.env", "profiles/alice/state/db", "profiles/bob/.env", ".env"] {
            let got = read(&world, &world.home.path().join(secret).display().to_string()).await;
            assert!(got.starts_with("error:") && !got.contains(SECRET), "{} {secret}: {got}", world.wall());
        }
        // Its temporary folder is its own.
        world.call("terminal", json!({ "command": "echo here > $TMPDIR/note" })).await;
        let tmp =
            if world.is_strict() { "/tmp/note".to_owned() } else { world.sh("echo $TMPDIR/note").await.0 };
        let got = read(&world, &tmp).await;
        assert!(got.starts_with("error:"), "{}: {got}", world.wall());
        world.tools.end_processes().await;
    }
}

#[tokio::test]
async fn it_goes_when_it_passes_a_limit_of_the_profile() {
    for wall in walls() {
        let world = world(&wall, |config| config.terminal.limits.processes = 16).await;
        let got = call(&world, "fork", json!({ "count": 24 })).await;
        assert_eq!(got["code"], "mcp_server_ended", "{}: {got}", world.wall());
        assert!(got["error"].as_str().unwrap().contains("terminal.limits.processes"), "{got}");
        assert_eq!(call(&world, "say", json!({ "text": "again" })).await["content"], "again");
        world.tools.end_processes().await;
    }
}

#[tokio::test]
async fn it_goes_when_it_fills_the_disk_of_the_profile() {
    for wall in walls() {
        let limits = |config: &mut ProfileConfig| {
            config.terminal.limits.disk_quota = 16 * MIB;
            config.terminal.limits.disk_reserve = 0;
        };
        let world = world(&wall, limits).await;
        let got = call(&world, "fill", json!({ "megabytes": 40 })).await;
        assert_eq!(got["code"], "mcp_server_ended", "{}: {got}", world.wall());
        assert!(got["error"].as_str().unwrap().contains("terminal.disk_quota"), "{got}");
        world.tools.end_processes().await;
    }
}

#[tokio::test]
async fn once_ended_it_is_not_started_again_and_calls_say_so() {
    let wall = walls().remove(0);
    let world = world(&wall, |_| {}).await;
    let beside = world.call("mcp_local_hang", json!({}));
    let end = async {
        appears(&world.workspace().join("hangs")).await;
        world.tools.end_processes().await;
    };
    let (under_way, ()) = tokio::join!(beside, end);
    assert_eq!(under_way["code"], "mcp_server_ended", "{under_way}");
    let late = call(&world, "say", json!({ "text": "hello?" })).await;
    assert_eq!(late["code"], "mcp_server_ended", "{late}");
    assert_eq!(fs::read_to_string(world.workspace().join("starts")).unwrap().lines().count(), 1);
}
