//! Calls that give an agent nothing that it needs, and an attacker more of the kernel.

use super::{
    Attack, Attempt,
    sys::{self, Arg, NULL, call, gate, number},
};
use crate::sandbox::Wall::{self, Capabilities, Seccomp, UserNamespace};
use std::io;

const S: &[Wall] = &[Seccomp];
/// Refused as well without a right over the machine.
const MACHINE_S: &[Wall] = &[Seccomp, Capabilities, UserNamespace];
const MACHINE_L: &[Wall] = &[Seccomp, Capabilities];
const NOWHERE: &[u8] = b"/nonexistent-of-hermes\0";

pub const ATTACKS: &[Attack] = &[
    Attack::together("io-uring", "makes a ring through which calls pass no filter", |_scene| {
        gate(sys::open(libc::SYS_io_uring_setup, [number(1), Arg::Out(&mut [0; 120])]))
    })
    .held(S, S),
    Attack::together("bpf", "loads a program into the kernel", |_scene| {
        gate(call(libc::SYS_bpf, [number(0), Arg::In(&[0; 72]), number(72)]))
    })
    .held(S, S),
    Attack::together("userfaultfd", "holds the kernel in the middle of a copy", |_scene| {
        // With the flag that asks for faults of the user's own only, no right is needed.
        gate(sys::open(libc::SYS_userfaultfd, [number(libc::O_CLOEXEC | 1)]))
    })
    .held(S, S),
    Attack::together("perf", "counts what the kernel and others do", |_scene| {
        let mut attributes = [0_u8; 112];
        attributes[..4].copy_from_slice(&1_u32.to_ne_bytes());
        attributes[4..8].copy_from_slice(&112_u32.to_ne_bytes());
        let arguments = [Arg::In(&attributes), number(0), number(-1), number(-1), number(0)];
        gate(sys::open(libc::SYS_perf_event_open, arguments))
    })
    .held(MACHINE_S, MACHINE_L),
    Attack::together("load-module", "loads code into the kernel", |_scene| {
        gate(call(libc::SYS_init_module, [NULL, number(0), Arg::In(b"\0")]))
    })
    .held(MACHINE_S, MACHINE_L),
    Attack::together("load-module-file", "loads a file into the kernel", |_scene| {
        gate(call(libc::SYS_finit_module, [number(-1), Arg::In(b"\0"), number(0)]))
    })
    .held(MACHINE_S, MACHINE_L),
    Attack::together("remove-module", "removes code of the kernel", |_scene| {
        let name = c"nonexistent_of_hermes".to_bytes_with_nul();
        gate(call(libc::SYS_delete_module, [Arg::In(name), number(libc::O_NONBLOCK)]))
    })
    .held(MACHINE_S, MACHINE_L),
    Attack::together("next-kernel", "prepares another kernel to be started", |_scene| {
        gate(call(libc::SYS_kexec_load, [number(0), number(0), NULL, number(0xffff)]))
    })
    .held(MACHINE_S, MACHINE_L),
    Attack::together("reboot", "restarts the machine", |_scene| {
        // Without the magic numbers: the right is asked for first.
        gate(call(libc::SYS_reboot, [number(0), number(0), number(0), NULL]))
    })
    .held(&[Seccomp, Capabilities], MACHINE_L),
    Attack::together("swap", "has the machine swap to a file of its own", |_scene| {
        gate(call(libc::SYS_swapon, [Arg::In(NOWHERE), number(0)]))
    })
    .held(MACHINE_S, MACHINE_L),
    Attack::together(
        "accounting",
        "has the kernel write a record of every process into its file",
        |_scene| gate(call(libc::SYS_acct, [Arg::In(NOWHERE)])),
    )
    .held(MACHINE_S, MACHINE_L),
    Attack::together("set-clock", "sets the machine's clock", |_scene| {
        gate(call(libc::SYS_settimeofday, [NULL, NULL]))
    })
    .held(MACHINE_S, MACHINE_L),
    Attack::together("rename-machine", "gives the machine another name", |_scene| {
        gate(call(libc::SYS_sethostname, [NULL, number(-1)]))
    })
    .held(&[Seccomp, Capabilities], MACHINE_L),
    Attack::together("read-kernel-messages", "reads the kernel's messages", |_scene| {
        const SIZE: i64 = 10;
        gate(call(libc::SYS_syslog, [number(SIZE), NULL, number(0)]))
    })
    .held(MACHINE_S, MACHINE_L),
    Attack::together("io-ports", "talks to the hardware", |_scene| io_ports()).held(MACHINE_S, MACHINE_L),
    Attack::together("type-into-terminal", "types into the terminal of whoever started it", |_scene| {
        ioctl(libc::TIOCSTI.cast_signed())
    })
    .held(S, S),
    Attack::together("paste-into-terminal", "pastes into the machine's console", |_scene| {
        ioctl(libc::TIOCLINUX.cast_signed())
    })
    .held(S, S),
    Attack::together("old-calls", "makes a call by the 32-bit road", |_scene| old_call()).killed(S, S),
    Attack::together("x32-calls", "makes a call by its x32 number, which a list does not have", |_scene| {
        const X32: i64 = 0x4000_0000;
        if !cfg!(target_arch = "x86_64") {
            return Attempt::Absent("no such calls on this processor".to_owned());
        }
        // What a list of numbers would have refused.
        gate(call(X32 + libc::SYS_unshare, [number(libc::CLONE_NEWUSER)]))
    })
    .held(S, S),
    Attack::together("raise-limits", "raises its own limits", |_scene| {
        let mut limit = [0_u8; 16];
        let asked = call(
            libc::SYS_prlimit64,
            [number(0), number(i64::from(libc::RLIMIT_NOFILE)), NULL, Arg::Out(&mut limit)],
        );
        if asked.is_err() {
            return Attempt::Absent("the limit cannot be asked for".to_owned());
        }
        let hard = u64::from_ne_bytes(limit[8..].try_into().unwrap_or_default());
        let more = hard.saturating_add(1).to_ne_bytes();
        limit[..8].copy_from_slice(&more);
        limit[8..].copy_from_slice(&more);
        let files = number(i64::from(libc::RLIMIT_NOFILE));
        gate(call(libc::SYS_prlimit64, [number(0), files, Arg::In(&limit), NULL]))
    })
    .held(&[Capabilities, UserNamespace], &[Capabilities]),
    Attack::together("higher-priority", "gives itself priority over all others", |_scene| {
        gate(call(libc::SYS_setpriority, [number(libc::PRIO_PROCESS), number(0), number(-20)]))
    })
    .held(&[Capabilities, UserNamespace], &[Capabilities]),
    Attack::together("real-time", "has the machine run nothing else but itself", |_scene| {
        let first = number(libc::SCHED_FIFO);
        gate(call(libc::SYS_sched_setscheduler, [number(0), first, Arg::In(&1_u32.to_ne_bytes())]))
    })
    .held(&[Capabilities, UserNamespace], &[Capabilities]),
];

