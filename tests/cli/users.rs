//! A root gateway gives each profile a user of this machine. What needs root says so where there is none, and shows the
//! refusal instead.

use crate::support::{Gateway, Home, address, post, words};
use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
    process::Command,
};

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("not root: profiles have no users of their own here");
    }
    root
}

fn uid(home: &Home, profile: &str) -> Option<u64> {
    let gateways = home.json(&["gateway", "status", "--json"]);
    let mut all = gateways.as_array().unwrap().iter().flat_map(|one| one["profiles"].as_array().unwrap());
    all.find(|status| status["name"] == profile).unwrap()["uid"].as_u64()
}

/// Has the agent write a file by its file tool.
fn write(home: &Home, profile: &str, key: &str, name: &str) {
    let body =
        format!(r#"{{"model": "m", "messages": [{{"role": "user", "content": "write: {name} text"}}]}}"#);
    let (status, answer) = post(address(home, profile).unwrap(), "/v1/chat/completions", key, &body);
    assert_eq!(status, 200, "{answer}");
}

fn key(home: &Home, profile: &str) -> String {
    let made = home.ok(&["-p", profile, "key", "create"]);
    made.split_whitespace().find(|word| word.starts_with("hk_")).unwrap().to_owned()
}

fn owner(path: &Path) -> u64 {
    u64::from(fs::symlink_metadata(path).unwrap().uid())
}

/// A home that users without rights can walk through, so that every level gives them their files.
fn walkable() -> Home {
    let home = Home::new();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o711)).unwrap();
    home
}

fn profile(home: &Home, name: &str) {
    home.profile(name);
    fs::set_permissions(home.path().join("profiles").join(name), fs::Permissions::from_mode(0o711)).unwrap();
}

fn start(home: &Home) -> Gateway {
    home.gateway(&[])
}

#[test]
fn each_profile_has_a_user_that_it_keeps_and_that_nobody_gets_after_it() {
    let home = walkable();
    profile(&home, "alice");
    profile(&home, "bob");
    let gateway = start(&home);
    let users = ["alice", "bob"].map(|name| uid(&home, name));
    if !is_root() {
        assert_eq!(users, [None, None]);
        eprintln!("left out: the users of profiles are for a gateway that is root");
        return;
    }
    let [Some(alice), Some(bob)] = users else { panic!("{users:?}: {}", gateway.table) };
    assert_ne!(alice, bob);
    assert!(gateway.table.contains(&format!("uid {alice}")), "{}", gateway.table);
    let workspace = |name: &str| home.path().join("profiles").join(name).join("workspace");
    assert_eq!([owner(&workspace("alice")), owner(&workspace("bob"))], [alice, bob]);
    let bobs = key(&home, "bob");
    write(&home, "bob", &bobs, "mine");
    assert_eq!(owner(&workspace("bob").join("mine")), bob);

    home.ok(&["profile", "restart", "bob"]);
    assert_eq!(uid(&home, "bob"), Some(bob), "it keeps its user");
    home.ok(&["profile", "delete", "bob", "--yes", "--stop"]);
    profile(&home, "bob");
    home.ok(&["profile", "start", "bob"]);
    let new = uid(&home, "bob").unwrap();
    assert!(new != bob && new != alice, "another bob is somebody else: {new}");
    assert_eq!(owner(&workspace("bob")), new);
}

#[test]
fn a_home_that_comes_from_another_machine_is_given_to_this_machines_users() {
    let home = walkable();
    profile(&home, "alice");
    profile(&home, "bob");
    if !is_root() {
        eprintln!("left out: the users of profiles are for a gateway that is root");
        return;
    }
    // As tar leaves it: the numbers of the other machine, where alice's was bob's of this one.
    let workspace = home.path().join("profiles/alice/workspace");
    fs::create_dir(workspace.join("deep")).unwrap();
    fs::write(workspace.join("deep/file"), "text").unwrap();
    fs::hard_link(workspace.join("deep/file"), workspace.join("again")).unwrap();
    for name in ["deep/file", "deep", ""] {
        chown(workspace.join(name), Some(2_000_000_001), Some(2_000_000_001)).unwrap();
    }
    let _gateway = start(&home);
    let alice = uid(&home, "alice").unwrap();
    for name in ["", "deep", "deep/file", "again"] {
        assert_eq!(owner(&workspace.join(name)), alice, "`{name}`");
    }
}

