//! Other processes: ending them, looking into them, starving them, outliving them.

use super::{
    Attack, Attempt, Scene, canary,
    scene::Outside,
    sys::{self, Arg, NULL, brief, call, number, take},
};
use crate::sandbox::Wall::{
    self, Capabilities, Landlock, NoNewPrivs, Nosuid, PidNamespace, Reaper, Scope, Seccomp, UserNamespace,
};
use std::{io, process::Command, time::Duration};

/// A number of the outside means nothing inside.
const SIGNAL_S: &[Wall] = &[PidNamespace, Landlock, Scope];
const SIGNAL_L: &[Wall] = &[Landlock, Scope];
const LOOK_S: &[Wall] = &[PidNamespace, UserNamespace, Seccomp, Landlock, Scope];
const LOOK_L: &[Wall] = &[Seccomp, Landlock, Scope];
const STARVE_S: &[Wall] = &[PidNamespace];
const STARVE_L: &[Wall] = &[Seccomp];

pub const ATTACKS: &[Attack] = &[
    Attack::together("signal-gateway", "sends the gateway a signal", |scene| {
        signal(scene.outside.gateway, 0)
    })
    .held(SIGNAL_S, SIGNAL_L),
    Attack::together("signal-other", "sends another profile's process a signal", |scene| {
        signal(scene.outside.decoy, libc::SIGCONT)
    })
    .held(SIGNAL_S, SIGNAL_L),
    Attack::together("signal-group", "sends another profile's process group a signal", |scene| {
        signal(-scene.outside.decoy, libc::SIGCONT)
    })
    .held(SIGNAL_S, SIGNAL_L),
    Attack::together("signal-handle", "sends a signal by a handle of the process", |scene| {
        let sent = handle(scene.outside.decoy).and_then(|handle| {
            call(libc::SYS_pidfd_send_signal, [sys::fd(&handle), number(libc::SIGCONT), NULL, number(0)])
        });
        take(sent, "it was sent")
    })
    .held(SIGNAL_S, SIGNAL_L),
    Attack::together(
        "signal-by-file",
        "has the kernel send a deadly signal when a pipe is ready",
        signal_by_file,
    )
    .held(SIGNAL_S, SIGNAL_L),
    Attack::alone("kill-warden", "kills the process that watches over it", kill_warden)
        .held(&[PidNamespace], &[Landlock]),
    Attack::together("trace-other", "attaches to another profile's process as a debugger", |scene| {
        take(call(libc::SYS_ptrace, [number(SEIZE), number(scene.outside.decoy), NULL, NULL]), "attached")
    })
    .held(LOOK_S, LOOK_L),
    Attack::together("trace-warden", "attaches to its warden as a debugger", |scene| {
        take(call(libc::SYS_ptrace, [number(SEIZE), number(scene.outside.warden), NULL, NULL]), "attached")
    })
    .held(&[Seccomp, Wall::Dumpable], &[Seccomp, Landlock, Capabilities]),
    Attack::together("read-memory", "reads another process's memory", |scene| {
        let mut bytes = [0_u8; 64];
        let read = copy_memory(libc::SYS_process_vm_readv, scene, &mut bytes);
        match read {
            Ok(_) if canary(&bytes) => Attempt::Succeeded("found the secret".to_owned()),
            Ok(_) => Attempt::Refused("nothing secret there".to_owned()),
            Err(error) => Attempt::Refused(brief(&error)),
        }
    })
    .held(LOOK_S, LOOK_L),
    Attack::together("write-memory", "writes into another process's memory", |scene| {
        // One byte far behind the secret, in the same buffer.
        let mut scene = scene.clone();
        scene.outside.decoy_secret += 256;
        take(copy_memory(libc::SYS_process_vm_writev, &scene, &mut [0; 1]), "wrote it")
    })
    .held(LOOK_S, LOOK_L),
    Attack::together("take-descriptor", "takes a descriptor out of another process", |scene| {
        let taken = handle(scene.outside.decoy).and_then(|handle| {
            sys::open(libc::SYS_pidfd_getfd, [sys::fd(&handle), number(scene.outside.decoy_file), number(0)])
        });
        take(taken, "has it")
    })
    .held(LOOK_S, LOOK_L),
    Attack::together("compare-processes", "asks whether two processes share what they hold", |scene| {
        let Outside { gateway, decoy, .. } = &scene.outside;
        take(
            call(libc::SYS_kcmp, [number(*decoy), number(*gateway), number(1), number(0), number(0)]),
            "was told",
        )
    })
    .held(
        &[PidNamespace, UserNamespace, Seccomp, Landlock, Scope, Capabilities],
        &[Seccomp, Landlock, Scope, Capabilities],
    ),
    Attack::together("limit-other", "takes another process's right to open files", |scene| {
        let mut limit = [0_u8; 16];
        limit[..8].copy_from_slice(&64_u64.to_ne_bytes());
        limit[8..].copy_from_slice(&4_096_u64.to_ne_bytes());
        let files = i64::from(libc::RLIMIT_NOFILE);
        let set = [number(scene.outside.decoy), number(files), Arg::In(&limit), NULL];
        take(call(libc::SYS_prlimit64, set), "it is limited")
    })
    .held(STARVE_S, STARVE_L),
    Attack::together("slow-other", "gives another process the lowest priority", |scene| {
        let who = number(scene.outside.decoy);
        take(call(libc::SYS_setpriority, [number(libc::PRIO_PROCESS), who, number(19)]), "it is slow")
    })
    .held(STARVE_S, STARVE_L),
    Attack::together("slow-group", "gives another process group the lowest priority", |scene| {
        let who = number(scene.outside.decoy);
        take(call(libc::SYS_setpriority, [number(libc::PRIO_PGRP), who, number(19)]), "it is slow")
    })
    .held(STARVE_S, STARVE_L),
    Attack::together("idle-other", "has another process run only when nothing else does", |scene| {
        let idle = number(libc::SCHED_IDLE);
        let set = [number(scene.outside.decoy), idle, Arg::In(&[0; 4])];
        take(call(libc::SYS_sched_setscheduler, set), "it waits")
    })
    .held(STARVE_S, STARVE_L),
    Attack::together("crowd-other", "holds another process to one processor", |scene| {
        let set = [number(scene.outside.decoy), number(8), Arg::In(&1_u64.to_ne_bytes())];
        take(call(libc::SYS_sched_setaffinity, set), "it is held")
    })
    .held(STARVE_S, STARVE_L),
    Attack::together("block-other", "has another process read the disk last", |scene| {
        const PROCESS: i64 = 1;
        const IDLE: i64 = 3 << 13;
        take(
            call(libc::SYS_ioprio_set, [number(PROCESS), number(scene.outside.decoy), number(IDLE)]),
            "it waits",
        )
    })
    .held(STARVE_S, STARVE_L),
    Attack::together("setuid-program", "runs a program that makes it another user", run_setuid)
        .held(&[NoNewPrivs, Nosuid, UserNamespace], &[NoNewPrivs, Scope]),
    Attack::together("capable-program", "runs a program that has a capability", run_capable)
        .held(&[NoNewPrivs, Nosuid, UserNamespace, Capabilities], &[NoNewPrivs, Capabilities]),
    Attack::together("set-uid", "makes itself another user", |_scene| {
        let other = if rustix::process::geteuid().as_raw() == 65_533 { 65_532 } else { 65_533 };
        take(call(libc::SYS_setuid, [number(other)]), "it is another user")
    })
    .held(&[Capabilities, UserNamespace], &[Capabilities]),
    Attack::together("immune-to-hunger", "makes itself the last to die of hunger", |_scene| {
        take(std::fs::write("/proc/self/oom_score_adj", "-1000"), "it is")
    })
    .held(&[Wall::MountView, Landlock, Capabilities, UserNamespace], &[Landlock, Capabilities]),
    Attack::alone("daemon", "leaves a process behind that is in a session of its own", |scene| {
        daemon(scene, "daemon", libc::SIGCHLD)
    })
    .held(&[PidNamespace, Reaper], &[Reaper]),
    Attack::alone("sibling-daemon", "leaves a process behind that is its warden's child", |scene| {
        daemon(scene, "sibling-daemon", libc::CLONE_PARENT | libc::SIGCHLD)
    })
    .held(&[PidNamespace, Reaper], &[Reaper]),
];

