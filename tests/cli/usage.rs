//! Commands by themselves: no gateway runs.

use crate::support::{Home, words};
use std::path::PathBuf;

#[test]
fn wrong_use_ends_with_2_and_says_what_to_type() {
    let home = Home::new();
    home.profile("alice");
    let cases = [
        ("no command", "", "Usage:"),
        ("mistyped", "gatway", "gateway"),
        ("no name", "profile create", "<NAME>"),
        ("bad name", "profile create Alice", "a-z"),
        ("reserved name", "profile create root", "profile create root-1"),
        ("the home's own name", "profile create default", "profile create default-1"),
        ("no profile", "profile show", "profile show NAME"),
        ("two profiles", "-p bob profile show alice", "profile show alice"),
        ("two to make", "-p alice profile create carol", "profile create carol"),
        ("two to delete", "-p bob profile delete alice --yes", "profile delete alice"),
        ("two to write down", "-p bob backup alice", "backup alice"),
        ("one of all", "-p nope profile list", "profile show nope"),
        ("delete without yes", "profile delete alice", "--yes"),
        ("delete the home", "profile delete default --yes", "default"),
        ("whose key", "key create", "-p NAME key create"),
        ("unknown scope", "-p alice key create --scope everything", "chat, runs"),
        ("unknown tool", "-p alice key create --tool bogus", "there are clarify, delegate_task"),
        ("an end at once", "-p alice key create --expires 0d", "a day to come"),
        ("an end that was", "-p alice key create --expires 2001-01-01", "a day to come"),
        ("no approval", "approvals approve 7", "apr_"),
        (
            "both",
            "approvals approve apr_00000000000000000000000000000000 --session --always",
            "cannot be used with",
        ),
        ("restore what", "restore alice", "<FILE>"),
        ("internal", "-p alice sandbox-exec", "sandbox-exec"),
    ];
    for (case, line, told) in cases {
        let done = home.run(&words(line));
        assert_eq!((done.code, done.err.contains(told)), (Some(2), true), "{case}: {done:?}");
    }
}

#[test]
fn a_failure_ends_with_1_and_says_why() {
    let home = Home::new();
    home.profile("alice");
    let cases = [
        ("made twice", "profile create alice", "there is a profile `alice` already"),
        // The home was given, so every hint repeats it: `cli::output` shows how.
        ("unknown profile", "profile show carol", " profile create carol`"),
        ("unknown profile's gateway", "-p carol gateway", "carol"),
        ("nothing to start in", "profile start alice", " -p alice gateway`"),
        ("nothing to stop", "profile stop alice", "no gateway"),
        ("no gateway", "gateway status", "no gateway runs"),
        ("no gateway to stop", "gateway stop", "no gateway runs"),
        ("no such key", "-p alice key revoke 00000000", "Key not found"),
        ("no such question", "approvals deny apr_00000000000000000000000000000000", "no profile knows"),
        ("no such file", "restore alice nowhere.jsonl", "nowhere.jsonl"),
    ];
    for (case, line, told) in cases {
        let done = home.run(&words(line));
        assert_eq!((done.code, done.err.contains(told)), (Some(1), true), "{case}: {done:?}");
    }
}

#[test]
fn the_status_of_no_gateway_is_an_empty_list_and_a_failure() {
    let home = Home::new();
    home.profile("alice");
    let none = home.run(&["gateway", "status", "--json"]);
    assert_eq!((none.code, none.out.trim()), (Some(1), "[]"), "{none:?}");

    home.profile("bob");
    let gateway = home.gateway(&["-p", "alice"]);
    let cases = [
        ("another's", "bob", "no gateway of this home serves `bob`"),
        ("nobody's", "nope", "there is no profile `nope`"),
    ];
    for (case, name, told) in cases {
        for command in ["status", "stop"] {
            let done = home.run(&["-p", name, "gateway", command]);
            assert!(done.code == Some(1) && done.err.contains(told), "{case}, {command}: {done:?}");
        }
    }
    assert_eq!(home.run(&["-p", "alice", "gateway", "status", "--json"]).code, Some(0));
    drop(gateway);
}

