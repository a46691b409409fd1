//! A user of its own for the agent: whose its files are, and what the file tools must not do in the gateway's name.
//!
//! Needs root. Without it no user can be taken on, and the tests show that nothing pretends so.

use crate::support::{SECRET, World, appears};
use hermes_gateway::{
    domain::SessionId,
    sandbox::{Owner, session_tmp},
};
use serde_json::json;
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::Path,
};

const ALICE: Owner = Owner { uid: 2_000_000_123, gid: 2_000_000_123 };
/// Somebody of this machine who has nothing to do with it.
const SOMEBODY: u32 = 54_321;

fn owner(path: &Path) -> (u32, u32) {
    let found = fs::symlink_metadata(path).unwrap();
    (found.uid(), found.gid())
}

const HERS: (u32, u32) = (ALICE.uid, ALICE.gid);

/// A world whose agent has a user of its own; `None`, and a word about it, where there can be none.
fn owned(change: impl FnOnce(&Path)) -> Option<World> {
    let world = World::owned(ALICE, |config| {
        fs::create_dir_all(&config.workspace).unwrap();
        change(&config.workspace);
    });
    let footing = world.tools.prepare();
    if rustix::process::geteuid().is_root() {
        assert_eq!(footing.owner, Some(ALICE), "{footing:?}");
        return Some(world);
    }
    eprintln!("not root: no user of its own for the agent");
    assert_eq!(footing.owner, None);
    None
}

#[tokio::test]
async fn what_was_in_the_workspace_and_what_the_tools_make_is_the_agents() {
    let Some(world) = owned(|workspace| {
        fs::create_dir(workspace.join("old")).unwrap();
        fs::write(workspace.join("old/file"), "one\n").unwrap();
        symlink("/etc/passwd", workspace.join("link")).unwrap();
    }) else {
        return;
    };
    let at = |name: &str| world.workspace().join(name);
    for name in ["", "old", "old/file", "link"] {
        assert_eq!(owner(&at(name)), HERS, "`{name}`");
    }
    assert_ne!(owner(Path::new("/etc/passwd")), HERS, "links are not followed");
    assert_eq!(owner(world.home.path().join("profiles/alice/.env").as_path()).0, 0);

    let write = |path: &'static str| world.call("write_file", json!({ "path": path, "content": "two\n" }));
    for path in ["new", "deep/er/new", "old/file", "/tmp/note"] {
        let written = write(path).await;
        assert!(written["error"].is_null(), "{path}: {written}");
    }
    let replace = json!({ "mode": "replace", "path": "new", "old_string": "two", "new_string": "three" });
    assert_eq!(world.call("patch", replace).await["success"], true);
    for name in ["new", "deep", "deep/er", "deep/er/new", "old/file"] {
        assert_eq!(owner(&at(name)), HERS, "`{name}`");
    }
    let tmp = session_tmp("alice", &world.config.root, &SessionId::parse("one").unwrap());
    assert_eq!(owner(&tmp.join("note")), HERS);
    assert_eq!(owner(&tmp), HERS, "the session's folder is its own, too");
    assert_eq!(owner(tmp.parent().unwrap()).0, 0);
    // The thread that worked is the gateway's again.
    fs::write(world.home.path().join("mine"), "").unwrap();
    assert_eq!(owner(&world.home.path().join("mine")).0, 0);
}

