//! Every limit of a command, met by real commands. The commands are bounded by themselves: a limit that does not hold
//! makes a test fail and nothing worse.

use crate::support::{PATIENCE, World, walls};
use hermes_gateway::config::LimitsConfig;
use serde_json::{Value, json};
use std::{
    fs,
    io::ErrorKind,
    time::{Duration, Instant},
};

const MIB: u64 = 1 << 20;
/// A Python that the sandbox may run: not one in somebody's home.
const PYTHON: &str = "/usr/bin/python3";

/// A profile with these limits, at every level that this machine has.
fn worlds(change: impl Fn(&mut LimitsConfig)) -> Vec<World> {
    walls().iter().map(|wall| World::at(wall, |config| change(&mut config.terminal.limits))).collect()
}

/// What a test could not show on this machine.
#[allow(clippy::print_stdout)]
fn left_out(why: &str) {
    println!("not run: {why}");
}

async fn run(world: &World, command: &str) -> Value {
    world.call("terminal", json!({ "command": command, "timeout": 40 })).await
}

/// It was killed, and the model is told which setting did it.
fn killed_for(result: &Value, setting: &str) {
    assert_eq!(result["exit_code"], 137, "{setting}: {result}");
    assert!(result["error"].as_str().unwrap().contains(setting), "{result}");
}

/// Holds so many megabytes for some seconds: `tail` must have all of it before it can write, and then nobody reads.
fn holder(megabytes: u32, seconds: u32) -> String {
    format!("head -c {megabytes}000000 /dev/zero | tail -c {megabytes}000000 | sleep {seconds}")
}

#[tokio::test]
async fn memory_is_counted_over_all_processes_of_a_command() {
    for world in worlds(|limits| limits.memory = 128 * MIB) {
        let each = format!("({}) & ", holder(40, 20));
        killed_for(&run(&world, &(each.repeat(5) + "wait")).await, "terminal.limits.memory");
        assert_eq!(world.sh("echo goes on").await, ("goes on".to_owned(), 0));
    }
}

#[tokio::test]
async fn memory_that_forked_processes_share_is_counted_once() {
    if !fs::exists(PYTHON).unwrap() {
        left_out(&format!("there is no {PYTHON}"));
        return;
    }
    for world in worlds(|limits| limits.memory = 192 * MIB) {
        // Six processes of 70 MB each, some 100 MB in sum.
        let script = "import os, time\nx = b'y' * 60000000\nfor n in range(5):\n    if os.fork() == 0:\n        time.sleep(2); os._exit(0)\n\
                      for n in range(5): os.wait()\nprint(len(x))";
        world.call("write_file", json!({ "path": "forks.py", "content": script })).await;
        assert_eq!(
            world.sh(&format!("{PYTHON} forks.py")).await,
            ("60000000".to_owned(), 0),
            "{}",
            world.wall()
        );
    }
}

#[tokio::test]
async fn one_process_gets_no_more_memory_than_the_command() {
    for world in worlds(|limits| limits.memory = 64 * MIB) {
        let result = run(&world, "x=$(head -c 100000000 /dev/zero | tr '\\0' y); echo has it").await;
        assert_ne!(result["exit_code"], 0, "{}: {result}", world.wall());
    }
}

#[tokio::test]
async fn threads_count_as_processes() {
    if !fs::exists(PYTHON).unwrap() {
        left_out(&format!("there is no {PYTHON}"));
        return;
    }
    for world in worlds(|limits| limits.processes = 48) {
        let script = "import threading, time\nfor n in range(100): threading.Thread(target=time.sleep, args=(20,)).start()";
        world.call("write_file", json!({ "path": "threads.py", "content": script })).await;
        killed_for(&run(&world, &format!("{PYTHON} threads.py")).await, "terminal.limits.processes");
    }
}

#[tokio::test]
async fn a_crowd_is_killed_with_its_reason() {
    for world in worlds(|limits| limits.processes = 48) {
        let command = "for n in $(seq 100); do sleep 20 & done; wait";
        killed_for(&run(&world, command).await, "terminal.limits.processes");
    }
}

#[tokio::test]
async fn processor_time_is_added_up() {
    for world in worlds(|limits| limits.cpu_time = Duration::from_secs(2)) {
        let start = Instant::now();
        let busy = "timeout 60 bash -c 'while :; do :; done'";
        killed_for(&run(&world, &format!("{busy} & {busy} & wait")).await, "terminal.limits.cpu_time");
        assert!(start.elapsed() < Duration::from_secs(50), "{:?}", start.elapsed());
        // What has ended counts, too.
        let steps = "for n in $(seq 40); do timeout 0.3 bash -c 'while :; do :; done'; done";
        killed_for(&run(&world, steps).await, "terminal.limits.cpu_time");
    }
}