/// `PTRACE_SEIZE`: attaches without stopping it.
const SEIZE: i64 = 0x4206;

fn signal(pid: i32, signal: i32) -> Attempt {
    take(call(libc::SYS_kill, [number(pid), number(signal)]), "it was sent")
}

fn handle(pid: i32) -> io::Result<std::os::fd::OwnedFd> {
    sys::open(libc::SYS_pidfd_open, [number(pid), number(0)])
}

/// Reads from, or writes to, the place of the decoy's secret.
fn copy_memory(call_number: libc::c_long, scene: &Scene, here: &mut [u8]) -> io::Result<i64> {
    let iovec = |address: u64| {
        let mut bytes = [0_u8; 16];
        bytes[..8].copy_from_slice(&address.to_ne_bytes());
        bytes[8..].copy_from_slice(&(here.len() as u64).to_ne_bytes());
        bytes
    };
    let (local, remote) = (iovec(here.as_ptr() as u64), iovec(scene.outside.decoy_secret));
    let pid = number(scene.outside.decoy);
    call(call_number, [pid, Arg::In(&local), number(1), Arg::In(&remote), number(1), number(0)])
}

/// The kernel tells nobody whether it sent the signal.
fn signal_by_file(scene: &Scene) -> Attempt {
    const F_SETSIG: i64 = 10;
    let attempt = || -> io::Result<()> {
        let (reader, mut writer) = io::pipe()?;
        let set = |command: i64, value: i64| {
            call(libc::SYS_fcntl, [sys::fd(&reader), number(command), number(value)])
        };
        set(libc::F_SETOWN.into(), scene.outside.fragile.into())?;
        set(F_SETSIG, libc::SIGKILL.into())?;
        set(libc::F_SETFL.into(), (libc::O_ASYNC | libc::O_NONBLOCK).into())?;
        io::Write::write_all(&mut writer, b"x")
    };
    match attempt() {
        Ok(()) => Attempt::Done,
        Err(error) => Attempt::Refused(brief(&error)),
    }
}