#[test]
fn a_profile_is_shown_with_the_keys_that_it_has() {
    let home = Home::new();
    home.profile("alice");
    let key = || {
        home.ok(&["profile", "show", "alice"]).lines().find(|line| line.starts_with("key")).map(str::to_owned)
    };
    assert_eq!(key().unwrap(), "key       none yet: made at its next start");
    home.ok(&["-p", "alice", "key", "create"]);
    assert_eq!(key().unwrap(), "key       stored");
    home.ok(&["-p", "alice", "key", "revoke", "cli"]);
    assert_eq!(key().unwrap(), "key       none yet: made at its next start");
}

#[test]
fn a_file_is_no_home_for_any_command() {
    let home = Home::new();
    let file = home.path().join("file");
    std::fs::write(&file, "").unwrap();
    for line in ["gateway", "profile list", "profile create alice"] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hermes"));
        let done = command.env_clear().env("HERMES_HOME", &file).args(words(line)).output().unwrap();
        let err = String::from_utf8(done.stderr).unwrap();
        let told = err.contains("file: is no folder, so it cannot be a home");
        assert_eq!((done.status.code(), told), (Some(1), true), "{line}: {err}");
    }
}

#[test]
fn help_and_version_are_no_failures() {
    let home = Home::new();
    assert_eq!(home.ok(&["--version"]), format!("hermes {}\n", env!("CARGO_PKG_VERSION")));
    for line in ["--help", "gateway --help", "profile --help", "key --help", "approvals --help"] {
        let help = home.ok(&words(line));
        assert!(help.contains("Usage:") && !help.contains("sandbox-exec"), "{line}: {help}");
    }
    assert!(
        std::fs::read_dir(home.path()).unwrap().next().is_none(),
        "asking for help leaves nothing behind"
    );
}