#[tokio::test]
async fn a_file_cannot_grow_past_its_size() {
    for world in worlds(|limits| limits.file_size = MIB) {
        let result = run(&world, "exec head -c 3000000 /dev/zero > big").await;
        assert_eq!(result["exit_code"], 153, "{result}");
        assert!(result["error"].as_str().unwrap().contains("terminal.limits.file_size"), "{result}");
        assert_eq!(fs::metadata(world.workspace().join("big")).unwrap().len(), MIB);
    }
}

#[tokio::test]
async fn descriptors_are_bounded_and_the_bound_cannot_be_raised() {
    for world in worlds(|limits| limits.open_files = 64) {
        let open = "for n in $(seq 100); do exec {fd}</dev/null || break; done 2>/dev/null; echo $n; ulimit -n 100 2>&1 | wc -l";
        let (output, _) = world.sh(open).await;
        let (opened, refused) = output.split_once('\n').unwrap();
        assert!((40..64).contains(&opened.parse::<u32>().unwrap()), "{output}");
        assert_eq!(refused, "1", "{output}");
    }
}

#[tokio::test]
async fn who_prints_without_end_is_killed() {
    for world in worlds(|limits| limits.output = 2 * MIB) {
        let result = run(&world, "head -c 50000000 /dev/zero | tr '\\0' y; touch done").await;
        killed_for(&result, "terminal.limits.output");
        assert!(result["omitted_bytes"].as_u64().unwrap() < 8 * MIB, "{result}");
        assert!(!world.workspace().join("done").exists());
    }
}

/// Runs two commands at once; the small one ends by itself when the large one is gone.
async fn the_larger_is_killed(world: &World, small: &str, large: &str, setting: &str) {
    let first = world.call_in("one", "terminal", json!({ "command": small }));
    let second = async {
        let result = world.call_in("two", "terminal", json!({ "command": large })).await;
        fs::write(world.workspace().join("go"), "").unwrap();
        result
    };
    let (small, large) = tokio::join!(first, second);
    killed_for(&large, setting);
    assert_eq!(small["exit_code"], 0, "{small}");
}

#[tokio::test]
async fn of_two_commands_that_take_too_much_together_the_larger_goes() {
    for world in worlds(|limits| limits.profile_memory = 100 * MIB) {
        let small = format!("({}) & touch up; until [ -e go ]; do sleep 0.05; done", holder(20, 60));
        let half = format!("({}) & ", holder(50, 30));
        let large = format!("until [ -e up ]; do sleep 0.05; done; {half}{half}wait");
        the_larger_is_killed(&world, &small, &large, "terminal.limits.profile_memory").await;
    }
}

#[tokio::test]
async fn of_two_commands_with_too_many_processes_together_the_larger_goes() {
    for world in worlds(|limits| (limits.processes, limits.profile_processes) = (400, 60)) {
        let crowd = |count: u32| format!("for n in $(seq {count}); do sleep 20 & done; ");
        let small = crowd(20) + "touch up; until [ -e go ]; do sleep 0.05; done";
        let large = format!("until [ -e up ]; do sleep 0.05; done; {}wait", crowd(50));
        the_larger_is_killed(&world, &small, &large, "terminal.limits.profile_processes").await;
    }
}

