//! Who goes when a profile's disk is full: who filled it, soon, and nobody else.

use crate::support::World;
use hermes_gateway::{config::ProfileConfig, sandbox::Sandbox};
use serde_json::{Value, json};
use std::{
    fs,
    time::{Duration, Instant},
};

const MIB: u64 = 1 << 20;

fn quota(config: &mut ProfileConfig) {
    config.terminal.limits.disk_quota = 32 * MIB;
    config.terminal.limits.disk_reserve = 0;
}

/// What fills the disk, and then does nothing more.
async fn fill(world: &World, how: &str) -> Value {
    world.call("terminal", json!({ "command": format!("{how}; sleep 100"), "timeout": 90 })).await
}

fn went_for_the_quota(done: &Value) -> bool {
    done["exit_code"] == 137 && done["error"].as_str().is_some_and(|why| why.contains("terminal.disk_quota"))
}

#[tokio::test]
async fn the_one_that_fills_the_disk_goes_and_its_neighbours_stay() {
    for sandbox in crate::support::walls() {
        neighbours(&sandbox).await;
    }
}

async fn neighbours(sandbox: &Sandbox) {
    let world = World::at(sandbox, quota);
    let mut ids = Vec::new();
    for command in ["sleep 1000", "while :; do sleep 0.05; done"] {
        let started =
            world.call_in("two", "terminal", json!({ "command": command, "background": true })).await;
        ids.push(started["session_id"].as_str().unwrap().to_owned());
    }
    // Both have been seen at their work before anything happens.
    world.sh("sleep 2; echo seen").await;
    let full = fill(&world, "for n in 1 2 3; do head -c 20M /dev/zero > big$n; done").await;
    assert!(went_for_the_quota(&full), "{}: {full}", world.wall());
    // It left the profile over its quota, which is nobody's fault: others may work, and not add.
    assert_eq!(world.sh("sleep 3; echo worked").await.0, "worked");
    let again = fill(&world, "head -c 20M /dev/zero > more").await;
    assert!(went_for_the_quota(&again), "{}: {again}", world.wall());
    assert_eq!(world.sh("rm big* more; sleep 2; echo gone").await.0, "gone");
    for id in &ids {
        let seen = world.call_in("two", "process", json!({ "action": "poll", "session_id": id })).await;
        assert_eq!(seen["status"], "running", "{}: {seen}", world.wall());
    }
}

/// Nobody counts what is reserved without being written; who slept all the time is innocent of it.
#[tokio::test]
async fn space_that_is_taken_without_writing_is_not_a_sleepers_fault() {
    let world = World::with(quota);
    let started =
        world.call_in("two", "terminal", json!({ "command": "sleep 1000", "background": true })).await;
    let id = started["session_id"].as_str().unwrap();
    world.sh("sleep 2").await;
    let full = fill(&world, "fallocate -l 25M one; fallocate -l 25M two").await;
    assert!(went_for_the_quota(&full), "{full}");
    let seen = world.call_in("two", "process", json!({ "action": "poll", "session_id": id })).await;
    assert_eq!(seen["status"], "running", "{seen}");
}

/// A file's owner may take it out of the project that a quota of the file system hangs on, if nothing refuses the calls.
#[tokio::test]
async fn no_command_takes_its_files_out_of_their_project() {
    // `FS_IOC_SETFLAGS` and `FS_IOC_FSSETXATTR`.
    let script = "import fcntl\nfor request in (0x40086602, 0x401c5820):\n  try:\n    fcntl.ioctl(open('f', 'w'), request, bytes(28)); \
                  print('done')\n  except OSError as error: print(error.strerror)";
    for sandbox in crate::support::walls() {
        let world = World::at(&sandbox, |_| {});
        world.call("write_file", json!({ "path": "leave.py", "content": script })).await;
        let refused = "Operation not permitted\nOperation not permitted".to_owned();
        assert_eq!(world.sh("/usr/bin/python3 leave.py").await, (refused, 0), "{}", world.wall());
    }
}

#[tokio::test]
async fn it_is_seen_soon_although_others_free_space_meanwhile() {
    let world = World::with(quota);
    fs::create_dir_all(world.workspace()).unwrap();
    let other = world.home.path().join("other");
    fs::write(&other, vec![1; 80 << 20]).unwrap();
    // The first count is over.
    world.sh("sleep 1").await;
    let file = fs::OpenOptions::new().write(true).open(&other).unwrap();
    let full = fill(&world, "for n in $(seq 60); do head -c 1M /dev/zero >> big; touch \"at$n\"; done");
    let free = async {
        for n in 1..=60 {
            while !world.workspace().join(format!("at{n}")).exists() {
                tokio::task::yield_now().await;
            }
            file.set_len((80 - n) << 20).unwrap();
        }
        Instant::now()
    };
    let (full, written) = tokio::join!(full, tokio::time::timeout(Duration::from_secs(60), free));
    assert!(went_for_the_quota(&full), "{full}");
    // Only when all of it was written before the end does the time say anything; else it was even sooner.
    if let Ok(written) = written {
        assert!(written.elapsed() < Duration::from_secs(20), "{:?}", written.elapsed());
    }
}
