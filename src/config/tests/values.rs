//! The other settings: defaults, forms and bounds.

use super::*;
use crate::{
    config::{ApprovalMode, LimitsConfig, NetworkMode, SandboxLevel},
    domain::Unattended,
};
use std::time::Duration;

#[test]
fn everything_has_its_default() {
    let home = Disk::profile("", "").read();
    let config = home.config("a");
    let seconds = Duration::from_secs;
    assert_eq!(
        (config.model.connect_timeout, config.model.first_byte_timeout, config.model.idle_timeout),
        (seconds(10), seconds(120), seconds(180))
    );
    assert_eq!((config.model.attempts, config.agent.max_turns, config.memory.enabled), (3, 90, true));
    assert_eq!(
        (config.api.max_concurrent_runs, config.api.queue, config.api.queue_timeout),
        (10, 20, seconds(30))
    );
    assert_eq!(
        (config.api.max_body_bytes, config.api.failed_turn_ok, config.api.show_reasoning),
        (10_000_000, false, false)
    );
    assert_eq!(
        (config.approvals.mode, config.approvals.timeout, config.approvals.unattended),
        (ApprovalMode::Manual, Some(seconds(300)), Unattended::Deny)
    );
    assert_eq!(
        (
            config.terminal.sandbox,
            config.terminal.timeout,
            config.terminal.max_timeout,
            config.terminal.max_output
        ),
        (SandboxLevel::Landlock, seconds(180), seconds(600), 50_000)
    );
    assert_eq!(
        (config.retention.runs, config.retention.derived_sessions, config.retention.idempotency),
        (seconds(604_800), seconds(2_592_000), seconds(86_400))
    );
    assert_eq!(config.terminal.limits, LimitsConfig::default());
    assert_eq!(home.server.drain_timeout, seconds(30));
    assert_eq!(home.server.max_concurrent_runs, 256 * home.server.workers);
    assert_eq!(home.found("a").warnings, Vec::<String>::new());
}

#[test]
fn approvals_are_read_in_every_form() {
    let cases = [
        ("mode: off", ApprovalMode::Off, Some(300), 0),
        ("mode: 'off'", ApprovalMode::Off, Some(300), 0),
        ("mode: false", ApprovalMode::Off, Some(300), 0),
        ("mode: smart", ApprovalMode::Smart, Some(300), 0),
        ("timeout: never", ApprovalMode::Manual, None, 0),
        ("timeout: 5m", ApprovalMode::Manual, Some(300), 0),
    ];
    for (line, mode, timeout, warnings) in cases {
        let home = Disk::profile(&format!("approvals:\n  {line}\n"), "").read();
        let approvals = &home.config("a").approvals;
        assert_eq!((approvals.mode, approvals.timeout), (mode, timeout.map(Duration::from_secs)), "{line}");
        assert_eq!(home.found("a").warnings.len(), warnings, "{line}");
    }
    let wrong = Disk::profile("approvals:\n  mode: clever\n", "").read();
    let error = wrong.found("a").config.as_ref().unwrap_err().to_string();
    assert!(error.contains("manual") && error.contains("smart"), "{error}");
    let home = Disk::profile("approvals: {deny: ['git push *', 'a, b'], unattended: wait}", "").read();
    assert_eq!(home.config("a").approvals.deny, ["git push *", "a, b"]);
    assert_eq!(home.config("a").approvals.unattended, Unattended::Wait);
    let home = Disk::profile("command_allowlist: ['rm -rf build', 'docker rm *']", "").read();
    assert_eq!(home.config("a").approvals.allow, ["rm -rf build", "docker rm *"]);
    let home = Disk::profile("auxiliary:\n  approval: {model: small, timeout: 5s}\n", "").read();
    let approvals = &home.config("a").approvals;
    assert_eq!(
        approvals.reviewer,
        Some(crate::config::HelperConfig { provider: None, model: Some("small".to_owned()) })
    );
    assert_eq!(approvals.review_timeout, Duration::from_secs(5));
    let error = Disk::profile("auxiliary:\n  approval: {provider: nobody}\n", "").error();
    assert!(error.contains("auxiliary.approval.provider") && error.contains("is not there"), "{error}");
    let error = Disk::profile("command_allowlist: ['* *']", "").error();
    assert!(error.contains("command_allowlist") && error.contains("mode: off"), "{error}");
}

