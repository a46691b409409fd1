//! The folders of a profile beside its workspace, and what happens when names change under the tools.

use crate::support::{SECRET, World};
use hermes_gateway::{
    config::ExtraRoot,
    sandbox::{self, Known, Order, Report},
};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::{
        fs::{DirBuilderExt, symlink},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Outside of every home, and not below `/tmp`, which belongs to the sandbox.
fn outside() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn root(path: &Path, writable: bool) -> ExtraRoot {
    ExtraRoot { path: path.to_owned(), writable }
}

/// A world with a folder to read and a folder to write.
fn two_roots() -> (World, tempfile::TempDir, [PathBuf; 2]) {
    let outside = outside();
    let [data, shared] = ["data", "shared"].map(|name| outside.path().join(name));
    fs::create_dir(&data).unwrap();
    fs::create_dir(&shared).unwrap();
    fs::write(data.join("table.csv"), "a,b\n").unwrap();
    fs::write(outside.path().join("beside"), SECRET).unwrap();
    let world = World::with(|config| config.terminal.roots = vec![root(&data, false), root(&shared, true)]);
    (world, outside, [data, shared])
}

#[tokio::test]
async fn roots_are_the_same_for_commands_and_file_tools() {
    let (world, outside, [data, shared]) = two_roots();
    let (data, shared) = (data.display().to_string(), shared.display().to_string());
    let table = format!("{data}/table.csv");
    assert_eq!(world.call("read_file", json!({ "path": table })).await["content"], "1|a,b");
    assert_eq!(world.sh(&format!("cat {table}")).await, ("a,b".to_owned(), 0));

    let refused = world.call("write_file", json!({ "path": table, "content": "x" })).await;
    assert_eq!(refused["code"], "read_only", "{refused}");
    let patch = format!("*** Delete File: {table}");
    assert_eq!(world.call("patch", json!({ "mode": "patch", "patch": patch })).await["code"], "read_only");
    for command in [format!("echo x >> {table}"), format!("rm {table}"), format!("touch {data}/new")] {
        assert_ne!(world.sh(&command).await.1, 0, "{command}");
    }
    assert_eq!(fs::read_to_string(&table).unwrap(), "a,b\n");

    let note = format!("{shared}/deep/note.md");
    let written = world.call("write_file", json!({ "path": note, "content": "hello\n" })).await;
    assert_eq!((&written["created"], &written["resolved_path"]), (&json!(true), &json!(note)), "{written}");
    assert_eq!(world.sh(&format!("cat {note} && echo more >> {note}")).await.0, "hello");
    let found = world.call("search_files", json!({ "path": shared, "pattern": "more" })).await;
    assert_eq!(found["matches"][0]["path"], note, "paths are shown as the agent must write them: {found}");
    let listed =
        world.call("search_files", json!({ "path": shared, "pattern": "*", "target": "files" })).await;
    assert_eq!(listed["files"], json!([note]));
    // A command may stand there, too.
    let there = world.call("terminal", json!({ "command": "pwd", "workdir": shared })).await;
    assert_eq!(there["output"], json!(shared), "{there}");

    let beside = outside.path().join("beside").display().to_string();
    for path in
        [beside, format!("{data}/../beside"), format!("{data}x"), outside.path().display().to_string()]
    {
        assert_eq!(
            world.call("read_file", json!({ "path": path })).await["code"],
            "outside_workspace",
            "{path}"
        );
        let (output, code) = world.sh(&format!("cat {path}")).await;
        assert!(code != 0 && !output.contains(SECRET), "{path}: {output}");
    }
}

#[tokio::test]
async fn skills_can_be_read_and_not_changed() {
    let world = World::with(|config| {
        let folder = config.skills_dir.join("greet");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("SKILL.md"), "say hello\n").unwrap();
    });
    let skill = world.config.skills_dir.join("greet/SKILL.md").display().to_string();
    assert_eq!(world.call("read_file", json!({ "path": skill })).await["content"], "1|say hello");
    assert_eq!(world.sh(&format!("cat {skill}")).await.0, "say hello");
    let write = json!({ "path": skill, "content": "say secrets" });
    assert_eq!(world.call("write_file", write).await["code"], "read_only");
    assert_ne!(world.sh(&format!("echo x > {skill}")).await.1, 0);
}

