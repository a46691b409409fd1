//! Files of the home: other profiles, stores, secrets.

use super::{
    Attack, Attempt, Scene, canary,
    sys::{brief, take},
};
use crate::sandbox::Wall::{self, Landlock, MountView};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::symlink,
    path::Path,
    time::{Duration, Instant},
};

const S: &[Wall] = &[MountView, Landlock];
const L: &[Wall] = &[Landlock];

pub const ATTACKS: &[Attack] = &[
    Attack::together("read-home-env", "reads the `.env` of the home", |scene| {
        steal(&scene.home.join(".env"))
    })
    .held(S, L),
    Attack::together("read-own-env", "reads its own profile's `.env`", |scene| steal(&scene.own.env))
        .held(S, L),
    Attack::together("read-other-env", "reads another profile's `.env`", |scene| steal(&scene.other.env))
        .held(S, L),
    Attack::together("read-own-store", "reads its own profile's store", |scene| {
        steal_below(&scene.own.state)
    })
    .held(S, L),
    Attack::together("read-other-store", "reads another profile's store", |scene| {
        steal_below(&scene.other.state)
    })
    .held(S, L),
    Attack::together("read-other-workspace", "reads another profile's workspace", |scene| {
        steal(&scene.other.notes)
    })
    .held(S, L),
    Attack::together("read-other-tmp", "reads the temporary folder of another profile's session", |scene| {
        steal(&scene.other.tmp.join("notes"))
    })
    .held(S, L),
    Attack::together("list-other", "lists another profile's workspace", |scene| {
        take(fs::read_dir(&scene.other.workspace), "read the names")
    })
    .held(S, L),
    Attack::together("dot-dot", "climbs out of its workspace by `..`", |scene| {
        let other = scene.other.root.file_name().unwrap_or_default();
        steal(&scene.own.workspace.join("../..").join(other).join(".env"))
    })
    .held(S, L),
    Attack::together("symlink", "reads through a symbolic link that it made in its workspace", |scene| {
        let link = scene.own.workspace.join("link-out");
        after(symlink(&scene.other.env, &link), || steal(&link))
    })
    .held(S, L),
    Attack::together("symlink-folder", "walks through a link to the home's folder", |scene| {
        let link = scene.own.workspace.join("folder-out");
        after(symlink(&scene.home, &link), || steal(&link.join(".env")))
    })
    .held(S, L),
    Attack::together("hard-link", "gives a secret file a second name in its workspace", |scene| {
        let name = scene.own.workspace.join("hard");
        after(fs::hard_link(scene.other.spare("hard-link"), &name), || steal(&name))
    })
    .held(S, L),
    Attack::together("rename", "moves a secret file into its workspace", |scene| {
        let name = scene.own.workspace.join("moved");
        after(fs::rename(scene.other.spare("rename"), &name), || steal(&name))
    })
    .held(S, L),
    Attack::together(
        "path-descriptor",
        "links a file in by a descriptor that it may not read",
        path_descriptor,
    )
    .held(S, L),
    Attack::together("write-own-config", "changes its own profile's settings", |scene| {
        append(&scene.own.config)
    })
    .held(S, L),
    Attack::together("write-other", "makes a file in another profile's workspace", |scene| {
        unnamed(&scene.other.workspace)
    })
    .held(S, L),
    Attack::together("append-other", "changes a file of another profile", |scene| {
        append(&scene.other.spare("append-other"))
    })
    .held(S, L),
    Attack::together("truncate-other", "empties a file of another profile", |scene| {
        take(rustix_truncate(&scene.other.spare("truncate-other")), "emptied it")
    })
    .held(S, L),
    Attack::together("delete-other", "deletes a file of another profile", |scene| {
        take(fs::remove_file(scene.other.spare("delete-other")), "deleted it")
    })
    .held(S, L),
    Attack::together("exec-other", "runs a program that lies in another profile's folder", |scene| {
        let output = std::process::Command::new(scene.other.spare("exec-other")).output();
        match output {
            Ok(output) if canary(&output.stdout) => Attempt::Succeeded("it ran".to_owned()),
            Ok(_) => Attempt::Refused("it did not run".to_owned()),
            Err(error) => Attempt::Refused(brief(&error)),
        }
    })
    .held(S, L),
    Attack::beside(
        "swap-race",
        "swaps a folder and a link that leads out while a file tool works there",
        swap_race,
    )
    .held(&[Wall::Jail], &[Wall::Jail]),
    Attack::together("shared-folders", "reads files that others left in `/tmp` and `/dev/shm`", |scene| {
        first(scene.outside.shared.iter().map(|path| steal(path)))
    })
    .held(S, L),
    Attack::together(
        "write-shared-folders",
        "leaves a file in the machine's `/tmp` or `/dev/shm`",
        |scene| first(scene.outside.shared.iter().map(|path| append(path))),
    )
    .held(S, L),
];