#[test]
fn users_can_be_turned_off_and_wrong_numbers_are_told() {
    let home = walkable();
    profile(&home, "alice");
    fs::write(home.path().join("config.yaml"), "profiles: {uids: off}\n").unwrap();
    let gateway = start(&home);
    assert_eq!(uid(&home, "alice"), None, "{}", gateway.table);
    drop(gateway);
    for wrong in ["5", "0-10", "9-3", "65000-66000", "1-4294967295", "a-b"] {
        fs::write(home.path().join("config.yaml"), format!("profiles:\n  uids: {wrong}\n")).unwrap();
        let done = home.run(&words("gateway"));
        assert!(done.err.contains("config.yaml:2: `profiles.uids`: must be `off`, or"), "{wrong}: {done:?}");
    }
}

#[test]
fn a_folder_that_two_profiles_share_is_told_of_and_obeys_its_modes() {
    let shared = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let home = walkable();
    for name in ["alice", "bob"] {
        profile(&home, name);
        let yaml = format!("terminal:\n  roots: [{{path: {}, mode: rw}}]\n", shared.path().display());
        fs::write(home.path().join("profiles").join(name).join("config.yaml"), yaml).unwrap();
    }
    if !is_root() {
        eprintln!("left out: the users of profiles are for a gateway that is root");
        return;
    }
    let gateway = start(&home);
    let (alice, bob) = (uid(&home, "alice").unwrap(), uid(&home, "bob").unwrap());
    let keys = ["alice", "bob"].map(|name| key(&home, name));
    let note = shared.path().join("note").display().to_string();
    write(&home, "alice", &keys[0], &note);
    assert!(!Path::new(&note).exists(), "the folder is the operator's, and closed");
    gateway.signal("TERM");
    let done = gateway.wait();
    for user in [alice, bob] {
        let line = format!("setfacl -R -m u:{user}:rwX");
        assert!(done.err.contains(&line), "{}", done.err);
    }
    // Open to all, as `/tmp` is.
    fs::set_permissions(shared.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    let _gateway = start(&home);
    write(&home, "alice", &keys[0], &note);
    assert_eq!(owner(Path::new(&note)), alice);
    write(&home, "bob", &keys[1], &note);
    assert_eq!(owner(Path::new(&note)), alice, "bob cannot put his in its place");
}

/// The daemon is closed to other processes of its user, and works all the same.
#[test]
fn a_gateway_cannot_be_looked_into_and_leaves_no_core() {
    let home = Home::new();
    home.profile("alice");
    // As nobody, where we are root: what belongs to root then is what the kernel has taken from the process.
    let gateway = if is_root() { home.gateway_as_nobody() } else { start(&home) };
    let proc = Path::new("/proc").join(gateway.pid().to_string());
    assert_eq!(owner(&proc.join("environ")), 0, "its memory is nobody's but root's");
    let limits = fs::read_to_string(proc.join("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let table = &gateway.table;
    assert!(table.contains("landlock") || table.contains("strict") || table.contains("none"), "{table}");
    write(&home, "alice", &gateway.key(), "note");
    assert!(home.path().join("profiles/alice/workspace/note").exists());
}

#[test]
fn files_that_are_open_to_others_are_told_at_the_start() {
    let home = Home::new();
    home.profile("alice");
    let env = home.path().join("profiles/alice/.env");
    fs::set_permissions(&env, fs::Permissions::from_mode(0o644)).unwrap();
    let gateway = start(&home);
    fs::set_permissions(home.path().join("run/secret"), fs::Permissions::from_mode(0o640)).unwrap();
    gateway.signal("TERM");
    let done = gateway.wait();
    assert!(done.err.contains(&format!("chmod 600 '{}'", env.display())), "{}", done.err);
    assert!(!done.err.contains("run/secret"), "{}", done.err);
    // The lines do what they say.
    let gateway = start(&home);
    gateway.signal("TERM");
    let told = gateway.wait().err;
    let lines: Vec<_> = told.split('`').filter(|part| part.starts_with("chmod")).collect();
    assert_eq!(lines.len(), 2, "{told}");
    for line in lines {
        assert!(Command::new("sh").args(["-c", line]).status().unwrap().success(), "{line}");
    }
    for path in [&env, &home.path().join("run/secret")] {
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o077, 0, "{}", path.display());
    }
    let gateway = start(&home);
    gateway.signal("TERM");
    let told = gateway.wait().err;
    assert!(!told.contains("chmod"), "{told}");
}
