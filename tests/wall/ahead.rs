//! Commands of which the shell was started ahead: they find what they find in one that was started for them.

use crate::{
    support::{PATIENCE, World, walls},
    warm::gone,
};
use hermes_gateway::{
    config::{NetworkMode, ProfileConfig, SandboxLevel},
    domain::SessionId,
    sandbox::Sandbox,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{fs, time::Instant};

/// Only a shell that was started ahead was given words to read.
const MARK: &str = "case $BASH_EXECUTION_STRING in read*|exec*) : >ahead;; *) : >plain;; esac\n";

/// One for each wall, and one for none.
pub fn worlds(change: impl Fn(&mut ProfileConfig)) -> Vec<World> {
    let walls = walls();
    let none = Sandbox { level: SandboxLevel::None, ..walls[0].clone() };
    let at = |sandbox| {
        World::at(sandbox, |config| {
            config.terminal.sandbox = SandboxLevel::None;
            change(config);
        })
    };
    walls.iter().chain([&none]).map(at).collect()
}

impl World {
    /// What a command answers in a shell that was started for it, and in one that was started ahead.
    async fn both(&self, arguments: Value) -> [Value; 2] {
        let mark = |name: &str| fs::remove_file(self.workspace().join(name)).is_ok();
        let waiting = self.waiting("one").await;
        kill_process(Pid::from_raw(waiting.cast_signed()).unwrap(), Signal::KILL).unwrap();
        gone(waiting).await;
        let plain = self.call("terminal", arguments.clone()).await;
        let as_it_should = mark("plain") && !mark("ahead");
        self.waiting("one").await;
        let ahead = self.call("terminal", arguments).await;
        assert!(as_it_should && mark("ahead") && !mark("plain"), "{}: {ahead}", self.wall());
        [plain, ahead]
    }

    async fn same(&self, command: &str) {
        let [mut plain, ahead] = self.both(json!({ "command": MARK.to_owned() + command })).await;
        // A copy of a shell ends with another code than a shell when a variable is wanted that is not there.
        if self.sandbox.level == SandboxLevel::None && ahead["exit_code"] == 1 && plain["exit_code"] == 127 {
            plain["exit_code"] = 1.into();
        }
        assert_eq!(ahead, plain, "{}: {}", self.wall(), command.chars().take(300).collect::<String>());
    }
}

/// A row of commands behind each wall.
async fn are_the_same(commands: &[&str]) {
    for world in worlds(|_| {}) {
        for command in commands {
            world.same(command).await;
        }
    }
}

#[tokio::test]
async fn a_shell_that_was_started_ahead_is_a_fresh_one() {
    // What differs between any two commands: the name of a file, the number of the helper, the proxy's password.
    let rest = "grep -Ev '^(declare -[-airx]+ )?(__hermes_left|BASH_ARGV|BASH_EXECUTION_STRING|PPID|SECONDS|http_proxy|https_proxy|all_proxy|HTTP_PROXY|HTTPS_PROXY|ALL_PROXY)\\b'";
    let variables = format!("(set) | {rest}; (declare -p) | {rest}; (export -p) | {rest}");
    are_the_same(&[
        &variables,
        r#"echo "$0|$-|$#|$*|$SHLVL|$?|$!|$_|$LINENO|$IFS|$OPTIND|${REPLY-none}""#,
        "shopt; set -o; trap -p; jobs; alias; hash; declare -F; type -a read; dirs",
        "env | cut -d= -f1 | sort",
    ])
    .await;
}

#[tokio::test]
async fn the_process_of_a_shell_that_was_started_ahead_is_like_any_other() {
    are_the_same(&[
        "umask; ulimit -a; cat /proc/self/limits",
        "cat /proc/self/oom_score_adj; set -- $(sed 's/.*) //' /proc/self/stat); echo nice ${17} policy ${39}; [ $3 = $$ ] && [ $4 = $$ ] && echo leads",
        "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|SigPnd|SigBlk|SigIgn|ShdPnd|Threads|Umask)' /proc/self/status",
        "(cd /proc/self/fd && echo *); readlink /proc/self/fd/0; cat; read x; echo $?",
    ])
    .await;
    for world in worlds(|_| {}).iter().filter(|world| world.is_strict()) {
        world.same("echo $$ $PPID; echo /proc/[0-9]*").await;
    }
}

#[tokio::test]
async fn a_command_fails_and_ends_as_in_any_other_shell() {
    are_the_same(&[
        "nosuch-program\n\nnosuch-other; echo ${x?is not there}",
        "echo a\nif",
        "eval 'x (('; echo $?",
        "echo \"",
        "cd /no/such; echo $?",
        "exit 3",
        "exec sh -c 'exit 4'",
        "kill -TERM $$",
        "kill -9 $$",
        "set -e; false; echo no",
        "set -u; echo $nope",
        "trap 'echo own trap' EXIT",
        "sleep 0.01 & jobs; wait $!; echo $?; (exit 5) & wait $!; echo $?",
        "caller; f() { caller 0; return 6; }; f",
    ])
    .await;
}

#[tokio::test]
async fn every_byte_of_a_command_arrives() {
    let long = format!("x='{}'; echo ${{#x}}; echo \"$x\" | cksum", "ä\n'\"'\"'".repeat(14_500));
    assert!(long.len() > 110_000 && long.len() + MARK.len() < 120_000, "{}", long.len());
    are_the_same(&[
        &long,
        "printf '%s' 'a\u{1}\u{2}\u{7f}\u{80}\u{feff}é\\\n\t\r $x `y` \"z\"' | od -c",
        "cat <<'X'\nit's \"quoted\" $HOME\nX",
        "echo end # no newline after it",
        "\n\n  echo first blank lines  \n\n",
    ])
    .await;
}

#[tokio::test]
async fn directories_and_variables_go_from_one_kind_of_shell_to_the_other() {
    for world in worlds(|_| {}) {
        world.sh("mkdir -p 'a b/c' other; ln -s other link").await;
        let place =
            "echo \"$PWD|${OLDPWD-none}|$(pwd -P)|$(pwd -L)|$(dirs)\"; declare -p PWD OLDPWD; cd - 2>&1";
        for dir in ["~", "~/'a b'", "~/'a b/c'", "~/link", "$TMPDIR"] {
            world.sh(&format!("cd {dir}")).await;
            // The marks are files in the workspace, from wherever.
            let mark = MARK.replace('>', ">~/");
            let [plain, ahead] = world.both(json!({ "command": format!("{mark}{place}; cd {dir}") })).await;
            assert_eq!(ahead, plain, "{} {dir}", world.wall());
            assert_eq!(plain["exit_code"], 0, "{plain}");
        }
        world.sh("cd; export X='two\nlines'\"'\" Y=1; Z=not").await;
        world.same("echo \"$X|$Y|$Z|$PWD\"").await;
        world.sh("export N=0 Y=2").await;
        world.both(json!({ "command": MARK.to_owned() + "export N=$((N+1)); unset Y" })).await;
        assert_eq!(world.sh("echo \"$N|$X|${Y-none}\"").await.0, "2|two\nlines'|none", "{}", world.wall());
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_entered_is_told_in_words() {
    for world in worlds(|_| {}) {
        world.sh("mkdir shut; chmod 0 shut").await;
        // As root of the machine, behind no wall, nothing is shut.
        if world.sandbox.level == SandboxLevel::None && rustix::process::geteuid().is_root() {
            continue;
        }
        let arguments = json!({ "command": "touch ran", "workdir": "shut" });
        let waiting = world.waiting("one").await;
        kill_process(Pid::from_raw(waiting.cast_signed()).unwrap(), Signal::KILL).unwrap();
        gone(waiting).await;
        let plain = world.call("terminal", arguments.clone()).await;
        world.waiting("one").await;
        let ahead = world.call("terminal", arguments).await;
        for result in [&plain, &ahead] {
            assert_eq!(result["code"], "sandbox_failed", "{}: {result}", world.wall());
            let error = result["error"].as_str().unwrap();
            assert!(error.contains("/shut`: Permission denied"), "{}: {error}", world.wall());
        }
        assert!(!world.workspace().join("ran").exists());
    }
}

/// What a process has open, in order.
fn open(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let leads = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    let mut leads: Vec<_> =
        leads.map(|leads| leads.display().to_string().split(':').next().unwrap().to_owned()).collect();
    leads.sort_unstable();
    leads
}

/// It holds what every command of the profile is started with, and nothing of one call.
#[tokio::test]
async fn a_shell_that_waits_knows_no_command_and_no_way_out() {
    let worlds = walls()
        .into_iter()
        .map(|sandbox| World::at(&sandbox, |config| config.terminal.env_passthrough = vec!["TOKEN".into()]));
    for world in worlds {
        world.sh("export OTHER=kept; : command-before").await;
        let waiting = world.waiting("one").await;
        let shell = world.last_below(waiting).await;
        let read = |name: &str| fs::read(format!("/proc/{shell}/{name}")).unwrap_or_default();
        let start = Instant::now();
        while !read("cmdline").starts_with(b"/bin/bash\0") {
            assert!(start.elapsed() < PATIENCE, "it did not become a shell");
            tokio::task::yield_now().await;
        }
        let environ = String::from_utf8(read("environ")).unwrap();
        let names: Vec<_> =
            environ.split_terminator('\0').map(|variable| variable.split('=').next().unwrap()).collect();
        assert_eq!(
            names,
            [
                "GIT_TERMINAL_PROMPT",
                "HOME",
                "LANG",
                "LOGNAME",
                "PAGER",
                "PATH",
                "SHELL",
                "TAR_OPTIONS",
                "TERM",
                "TMPDIR",
                "TOKEN",
                "USER"
            ],
            "{}",
            world.wall()
        );
        let line = String::from_utf8(read("cmdline")).unwrap();
        assert!(!line.contains("command-before") && !line.contains("from-the-env-file"), "{line}");
        // At its start it opens its libraries.
        while open(shell) != ["/dev/null", "/memfd", "pipe", "pipe", "socket"] {
            assert!(start.elapsed() < PATIENCE, "{}: {:?}", world.wall(), open(shell));
            tokio::task::yield_now().await;
        }
        assert_eq!(
            world.sh("echo $TOKEN; grep -c from-the $TMPDIR/.hermes-exports").await.0,
            "from-the-env-file\n0"
        );
    }
}

#[tokio::test]
async fn a_shell_that_was_started_ahead_gets_the_proxy_of_its_own_call() {
    let world = World::with(|config| config.terminal.sandbox_most = SandboxLevel::Landlock);
    if world.sandbox.network(NetworkMode::Public) != NetworkMode::Public {
        eprintln!("NOT TESTED: Landlock has ABI {}, so there is no proxy", world.sandbox.abi);
        return;
    }
    let command = json!({ "command": MARK.to_owned() + "echo $https_proxy; echo $HTTPS_PROXY" });
    let [plain, ahead] = world.both(command).await;
    for result in [&plain, &ahead] {
        let lines: Vec<_> = result["output"].as_str().unwrap().lines().collect();
        assert!(lines[0].starts_with("http://") && lines[0] == lines[1], "{result}");
    }
    assert_ne!(plain["output"], ahead["output"], "a way out is one command's");
}

/// A command runs beside the shell that waits for the next one.
#[tokio::test]
async fn a_command_reaches_nothing_of_the_shell_that_waits() {
    for world in World::each() {
        let before = world.waiting("one").await;
        let attack = "until [ -e target ]; do sleep 0.02; done; pid=$(cat target)
            for what in mem environ fd/0 cwd/x maps; do head -c 1 /proc/$pid/$what && echo \"read $what\"; done
            : >/proc/$pid/fd/3 && echo wrote; kill -9 $pid && echo killed; echo over";
        let call = world.call("terminal", json!({ "command": format!("({attack}) 2>/dev/null; true") }));
        let watch = async {
            let start = Instant::now();
            let shell = loop {
                // Below a helper of its own, or beside the command below the helper of both.
                let other = world.tools.waiting_helper(&SessionId::parse("one").unwrap());
                let beside = world.below(before);
                match (other, beside.as_slice()) {
                    (Some(helper), _) if helper != before => break world.last_below(helper).await,
                    (None, [_command, next]) => break *next,
                    _ => assert!(start.elapsed() < PATIENCE, "no shell waits"),
                }
                tokio::task::yield_now().await;
            };
            fs::write(world.workspace().join("target.new"), shell.to_string()).unwrap();
            fs::rename(world.workspace().join("target.new"), world.workspace().join("target")).unwrap();
        };
        let (result, ()) = tokio::join!(call, watch);
        assert_eq!(result["output"], "over", "{}", world.wall());
        assert_eq!(world.sh("echo fine").await, ("fine".to_owned(), 0), "{}", world.wall());
    }
}

#[tokio::test]
async fn a_shell_that_waits_ends_with_its_helper() {
    for (one, other) in worlds(|_| {}).iter().zip(worlds(|_| {})) {
        let shell = one.last_below(one.waiting("one").await).await;
        one.tools.end_processes().await;
        gone(shell).await;
        let waiting = other.waiting("one").await;
        let shell = other.last_below(waiting).await;
        // Outright: it can do nothing more for those below it.
        kill_process(Pid::from_raw(waiting.cast_signed()).unwrap(), Signal::KILL).unwrap();
        gone(shell).await;
    }
}

/// An operator who tells bash how to start has it started for each command.
#[tokio::test]
async fn a_shell_is_not_started_ahead_where_variables_change_its_start() {
    for name in ["BASH_ENV", "SHELLOPTS", "TMOUT"] {
        let world = World::with(|config| config.terminal.env_passthrough = vec![name.into(), "TOKEN".into()]);
        world.waiting("one").await;
        world.sh(&format!("{MARK}true")).await;
        assert!(world.workspace().join("plain").exists(), "{name}");
    }
}