/// Reads a file and looks for a secret in it.
pub fn steal(path: &Path) -> Attempt {
    let read = File::open(path).and_then(|mut file| drain(&mut file));
    match read {
        Ok(bytes) if canary(&bytes) => Attempt::Succeeded(format!("read {}", path.display())),
        Ok(_) => Attempt::Refused("nothing secret there".to_owned()),
        Err(error) => Attempt::Refused(brief(&error)),
    }
}

pub fn drain(file: &mut impl Read) -> io::Result<Vec<u8>> {
    const MOST: u64 = 8 << 20;
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The first attempt that succeeds; else the last one.
pub fn first(attempts: impl Iterator<Item = Attempt>) -> Attempt {
    let mut last = Attempt::Absent("there is none".to_owned());
    for attempt in attempts {
        if matches!(attempt, Attempt::Succeeded(_)) {
            return attempt;
        }
        last = attempt;
    }
    last
}

fn after(step: io::Result<()>, then: impl FnOnce() -> Attempt) -> Attempt {
    match step {
        Ok(()) => then(),
        Err(error) => Attempt::Refused(brief(&error)),
    }
}

fn steal_below(folder: &Path) -> Attempt {
    match fs::read_dir(folder) {
        Ok(entries) => first(entries.flatten().map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => steal_below(&entry.path()),
            _ => steal(&entry.path()),
        })),
        Err(error) => Attempt::Refused(brief(&error)),
    }
}

/// Opens for writing, without writing.
pub fn append(path: &Path) -> Attempt {
    take(OpenOptions::new().append(true).open(path), "could write to it")
}

/// A file that never gets a name, and is gone with its descriptor: shows the right to write into a folder.
pub fn unnamed(folder: &Path) -> Attempt {
    let made = openat(CWD, folder, OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC, Mode::RUSR);
    let written = made.map_err(io::Error::from).and_then(|fd| File::from(fd).write_all(b"x"));
    take(written, "could make a file there")
}

fn rustix_truncate(path: &Path) -> io::Result<()> {
    use super::sys::{Arg, call};
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    call(libc::SYS_truncate, [Arg::In(path.as_bytes_with_nul()), Arg::Number(0)]).map(|_| ())
}

/// `O_PATH` asks for no right at all; the kernel must not let such a descriptor become more.
fn path_descriptor(scene: &Scene) -> Attempt {
    let name = scene.own.workspace.join("by-descriptor");
    let opened =
        openat(CWD, scene.other.spare("path-descriptor"), OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let linked = opened.and_then(|fd| linkat(&fd, c"", CWD, &name, AtFlags::EMPTY_PATH).map(|()| fd));
    match linked {
        Ok(_) => steal(&name),
        Err(error) => Attempt::Refused(brief(&error.into())),
    }
}

/// `race` is a folder of its own in one moment and a link to the other profile's folder in the next.
fn swap_race(scene: &Scene) -> Attempt {
    use rustix::fs::{RenameFlags, renameat_with};
    // Less than the processor time that it may have.
    const LONG: Duration = Duration::from_millis(900);
    // It stands behind everything else of the machine, and may get little of it.
    const LONGER: Duration = Duration::from_secs(15);
    const OFTEN: u32 = 20_000;
    let [race, link] = ["race", "race-link"].map(|name| scene.own.workspace.join(name));
    let made = fs::create_dir_all(&race)
        .and_then(|()| fs::write(race.join(".env"), "nothing"))
        .and_then(|()| symlink(&scene.other.root, &link));
    if let Err(error) = made {
        return Attempt::Absent(brief(&error));
    }
    let (start, mut swaps) = (Instant::now(), 0);
    while start.elapsed() < if swaps < OFTEN { LONGER } else { LONG } {
        swaps += 1;
        if let Err(error) = renameat_with(CWD, &race, CWD, &link, RenameFlags::EXCHANGE) {
            return Attempt::Absent(brief(&error.into()));
        }
    }
    Attempt::Done
}
