//! What processes share without files: System V and POSIX objects, keyrings.

use super::{
    Attack, Attempt, canary,
    sys::{self, Arg, NULL, brief, call, number, take},
};
use crate::sandbox::Wall::{self, IpcNamespace, Keyring, Landlock, Seccomp, UserNamespace};
use std::{ffi::CString, io};

/// At level `landlock` there is one set of these for the machine; the filter refuses them.
const S: &[Wall] = &[IpcNamespace];
const L: &[Wall] = &[Seccomp];

pub const ATTACKS: &[Attack] = &[
    Attack::together("shared-memory", "reads memory that others share", |scene| {
        let segment = call(libc::SYS_shmget, [number(scene.outside.names.ipc_key), number(0), number(0)]);
        let read = segment.and_then(|id| sys::shared_memory(i32::try_from(id).map_err(io::Error::other)?));
        found(read)
    })
    .held(S, L)
    .slow(),
    Attack::together("message-queue", "looks into others' message queue", |scene| {
        const STAT: i64 = 2;
        let queue = call(libc::SYS_msgget, [number(scene.outside.names.ipc_key), number(0)]);
        take(
            queue.and_then(|id| call(libc::SYS_msgctl, [number(id), number(STAT), Arg::Out(&mut [0; 256])])),
            "it may",
        )
    })
    .held(S, L)
    .slow(),
    Attack::together("semaphore", "looks at others' semaphore", |scene| {
        const VALUE: i64 = 12;
        let set = call(libc::SYS_semget, [number(scene.outside.names.ipc_key), number(0), number(0)]);
        take(
            set.and_then(|id| call(libc::SYS_semctl, [number(id), number(0), number(VALUE), number(0)])),
            "it may",
        )
    })
    .held(S, L)
    .slow(),
    Attack::together("named-queue", "opens others' message queue by its name", |scene| {
        let name = CString::new(scene.outside.names.name.as_str()).map_err(io::Error::other);
        let opened = name.and_then(|name| {
            let flags = number(libc::O_RDONLY | libc::O_NONBLOCK);
            sys::open(libc::SYS_mq_open, [Arg::In(name.as_bytes_with_nul()), flags, number(0), NULL])
        });
        take(opened, "it may")
    })
    .held(&[IpcNamespace, Landlock], &[Seccomp, Landlock])
    .slow(),
    Attack::together("keyring", "reads a secret out of the user's keyring", |scene| {
        let name = CString::new(scene.outside.names.name.as_str()).map_err(io::Error::other);
        found(name.and_then(|name| read_key(&name)))
    })
    .held(&[Seccomp, Keyring, UserNamespace], &[Seccomp, Keyring])
    .slow(),
    Attack::together(
        "session-keyring",
        "looks at the keyring of the session that the gateway was started in",
        |_scene| {
            const DESCRIBE: i64 = 6;
            const SESSION: i64 = -3;
            let mut name = [0_u8; 128];
            let described =
                call(libc::SYS_keyctl, [number(DESCRIBE), number(SESSION), Arg::Out(&mut name), number(128)]);
            take(described, "it may")
        },
    )
    .held(&[Seccomp], &[Seccomp]),
    Attack::together("add-key", "leaves a key in the user's keyring", |_scene| {
        const USER: i64 = -4;
        let (kind, name) = (c"user".to_bytes_with_nul(), c"hermes-attack".to_bytes_with_nul());
        let key =
            call(libc::SYS_add_key, [Arg::In(kind), Arg::In(name), Arg::In(b"x"), number(1), number(USER)]);
        if let Ok(key) = &key {
            const UNLINK: i64 = 9;
            let _ = call(libc::SYS_keyctl, [number(UNLINK), number(*key), number(USER)]);
        }
        take(key, "it did")
    })
    .held(&[Seccomp], &[Seccomp]),
];

fn read_key(name: &CString) -> io::Result<Vec<u8>> {
    const SEARCH: i64 = 10;
    const READ: i64 = 11;
    const USER: i64 = -4;
    let kind = c"user".to_bytes_with_nul();
    let search = [number(SEARCH), number(USER), Arg::In(kind), Arg::In(name.as_bytes_with_nul()), number(0)];
    let key = call(libc::SYS_keyctl, search)?;
    let mut secret = vec![0; 128];
    call(libc::SYS_keyctl, [number(READ), number(key), Arg::Out(&mut secret), number(128)])?;
    Ok(secret)
}

fn found(read: io::Result<Vec<u8>>) -> Attempt {
    match read {
        Ok(bytes) if canary(&bytes) => Attempt::Succeeded("found the secret".to_owned()),
        Ok(_) => Attempt::Refused("nothing secret there".to_owned()),
        Err(error) => Attempt::Refused(brief(&error)),
    }
}
