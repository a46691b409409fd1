//! Nothing of a command outlives it, however it ends.

use crate::support::{World, appears, gone, pids, running};
use hermes_gateway::sandbox::{self, Breach, Limits, Order, Report};
use serde_json::{Value, json};
use std::{
    fs,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Starts four processes that hide in the usual ways; each has `mark` as the beginning of its command line.
fn hideouts(mark: &str) -> String {
    let sleeper = format!("exec -a {mark} sleep 1000");
    format!(
        "setsid bash -c '{sleeper}' & (setsid bash -c '({sleeper}) &' &); \
         nohup bash -c '{sleeper}' >/dev/null 2>&1 & \
         bash -c 'trap \"\" TERM HUP INT; {sleeper}' & touch ready"
    )
}

/// Live processes with `mark` as the beginning of their command line.
fn alive(mark: &str) -> usize {
    pids(mark).len()
}

#[tokio::test]
async fn a_normal_end_takes_the_daemons_with_it() {
    for world in World::each() {
        end_normally(&world).await;
    }
}

async fn end_normally(world: &World) {
    let command = hideouts("hide-normal") + "; until [ -e go ]; do sleep 0.02; done";
    let release = async {
        appears(&world.workspace().join("ready")).await;
        running("hide-normal", 4).await;
        fs::write(world.workspace().join("go"), "").unwrap();
    };
    let ((_, code), ()) = tokio::join!(world.sh(&command), release);
    assert_eq!((code, alive("hide-normal")), (0, 0));
}

#[tokio::test]
async fn a_stop_kills_the_tree_at_once() {
    for world in World::each() {
        stop(&world).await;
    }
}

async fn stop(world: &World) {
    let stop = CancellationToken::new();
    let command = hideouts("hide-stop") + "; echo partial; wait; sleep 1000";
    let call = world.raw("one", "terminal", json!({ "command": command }), &stop, true);
    let stopper = async {
        appears(&world.workspace().join("ready")).await;
        running("hide-stop", 4).await;
        stop.cancel();
        Instant::now()
    };
    let (output, stopped) = tokio::join!(call, stopper);
    let took = stopped.elapsed();
    let result: Value = serde_json::from_str(&output.text).unwrap();
    assert_eq!((output.failed, &result["exit_code"], alive("hide-stop")), (true, &json!(130), 0));
    assert!(result["error"].as_str().unwrap().contains("stopped"), "{result}");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_timeout_kills_the_tree_and_keeps_the_output() {
    for world in World::each() {
        time_out(&world).await;
    }
}

async fn time_out(world: &World) {
    let command = hideouts("hide-timeout") + "; echo before; trap '' TERM; while :; do sleep 100; done";
    let result = world.call("terminal", json!({ "command": command, "timeout": 2 })).await;
    assert_eq!((&result["exit_code"], alive("hide-timeout")), (&json!(124), 0), "{result}");
    assert_eq!(result["output"], "before\n[timed out after 2 s and was killed]");
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing() {
    for world in World::each() {
        drop_call(&world).await;
    }
}

async fn drop_call(world: &World) {
    let command = hideouts("hide-drop") + "; sleep 1000";
    {
        let call = world.call("terminal", json!({ "command": command }));
        let ready = async {
            appears(&world.workspace().join("ready")).await;
            running("hide-drop", 4).await;
        };
        tokio::select! {
            result = call => panic!("{result}"),
            () = ready => {}
        }
    }
    let start = Instant::now();
    while alive("hide-drop") > 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "{} left", alive("hide-drop"));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stop_before_the_start_is_an_answer() {
    let world = World::new();
    let stop = CancellationToken::new();
    stop.cancel();
    for (name, arguments) in
        [("terminal", json!({ "command": "touch ran" })), ("read_file", json!({ "path": "x" }))]
    {
        let output = world.raw("one", name, arguments, &stop, true).await;
        assert!(output.failed && output.text.contains("stopped"), "{}", output.text);
    }
    assert!(!world.workspace().join("ran").exists());
}

/// Runs a command with a small limit, so that the test itself stays small: 64 processes that end by themselves.
#[tokio::test]
async fn a_crowd_is_noticed_and_cleared_away() {
    for world in World::each() {
        crowd(&world).await;
    }
}

async fn crowd(world: &World) {
    let each = "(setsid bash -c 'exec -a hide-crowd sleep 30' &) & ";
    for (most, expected) in [(16, "crowded"), (1_000, "ended")] {
        let command = format!("for n in $(seq 32); do {each} done; until [ -e go ]; do sleep 0.02; done");
        let order = Order {
            program: "/bin/bash".into(),
            args: vec!["-c".into(), command],
            env: Vec::new(),
            dir: world.home.path().into(),
            terminal: None,
        };
        let limits = Limits { processes: most, ..Limits::default() };
        let mut helper = world.sandbox.start(&sandbox::World { limits, ..world.bare() }).unwrap();
        helper.send(&order).await.unwrap();
        if expected == "ended" {
            running("hide-crowd", 32).await;
            fs::write(world.home.path().join("go"), "").unwrap();
        }
        let report = helper.report().await.unwrap();
        let got = match report {
            Report::Over(Breach::Processes(count)) if count > most => "crowded",
            Report::Exited(0) => "ended",
            other @ (Report::Exited(_) | Report::Signalled(_) | Report::Over(_) | Report::NotStarted(_)) => {
                panic!("{other:?}")
            }
        };
        assert_eq!((got, alive("hide-crowd")), (expected, 0));
    }
}

#[tokio::test]
async fn a_signal_to_all_reaches_only_the_command_itself() {
    for world in World::each() {
        signal_all(&world).await;
    }
}

async fn signal_all(world: &World) {
    let other = world.call_in(
        "two",
        "terminal",
        json!({ "command": "touch up; until [ -e go ]; do sleep 0.02; done" }),
    );
    let killer = async {
        appears(&world.workspace().join("up")).await;
        let result = world.call("terminal", json!({ "command": "sleep 100 & kill -9 -1; wait" })).await;
        fs::write(world.workspace().join("go"), "").unwrap();
        result
    };
    let (other, killed) = tokio::join!(other, killer);
    assert_eq!(other["exit_code"], 0, "another command of the same profile lives on: {other}");
    assert_eq!(killed["error"], Value::Null, "{killed}");
}

#[tokio::test]
async fn a_helper_that_is_killed_takes_its_main_process_along() {
    for world in World::each() {
        // At level `strict` process 1 stands between the two.
        let above = if world.is_strict() { vec![2, 1] } else { vec![1] };
        for steps in above {
            let call = world.call("terminal", json!({ "command": "exec -a hide-orphan sleep 1000" }));
            let killer = async {
                running("hide-orphan", 1).await;
                let victim = (0..steps).fold(pids("hide-orphan")[0], |pid, _| parent_of(pid));
                assert!(victim > 1 && victim != std::process::id());
                std::process::Command::new("kill").args(["-9", &victim.to_string()]).status().unwrap();
            };
            let (result, ()) = tokio::join!(call, killer);
            assert_eq!(result["exit_code"], 137, "{}: {result}", world.wall());
            gone("hide-orphan").await;
        }
    }
}

fn parent_of(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap()
}

/// 1,000 commands, fifty at a time: none sees a descriptor that is not its own.
#[tokio::test]
async fn many_commands_at_once_see_three_descriptors_each() {
    let world = World::new();
    world.sh("true").await;
    let before = fs::read_dir("/proc/self/fd").unwrap().count();
    for _ in 0..20 {
        let calls = (0..50).map(|number| {
            let world = &world;
            async move {
                let session = format!("s{number}");
                // The shell lists the folder by a descriptor that is closed by the time that it looks at each.
                let look = "for fd in /proc/$$/fd/*; do [ -e $fd ] && printf '%s ' ${fd##*/}; done";
                world.call_in(&session, "terminal", json!({ "command": look })).await
            }
        });
        for result in futures_util::future::join_all(calls).await {
            // bash may keep a descriptor of its own from 255 downwards; none of ours lies there.
            assert_eq!(result["output"], "0 1 2", "{result}");
        }
    }
    let after = fs::read_dir("/proc/self/fd").unwrap().count();
    // Other tests of this process open and close theirs meanwhile; a leak would be one for each of the thousand.
    assert!(after <= before + 200, "descriptors leak: {before} before, {after} after");
}
