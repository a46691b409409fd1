//! `hermes sandbox-attack`: tries attacks, each in a process of its own, and says what came of them.

use super::{
    Attack, Attempt, How, Scene, attacks, find,
    sys::{self, call, leave, number},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, WaitOptions, getppid, kill_process, waitpid},
};
use serde_json::json;
use std::{
    fs,
    io::{self, PipeReader, Read, Write},
    time::{Duration, Instant},
};

/// Longer than the longest of the attacks that share a sandbox, and of those that have one to themselves.
const TOGETHER: Duration = Duration::from_secs(4);
const ALONE: Duration = Duration::from_secs(40);

/// `sandbox-attack SCENE [ID…]` tries all attacks that share a sandbox, or those that are named; one line each.
/// `sandbox-attack decoy …` is a process to be attacked.
#[must_use]
pub fn attack_main(words: &[String], environment: Vec<(String, String)>) -> i32 {
    // Before this program opens anything itself.
    let inherited = open_descriptors();
    let done = match words {
        [word, rest @ ..] if word == "decoy" => super::bait::decoy(rest, &environment),
        [scene, ids @ ..] => perform(scene, ids, inherited, environment),
        [] => Err(io::Error::other("`hermes doctor isolation` starts this")),
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(io::stderr(), "hermes {}: {error}", super::COMMAND);
            1
        }
    }
}

fn perform(
    scene: &str,
    ids: &[String],
    inherited: Vec<i32>,
    environment: Vec<(String, String)>,
) -> io::Result<()> {
    let mut scene: Scene = serde_json::from_slice(&fs::read(scene)?)?;
    scene.outside.inherited = inherited;
    scene.outside.warden = getppid().map_or(1, |pid| pid.as_raw_nonzero().get());
    scene.environment = environment;
    let chosen: Vec<Attack> = if ids.is_empty() {
        attacks().into_iter().filter(|attack| matches!(attack.how, How::Together(_))).collect()
    } else {
        ids.iter().filter_map(|id| find(id)).collect()
    };
    for attack in chosen {
        let (attempt, limit) = match attack.how {
            How::Together(attempt) => (attempt, TOGETHER),
            How::Alone(attempt) | How::Beside(attempt) => (attempt, ALONE),
        };
        let came = in_child(|| attempt(&scene), limit)?;
        writeln!(io::stdout(), "{}", json!({ "id": attack.id, "attempt": came }))?;
    }
    Ok(())
}

/// Runs `attempt` in a child, so that the next one finds everything as it was.
fn in_child(attempt: impl FnOnce() -> Attempt, limit: Duration) -> io::Result<Attempt> {
    let (mut reader, mut writer) = io::pipe()?;
    let Some(child) = sys::fork()? else {
        drop(reader);
        let said = serde_json::to_vec(&attempt()).unwrap_or_default();
        let _ = writer.write_all(&said).and_then(|()| writer.write_all(b"\n"));
        leave(0);
    };
    drop(writer);
    let line = read_line(&mut reader, limit);
    let child = Pid::from_raw(child).ok_or_else(|| io::Error::other("the child has no number"))?;
    if line.is_none() {
        // It is over already, or takes too long.
        let _ = kill_process(child, Signal::KILL);
    }
    let status = waitpid(Some(child), WaitOptions::empty())?.map(|(_, status)| status);
    let said = line.and_then(|line| serde_json::from_slice(&line).ok());
    Ok(said.unwrap_or_else(|| match status.and_then(|status| status.terminating_signal()) {
        Some(libc::SIGKILL) => Attempt::Refused("it got nowhere in its time".to_owned()),
        Some(signal) => Attempt::Killed(format!("by signal {signal}")),
        None => Attempt::Refused("it ended without a word".to_owned()),
    }))
}

/// A line, if one comes in time. Descendants of the writer may hold the pipe for longer.
fn read_line(reader: &mut PipeReader, limit: Duration) -> Option<Vec<u8>> {
    let (end, mut line) = (Instant::now() + limit, Vec::new());
    loop {
        let left = Timespec::try_from(end.saturating_duration_since(Instant::now())).ok()?;
        let ready = poll(&mut [PollFd::new(&*reader, PollFlags::IN)], Some(&left)).ok()?;
        let mut piece = [0; 4_096];
        let got = if ready == 0 { 0 } else { reader.read(&mut piece).ok()? };
        if got == 0 {
            return None;
        }
        line.extend_from_slice(&piece[..got]);
        if line.ends_with(b"\n") {
            return Some(line);
        }
    }
}

fn open_descriptors() -> Vec<i32> {
    const HIGHEST: i32 = 1_024;
    let is_open = |fd: &i32| call(libc::SYS_fcntl, [number(*fd), number(libc::F_GETFD), number(0)]).is_ok();
    (3..HIGHEST).filter(is_open).collect()
}
