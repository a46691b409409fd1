//! Commands of which the helper was started ahead.

use crate::{
    ahead::worlds,
    support::{PATIENCE, World, appears},
};
use hermes_gateway::{
    config::{ProfileConfig, SandboxLevel},
    domain::SessionId,
};
use rustix::{
    fs::OFlags,
    process::{Pid, Signal, kill_process, test_kill_process},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

impl World {
    /// The helper that waits for the next command of a session; runs some until there is one.
    pub async fn waiting(&self, session: &str) -> u32 {
        let (id, start) = (SessionId::parse(session).unwrap(), Instant::now());
        loop {
            if let Some(pid) = self.tools.waiting_helper(&id) {
                return pid;
            }
            assert!(start.elapsed() < PATIENCE, "no helper waits");
            self.call_in(session, "terminal", json!({ "command": "true" })).await;
        }
    }

    /// The first processes below another one, in the order of their birth.
    pub fn below(&self, pid: u32) -> Vec<u32> {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        children.split_ascii_whitespace().map(|child| child.parse().unwrap()).collect()
    }

    /// The process below a helper that is to be the command's.
    pub async fn last_below(&self, helper: u32) -> u32 {
        let start = Instant::now();
        let mut last = helper;
        for _ in 0..if self.is_strict() { 2 } else { 1 } {
            last = loop {
                match *self.below(last) {
                    [child] => break child,
                    _ => assert!(start.elapsed() < PATIENCE, "{last} has no child"),
                }
                tokio::task::yield_now().await;
            };
        }
        last
    }

    /// The helper of a command that is started now.
    async fn started(&self, session: &str) -> u32 {
        let arguments = json!({ "command": "sleep 60", "background": true });
        let started = self.call_in(session, "terminal", arguments).await;
        u32::try_from(started["pid"].as_u64().unwrap()).unwrap()
    }
}

/// Until it runs no more; who started it may not have asked for its end yet.
pub async fn gone(pid: u32) {
    let start = Instant::now();
    let runs = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    };
    while runs() {
        assert!(start.elapsed() < PATIENCE, "{pid} is still there");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_next_command_gets_the_helper_that_waits_and_no_other_command_does() {
    for world in World::each() {
        let waiting = world.waiting("one").await;
        let id = SessionId::parse("one").unwrap();
        assert_eq!(world.started("one").await, waiting, "{}", world.wall());
        assert_ne!(world.tools.waiting_helper(&id), Some(waiting), "one helper, one command");
        let next = world.waiting("one").await;
        assert_ne!(next, waiting);
        assert_eq!(world.started("one").await, next);
        world.tools.end_processes().await;
    }
}

/// In a namespace of its own every process has a number, so that the numbers count them.
#[tokio::test]
async fn a_command_starts_one_process_and_its_shell_none_of_its_own() {
    for world in World::each().into_iter().filter(World::is_strict) {
        let count = "echo $$; sh -c 'echo $$; exit 0'";
        // Only the first command of a session says what it began with, which takes a process.
        assert_eq!(world.sh(count).await.0, "2\n4");
        world.waiting("one").await;
        assert_eq!(world.sh(count).await.0, "2\n3", "{}", world.wall());
    }
}

#[tokio::test]
async fn what_waits_is_not_for_another_session() {
    for world in World::each() {
        let waiting = world.waiting("one").await;
        let mark = json!({ "command": "touch $TMPDIR/mine" });
        world.call_in("one", "terminal", mark).await;
        let waiting_again = world.waiting("one").await;
        assert_eq!(waiting != waiting_again, world.is_strict(), "a world of its own is one command's");
        let other = world.call_in("two", "terminal", json!({ "command": "ls $TMPDIR" })).await;
        assert_eq!(other["output"], "", "{}", world.wall());
        assert_ne!(world.started("two").await, waiting_again);
        world.tools.end_processes().await;
    }
}

/// At level `landlock`, where nothing but its process is made for a command.
fn flat(change: impl Fn(&mut ProfileConfig)) -> Vec<World> {
    worlds(change).into_iter().filter(|world| !world.is_strict()).collect()
}

#[tokio::test]
async fn a_helper_goes_on_to_the_next_command_as_long_as_nothing_is_left_of_one() {
    for world in flat(|_| {}) {
        let helper = async || world.sh("echo $PPID").await.0;
        let first = helper().await;
        assert_eq!(helper().await, first, "{}", world.wall());
        for fails in ["exit 3", "kill -9 $BASHPID", "nosuch-program", "exec true", "sleep 0.01 & wait"] {
            world.call("terminal", json!({ "command": fails })).await;
            assert_eq!(helper().await, first, "{}: {fails}", world.wall());
        }
        for leaves in
            ["sleep 600 >/dev/null 2>&1 & echo $! >left", "setsid sh -c 'echo $$ >left; exec sleep 600' &"]
        {
            let before = helper().await;
            world.sh(&format!("rm -f left; {leaves}\nuntil [ -s left ]; do :; done")).await;
            let left = fs::read_to_string(world.workspace().join("left")).unwrap();
            gone(left.trim().parse().unwrap()).await;
            assert_ne!(helper().await, before, "{}: {leaves}", world.wall());
        }
    }
}

#[tokio::test]
async fn a_command_is_not_charged_with_what_those_before_it_took() {
    let burn = "read now _ </proc/uptime; until read then _ </proc/uptime; [ $((${then/.} - ${now/.})) -gt 130 ]; do :; done; echo $PPID";
    for world in flat(|config| config.terminal.limits.cpu_time = Duration::from_secs(2)) {
        let first = world.sh(burn).await;
        let second = world.sh(burn).await;
        assert_eq!((first.1, second.1), (0, 0), "{}: {first:?} {second:?}", world.wall());
        assert_eq!(first.0, second.0, "{}: it was another helper", world.wall());
        let over = world.call("terminal", json!({ "command": "while :; do :; done" })).await;
        assert_eq!(over["exit_code"], 137, "{}: {over}", world.wall());
        assert_eq!(world.sh("echo fine").await.0, "fine");
    }
}

#[tokio::test]
async fn the_process_of_the_next_command_is_not_missed_when_it_is_killed_beside_this_one() {
    for world in flat(|_| {}) {
        let helper = world.waiting("one").await;
        let command = "touch up; until [ -e done ]; do :; done; rm done; echo $PPID";
        let call = world.call("terminal", json!({ "command": command }));
        let killer = async {
            let start = Instant::now();
            appears(&world.workspace().join("up")).await;
            let next = loop {
                // Beside this command's process; or the shell that this command is a copy of.
                match (world.sandbox.level, world.below(helper).as_slice()) {
                    (SandboxLevel::None, [next]) | (_, [_, next]) => break *next,
                    _ => assert!(start.elapsed() < PATIENCE, "no process was made for the next command"),
                }
                tokio::task::yield_now().await;
            };
            kill_process(Pid::from_raw(next.cast_signed()).unwrap(), Signal::KILL).unwrap();
            gone(next).await;
            fs::write(world.workspace().join("done"), "").unwrap();
        };
        let (result, ()) = tokio::join!(call, killer);
        if world.sandbox.level == SandboxLevel::None {
            // Its copies end with it.
            assert_eq!(result["exit_code"], 137, "{result}");
        } else {
            assert_eq!(result["output"], helper.to_string(), "{}", world.wall());
        }
        assert_eq!(world.sh("echo fine").await, ("fine".to_owned(), 0), "{}", world.wall());
    }
}

/// What a command prints is its own, whoever printed before it.
#[tokio::test]
async fn each_command_has_an_output_of_its_own() {
    for world in flat(|_| {}) {
        world.waiting("one").await;
        let long = world.call("terminal", json!({ "command": "seq 1 40000", "timeout": 60 })).await;
        assert_eq!(long["exit_code"], 0);
        assert_eq!(world.sh("echo short").await.0, "short", "{}", world.wall());
        let (one, other) =
            tokio::join!(world.sh("seq 1 500; sleep 0.1; seq 501 1000"), world.sh("seq 2001 3000"));
        let numbers = |text: &str| text.lines().map(|line| line.parse::<u32>().unwrap()).collect::<Vec<_>>();
        assert_eq!(numbers(&one.0), (1..=1_000).collect::<Vec<_>>(), "{}", world.wall());
        assert_eq!(numbers(&other.0), (2_001..=3_000).collect::<Vec<_>>(), "{}", world.wall());
    }
}

#[tokio::test]
async fn what_waits_knows_no_command_and_no_variable() {
    for world in World::each() {
        let waiting = world.waiting("one").await;
        let read = |name: &str| fs::read(format!("/proc/{waiting}/{name}")).unwrap();
        assert_eq!(read("environ"), b"");
        assert!(read("cmdline").ends_with(b"hermes\0sandbox-exec\0"));
        // The socket, signals, and what it looks at the machine with; of folders the mere place, to ask how full it is; and
        // what its shell will read an order from.
        for entry in fs::read_dir(format!("/proc/{waiting}/fd")).unwrap().flatten() {
            let leads = fs::read_link(entry.path()).unwrap_or_default().display().to_string();
            let harmless = ["socket:", "pipe:", "anon_inode:", "/proc", "/dev/null"];
            let unwritten =
                leads.starts_with("/memfd:order") && fs::metadata(entry.path()).unwrap().len() == 0;
            let known = unwritten || harmless.iter().any(|known| leads.starts_with(known));
            assert!(known || is_mere_place(waiting, &entry.file_name().to_string_lossy()), "{leads}");
        }
    }
}

/// Whether nothing can be read or written by a descriptor.
fn is_mere_place(pid: u32, fd: &str) -> bool {
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or_default();
    let flags = u32::from_str_radix(flags.trim(), 8).unwrap_or(0);
    OFlags::from_bits_retain(flags).contains(OFlags::PATH)
}

#[tokio::test]
async fn a_killed_helper_is_not_missed() {
    for world in World::each() {
        let waiting = world.waiting("one").await;
        kill_process(Pid::from_raw(waiting.cast_signed()).unwrap(), Signal::KILL).unwrap();
        gone(waiting).await;
        assert_eq!(world.sh("echo fine").await, ("fine".to_owned(), 0), "{}", world.wall());
    }
}

/// What all helpers are forked from.
fn server_of(helper: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{helper}/status")).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    parent.trim().parse().unwrap()
}

#[tokio::test]
async fn a_killed_fork_server_is_not_missed_and_takes_no_helper_with_it() {
    for world in World::each() {
        let waiting = world.waiting("one").await;
        let server = server_of(waiting);
        kill_process(Pid::from_raw(server.cast_signed()).unwrap(), Signal::KILL).unwrap();
        assert_eq!(world.started("one").await, waiting, "{}", world.wall());
        assert_eq!(world.sh("echo fine").await, ("fine".to_owned(), 0), "{}", world.wall());
        assert_ne!(server_of(world.waiting("one").await), server, "{}", world.wall());
        world.tools.end_processes().await;
    }
}

#[tokio::test]
async fn the_fork_server_has_nothing_of_the_gateway_and_leaves_nothing_of_its_helpers() {
    // Nobody else forks from its server meanwhile: each probe makes one.
    let world = World::new();
    let server = server_of(world.waiting("one").await);
    let open = || {
        let entries = fs::read_dir(format!("/proc/{server}/fd")).unwrap().flatten();
        entries.filter_map(|entry| fs::read_link(entry.path()).ok()).collect::<Vec<_>>()
    };
    let before = open();
    world.sh("true").await;
    let waiting = world.waiting("one").await;
    assert_eq!(server_of(waiting), server);
    assert_eq!(open(), before);
    assert_eq!(fs::read(format!("/proc/{server}/environ")).unwrap(), b"");
    assert_eq!(fs::read_link(format!("/proc/{server}/cwd")).unwrap(), Path::new("/"));
    let helper = Pid::from_raw(waiting.cast_signed()).unwrap();
    kill_process(helper, Signal::KILL).unwrap();
    let start = Instant::now();
    while test_kill_process(helper).is_ok() {
        assert!(start.elapsed() < PATIENCE, "{waiting} was not collected");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_killed_process_of_what_waits_is_not_missed() {
    for world in World::each() {
        let waiting = world.waiting("one").await;
        let last = world.last_below(waiting).await;
        kill_process(Pid::from_raw(last.cast_signed()).unwrap(), Signal::KILL).unwrap();
        gone(waiting).await;
        assert_eq!(world.sh("echo fine").await, ("fine".to_owned(), 0), "{}", world.wall());
    }
}

#[tokio::test]
async fn what_waits_ends_with_the_profile() {
    for world in World::each() {
        let waiting = world.waiting("one").await;
        world.tools.end_processes().await;
        gone(waiting).await;

        let world = World::at(&world.sandbox, |_| {});
        let waiting = world.waiting("one").await;
        drop(world);
        gone(waiting).await;
    }
}

#[tokio::test]
async fn a_folder_that_was_replaced_is_not_shown_by_what_waits() {
    for world in World::each() {
        world.waiting("one").await;
        let workspace = world.workspace();
        fs::rename(workspace, workspace.with_extension("old")).unwrap();
        fs::create_dir(workspace).unwrap();
        let result = world.call("terminal", json!({ "command": "touch here" })).await;
        assert_eq!(result["code"], "workspace_moved", "{} {result}", world.wall());
    }
}

/// Behind a wall that was built ahead, a stop and a limit end a command like any other.
#[tokio::test]
async fn a_command_in_a_helper_that_waited_is_ended_like_any_other() {
    for world in World::each() {
        world.waiting("one").await;
        let result = world.call("terminal", json!({ "command": "sleep 600", "timeout": 1 })).await;
        assert_eq!(result["exit_code"], 124, "{} {result}", world.wall());
        world.waiting("one").await;
        let stop = CancellationToken::new();
        let call = world.raw("one", "terminal", json!({ "command": "touch up; sleep 600" }), &stop, true);
        let stopper = async {
            appears(&world.workspace().join("up")).await;
            stop.cancel();
        };
        let (output, ()) = tokio::join!(call, stopper);
        let result: Value = serde_json::from_str(&output.text).unwrap();
        assert_eq!(result["exit_code"], 130, "{} {result}", world.wall());
    }
}