/// The gateway looks at names before it starts a helper; the helper opens them a moment later.
#[tokio::test]
async fn a_folder_that_is_swapped_after_the_gateway_looked_is_refused_by_the_helper() {
    for world in World::each() {
        let (workspace, aside) = (world.home.path().join("meant"), world.home.path().join("aside"));
        fs::create_dir(&workspace).unwrap();
        let known = vec![Known::of(&workspace, fs::File::open(&workspace).unwrap()).unwrap()];
        let order = Order {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), "touch came".into()],
            env: Vec::new(),
            dir: workspace.clone(),
            terminal: None,
        };
        let told = sandbox::World { workspace: workspace.clone(), known, ..world.bare() };
        for swapped in [false, true] {
            if swapped {
                fs::rename(&workspace, &aside).unwrap();
                fs::create_dir(&workspace).unwrap();
            }
            let mut helper = world.sandbox.start(&told).unwrap();
            // A helper that has refused its world may be gone by now.
            let _sent = helper.send(&order).await;
            match (swapped, helper.report().await.unwrap()) {
                (false, Report::Exited(0)) => fs::remove_file(workspace.join("came")).unwrap(),
                (true, Report::NotStarted(why)) => {
                    assert!(why.contains("not the folder any more"), "{}: {why}", world.wall());
                }
                (_, other) => panic!("{}: {other:?}", world.wall()),
            }
        }
        assert!(!workspace.join("came").exists(), "{}", world.wall());
    }
}

#[tokio::test]
async fn a_folder_that_is_put_in_the_workspaces_place_is_not_used() {
    let world = World::new();
    assert!(world.tools.prepare().warnings.is_empty());
    fs::write(world.workspace().join("mine"), "mine").unwrap();
    let workspace = world.workspace().to_owned();
    fs::rename(&workspace, workspace.with_file_name("aside")).unwrap();
    symlink(world.home.path().join("profiles/bob"), &workspace).unwrap();
    let read = world.call("read_file", json!({ "path": "mine" })).await;
    assert_eq!(read["content"], "1|mine", "the folder that was there at the start is meant: {read}");
    assert_eq!(world.call("read_file", json!({ "path": ".env" })).await["code"], "not_found");
    world.call("write_file", json!({ "path": "new", "content": "x" })).await;
    assert!(!world.home.path().join("profiles/bob/new").exists());
    let found = world.call("search_files", json!({ "pattern": "*", "target": "files" })).await;
    assert_eq!(found["files"], json!(["mine", "new"]));
    let command = world.call("terminal", json!({ "command": "cat .env; ls -a" })).await;
    assert_eq!(command["code"], "workspace_moved", "{command}");
    assert!(!command.to_string().contains(SECRET), "{command}");
}

/// Swaps a folder of the workspace for a link to bob's folder and back until it is told to stop.
struct Swapper(Arc<AtomicBool>, Option<std::thread::JoinHandle<u32>>);

impl Swapper {
    fn start(world: &World) -> Self {
        let [there, link] = ["there", "link"].map(|name| world.workspace().join(name));
        fs::create_dir_all(&there).unwrap();
        fs::write(there.join("harmless"), "harmless\n").unwrap();
        symlink(world.home.path().join("profiles/bob"), &link).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let until = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut rounds = 0;
            while !until.load(Ordering::Relaxed) {
                renameat_with(CWD, &there, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                std::thread::yield_now();
                rounds += 1;
            }
            rounds
        });
        Self(stop, Some(thread))
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        let rounds = self.1.take().unwrap().join().unwrap();
        assert!(rounds > 10, "it swapped {rounds} times only");
    }
}