#[tokio::test]
async fn commands_stand_back_behind_everything_else() {
    for world in worlds(|_| {}) {
        if world.sandbox.machine.groups().is_ok() {
            left_out("control groups share the processor out here");
            continue;
        }
        let command = "nice; touch up; exec -a stand-back setsid -w bash -c 'exec -a stand-back sleep 20'";
        let call = world.call("terminal", json!({ "command": command, "timeout": 15 }));
        let look = async {
            let start = Instant::now();
            loop {
                let groups = autogroups("stand-back");
                if groups.len() >= 2 && groups.iter().all(|text| text.ends_with("nice 19\n")) {
                    break;
                }
                if !fs::exists("/proc/self/autogroup").unwrap() {
                    left_out("the sessions' half: this kernel has no autogroups");
                    break;
                }
                assert!(start.elapsed() < Duration::from_secs(14), "{groups:?}");
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            result = call => panic!("{result}"),
            () = look => {}
        }
        assert_eq!(world.sh("nice").await.0, "19");
    }
}

/// The kernel shares the processor out among sessions: the gateway's, which is ours here, must not go down with a command's.
#[tokio::test]
async fn the_gateway_does_not_stand_back_with_its_commands() {
    let Some(before) = own_session_in_front() else { return };
    for world in worlds(|_| {}) {
        world.sh("true").await;
        world.sh("true").await;
        assert_eq!(fs::read_to_string(OWN_SESSION).unwrap(), before, "{}", world.wall());
    }
}

const OWN_SESSION: &str = "/proc/self/autogroup";

/// Puts the session of these tests back to where it began, as anybody may ten times a second on the whole machine, and says
/// how the kernel describes it then. Nothing where it cannot be moved: a process that never had a session of its own since
/// the machine started belongs to the root of all groups.
fn own_session_in_front() -> Option<String> {
    let start = Instant::now();
    loop {
        match fs::write(OWN_SESSION, "0") {
            Ok(()) => break,
            Err(error) if error.kind() == ErrorKind::WouldBlock && start.elapsed() < PATIENCE => {
                std::thread::yield_now();
            }
            Err(error) => {
                left_out(&format!("the session of these tests cannot be moved: {error}"));
                return None;
            }
        }
    }
    let text = fs::read_to_string(OWN_SESSION).unwrap();
    assert!(text.ends_with("nice 0\n"), "{text}");
    Some(text)
}

/// Of the sessions of all live processes with `mark` as the beginning of their command line.
fn autogroups(mark: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let marked = |path: &std::path::PathBuf| {
        fs::read(path.join("cmdline")).is_ok_and(|line| line.starts_with(mark.as_bytes()))
    };
    entries.filter(marked).filter_map(|path| fs::read_to_string(path.join("autogroup")).ok()).collect()
}

#[tokio::test]
async fn who_writes_while_the_disk_is_low_is_killed_and_nobody_else() {
    // More than there is, and not so much that the half of it is gone, too.
    let disk = rustix::fs::statvfs(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let reserve = disk.f_bavail * disk.f_frsize / 2 * 3;
    for world in worlds(|limits| limits.disk_reserve = reserve) {
        let bystander = world.call_in(
            "two",
            "terminal",
            json!({ "command": "echo small > note; touch up; until [ -e go ]; do sleep 0.05; done" }),
        );
        let writer = async {
            let command = "until [ -e up ]; do sleep 0.05; done; for n in $(seq 60); do head -c 10000000 /dev/zero > f$n; sleep 0.1; done";
            let result = run(&world, command).await;
            fs::write(world.workspace().join("go"), "").unwrap();
            result
        };
        let (bystander, writer) = tokio::join!(bystander, writer);
        killed_for(&writer, "terminal.disk_reserve");
        assert_eq!(bystander["exit_code"], 0, "{bystander}");
        assert_eq!(world.sh("rm f*; ls").await.0, "go\nnote\nup", "cleaning up is possible");
    }
}

#[tokio::test]
async fn who_fills_the_workspace_past_its_quota_is_killed_and_may_clean_up() {
    for world in worlds(|limits| limits.disk_quota = 64 * MIB) {
        // In small files, below a hidden folder, as the temporary files of the session: all of it counts.
        for place in [".hidden", "$TMPDIR"] {
            let fill = format!(
                "mkdir -p {place}; for n in $(seq 200); do head -c 2000000 /dev/zero > {place}/f$n; sleep 0.02; done; touch done"
            );
            killed_for(&run(&world, &fill).await, "terminal.disk_quota");
            assert!(!world.workspace().join("done").exists());
            // The file tools refuse, with what to do.
            let refused = world.call("write_file", json!({ "path": "more", "content": "x" })).await;
            assert_eq!(refused["code"], "quota_exceeded", "{refused}");
            assert!(refused["hint"].as_str().unwrap().contains("rm"), "{refused}");
            let patch = json!({ "mode": "patch", "patch": "*** Add File: more\n+x" });
            assert_eq!(world.call("patch", patch).await["code"], "quota_exceeded");
            assert_eq!(world.call("search_files", json!({ "pattern": "x" })).await["error"], Value::Null);
            // A command that adds nothing is left alone however long it takes.
            assert_eq!(world.sh(&format!("sleep 1.5; rm -r {place}/f*")).await.1, 0);
            let written = world.call("write_file", json!({ "path": "more", "content": "x" })).await;
            assert_eq!(written["error"], Value::Null, "{written}");
        }
    }
}

#[tokio::test]
async fn file_tools_alone_come_no_further_than_the_quota() {
    for world in worlds(|limits| limits.disk_quota = MIB) {
        let text = "x".repeat(100_000);
        let mut refused = None;
        for number in 0..20 {
            let path = format!("f{number}");
            let result = world.call("write_file", json!({ "path": path, "content": text })).await;
            if result["code"] == "quota_exceeded" {
                refused = Some(number);
                break;
            }
            assert_eq!(result["error"], Value::Null, "{result}");
        }
        assert!(refused.is_some_and(|number| (7..12).contains(&number)), "{refused:?}");
        // The same file again and again is no growth.
        world.sh("rm f*").await;
        for _ in 0..20 {
            let result = world.call("write_file", json!({ "path": "same", "content": text })).await;
            assert_eq!(result["error"], Value::Null, "{result}");
        }
    }
}

#[tokio::test]
async fn file_tools_keep_the_reserve_of_the_disk() {
    for world in worlds(|limits| limits.disk_reserve = u64::MAX) {
        let refused = world.call("write_file", json!({ "path": "f", "content": "x" })).await;
        assert_eq!(refused["code"], "no_space", "{refused}");
        assert!(refused["error"].as_str().unwrap().contains("terminal.disk_reserve"), "{refused}");
        assert!(!world.workspace().join("f").exists());
    }
}