#[tokio::test]
async fn file_tools_do_nothing_that_the_agents_user_could_not() {
    let Some(world) = owned(|_| {}) else { return };
    let at = |name: &str| world.workspace().join(name);
    // Put there by the operator after the start, or linked to by somebody who could.
    fs::write(at("sealed"), SECRET).unwrap();
    fs::set_permissions(at("sealed"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(at("public"), "for all\n").unwrap();
    fs::create_dir(at("folder")).unwrap();
    fs::hard_link(world.home.path().join(".env"), at("hard")).unwrap();
    fs::set_permissions(at("hard"), fs::Permissions::from_mode(0o600)).unwrap();
    for path in ["sealed", "hard"] {
        let read = world.call("read_file", json!({ "path": path })).await;
        assert_eq!(read["code"], "permission_denied", "{path}: {read}");
    }
    let all = world.call("search_files", json!({ "pattern": "TOP|for all" })).await;
    assert_eq!((&all["total_count"], &all["matches"][0]["path"]), (&json!(1), &json!("public")), "{all}");
    let write = json!({ "path": "folder/new", "content": "x" });
    assert_eq!(world.call("write_file", write).await["code"], "permission_denied");
    let delete = json!({ "mode": "patch", "patch": "*** Delete File: folder/x" });
    assert_eq!(world.call("patch", delete).await["code"], "not_found");
    // The folder is its own, so it may put its own file in another's place: as every user may.
    world.call("write_file", json!({ "path": "hard", "content": "mine" })).await;
    assert_eq!(owner(&at("hard")), HERS);
    assert_eq!(fs::read_to_string(world.home.path().join(".env")).unwrap(), SECRET);
}

#[tokio::test]
async fn without_a_user_of_its_own_an_agent_has_none_of_roots_rights_either() {
    let world = World::new();
    assert_eq!(world.tools.prepare().owner, None);
    let sealed = world.workspace().join("sealed");
    fs::write(&sealed, SECRET).unwrap();
    fs::set_permissions(&sealed, fs::Permissions::from_mode(0o000)).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(&sealed, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    }
    let read = world.call("read_file", json!({ "path": "sealed" })).await;
    assert_eq!(read["code"], "permission_denied", "{read}");
    assert_ne!(world.sh("cat sealed").await.1, 0, "as for commands");
}

#[tokio::test]
async fn skills_that_were_closed_to_others_are_opened_to_the_agent_to_read() {
    let world = World::owned(ALICE, |config| {
        fs::create_dir(&config.skills_dir).unwrap();
        fs::write(config.skills_dir.join("note"), "hello").unwrap();
        fs::set_permissions(&config.skills_dir, fs::Permissions::from_mode(0o700)).unwrap();
    });
    assert!(world.tools.prepare().warnings.is_empty());
    let note = world.config.skills_dir.join("note").display().to_string();
    assert_eq!(world.call("read_file", json!({ "path": note })).await["content"], "1|hello");
    assert_eq!(world.sh(&format!("cat {note}")).await.0, "hello");
    assert_ne!(owner(&world.config.skills_dir), HERS);
    assert_ne!(world.sh(&format!("echo x > {note}")).await.1, 0);
}

#[tokio::test]
async fn a_workspace_outside_of_the_home_is_not_given_away_but_told_of() {
    let outside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let there = outside.path().to_owned();
    let world = World::owned(ALICE, |config| config.workspace = there.clone());
    fs::set_permissions(&there, fs::Permissions::from_mode(0o755)).unwrap();
    let footing = world.tools.prepare();
    if footing.owner.is_none() {
        eprintln!("not root: no user of its own for the agent");
        assert!(footing.warnings.is_empty(), "{footing:?}");
        return;
    }
    let [warning] = &footing.warnings[..] else { panic!("{footing:?}") };
    assert!(warning.contains(&format!("chown -R {0}:{0} {1}", ALICE.uid, there.display())), "{warning}");
    assert_eq!(owner(&there).0, 0);
    let write = json!({ "path": "new", "content": "x" });
    assert_eq!(world.call("write_file", write).await["code"], "permission_denied");
}

#[tokio::test]
async fn a_hostile_workspace_gets_nothing_but_its_own_files_at_a_handover() {
    let Some(world) = owned(|workspace| {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let home = workspace.ancestors().nth(3).unwrap();
        symlink(home, workspace.join("link")).unwrap();
        fs::hard_link(home.join(".env"), workspace.join("hard")).unwrap();
        fs::write(workspace.join("theirs"), "").unwrap();
        chown(workspace.join("theirs"), Some(SOMEBODY), None).unwrap();
        fs::write(workspace.join("setuid"), "").unwrap();
        fs::set_permissions(workspace.join("setuid"), fs::Permissions::from_mode(0o4755)).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            workspace.join("pipe"),
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
    }) else {
        return;
    };
    let at = |name: &str| world.workspace().join(name);
    assert_eq!([owner(&at("link")), owner(&at("setuid")), owner(&at("pipe"))], [HERS; 3]);
    assert_eq!(fs::metadata(at("setuid")).unwrap().mode() & 0o6000, 0);
    assert_eq!((owner(&at("hard")).0, owner(&at("theirs")).0), (0, SOMEBODY));
    assert_eq!(owner(world.home.path()).0, 0);
    assert_eq!(owner(&world.home.path().join(".env")).0, 0);
}

#[tokio::test]
async fn in_a_user_namespace_the_kernel_counts_one_commands_processes_and_nobody_elses() {
    let world = World::owned(ALICE, |config| config.terminal.limits.processes = 40);
    let alone = world.is_strict() && world.sandbox.way.user_namespace;
    let (fence, _) = world.sh("ulimit -u").await;
    assert_eq!(fence == "80", alone, "{}: {fence}", world.wall());
    if !alone || !rustix::process::geteuid().is_root() {
        return;
    }
    // 30 threads of the same user in another command take nothing from this one.
    let crowd = "for n in $(seq 30); do sleep 30 & done; touch up; until [ -e go ]; do sleep 0.02; done; kill $(jobs -p)";
    let other = world.call_in("two", "terminal", json!({ "command": crowd }));
    let mine = async {
        appears(&world.workspace().join("up")).await;
        let done = world.sh("for n in $(seq 30); do sleep 0.1 & done; wait; echo all").await;
        std::fs::write(world.workspace().join("go"), "").unwrap();
        done
    };
    let (_, done) = tokio::join!(other, mine);
    assert_eq!(done, ("all".to_owned(), 0));
}