/// If it works nobody is left to say so: this sandbox then ends without an answer.
fn kill_warden(scene: &Scene) -> Attempt {
    let sent = call(libc::SYS_kill, [number(scene.outside.warden), number(libc::SIGKILL)]);
    std::thread::sleep(Duration::from_millis(200));
    match sent {
        Ok(_) => Attempt::Refused("it was sent, and had no effect".to_owned()),
        Err(error) => Attempt::Refused(brief(&error)),
    }
}

/// Runs a copy of `id` that belongs to somebody else and should run as them.
fn run_setuid(scene: &Scene) -> Attempt {
    let Some(program) = &scene.planted.setuid else {
        return Attempt::Absent("nobody here could plant such a program".to_owned());
    };
    match Command::new(program).arg("-u").output() {
        Ok(output) => {
            let effective = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if output.status.success() && effective != rustix::process::geteuid().as_raw().to_string() {
                Attempt::Succeeded(format!("it ran as {effective}"))
            } else if output.status.success() {
                Attempt::Refused("it ran as before".to_owned())
            } else {
                let said = String::from_utf8_lossy(&output.stderr);
                Attempt::Refused(format!("it did not run: {} {}", output.status, said.trim()))
            }
        }
        Err(error) => Attempt::Refused(brief(&error)),
    }
}

/// Runs a copy of `chown` that may give files away.
fn run_capable(scene: &Scene) -> Attempt {
    let Some(program) = &scene.planted.capable else {
        return Attempt::Absent("nobody here could plant such a program".to_owned());
    };
    let file = scene.own.workspace.join("to-give-away");
    let given =
        std::fs::write(&file, "x").and_then(|()| Command::new(program).arg("65533").arg(&file).output());
    match given {
        Ok(output) if output.status.success() => Attempt::Succeeded("it gave a file away".to_owned()),
        Ok(_) => Attempt::Refused("it had no such right".to_owned()),
        Err(error) => Attempt::Refused(brief(&error)),
    }
}

/// The daemon holds a lock on a file of the workspace for as long as it lives (20 s at most): the gateway looks.
fn daemon(scene: &Scene, name: &str, flags: i32) -> Attempt {
    let held = || -> io::Result<()> {
        let file = std::fs::File::create(scene.own.workspace.join(format!("{name}.lock")))?;
        // Not closed by anything that this process does.
        let (mut ready, started) = io::pipe()?;
        if call(libc::SYS_clone, [number(flags), NULL, NULL, NULL, NULL])? == 0 {
            let _ = call(libc::SYS_setsid, []);
            if matches!(sys::fork(), Ok(None)) {
                let _ = call(libc::SYS_setsid, []);
                let locked = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
                let _ = io::Write::write_all(&mut &started, if locked.is_ok() { b"y" } else { b"n" });
                for descriptor in 0..3 {
                    let _ = call(libc::SYS_close, [number(descriptor)]);
                }
                std::thread::sleep(Duration::from_secs(20));
            }
            sys::leave(0);
        }
        drop((started, file));
        let mut answer = [0];
        io::Read::read_exact(&mut ready, &mut answer)?;
        if answer == *b"y" { Ok(()) } else { Err(io::Error::other("the lock is held")) }
    };
    match held() {
        Ok(()) => Attempt::Done,
        Err(error) => Attempt::Refused(brief(&error)),
    }
}
