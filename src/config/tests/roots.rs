//! `terminal.roots`.

use super::*;
use crate::config::ExtraRoot;

fn roots(entries: &str) -> String {
    format!("terminal:\n  roots:\n{entries}")
}

#[test]
fn roots_are_read_and_may_be_inherited() {
    let disk = Disk::profile("", "");
    let (data, shared) = (disk.path("data"), disk.path("shared"));
    let text =
        roots(&format!("    - {}\n    - {{path: {}/x/.., mode: rw}}\n", data.display(), shared.display()));
    disk.write("config.yaml", &text);
    let real =
        |path: PathBuf| fs::canonicalize(path.parent().unwrap()).unwrap().join(path.file_name().unwrap());
    let expected = vec![
        ExtraRoot { path: real(data), writable: false },
        ExtraRoot { path: real(shared), writable: true },
    ];
    assert_eq!(disk.read().config("a").terminal.roots, expected);
    disk.write("profiles/a/config.yaml", &roots("    []\n"));
    assert!(disk.read().config("a").terminal.roots.is_empty(), "its own list takes the place of the home's");
}

#[test]
fn a_root_never_shows_what_a_workspace_must_not() {
    let cases = [
        ("HOME", "holds the home"),
        ("HOME/profiles/a/state", "keeps for itself"),
        ("HOME/profiles/b", "keeps for itself or for other profiles"),
        ("HOME/run", "keeps for itself"),
        ("/", "holds the home"),
        ("/proc/1", "is in /proc"),
        ("/tmp", "holds the home or the profile itself"),
        ("/dev/shm", "is in /dev"),
        ("HOME/profiles/a/workspace/x", "lies in it"),
        ("data", "absolute"),
        ("~/data", "absolute"),
    ];
    for (path, why) in cases {
        let disk = Disk::profile("", "");
        let path = path.replace("HOME", &disk.path("").display().to_string());
        disk.write("profiles/a/config.yaml", &roots(&format!("    - path: {path}\n")));
        let error = disk.error();
        assert!(error.contains("config.yaml:3: `terminal.roots`") && error.contains(why), "{path}: {error}");
    }
}

#[test]
fn mistakes_in_roots_are_told_with_their_line() {
    for (entries, line, why) in [
        ("    - {mode: ro}\n", 3, "no `path`"),
        ("    - /opt/a\n    - {path: /opt/b, mode: wr}\n", 4, "one of `ro`, `rw`"),
        ("    - /opt/a\n    - /opt/a/b\n", 4, "another root"),
        ("    a: b\n", 3, "a list is wanted"),
    ] {
        let error = Disk::profile(&roots(entries), "").error();
        assert!(
            error.contains(&format!("config.yaml:{line}: ")) && error.contains(why),
            "{entries}: {error}"
        );
    }
    let home = Disk::profile(&roots("    - {path: /opt/a, made: rw}\n"), "").read();
    assert!(home.found("a").warnings[0].contains("`made` is not known"), "{:?}", home.found("a").warnings);
}

#[test]
fn a_root_that_is_the_workspace_of_another_profile_is_told() {
    let disk = Disk::profile("", "");
    let place = disk.path("place").display().to_string();
    disk.write("profiles/a/config.yaml", &format!("terminal: {{cwd: {place}}}\n"));
    disk.write("profiles/b/config.yaml", &roots(&format!("    - {place}\n")));
    disk.write("profiles/b/.env", "API_SERVER_ENABLED=true\nAPI_SERVER_PORT=8644\n");
    let home = disk.read();
    let warnings = &home.found("b").warnings;
    assert!(warnings.iter().any(|text| text.contains("the workspace of `a`")), "{warnings:?}");
}