#[tokio::test]
async fn no_tool_passes_a_folder_that_is_swapped_for_a_link_meanwhile() {
    let world = World::new();
    assert!(world.tools.prepare().warnings.is_empty());
    let bob = world.home.path().join("profiles/bob");
    fs::write(bob.join("canary"), SECRET).unwrap();
    let swapper = Swapper::start(&world);
    let until = Instant::now() + Duration::from_secs(2);
    let mut met = 0;
    while Instant::now() < until {
        for (name, arguments) in [
            ("read_file", json!({ "path": "there/canary" })),
            ("search_files", json!({ "pattern": "canary", "target": "files" })),
            ("search_files", json!({ "pattern": "TOP|harmless" })),
            ("write_file", json!({ "path": "there/new", "content": "x" })),
            ("write_file", json!({ "path": "there/a/new", "content": "x" })),
            (
                "patch",
                json!({ "mode": "replace", "path": "there/canary", "old_string": "T", "new_string": "x" }),
            ),
            ("patch", json!({ "mode": "patch", "patch": "*** Delete File: there/canary" })),
        ] {
            let result = world.call(name, arguments.clone()).await;
            assert!(!result.to_string().contains(SECRET), "{name} {arguments}: {result}");
            assert!(!result["files"].to_string().contains("canary"), "{name} {arguments}: {result}");
            met += u32::from(result["error"].is_null());
        }
    }
    drop(swapper);
    assert!(met > 0, "some calls met the real folder");
    assert_eq!(fs::read_to_string(bob.join("canary")).unwrap(), SECRET);
    let mut left: Vec<_> = fs::read_dir(&bob).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [".env", "canary"]);
}

#[tokio::test]
async fn a_search_waits_for_nothing_that_an_agent_can_leave_lying_about() {
    let world = World::new();
    world.sh("mkdir a b c; echo hit > a/x; echo hit > b/x; echo hit > c/x; mkfifo a/.gitignore b/.ignore c/pipe").await;
    let _socket = UnixListener::bind(world.workspace().join("a/sock")).unwrap();
    fs::write(world.workspace().join("c/.gitignore"), "/x\n".repeat(200_000)).unwrap();
    let search = world.call("search_files", json!({ "pattern": "hit" }));
    let found = tokio::time::timeout(Duration::from_secs(15), search).await.expect("it hangs on a pipe");
    let paths: Vec<&Value> = found["matches"].as_array().unwrap().iter().map(|hit| &hit["path"]).collect();
    assert_eq!(paths, ["a/x", "b/x"], "{found}");
    let names = world.call("search_files", json!({ "pattern": "*", "target": "files" })).await;
    assert_eq!(names["files"], json!(["a/x", "b/x"]), "pipes and sockets are no files");
}

#[tokio::test]
async fn lists_of_what_to_leave_out_are_read_as_git_reads_them() {
    let world = World::new();
    world.sh("mkdir -p keep/deep out repo/.git/info repo/sub; for f in keep/a.log keep/deep/b.log keep/deep/c.txt out/x repo/a.log repo/sub/own repo/sub/none; do echo hit > $f; done").await;
    let lists = [
        (".gitignore", "*.log\n/out\n"),
        ("keep/deep/.gitignore", "!b.log\n"),
        ("repo/.git/info/exclude", "none\n"),
        ("repo/.ignore", "own\n"),
    ];
    for (path, text) in lists {
        fs::write(world.workspace().join(path), text).unwrap();
    }
    let names = |arguments: Value| async { world.call("search_files", arguments).await["files"].clone() };
    let all = names(json!({ "pattern": "*", "target": "files" })).await;
    // A repository of its own does not follow the lists above it.
    assert_eq!(all, json!(["keep/deep/b.log", "keep/deep/c.txt", "repo/a.log"]));
    let named = names(json!({ "pattern": "*", "target": "files", "path": "out" })).await;
    assert_eq!(named, json!(["out/x"]), "what path names is searched");
}

#[tokio::test]
async fn a_deep_or_wide_tree_is_an_answer() {
    let world = World::new();
    assert!(world.tools.prepare().warnings.is_empty());
    let mut deep = world.workspace().join("deep");
    for _ in 0..1_200 {
        deep.push("d");
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&deep).unwrap();
    fs::write(deep.join("bottom"), "hit\n").unwrap();
    let found = world.call("search_files", json!({ "pattern": "hit" })).await;
    assert_eq!((&found["total_count"], &found["truncated"]), (&json!(1), &json!(false)), "{found}");
}
