//! What `terminal` gives back, and what it carries from call to call.

use crate::support::World;
use hermes_gateway::{
    config::{NetworkMode, SandboxLevel},
    sandbox::{ForkServer, Sandbox},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn the_probe_finds_a_wall_and_says_what_is_lacking() {
    let world = World::new();
    assert!(world.sandbox.level >= SandboxLevel::Landlock && world.sandbox.abi > 0, "{:?}", world.sandbox);
    assert!(world.is_strict() || world.sandbox.reason.is_some(), "{:?}", world.sandbox);
    let capped = world.sandbox.at_most(SandboxLevel::Landlock);
    assert_eq!(capped.level, SandboxLevel::Landlock);
    assert_eq!(capped.way_name(), None);
}

#[tokio::test]
async fn commands_answer_with_output_and_code() {
    let world = World::new();
    let cases = [
        ("echo out; echo err >&2", "out\nerr", 0),
        ("printf '\\n  \\033[31mred\\033[0m \\n\\n'", "red", 0),
        ("exit 7", "", 7),
        ("exit 125", "", 125),
        ("kill -TERM $$", "", 143),
        ("kill -9 $$", "", 137),
        ("cat", "", 0),
        ("printf 'a\\377b'", "a\u{fffd}b", 0),
        ("cat <(echo substituted)", "substituted", 0),
        ("echo $#", "0", 0),
        ("yes | head -1", "y", 0),
        ("cat <<'X'\nit's \"quoted\" $HOME\nX", "it's \"quoted\" $HOME", 0),
        ("exec echo replaced", "replaced", 0),
        ("trap 'echo own trap' EXIT", "own trap", 0),
        ("set -eu; false; echo no", "", 1),
        ("ls /proc/self/fd | wc -l; ulimit -c", "", -1),
    ];
    for (command, output, code) in cases {
        if code < 0 {
            continue;
        }
        assert_eq!(world.sh(command).await, (output.to_owned(), code), "{command}");
    }
}

#[tokio::test]
async fn directory_and_exports_are_carried_over_per_session() {
    let world = World::new();
    world.sh("mkdir -p 'a b'; cd 'a b'; export X='two\nlines'\"'\" Y=1; Z=not").await;
    let (dir, _) = world.sh("pwd").await;
    assert!(dir.ends_with("/workspace/a b"), "{dir}");
    assert_eq!(world.sh("echo \"$X|$Y|$Z|$PWD\"").await.0, format!("two\nlines'|1||{dir}"));
    let other = world.call_in("two", "terminal", json!({ "command": "pwd; echo \"$Y\"" })).await;
    assert_eq!(other["output"], world.workspace().canonicalize().unwrap().display().to_string());
    // `exit` keeps them too; file tools stay at the workspace.
    world.sh("cd ..; export Y=2; exit 3").await;
    assert_eq!(world.sh("basename $PWD; echo $Y").await.0, "workspace\n2");
    world.sh("cd 'a b'").await;
    world.call("write_file", json!({ "path": "here", "content": "x" })).await;
    assert!(world.workspace().join("here").exists());
}

/// Both begin before either ends: each waits for the other's file.
#[tokio::test]
async fn commands_beside_each_other_lose_nothing_of_what_the_other_leaves() {
    for (world, first) in World::each().iter().flat_map(|world| [(world, true), (world, false)]) {
        if !first {
            world.sh("cd ~; rm -rf one two; export BASE=1").await;
        }
        let meet = |own: &str, other: &str, change: &str| {
            let command = format!("mkdir {own}; until [ -e {other} ]; do sleep 0.02; done; {change}");
            world.call("terminal", json!({ "command": command }))
        };
        let (one, two) = tokio::join!(
            meet("one", "two", "export X=1; unset BASE"),
            meet("two", "one", "export Y='two\nlines'; cd two"),
        );
        assert_eq!((&one["exit_code"], &two["exit_code"]), (&json!(0), &json!(0)), "{one} {two}");
        let (kept, _) = world.sh("echo \"$X|$Y|$BASE|${PWD##*/}\"; ls -A $TMPDIR").await;
        assert_eq!(kept, "1|two\nlines||two\n.hermes-dir\n.hermes-exports", "nothing else is left");
    }
}

#[tokio::test]
async fn a_lost_or_foreign_directory_falls_back_to_the_workspace() {
    let world = World::new();
    let workspace = world.workspace().canonicalize().unwrap_or_default();
    for command in
        ["mkdir d; cd d; rmdir ../d", "cd /usr", "cd /", "printf '/etc\\n' > $TMPDIR/.hermes-dir; exec true"]
    {
        world.sh(command).await;
        let (dir, _) = world.sh("pwd").await;
        assert!(dir.ends_with("/profiles/alice/workspace"), "{command}: {dir} {workspace:?}");
    }
}

#[tokio::test]
async fn a_hostile_state_file_harms_nothing() {
    let world = World::new();
    for command in [
        "yes x | head -c 10000000 > $TMPDIR/.hermes-exports; exec true",
        "rm -f $TMPDIR/.hermes-exports; mkfifo $TMPDIR/.hermes-exports; exec true",
        "rm -f $TMPDIR/.hermes-*; ln -s /etc/passwd $TMPDIR/.hermes-dir; ln -s /etc/shadow $TMPDIR/.hermes-exports; exec true",
        "rm -f $TMPDIR/.hermes-*; mkdir $TMPDIR/.hermes-dir $TMPDIR/.hermes-exports; exec true",
        "rmdir $TMPDIR/.hermes-*; printf 'export A=(\\n# whole\\n' > $TMPDIR/.hermes-exports; exec true",
    ] {
        world.sh(command).await;
        assert_eq!(world.sh("echo fine").await, ("fine".to_owned(), 0), "{command}");
        world.sh("rm -rf $TMPDIR/.hermes-*; exec true").await;
    }
}

#[tokio::test]
async fn workdir_counts_for_one_call_and_stays_inside() {
    for world in World::each() {
        workdir_of(&world).await;
    }
}

async fn workdir_of(world: &World) {
    world.sh("mkdir sub").await;
    let run = |dir: &str| world.call("terminal", json!({ "command": "pwd", "workdir": dir }));
    assert!(run("sub").await["output"].as_str().unwrap().ends_with("/workspace/sub"));
    assert!(world.sh("pwd").await.0.ends_with("/workspace"));
    let tmp = run("/tmp").await["output"].as_str().unwrap().to_owned();
    if world.is_strict() {
        assert_eq!(tmp, "/tmp");
    } else {
        assert!(tmp.starts_with("/tmp/hermes-alice-"), "{tmp}");
    }
    for (dir, code) in [("/etc", "outside_workspace"), ("../..", "outside_workspace"), ("nope", "not_found")]
    {
        let result = run(dir).await;
        assert_eq!((&result["code"], &result["exit_code"]), (&json!(code), &json!(-1)), "{dir}");
    }
}

#[tokio::test]
async fn the_environment_is_built_from_nothing() {
    let world = World::with(|config| {
        config.terminal.env_passthrough = vec!["TOKEN".into(), "ABSENT".into()];
        config.terminal.network.mode = NetworkMode::Off;
    });
    let (env, _) = world.sh("env | cut -d= -f1 | sort | tr '\\n' ' '").await;
    assert_eq!(
        env,
        "GIT_TERMINAL_PROMPT HOME LANG LOGNAME PAGER PATH PWD SHELL SHLVL TAR_OPTIONS TERM TMPDIR TOKEN USER _"
    );
    assert_eq!(world.sh("echo $TOKEN").await.0, "from-the-env-file");
    assert_eq!(world.sh("export OTHER=1").await.1, 0);
    assert_eq!(
        world.sh("grep -c from-the-env-file $TMPDIR/.hermes-exports").await.0,
        "0",
        "not left on the disk"
    );
}

#[tokio::test]
async fn the_proxy_of_one_command_is_not_kept_for_the_next() {
    let world = World::new();
    if world.sandbox.network(NetworkMode::Public) != NetworkMode::Public {
        eprintln!("NOT TESTED: Landlock has ABI {}, so there is no proxy", world.sandbox.abi);
        return;
    }
    let (count, _) = world.sh("export OTHER=1; env | grep -c _proxy=").await;
    assert_eq!(count, "4", "http, https, all and no");
    let (kept, _) =
        world.sh("grep -c OTHER $TMPDIR/.hermes-exports; grep -ci proxy $TMPDIR/.hermes-exports").await;
    assert_eq!(kept, "1\n0");
}

#[tokio::test]
async fn a_flood_is_cut_in_the_middle() {
    let world = World::new();
    let command = "echo first; head -c 300000000 /dev/zero | tr '\\0' y; echo; echo last";
    let result = world.call("terminal", json!({ "command": command })).await;
    let output = result["output"].as_str().unwrap();
    assert!(output.starts_with("first\ny") && output.ends_with("y\nlast"), "{}", &output[..100]);
    assert!(output.len() < 51_000);
    let omitted = result["omitted_bytes"].as_u64().unwrap();
    assert_eq!((omitted, &result["truncated"]), (300_000_012 - 50_000, &json!(true)));
}

#[tokio::test]
async fn refusals_have_one_shape() {
    let world = World::new();
    let cases = [
        (json!({ "command": "true", "background": "yes" }), "invalid_arguments"),
        (json!({ "command": "true", "pty": 1 }), "invalid_arguments"),
        (json!({ "command": "true", "timeout": 601 }), "invalid_arguments"),
        (json!({ "command": "true", "timeout": 0 }), "invalid_arguments"),
        (json!({ "command": "true", "timeout": "9" }), "invalid_arguments"),
        (json!({ "command": " " }), "invalid_arguments"),
        (json!({ "command": ["ls"] }), "invalid_arguments"),
        (json!({ "command": "x".repeat(200_000) }), "invalid_arguments"),
        (json!({ "command": "a\u{0}b" }), "invalid_arguments"),
        (json!({}), "invalid_arguments"),
    ];
    for (arguments, code) in cases {
        let result = world.call("terminal", arguments.clone()).await;
        assert_eq!((&result["code"], &result["exit_code"]), (&json!(code), &json!(-1)), "{arguments}");
        assert!(result["error"].is_string());
    }
    let result = world.call("Terminal2", json!({})).await;
    assert_eq!(result["code"], "unknown_tool");
    assert!(result["hint"].as_str().unwrap().contains(&world.tools.toolset().names()));
    assert_eq!(world.call("terminal", json!([1])).await["code"], "invalid_arguments");
}

#[tokio::test]
async fn below_the_floor_the_terminal_refuses_with_the_reason() {
    let mut sandbox = World::new().sandbox.clone();
    sandbox.level = SandboxLevel::None;
    sandbox.reason = Some("no such kernel".into());
    let world = World::at(&sandbox, |_| {});
    let result = world.call("terminal", json!({ "command": "echo ran" })).await;
    assert_eq!(result["code"], "sandbox_below_floor");
    assert!(result["error"].as_str().unwrap().contains("no such kernel"));
    assert!(world.call("read_file", json!({ "path": "x" })).await["code"] == "not_found");

    let open = World::at(&sandbox, |config| config.terminal.sandbox = SandboxLevel::None);
    assert_eq!(open.sh("echo ran; cat ../../bob/.env >/dev/null && echo open").await.0, "ran\nopen");
}

#[tokio::test]
async fn what_is_not_cleared_never_runs() {
    let world = World::new();
    for (name, arguments) in [
        ("terminal", json!({ "command": "touch ran" })),
        ("write_file", json!({ "path": "ran", "content": "" })),
    ] {
        let output = world.raw("one", name, arguments, &CancellationToken::new(), false).await;
        let result: Value = serde_json::from_str(&output.text).unwrap();
        assert_eq!((output.failed, &result["code"]), (true, &json!("not_cleared")), "{name}");
        assert!(!world.workspace().join("ran").exists(), "{name}");
    }
}

#[tokio::test]
async fn a_missing_helper_is_an_answer() {
    let mut sandbox = World::new().sandbox.clone();
    for helper in ["/nonexistent/hermes", "/bin/false"] {
        sandbox.helper = std::sync::Arc::new(ForkServer::new(helper.into()));
        let world = World::at(&sandbox, |_| {});
        let result = world.call("terminal", json!({ "command": "true" })).await;
        assert!(result["error"].is_string(), "{helper}: {result}");
        let probed = Sandbox::probe(helper.into());
        assert_eq!(probed.level, SandboxLevel::None);
        assert!(probed.reason.is_some());
    }
}

#[tokio::test]
async fn the_prompt_s_word_on_temporary_files_is_true() {
    for world in World::each() {
        use_tmp(&world).await;
    }
}

async fn use_tmp(world: &World) {
    let written = world.call("write_file", json!({ "path": "/tmp/note", "content": "same" })).await;
    assert_eq!(written["error"], Value::Null, "{written}");
    assert_eq!(world.sh("cat $TMPDIR/note").await, ("same".to_owned(), 0));
    world.sh("printf back > $TMPDIR/answer").await;
    let read = world.call("read_file", json!({ "path": "/tmp/answer" })).await;
    assert!(read["content"].as_str().unwrap().ends_with("|back"), "{read}");
    if world.is_strict() {
        assert_eq!(world.sh("cat /tmp/note; ls /tmp").await.0, "same".to_owned() + "answer\nnote");
        return;
    }
    // Landlock cannot put another folder in `/tmp`'s place; it can only close it.
    for command in ["cat /tmp/note", "ls /tmp", "touch /tmp/hermes-note"] {
        assert_ne!(world.sh(command).await.1, 0, "{command}");
    }
}
