//! Changing what lies where. Every attempt is made so that it does nothing lasting when it is let through.

use super::{
    Attack, Attempt, Scene,
    sys::{self, Arg, NULL, brief, call, gate, number},
};
use crate::sandbox::Wall::{self, Capabilities, Landlock, Seccomp};
use std::{fs, io, os::unix::ffi::OsStrExt};

/// Where no path rule has a say.
const CALL: &[Wall] = &[Seccomp, Capabilities];
const PATH: &[Wall] = &[Seccomp, Capabilities, Landlock];
/// Names nothing: the right to do it is asked for before the name is looked up.
const NOWHERE: &[u8] = b"/nonexistent-of-hermes\0";

pub const ATTACKS: &[Attack] = &[
    Attack::together("mount", "mounts a file system over a folder of its own", mount).held(PATH, PATH),
    Attack::together("bind", "makes a folder of the machine appear in its workspace", bind).held(PATH, PATH),
    Attack::together("remount", "makes the system's folders writable", |_scene| {
        let flags = (libc::MS_REMOUNT | libc::MS_BIND).cast_signed();
        let usr = c"/usr".to_bytes_with_nul();
        gate(call(libc::SYS_mount, [NULL, Arg::In(usr), NULL, number(flags), NULL]))
    })
    .held(PATH, PATH),
    Attack::together("unmount", "takes away what covers its workspace", |scene| {
        let path = c_path(scene);
        gate(path.and_then(|path| call(libc::SYS_umount2, [Arg::In(&path), number(0)])))
    })
    .held(PATH, CALL),
    Attack::together("open-file-system", "mounts with the newer calls: begins", |_scene| {
        gate(sys::open(libc::SYS_fsopen, [Arg::In(c"tmpfs".to_bytes_with_nul()), number(1)]))
    })
    .held(CALL, CALL),
    Attack::together("copy-tree", "mounts with the newer calls: copies a tree", |_scene| {
        let at = i64::from(libc::AT_FDCWD);
        gate(sys::open(libc::SYS_open_tree, [number(at), Arg::In(b"/\0"), number(libc::OPEN_TREE_CLONE)]))
    })
    .held(CALL, CALL),
    Attack::together("move-tree", "mounts with the newer calls: puts a tree somewhere", |_scene| {
        let at = i64::from(libc::AT_FDCWD);
        let arguments = [number(at), Arg::In(NOWHERE), number(at), Arg::In(NOWHERE), number(0)];
        gate(call(libc::SYS_move_mount, arguments))
    })
    .held(CALL, CALL),
    Attack::together("change-mount", "mounts with the newer calls: takes `read-only` away", |_scene| {
        let at = i64::from(libc::AT_FDCWD);
        // `struct mount_attr`: what to set, what to clear.
        let mut attributes = [0_u8; 32];
        attributes[8] = 1;
        let arguments = [number(at), Arg::In(NOWHERE), number(0), Arg::In(&attributes), number(32)];
        gate(call(libc::SYS_mount_setattr, arguments))
    })
    .held(CALL, CALL),
    Attack::together("change-root", "makes its workspace the root", |scene| {
        let path = c_path(scene);
        gate(path.and_then(|path| call(libc::SYS_chroot, [Arg::In(&path)])))
    })
    .held(CALL, CALL),
    Attack::together("swap-root", "swaps the root of its namespace", |_scene| {
        gate(call(libc::SYS_pivot_root, [Arg::In(NOWHERE), Arg::In(NOWHERE)]))
    })
    .held(CALL, CALL),
];

fn c_path(scene: &Scene) -> io::Result<Vec<u8>> {
    Ok(std::ffi::CString::new(scene.own.workspace.as_os_str().as_bytes())?.into_bytes_with_nul())
}

fn mount(scene: &Scene) -> Attempt {
    on_new_folder(scene, "mounted", |folder| {
        let tmpfs = c"tmpfs".to_bytes_with_nul();
        call(libc::SYS_mount, [Arg::In(tmpfs), Arg::In(folder), Arg::In(tmpfs), number(0), NULL])
    })
}

fn bind(scene: &Scene) -> Attempt {
    on_new_folder(scene, "bound", |folder| {
        let flags = libc::MS_BIND.cast_signed();
        // Where nothing can be deleted, should it stay.
        let proc = c"/proc".to_bytes_with_nul();
        call(libc::SYS_mount, [Arg::In(proc), Arg::In(folder), NULL, number(flags), NULL])
    })
}

/// What was mounted is taken away again.
fn on_new_folder(scene: &Scene, name: &str, mount: impl FnOnce(&[u8]) -> io::Result<i64>) -> Attempt {
    let folder = scene.own.workspace.join(name);
    let made = fs::create_dir_all(&folder);
    let path = made.and_then(|()| Ok(std::ffi::CString::new(folder.as_os_str().as_bytes())?));
    let path = match path {
        Ok(path) => path.into_bytes_with_nul(),
        Err(error) => return Attempt::Absent(format!("no folder to mount on: {}", brief(&error))),
    };
    let mounted = gate(mount(&path));
    if matches!(mounted, Attempt::Succeeded(_)) {
        let _ = call(libc::SYS_umount2, [Arg::In(&path), number(libc::MNT_DETACH)]);
    }
    mounted
}
