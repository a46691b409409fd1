//! `hermes doctor isolation`: the real program attacks itself.

use crate::support::Home;

#[test]
fn the_attacks_are_shown_one_by_one_and_leave_nothing_behind() {
    let home = Home::new();
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
    drop(first);
    // What is written there about this very wall is believed; nothing else would make the start refuse commands.
    let broken = home.gateway(&[]);
    assert_eq!(std::fs::read_to_string(&known).unwrap(), noted);
    assert!(!broken.table.contains("commands refused"), "{}", broken.table);
}
