//! Files and devices of the machine.

use super::{
    Attack, Attempt, Scene,
    files::{append, first, unnamed},
    sys::{Arg, brief, call, number, take},
};
use crate::sandbox::Wall::{self, Capabilities, Landlock, MountView, Seccomp, UserNamespace};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::{fs::File, io::Read, path::Path};

const S: &[Wall] = &[MountView, Landlock];
const L: &[Wall] = &[Landlock];

pub const ATTACKS: &[Attack] = &[
    Attack::together("read-shadow", "reads the machine's password hashes", |_scene| read("/etc/shadow"))
        .held(S, L),
    Attack::together("write-programs", "writes into `/usr/bin`", |_scene| unnamed(Path::new("/usr/bin")))
        .held(S, L),
    Attack::together("write-settings", "writes into `/etc`", |_scene| unnamed(Path::new("/etc"))).held(S, L),
    Attack::together("write-core-pattern", "has the kernel run a program at the next crash", |_scene| {
        append(Path::new("/proc/sys/kernel/core_pattern"))
    })
    .held(S, L),
    Attack::together("write-modprobe", "has the kernel run another `modprobe`", |_scene| {
        append(Path::new("/proc/sys/kernel/modprobe"))
    })
    .held(S, L),
    Attack::together("write-sysrq", "gives the kernel a key press", |_scene| {
        append(Path::new("/proc/sysrq-trigger"))
    })
    .held(S, L),
    Attack::together("leave-cgroup", "puts itself into another control group", leave_cgroup).held(S, L),
    Attack::together("read-kernel-log", "reads the kernel's messages as a device", |_scene| {
        read("/dev/kmsg")
    })
    .held(&[MountView, Landlock, Capabilities, UserNamespace], &[Landlock, Capabilities]),
    Attack::together("read-disk", "reads a disk past its file system", |_scene| {
        first(["/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/mem", "/dev/loop0"].into_iter().map(read))
    })
    .held(S, L),
    Attack::together("read-kernel-memory", "reads the kernel's memory", |_scene| read("/proc/kcore"))
        .held(S, L),
    Attack::together("make-device", "makes a device node of the first disk", make_device)
        .held(&[Capabilities, UserNamespace, Landlock], &[Capabilities, Landlock]),
    Attack::together("file-handle", "opens a folder by its number, past all paths", file_handle)
        .held(&[Capabilities, Seccomp], &[Capabilities, Seccomp]),
    Attack::together("virtual-machine", "opens the machine's virtualisation device", |_scene| {
        read_write("/dev/kvm")
    })
    .held(S, L),
    Attack::together("fuse", "opens the device for file systems of its own", |_scene| {
        read_write("/dev/fuse")
    })
    .held(S, L),
    Attack::together("terminal-of-others", "opens a terminal of the machine", |_scene| {
        first(["/dev/tty0", "/dev/tty1", "/dev/console", "/dev/pts/0"].into_iter().map(read_write))
    })
    .held(S, L),
];

fn read(path: &str) -> Attempt {
    let read = File::open(path).and_then(|mut file| file.read(&mut [0; 8_192]));
    take(read, "read it")
}

fn read_write(path: &str) -> Attempt {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    take(File::options().read(true).write(true).custom_flags(flags).open(path), "opened it")
}

fn leave_cgroup(_scene: &Scene) -> Attempt {
    let groups = [
        "/sys/fs/cgroup/cgroup.procs",
        "/sys/fs/cgroup/unified/cgroup.procs",
        "/sys/fs/cgroup/pids/cgroup.procs",
        "/sys/fs/cgroup/memory/cgroup.procs",
    ];
    first(groups.into_iter().map(|path| append(Path::new(path))))
}

fn make_device(scene: &Scene) -> Attempt {
    let node = scene.own.workspace.join("disk");
    let device = rustix::fs::makedev(1, 3);
    let made = mknodat(CWD, &node, FileType::CharacterDevice, Mode::RUSR | Mode::WUSR, device);
    take(made.map_err(Into::into), "made it")
}

/// The kernel gives a handle of what may be seen; with one, and the right to use it, everything on that disk opens.
fn file_handle(_scene: &Scene) -> Attempt {
    // `struct file_handle` with room for the longest handle.
    let mut handle = [0_u8; 8 + 128];
    handle[..4].copy_from_slice(&128_u32.to_ne_bytes());
    let mut mount = [0_u8; 4];
    let at = i64::from(libc::AT_FDCWD);
    let named = call(
        libc::SYS_name_to_handle_at,
        [
            Arg::Number(at),
            Arg::In(c".".to_bytes_with_nul()),
            Arg::Out(&mut handle),
            Arg::Out(&mut mount),
            number(0),
        ],
    );
    if let Err(error) = named {
        return Attempt::Absent(format!("no handles on this file system: {}", brief(&error)));
    }
    let opened = super::sys::open(
        libc::SYS_open_by_handle_at,
        [Arg::Number(at), Arg::In(&handle), number(libc::O_RDONLY | libc::O_DIRECTORY)],
    );
    take(opened, "opened it")
}
