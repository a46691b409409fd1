//! `/proc`: other processes as files, and the roads through them.

use super::{
    Attack, Attempt, Scene, canary,
    files::{append, first, steal},
    scene::Outside,
    sys::{brief, take},
};
use crate::sandbox::Wall::{
    self, Capabilities, Dumpable, Landlock, MountView, PidNamespace, Scope, UserNamespace,
};
use rustix::process::getpid;
use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const S: &[Wall] = &[MountView, Landlock];
const L: &[Wall] = &[Landlock];
/// Another process's insides, which take the right to debug it.
const INSIDE_S: &[Wall] = &[MountView, UserNamespace, Landlock];
const INSIDE_L: &[Wall] = &[Landlock, Scope];
/// The warden's own files are closed for three more reasons.
const WARDEN_S: &[Wall] = &[MountView, PidNamespace, Landlock, Dumpable];
const WARDEN_L: &[Wall] = &[Landlock, Capabilities];

pub const ATTACKS: &[Attack] = &[
    Attack::together("list-processes", "looks at the command lines of all processes", list).held(S, L),
    Attack::together("read-environments", "reads the environments of all processes", |scene| {
        first(others(scene).map(|pid| steal(&pid.join("environ"))))
    })
    .held(INSIDE_S, INSIDE_L),
    Attack::together("read-memory-file", "reads another process's memory as a file", memory)
        .held(INSIDE_S, INSIDE_L),
    Attack::together("proc-self-root", "goes through its own `/proc/self/root`", |scene| {
        steal(&below("/proc/self/root", &scene.other.env))
    })
    .held(S, L),
    Attack::together("proc-self-cwd", "goes through its own `/proc/self/cwd`", |scene| {
        let other = scene.other.root.file_name().unwrap_or_default();
        let _ = rustix::process::chdir(&scene.own.workspace);
        steal(&Path::new("/proc/self/cwd/../..").join(other).join(".env"))
    })
    .held(S, L),
    Attack::together("proc-other-root", "goes through another process's `root`", |scene| {
        let root = format!("/proc/{}/root", scene.outside.decoy);
        steal(&below(&root, &scene.other.env))
    })
    .held(INSIDE_S, INSIDE_L),
    Attack::together("proc-warden-root", "goes through its warden's `root`", |scene| {
        let roots = [scene.outside.warden, 1].map(|pid| format!("/proc/{pid}/root"));
        first(roots.into_iter().map(|root| steal(&below(&root, &scene.other.env))))
    })
    .held(WARDEN_S, WARDEN_L),
    Attack::together("proc-warden-files", "opens its warden's descriptors again", |scene| {
        let folder = PathBuf::from(format!("/proc/{}/fd", scene.outside.warden));
        // Their numbers may be listed; what they lead to is what matters.
        match fs::read_dir(folder) {
            Ok(open) => first(open.flatten().map(|entry| take(File::open(entry.path()), "opened one"))),
            Err(error) => Attempt::Refused(brief(&error)),
        }
    })
    .held(WARDEN_S, WARDEN_L),
    Attack::together("proc-other-files", "opens another process's descriptor again", |scene| {
        let Outside { decoy, decoy_file, .. } = &scene.outside;
        steal(Path::new(&format!("/proc/{decoy}/fd/{decoy_file}")))
    })
    .held(INSIDE_S, INSIDE_L),
    Attack::together("offer-as-victim", "makes another process the first to die of hunger", |scene| {
        append(Path::new(&format!("/proc/{}/oom_score_adj", scene.outside.decoy)))
    })
    .held(S, L),
];

fn below(root: &str, path: &Path) -> PathBuf {
    Path::new(root).join(path.strip_prefix("/").unwrap_or(path))
}

/// The folders of all processes but this one and its warden, which hold what it was given.
fn others(scene: &Scene) -> impl Iterator<Item = PathBuf> {
    let own = [getpid().as_raw_nonzero().get(), scene.outside.warden].map(|pid| pid.to_string());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(move |entry| {
        let name = entry.file_name().into_string().ok()?;
        (name.bytes().all(|byte| byte.is_ascii_digit()) && !own.contains(&name)).then(|| entry.path())
    })
}

/// The decoy's name is that of no process inside.
fn list(scene: &Scene) -> Attempt {
    let line = fs::read(format!("/proc/{}/cmdline", scene.outside.decoy));
    match line {
        Ok(line) if line.ends_with(b"decoy\0") || line.windows(6).any(|part| part == b"decoy\0") => {
            Attempt::Succeeded("saw the decoy".to_owned())
        }
        Ok(_) => Attempt::Refused("that number is another process inside".to_owned()),
        Err(error) => Attempt::Refused(brief(&error)),
    }
}

fn memory(scene: &Scene) -> Attempt {
    let read = || -> io::Result<Vec<u8>> {
        let file = File::open(format!("/proc/{}/mem", scene.outside.decoy))?;
        let mut bytes = vec![0; 64];
        file.read_exact_at(&mut bytes, scene.outside.decoy_secret)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) if canary(&bytes) => Attempt::Succeeded("found the secret".to_owned()),
        Ok(_) => Attempt::Refused("nothing secret there".to_owned()),
        Err(error) => Attempt::Refused(brief(&error)),
    }
}