/// On a descriptor that is no terminal: the filter looks at the number of the call before the kernel looks at that.
fn ioctl(request: i64) -> Attempt {
    match call(libc::SYS_ioctl, [number(0), number(request), Arg::In(b"x\0")]) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES)) => {
            Attempt::Refused(sys::brief(&error))
        }
        Err(error) => {
            Attempt::Succeeded(format!("only the kind of the file stood against it ({})", sys::brief(&error)))
        }
        Ok(_) => Attempt::Succeeded("it was typed".to_owned()),
    }
}

#[cfg(target_arch = "x86_64")]
fn io_ports() -> Attempt {
    gate(call(libc::SYS_iopl, [number(3)]))
}

#[cfg(not(target_arch = "x86_64"))]
fn io_ports() -> Attempt {
    Attempt::Absent("no such calls on this processor".to_owned())
}

/// `getpid`, by an interrupt that belongs to another set of numbers.
#[cfg(target_arch = "x86_64")]
fn old_call() -> Attempt {
    let answer: i32;
    // SAFETY: call 20 of that set reads and writes no memory; the registers that it changes are named.
    unsafe {
        core::arch::asm!(
            "int 0x80", inlateout("eax") 20_i32 => answer,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    gate(if answer > 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-answer)) })
}

#[cfg(not(target_arch = "x86_64"))]
fn old_call() -> Attempt {
    Attempt::Absent("no such calls on this processor".to_owned())
}
