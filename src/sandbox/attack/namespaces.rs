//! Other views of the machine: namespaces, and the ways to make or join one.

use super::{
    Attack, Attempt,
    sys::{self, Arg, NULL, call, leave, number, take},
};
use crate::sandbox::Wall::{
    self, Capabilities, Dumpable, Landlock, MountView, PidNamespace, Scope, Seccomp, UserNamespace,
};
use std::io;

const S: &[Wall] = &[Seccomp];
/// All kinds but the user's also ask for a right.
const RIGHT: &[Wall] = &[Seccomp, Capabilities];

pub const ATTACKS: &[Attack] = &[
    Attack::together("unshare-user", "makes itself root of a user namespace", |_scene| {
        unshare(libc::CLONE_NEWUSER)
    })
    .held(S, S),
    Attack::together("unshare-mount", "makes itself a mount namespace", |_scene| unshare(libc::CLONE_NEWNS))
        .held(RIGHT, RIGHT),
    Attack::together("unshare-pid", "makes itself a pid namespace", |_scene| unshare(libc::CLONE_NEWPID))
        .held(RIGHT, RIGHT),
    Attack::together("unshare-net", "makes itself a network namespace", |_scene| unshare(libc::CLONE_NEWNET))
        .held(RIGHT, RIGHT),
    Attack::together("unshare-time", "makes itself a time namespace", |_scene| unshare(0x80))
        .held(RIGHT, RIGHT),
    Attack::together("clone-user", "starts a process that is root of a user namespace", |_scene| {
        let flags = i64::from(libc::CLONE_NEWUSER | libc::SIGCHLD);
        take(child(call(libc::SYS_clone, [number(flags), NULL, NULL, NULL, NULL])), "it runs")
    })
    .held(S, S),
    Attack::together("clone3-user", "does that with the newer call, whose flags no filter sees", |_scene| {
        // `struct clone_args`: flags first, the signal of its end fifth.
        let mut arguments = [0_u8; 64];
        arguments[..8].copy_from_slice(&i64::from(libc::CLONE_NEWUSER).to_ne_bytes());
        arguments[32..40].copy_from_slice(&i64::from(libc::SIGCHLD).to_ne_bytes());
        take(child(call(libc::SYS_clone3, [Arg::In(&arguments), number(64)])), "it runs")
    })
    .held(S, S),
    Attack::together("join-warden", "joins the namespaces of its warden", |scene| {
        let handle = sys::open(libc::SYS_pidfd_open, [number(scene.outside.warden), number(0)]);
        let all = i64::from(libc::CLONE_NEWNS);
        let joined = handle.and_then(|handle| call(libc::SYS_setns, [sys::fd(&handle), number(all)]));
        take(joined, "joined them")
    })
    .held(&[Seccomp, Capabilities, Dumpable], &[Seccomp, Capabilities, Landlock]),
    Attack::together("join-by-file", "joins the namespaces of another process by their files", |scene| {
        let file = std::fs::File::open(format!("/proc/{}/ns/mnt", scene.outside.decoy));
        take(file.and_then(|file| call(libc::SYS_setns, [sys::fd(&file), number(0)])), "joined them")
    })
    .held(
        &[Seccomp, Capabilities, UserNamespace, MountView, PidNamespace, Landlock, Scope],
        &[Seccomp, Capabilities, Landlock, Scope],
    ),
];

fn unshare(flags: libc::c_int) -> Attempt {
    take(call(libc::SYS_unshare, [number(flags)]), "it has one")
}

/// Ends the child of a call that came back twice.
fn child(answer: io::Result<i64>) -> io::Result<i64> {
    if matches!(answer, Ok(0)) {
        leave(0);
    }
    answer
}
