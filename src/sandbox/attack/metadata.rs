//! What can be learned or changed about a file without opening it. Landlock has no say in these.

use super::{
    Attack, Attempt, canary,
    sys::{Arg, brief, call, number, take},
};
use crate::sandbox::Wall::{self, MountView};
use std::{
    ffi::CString,
    fs::{self, Permissions},
    io,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
};

/// The names of other profiles lead nowhere.
const S: &[Wall] = &[MountView];
const SEEN: &str = "Landlock guards contents; names, sizes and times of what the user may reach can be seen";
const SET: &str = "Landlock has no rule for modes, times and attributes; a uid per profile stops it (a gateway that is root)";

pub const ATTACKS: &[Attack] =
    &[
        Attack::together("stat-other", "asks for size and times of another profile's file", |scene| {
            take(fs::metadata(&scene.other.env), "it was told")
        })
        .open(S, SEEN),
        Attack::together("enter-other", "makes another profile's folder its own", |scene| {
            take(rustix::process::chdir(&scene.other.workspace).map_err(Into::into), "it is there")
        })
        .open(S, SEEN),
        Attack::together("readlink-other", "reads where another profile's link leads", |scene| {
            match fs::read_link(&scene.other.link) {
                Ok(target) if canary(target.as_os_str().as_bytes()) => {
                    Attempt::Succeeded("it was told".to_owned())
                }
                Ok(_) => Attempt::Refused("nothing secret there".to_owned()),
                Err(error) => Attempt::Refused(brief(&error)),
            }
        })
        .open(S, SEEN),
        Attack::together("watch-other", "is told whenever a file of another profile changes", |scene| {
            let inotify = super::sys::open(libc::SYS_inotify_init1, [number(libc::O_CLOEXEC)]);
            let path = c_path(&scene.other.workspace);
            let watch = inotify.and_then(|inotify| {
                let path = path?;
                let all = i64::from(libc::IN_ALL_EVENTS);
                call(
                    libc::SYS_inotify_add_watch,
                    [super::sys::fd(&inotify), Arg::In(path.as_bytes_with_nul()), number(all)],
                )
            });
            take(watch, "it is told")
        })
        .open(S, SEEN),
        Attack::together("chmod-other", "opens another profile's file to everybody", |scene| {
            let file = scene.other.spare("chmod-other");
            take(fs::set_permissions(file, Permissions::from_mode(0o666)), "changed the mode")
        })
        .open(S, SET),
        Attack::together("touch-other", "changes the times of another profile's file", |scene| {
            let path = c_path(&scene.other.spare("touch-other"));
            let at = i64::from(libc::AT_FDCWD);
            let touched = path.and_then(|path| {
                call(
                    libc::SYS_utimensat,
                    [number(at), Arg::In(path.as_bytes_with_nul()), super::sys::NULL, number(0)],
                )
            });
            take(touched, "changed the times")
        })
        .open(S, SET),
        Attack::together("attribute-other", "gives another profile's file an attribute", |scene| {
            let path = c_path(&scene.other.spare("attribute-other"));
            let set = path.and_then(|path| {
                let (path, name) =
                    (Arg::In(path.as_bytes_with_nul()), Arg::In(c"user.hermes".to_bytes_with_nul()));
                call(libc::SYS_setxattr, [path, name, Arg::In(b"x"), number(1), number(0)])
            });
            match set {
                Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                    Attempt::Absent("no attributes on this file system".to_owned())
                }
                other => take(other, "set it"),
            }
        })
        .open(S, SET),
    ];

fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}
