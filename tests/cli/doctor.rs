//! `hermes doctor isolation`: the real program attacks itself.

use crate::support::{Gateway, Home};
use serde_json::Value;
use std::{
    fs,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

#[test]
fn the_attacks_are_shown_one_by_one_and_leave_nothing_behind() {
    let home = Home::oddly_named();
    home.profile("alice");
    let before = std::fs::read_dir(home.path()).unwrap().count();
    let table = home.ok(&["-p", "alice", "doctor", "isolation"]);
    for part in
        ["LEVEL", "ATTACK", "RESULT", "read-other-env", "contained", "detected and killed", "attacks in"]
    {
        assert!(table.contains(part), "{part}: {table}");
    }
    let left: Vec<_> = std::fs::read_dir(home.path().join("run")).unwrap().flatten().collect();
    let throw_away = left.iter().filter(|entry| entry.file_name().to_string_lossy().starts_with("iso-"));
    assert_eq!(throw_away.count(), 0, "{left:?}");
    assert!(std::fs::read_dir(home.path()).unwrap().count() <= before + 1, "only `run` may be new");
    let report = home.json(&["doctor", "isolation", "--json"]);
    assert!(report["breach"].is_null() && report["attacks"].as_array().unwrap().len() >= 60, "{report}");
}

#[test]
fn a_start_puts_the_wall_to_the_test_once() {
    let home = Home::new();
    home.profile("alice");
    let first = home.gateway(&[]);
    let known = home.path().join("run/isolation.json");
    let noted = std::fs::read_to_string(&known).unwrap();
    assert!(noted.contains(":null"), "one kind of settings, no breach: {noted}");
    first.signal("TERM");
    let said = first.wait().err;
    assert!(!said.contains("network"), "what it was refused is no news: {said}");
    // What is written there about this very wall is believed; nothing else would make the start refuse commands.
    let broken = home.gateway(&[]);
    assert_eq!(std::fs::read_to_string(&known).unwrap(), noted);
    assert!(!broken.table.contains("commands refused"), "{}", broken.table);
}

/// Without privileges: at the best level, and at the one below it.
#[test]
fn an_ordinary_user_s_wall_holds_too() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("everything here runs without privileges already");
        return;
    }
    for (most, settings) in [("strict", ""), ("landlock", "terminal:\n  sandbox_most: landlock\n")] {
        let home = Home::new();
        home.profile("alice");
        fs::write(home.path().join("profiles/alice/config.yaml"), settings).unwrap();
        let done = home.as_nobody(&["-p", "alice", "doctor", "isolation", "--json"]).output().unwrap();
        let said =
            String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{most}: {said}");
        let report: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(report["breach"], Value::Null, "{most}");
        assert!([most, "landlock"].contains(&report["level"].as_str().unwrap()), "{most}");
    }
}

/// The throw-away homes of a home.
fn throw_away(home: &Home) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.path().join("run")).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("iso-"));
    named.map(|entry| entry.path()).collect()
}

/// What an examination has made outside of its throw-away home and is there still.
fn outside(leavings: &Value, homes: &[PathBuf]) -> Vec<String> {
    let shared = leavings["shared"].as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned());
    let mut left: Vec<String> = shared.filter(|path| fs::exists(path).unwrap()).collect();
    let key = leavings["names"]["ipc_key"].to_string();
    for kind in ["shm", "msg", "sem"] {
        let table = fs::read_to_string(format!("/proc/sysvipc/{kind}")).unwrap();
        if table.lines().any(|line| line.split_whitespace().next() == Some(&key)) {
            left.push(kind.to_owned());
        }
    }
    for name in ["isolation-a", "isolation-b"] {
        for home in homes {
            let root = home.join("profiles").join(name);
            let tmp = hermes_gateway::sandbox::profile_tmp(name, &root);
            left.extend(tmp.exists().then(|| tmp.display().to_string()));
        }
    }
    left
}

#[test]
fn what_an_examination_that_was_killed_has_left_is_removed_by_the_next() {
    let home = Home::new();
    home.profile("alice");
    let mut first = home.command(&["doctor", "isolation"]).stdout(Stdio::null()).spawn().unwrap();
    let limit = Instant::now() + Duration::from_secs(60);
    let (homes, leavings) = loop {
        assert!(Instant::now() < limit && first.try_wait().unwrap().is_none(), "it made nothing");
        let homes = throw_away(&home);
        let list = homes.first().and_then(|home| fs::read(home.join("leavings.json")).ok());
        let list = list.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        // Two files, three objects in the kernel, two folders.
        if let Some(list) = list.filter(|list| outside(list, &homes).len() == 7) {
            break (homes, list);
        }
    };
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(outside(&leavings, &homes).len(), 7, "killed, it could remove nothing");
    // The start of a gateway examines its walls, too.
    let gateway: Gateway = home.gateway(&[]);
    assert_eq!(outside(&leavings, &homes), [""; 0]);
    assert_eq!(throw_away(&home), Vec::<PathBuf>::new());
    drop(gateway);
}
