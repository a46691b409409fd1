//! Using the machine up. Each of these goes a fixed way beyond the limits of its sandbox and no further.

use super::{
    Attack, Attempt, Scene,
    sys::{self, brief, call, number},
};
use crate::sandbox::Wall::{self, Meter, MountView, Quota, Rlimits};
use std::{
    fs::File,
    io::{self, Write},
    os::fd::OwnedFd,
    time::Duration,
};

const S: &[Wall] = &[Rlimits];
const COUNTED: &[Wall] = &[Meter];
const BOTH: &[Wall] = &[Meter, Rlimits];
const MIB: usize = 1 << 20;

/// Seconds within which whoever counts has to see what is taken, also on a busy machine.
const SEEN: u64 = 20;

pub const ATTACKS: &[Attack] = &[
    Attack::alone("fork-bomb", "starts more processes than it may have", fork_bomb).killed(COUNTED, COUNTED),
    Attack::alone("memory-bomb", "takes more memory than it may have", memory_bomb).killed(BOTH, BOTH),
    Attack::alone(
        "many-memory-bombs",
        "takes more memory than it may have, in many processes",
        many_memory_bombs,
    )
    .killed(COUNTED, COUNTED),
    Attack::alone("disk-filler", "fills the disk from its workspace", disk_filler).killed(&[Quota], &[Quota]),
    Attack::alone("processor-hog", "computes for longer than it may", processor_hog).killed(BOTH, BOTH),
    Attack::together("large-file", "makes a file that is larger than allowed", |scene| {
        let path = scene.own.workspace.join("large");
        let grown = File::create(&path).and_then(|mut file| {
            // The signal that comes with the refusal ends this process.
            file.set_len(scene.bounds.file_bytes)?;
            io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
            file.write_all(b"x")
        });
        let _ = std::fs::remove_file(&path);
        outcome(grown)
    })
    .killed(S, S),
    Attack::together("many-files", "opens more files than it may", |scene| {
        let files: io::Result<Vec<_>> =
            (0..=scene.bounds.open_files).map(|_| File::open("/dev/null")).collect();
        outcome(files)
    })
    .held(S, S),
    Attack::together("core-dump", "leaves its memory on the disk when it crashes", |_scene| {
        let mut limit = [0_u8; 16];
        let core = number(i64::from(libc::RLIMIT_CORE));
        let asked = call(libc::SYS_prlimit64, [number(0), core, sys::NULL, sys::Arg::Out(&mut limit)]);
        match asked {
            Ok(_) if limit == [0; 16] => Attempt::Refused("its limit is 0".to_owned()),
            Ok(_) => Attempt::Succeeded("it may".to_owned()),
            Err(error) => Attempt::Absent(brief(&error)),
        }
    })
    .held(S, S),
    Attack::together("fill-shared-memory", "fills the machine's memory through `/dev/shm`", |_scene| {
        const SOME: usize = 96 * MIB;
        let path = std::path::Path::new("/dev/shm/hermes-attack");
        let filled = File::create(path).and_then(|mut file| {
            let block = vec![1; MIB];
            (0..SOME / MIB).try_for_each(|_| file.write_all(&block))
        });
        let _ = std::fs::remove_file(path);
        outcome(filled)
    })
    .held(&[MountView, Wall::Landlock, Rlimits], &[Wall::Landlock, Rlimits]),
];

fn outcome<T>(done: io::Result<T>) -> Attempt {
    match done {
        Ok(_) => Attempt::Succeeded("nothing stopped it".to_owned()),
        Err(error) => Attempt::Refused(brief(&error)),
    }
}

/// Half as many again as are allowed; each waits until this process ends, a few seconds at most.
fn fork_bomb(scene: &Scene) -> Attempt {
    let most = scene.bounds.processes + scene.bounds.processes / 2;
    let (wait, hold) = match io::pipe() {
        Ok(pipe) => pipe,
        Err(error) => return Attempt::Absent(brief(&error)),
    };
    for count in 0..most {
        match sys::fork() {
            Ok(None) => {
                drop(hold);
                rest(&OwnedFd::from(wait), Duration::from_secs(12));
                sys::leave(0);
            }
            Ok(Some(_)) => {}
            Err(error) => return Attempt::Refused(format!("{} after {count}", brief(&error))),
        }
    }
    stay(scene);
    Attempt::Succeeded(format!("{most} processes live"))
}