#[test]
fn profiles_are_made_with_a_port_of_their_own_and_deleted_whole() {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let home = Home::new();
    home.ok(&["profile", "create", "alice"]);
    home.ok(&["profile", "create", "bob"]);
    let listed = home.json(&["profile", "list", "--json"]);
    let ports: Vec<_> = listed.as_array().unwrap().iter().map(|row| row["port"].as_u64().unwrap()).collect();
    assert!(ports.len() == 2 && ports[0] >= 8643 && ports[0] < ports[1], "{ports:?}");

    let alice = home.path().join("profiles/alice");
    for name in ["config.yaml", "SOUL.md", "skills", "workspace"] {
        assert!(alice.join(name).exists(), "{name}");
    }
    assert_eq!(std::fs::metadata(alice.join(".env")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(home.json(&["profile", "show", "alice", "--json"])["warnings"], serde_json::json!([]));

    let session = hermes_gateway::domain::SessionId::parse("s").unwrap();
    let tmp = hermes_gateway::sandbox::session_tmp("alice", &alice, &session);
    let all = tmp.parent().unwrap();
    std::fs::DirBuilder::new().mode(0o700).create(all).unwrap();
    std::fs::create_dir(&tmp).unwrap();
    home.ok(&["profile", "delete", "alice", "--yes"]);
    assert!(!all.exists(), "its temporary folders go with it");
    let left: Vec<PathBuf> =
        std::fs::read_dir(home.path().join("profiles")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [home.path().join("profiles/bob")]);
}

#[test]
fn many_that_create_at_once_get_different_ports() {
    let home = Home::new();
    let names: Vec<_> = (0..6).map(|number| format!("p{number}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| home.ok(&["profile", "create", name]));
        }
    });
    let listed = home.json(&["profile", "list", "--json"]);
    let ports: std::collections::BTreeSet<_> =
        listed.as_array().unwrap().iter().map(|row| row["port"].as_u64().unwrap()).collect();
    assert_eq!(ports.len(), names.len());
}

#[test]
fn keys_are_made_listed_and_revoked_without_a_gateway() {
    let home = Home::new();
    home.profile("alice");
    assert_eq!(home.json(&["-p", "alice", "key", "list", "--json"]), serde_json::json!([]));
    assert!(!home.path().join("profiles/alice/state/db").exists(), "asking makes no store");

    let made = home.json(&["-p", "alice", "key", "create", "--name", "laptop", "--scope", "chat", "--json"]);
    let (token, id) = (made["token"].as_str().unwrap(), made["key"]["id"].as_str().unwrap());
    assert!(token.starts_with(&format!("hk_{id}_")), "{made}");
    let listed = home.run(&["-p", "alice", "key", "list", "--json"]);
    assert!(!listed.out.contains(token) && !listed.out.contains("phc"), "no secret is listed: {listed:?}");
    let keys: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!((&keys[0]["name"], &keys[0]["scopes"]), (&"laptop".into(), &serde_json::json!(["chat"])));

    home.ok(&["-p", "alice", "key", "revoke", id]);
    assert!(home.json(&["-p", "alice", "key", "list", "--json"])[0]["revoked_at"].is_number());
}

#[test]
fn a_key_with_an_end_and_few_tools_is_made_shown_by_its_name_and_rotated() {
    let home = Home::new();
    home.profile("alice");
    fn key<'a>(rest: &[&'a str]) -> Vec<&'a str> {
        [&["-p", "alice", "key"], rest].concat()
    }
    let made = home.json(&key(&[
        "create",
        "--name",
        "bot",
        "--scope",
        "chat",
        "--tool",
        "read_file",
        "--tool",
        "search_files",
        "--expires",
        "30d",
        "--json",
    ]));
    assert_eq!(made["key"]["tools"], serde_json::json!(["read_file", "search_files"]));
    let (from, to) =
        (made["key"]["created_at"].as_i64().unwrap(), made["key"]["expires_at"].as_i64().unwrap());
    assert!((to - from - 30 * 86_400_000).abs() < 60_000, "{made}");
    let shown = home.run(&key(&["show", "bot"]));
    assert!(shown.code == Some(0) && shown.out.contains("read_file,search_files"), "{shown:?}");

    let rotated = home.json(&key(&["rotate", "bot", "--overlap", "24h", "--json"]));
    assert_eq!(rotated["key"]["id"], made["key"]["id"]);
    assert_ne!(rotated["token"], made["token"]);
    assert!(rotated["key"]["overlap_until"].is_number(), "{rotated}");
    home.ok(&key(&["create", "--name", "twice", "--no-tools", "--expires", "2099-01-31"]));
    home.ok(&key(&["create", "--name", "twice"]));
    let log = home.path().join("profiles/alice/state/audit/00000001.jsonl");
    let logged = std::fs::read_to_string(log).unwrap();
    assert!(logged.contains("key.created") && logged.contains("rotated, the old secret works for 86400 s"));

    let cases: [(&str, &[&str], i32, &str); 6] = [
        ("two of that name", &["revoke", "twice"], 1, "name one by its id"),
        ("nobody", &["show", "nobody"], 1, "Key not found: nobody"),
        ("no time", &["create", "--expires", "soon"], 2, "a day to come (`2027-01-31`, UTC)"),
        ("no tool", &["create", "--tool", "rm"], 2, "there are clarify, delegate_task"),
        ("no scope", &["create", "--scope", "root"], 2, "`root` is no scope"),
        ("too long", &["rotate", "bot", "--overlap", "91d"], 2, "at most `90d`"),
    ];
    for (case, command, code, said) in cases {
        let done = home.run(&key(command));
        assert!(done.code == Some(code) && done.err.contains(said), "{case}: {done:?}");
    }
    home.ok(&key(&["revoke", "bot"]));
    let late = home.run(&key(&["rotate", "bot"]));
    assert!(late.err.contains("is revoked and stays so"), "{late:?}");
}
