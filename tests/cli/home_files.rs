//! The home's own files are broken, beside a gateway that serves.

use crate::support::{Home, address, get, words};
use std::fs;

#[test]
fn what_a_gateway_is_asked_needs_no_file_of_the_home() {
    let home = Home::new();
    home.profile("alice");
    home.profile("bob");
    let gateway = home.gateway(&[]);
    let model = home.json(&["profile", "show", "alice", "--json"])["model"].clone();
    fs::write(home.path().join("config.yaml"), "agent: [\n").unwrap();

    let lines = [
        "approvals list",
        "-p alice key create --name more",
        "-p alice key list",
        "-p alice key revoke more",
        "-p alice sessions list",
        "profile list",
        "profile show alice",
        "profile stop bob",
    ];
    for line in lines {
        let done = home.run(&words(line));
        let warned = done.err.matches("config.yaml:").count();
        // A gateway that has the profile is asked at once.
        let expected = usize::from(line != "profile stop bob");
        assert_eq!((done.code, warned), (Some(0), expected), "{line}: {done:?}");
    }
    let listed = home.json(&["profile", "list", "--json"]);
    assert_eq!((&listed[0]["state"], &listed[0]["model"]), (&"serving".into(), &model), "{listed}");
    assert_eq!((&listed[1]["name"], listed.as_array().unwrap().len()), (&"bob".into(), 2), "{listed}");

    for command in ["restart", "reload"] {
        let refused = home.run(&["profile", command, "alice"]);
        assert!(refused.code == Some(1) && refused.err.contains("config.yaml:"), "{command}: {refused:?}");
        assert!(refused.err.contains("goes on with its earlier settings"), "{command}: {refused:?}");
    }
    assert_eq!(get(address(&home, "alice").unwrap(), "/health", ""), 200);
    assert_eq!(home.run(&["profile", "create", "carol"]).code, Some(1), "which ports are free is not known");
    let unknown = home.run(&["-p", "carol", "key", "list"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("there is no profile `carol`"), "{unknown:?}");

    home.ok(&["gateway", "stop"]);
    let alone = home.run(&["profile", "list"]);
    assert!(alone.code == Some(1) && alone.err.contains("config.yaml:"), "{alone:?}");
    drop(gateway);
}
