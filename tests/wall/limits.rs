//! Every limit of a command, met by real commands. The commands are bounded by themselves: a limit that does not hold
//! makes a test fail and nothing worse.

use crate::support::World;
use hermes_gateway::{
    config::{LimitsConfig, SandboxLevel},
    sandbox::Sandbox,
};
use serde_json::{Value, json};
use std::{
    fs,
    time::{Duration, Instant},
};

const MIB: u64 = 1 << 20;
/// A Python that the sandbox may run: not one in somebody's home.
const PYTHON: &str = "/usr/bin/python3";

/// A profile with these limits, at every level that this machine has.
fn worlds(change: impl Fn(&mut LimitsConfig)) -> Vec<World> {
    let best = Sandbox::probe(env!("CARGO_BIN_EXE_hermes").into());
    let levels =
        [SandboxLevel::Landlock, SandboxLevel::Strict].into_iter().filter(|level| *level <= best.level);
    let sandboxes = levels.map(|level| Sandbox { level, ..best.clone() });
    sandboxes.map(|sandbox| World::at(&sandbox, |config| change(&mut config.terminal.limits))).collect()
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
    assert_eq!(result["exit_code"], 137, "{result}");
    assert!(result["error"].as_str().unwrap().contains(setting), "{result}");
}

/// A shell that holds so many megabytes of its own for a while.
fn holder(megabytes: u32, then: &str) -> String {
    format!("bash -c 'x=$(head -c {megabytes}000000 /dev/zero | tr \"\\0\" y); {then}'")
}

#[tokio::test]
async fn memory_is_counted_over_all_processes_of_a_command() {
    for world in worlds(|limits| limits.memory = 128 * MIB) {
        let each = holder(30, "sleep 20") + " & ";
        killed_for(&run(&world, &(each.repeat(6) + "wait")).await, "terminal.limits.memory");
        assert_eq!(world.sh("echo goes on").await, ("goes on".to_owned(), 0));
    }
}

#[tokio::test]
async fn memory_that_forked_processes_share_is_counted_once() {
    for world in worlds(|limits| limits.memory = 128 * MIB) {
        // Six processes of 50 MB each, 50 MB in sum.
        let forks = "for n in 1 2 3 4 5; do (sleep 1; :) & done; wait; echo ${#x}";
        assert_eq!(world.sh(&holder(30, forks)).await, ("30000000".to_owned(), 0));
    }
}

#[tokio::test]
async fn one_process_gets_no_more_memory_than_the_command() {
    for world in worlds(|limits| limits.memory = 64 * MIB) {
        let result = run(&world, &holder(100, "echo has it")).await;
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
        let busy = "timeout 20 bash -c 'while :; do :; done'";
        killed_for(&run(&world, &format!("{busy} & {busy} & wait")).await, "terminal.limits.cpu_time");
        assert!(start.elapsed() < Duration::from_secs(18), "{:?}", start.elapsed());
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

#[tokio::test]
async fn of_two_commands_that_take_too_much_together_the_larger_goes() {
    for world in worlds(|limits| limits.profile_memory = 100 * MIB) {
        let wait = "touch up; until [ -e go ]; do sleep 0.05; done";
        let small = holder(20, wait);
        let large = holder(50, "until [ -e up ]; do sleep 0.05; done; sleep 30")
            + " & "
            + &holder(50, "sleep 30")
            + "; wait";
        let first = world.call_in("one", "terminal", json!({ "command": small }));
        let second = async {
            let result = world.call_in("two", "terminal", json!({ "command": large })).await;
            fs::write(world.workspace().join("go"), "").unwrap();
            result
        };
        let (small, large) = tokio::join!(first, second);
        killed_for(&large, "terminal.limits.profile_memory");
        assert_eq!(small["exit_code"], 0, "{small}");
    }
}

#[tokio::test]
async fn of_two_commands_with_too_many_processes_together_the_larger_goes() {
    for world in worlds(|limits| (limits.processes, limits.profile_processes) = (400, 60)) {
        let crowd = |count: u32| format!("for n in $(seq {count}); do sleep 20 & done; ");
        let small = crowd(20) + "touch up; until [ -e go ]; do sleep 0.05; done";
        let large = format!("until [ -e up ]; do sleep 0.05; done; {}wait", crowd(50));
        let first = world.call_in("one", "terminal", json!({ "command": small }));
        let second = async {
            let result = world.call_in("two", "terminal", json!({ "command": large })).await;
            fs::write(world.workspace().join("go"), "").unwrap();
            result
        };
        let (small, large) = tokio::join!(first, second);
        killed_for(&large, "terminal.limits.profile_processes");
        assert_eq!(small["exit_code"], 0, "{small}");
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
