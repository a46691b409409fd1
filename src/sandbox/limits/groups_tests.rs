//! On ordinary folders with the kernel's file names: which files get which words. That the kernel then does what it says
//! is shown by tests/wall, where there is a delegated tree.

use super::*;

const OWN: u32 = 4242;

fn write(path: PathBuf, text: &str) {
    fs::write(path, text).unwrap();
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A delegated group with a gateway in it.
fn delegated(controllers: &str, processes: &str) -> tempfile::TempDir {
    let own = tempfile::tempdir().unwrap();
    write(own.path().join("cgroup.controllers"), controllers);
    write(own.path().join("cgroup.procs"), processes);
    write(own.path().join("cgroup.type"), "domain\n");
    write(own.path().join("pids.max"), "max\n");
    write(own.path().join("memory.max"), "1073741824\n");
    own
}

fn limits() -> Limits {
    Limits { processes: 7, memory_bytes: 99, ..Limits::default() }
}

#[test]
fn the_gateway_goes_into_a_leaf_before_it_divides_its_group() {
    let own = delegated("cpuset cpu io memory pids\n", "4242\n");
    let groups = Groups::claim_in(own.path(), OWN).unwrap();
    let base = own.path().join("hermes-4242");
    assert_eq!(read(base.join("gateway/cgroup.procs")), "4242");
    assert_eq!(read(base.join("gateway/cpu.weight")), "1000");
    for group in [own.path(), &base] {
        assert_eq!(read(group.join("cgroup.subtree_control")), "+memory +pids +cpu");
    }
    assert_eq!(groups.inherited(), Inherited { tasks: None, memory: Some(1 << 30) });
}

#[test]
fn a_command_gets_a_leaf_with_its_limits_below_those_of_its_profile() {
    let own = delegated("memory pids\n", "4242\n");
    let groups = Groups::claim_in(own.path(), OWN).unwrap();
    let alice = ProfileName::parse("alice").unwrap();
    let bounds = Bounds { memory: 1_000, processes: 50 };
    let (one, two) =
        (groups.leaf(&alice, bounds, &limits()).unwrap(), groups.leaf(&alice, bounds, &limits()).unwrap());
    assert_ne!(one.path(), two.path());
    let above = own.path().join("hermes-4242/alice");
    assert_eq!((read(above.join("memory.max")), read(above.join("pids.max"))), ("1000".into(), "50".into()));
    assert_eq!(one.path().parent(), Some(above.as_path()));
    assert_eq!(read(one.path().join("memory.max")), "99");
    assert_eq!(read(one.path().join("pids.max")), "8", "process 1 of a world of its own is in it as well");
    assert!(!own.path().join("hermes-4242/gateway/cpu.weight").exists(), "no such controller here");
}

#[test]
fn what_cannot_be_divided_is_left_alone_and_says_why() {
    let cases = [
        ("cpu pids\n", "4242\n", "has no controller `memory`"),
        ("", "4242\n", "has no controller"),
        ("memory pids\n", "17\n4242\n", "Delegate=yes"),
    ];
    for (controllers, processes, reason) in cases {
        let own = delegated(controllers, processes);
        let error = Groups::claim_in(own.path(), OWN).unwrap_err();
        assert!(error.contains(reason), "{error}");
        assert!(!own.path().join("hermes-4242").exists(), "{reason}");
    }
    assert!(Groups::claim_in(Path::new("/nonexistent"), OWN).is_err());
}

#[test]
fn groups_of_a_gateway_that_was_killed_are_cleared_away() {
    let own = delegated("memory pids\n", "4242\n");
    fs::create_dir_all(own.path().join("hermes-17/alice/3")).unwrap();
    fs::create_dir_all(own.path().join("other/alice")).unwrap();
    Groups::claim_in(own.path(), OWN).unwrap();
    assert!(!own.path().join("hermes-17").exists());
    assert!(own.path().join("other/alice").exists(), "not ours");
}

#[test]
fn the_own_folder_is_found_on_every_kind_of_machine() {
    let line =
        |root: &str, point: &str, kind: &str| format!("30 23 0:26 {root} {point} rw - {kind} none rw\n");
    let v1 = line("/", "/sys/fs/cgroup/pids", "cgroup");
    let cases = [
        (
            "a service",
            "0::/system.slice/h.service\n",
            line("/", "/sys/fs/cgroup", "cgroup2"),
            Ok("/sys/fs/cgroup/system.slice/h.service"),
        ),
        ("a container", "0::/\n", line("/", "/sys/fs/cgroup", "cgroup2"), Ok("/sys/fs/cgroup")),
        ("a part of the tree", "0::/a/b/c\n", line("/a/b", "/mnt", "cgroup2"), Ok("/mnt/c")),
        (
            "both versions",
            "5:pids:/x\n0::/y\n",
            v1.clone() + &line("/", "/sys/fs/cgroup/unified", "cgroup2"),
            Ok("/sys/fs/cgroup/unified/y"),
        ),
        ("version 1 alone", "5:pids:/x\n", v1.clone(), Err("no control groups of version 2")),
        ("not mounted", "0::/\n", v1, Err("not mounted")),
        ("outside", "0::/../x\n", line("/", "/sys/fs/cgroup", "cgroup2"), Err("outside")),
        ("nothing", "", String::new(), Err("no control groups")),
    ];
    for (case, groups, mounts, expected) in cases {
        match (own_folder(groups, &mounts), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, Path::new(expected), "{case}"),
            (Err(error), Err(part)) => assert!(error.contains(part), "{case}: {error}"),
            (found, _) => panic!("{case}: {found:?}"),
        }
    }
}