/// Until the other end is gone, or the time is over.
fn rest(wait: &OwnedFd, most: Duration) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let limit = Timespec { tv_sec: i64::try_from(most.as_secs()).unwrap_or(1), tv_nsec: 0 };
    let _ = poll(&mut [PollFd::new(wait, PollFlags::IN)], Some(&limit));
}

/// Whoever counts does so from time to time.
fn stay(scene: &Scene) {
    std::thread::sleep(Duration::from_secs(SEEN.min(scene.bounds.stays_seconds)));
}

/// A quarter more than is allowed.
fn memory_bomb(scene: &Scene) -> Attempt {
    let most = bytes(scene.bounds.memory_bytes + scene.bounds.memory_bytes / 4);
    for _ in 0..most.div_ceil(MIB) {
        if let Err(error) = sys::use_memory(MIB) {
            return Attempt::Refused(brief(&error));
        }
    }
    stay(scene);
    Attempt::Succeeded(format!("{} MiB are in use", most / MIB))
}

/// Four processes, each with two fifths of what is allowed in sum.
fn many_memory_bombs(scene: &Scene) -> Attempt {
    const MANY: usize = 4;
    let each = bytes(scene.bounds.memory_bytes / 5 * 2);
    let pipes = io::pipe().and_then(|wait| Ok((wait, io::pipe()?)));
    let ((wait, hold), (mut full, mut say)) = match pipes {
        Ok(pipes) => pipes,
        Err(error) => return Attempt::Absent(brief(&error)),
    };
    for _ in 0..MANY {
        match sys::fork() {
            Ok(None) => {
                drop((hold, full));
                let filled = sys::use_memory(each);
                let _ = say.write_all(if filled.is_ok() { b"y" } else { b"n" });
                rest(&OwnedFd::from(wait), Duration::from_secs(SEEN));
                sys::leave(0);
            }
            Ok(Some(_)) => {}
            Err(error) => return Attempt::Refused(brief(&error)),
        }
    }
    drop(say);
    let mut answers = [0; MANY];
    let filled = io::Read::read_exact(&mut full, &mut answers);
    if filled.is_err() || answers.contains(&b'n') {
        return Attempt::Refused("one of them did not get it".to_owned());
    }
    stay(scene);
    Attempt::Succeeded(format!("{} MiB are in use", MANY * each / MIB))
}

/// A quarter more than the workspace may hold, in files of a permitted size.
fn disk_filler(scene: &Scene) -> Attempt {
    let most = bytes(scene.bounds.disk_bytes + scene.bounds.disk_bytes / 4);
    let each = bytes(scene.bounds.file_bytes).min(8 * MIB);
    let block = vec![1; MIB];
    let folder = scene.own.workspace.join("filler");
    let fill = || -> io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        for number in 0..most.div_ceil(each) {
            let mut file = File::create(folder.join(number.to_string()))?;
            for _ in 0..each / MIB {
                file.write_all(&block)?;
            }
            file.sync_data()?;
        }
        // Within 5 s where others free space meanwhile.
        stay(scene);
        Ok(())
    };
    let filled = fill();
    let _ = std::fs::remove_dir_all(&folder);
    outcome(filled)
}

/// By its own processor time: on a busy machine it gets little of it.
fn processor_hog(scene: &Scene) -> Attempt {
    use rustix::time::{ClockId, clock_gettime};
    let most = i64::try_from(scene.bounds.cpu_seconds).unwrap_or(i64::MAX).saturating_add(2);
    let mut sum = 0_u64;
    while clock_gettime(ClockId::ProcessCPUTime).tv_sec < most {
        for number in 0..1_000_000_u64 {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(number));
        }
    }
    Attempt::Succeeded("nothing stopped it".to_owned())
}

fn bytes(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