#[test]
fn wrong_values_name_file_line_key_and_form() {
    let cases = [
        (
            "agent:\n  max_turns: many",
            "profiles/a/config.yaml:2: `agent.max_turns`: must be a whole number from 1 to 10000, not `many`",
        ),
        ("agent:\n  max_turns: 0", "profiles/a/config.yaml:2: `agent.max_turns`: must be a whole number"),
        (
            "tools:\n  disabled:\n    - file\n    - terminl",
            "profiles/a/config.yaml:4: `tools.disabled`: names no tool and no toolset: `terminl`",
        ),
        ("agent: 3", "profiles/a/config.yaml:1: `agent`: is a single value, but settings belong below it"),
        (
            "terminal:\n  sandbox: jail",
            "profiles/a/config.yaml:2: `terminal.sandbox`: must be one of `none`, `landlock`, `strict`, not `jail`",
        ),
        ("terminal:\n  timeout: [1]", "profiles/a/config.yaml:2: `terminal.timeout`: is a list"),
        ("terminal:\n  max_timeout: 10", "profiles/a/config.yaml:2: `terminal.max_timeout`: is shorter than"),
        (
            "terminal:\n  env_passthrough: [API_SERVER_KEY]",
            "profiles/a/config.yaml:2: `terminal.env_passthrough`: must not name",
        ),
        (
            "terminal:\n  network: internet",
            "profiles/a/config.yaml:2: `terminal.network`: must be one of `off`, `allowlist`, `public`, `full`",
        ),
        (
            "terminal:\n  network_allow:\n    - example.org\n    - https://example.org/",
            "profiles/a/config.yaml:4: `terminal.network_allow`: holds `https://example.org/`, which is a URL",
        ),
        ("terminal:\n  cwd: .. ", "profiles/a/config.yaml:2: `terminal.cwd`: holds the home"),
        ("approvals:\n  timeout: 0", "profiles/a/config.yaml:2: `approvals.timeout`: must be seconds from 1"),
        ("approvals:\n  mode: yolo", "profiles/a/config.yaml:2: `approvals.mode`: must be one of"),
        (
            "gateway:\n  api_server:\n    queue: -1",
            "profiles/a/config.yaml:3: `gateway.api_server.queue`: must be a whole number",
        ),
        (
            "gateway:\n  api_server:\n    failed_turn_status: 500",
            "profiles/a/config.yaml:3: `gateway.api_server.failed_turn_status`: must be one of",
        ),
        (
            "memory:\n  memory_enabled: perhaps",
            "profiles/a/config.yaml:2: `memory.memory_enabled`: must be `true` or `false`",
        ),
    ];
    for (yaml, start) in cases {
        let error = Disk::profile(yaml, "").error();
        assert!(error.starts_with(start), "{yaml}: {error}");
    }
}

#[test]
fn a_network_policy_has_a_default_and_says_what_has_no_effect() {
    let cases = [
        ("", NetworkMode::Public, 0),
        ("network: off", NetworkMode::Off, 0),
        ("network: false", NetworkMode::Off, 0),
        ("network: full\n  network_allow: [example.org]", NetworkMode::Full, 1),
        ("network: allowlist", NetworkMode::Allowlist, 1),
        ("network: allowlist\n  network_allow: example.org, 10.0.0.0/8", NetworkMode::Allowlist, 0),
    ];
    for (lines, mode, warnings) in cases {
        let home = Disk::profile(&format!("terminal:\n  timeout: 60\n  {lines}\n"), "").read();
        assert_eq!(home.config("a").terminal.network.mode, mode, "{lines}");
        assert_eq!(home.found("a").warnings.len(), warnings, "{lines}: {:?}", home.found("a").warnings);
    }
    let disk = Disk::with(&[
        ("config.yaml", "terminal: {network: allowlist, network_allow: [example.org]}\n"),
        ("profiles/a/.env", "API_SERVER_ENABLED=true\nAPI_SERVER_PORT=8643\n"),
        ("profiles/a/config.yaml", "terminal: {network_allow: [10.0.0.1]}\n"),
    ]);
    let home = disk.read();
    let network = &home.config("a").terminal.network;
    assert_eq!(network.mode, NetworkMode::Allowlist, "inherited");
    let listed: Vec<_> = network.allow.iter().map(ToString::to_string).collect();
    assert_eq!(listed, ["10.0.0.1/32"], "one list, not two");
}

#[test]
fn the_machines_settings_come_from_the_home() {
    let yaml = "server: {workers: 3}\ngateway: {max_concurrent_runs: 0}\nagent: {restart_drain_timeout: 0}\n";
    let disk = Disk::with(&[("config.yaml", yaml), ("profiles/a/config.yaml", "server: {workers: 9}\n")]);
    let home = disk.read();
    let server = &home.server;
    assert_eq!((server.workers, server.max_concurrent_runs, server.drain_timeout), (3, 0, Duration::ZERO));
    assert!(home.found("a").warnings[0].contains("has no effect here"));
    assert_eq!(home.served(), []);
}

#[test]
fn limits_are_read_with_their_units_and_refused_where_no_shell_would_start() {
    let yaml = "terminal:\n  disk_quota: 2GiB\n  disk_reserve: 0\n  limits:\n    memory: 512MiB\n    processes: 64\n    \
                cpu_time: 5m\n    file_size: 1g\n    open_files: 128\n    output: 1048576\n    profile_memory: 1T\n    \
                profile_processes: 99\n";
    let home = Disk::profile(yaml, "").read();
    let expected = LimitsConfig {
        memory: 512 << 20,
        processes: 64,
        cpu_time: Duration::from_mins(5),
        file_size: 1 << 30,
        open_files: 128,
        output: 1 << 20,
        profile_memory: 1 << 40,
        profile_processes: 99,
        disk_quota: 2 << 30,
        disk_reserve: 0,
    };
    assert_eq!(home.config("a").terminal.limits, expected);
    assert_eq!(home.found("a").warnings, Vec::<String>::new());
    for line in ["memory: 1MiB", "memory: 4GB", "processes: 1", "cpu_time: 0", "open_files: 3", "output: 0"] {
        let home = Disk::profile(&format!("terminal:\n  limits:\n    {line}\n"), "").read();
        assert!(home.found("a").config.is_err(), "{line}");
    }
}
