//! Looking for secrets everywhere, without knowing where they are.

use super::{Attack, Attempt, Scene, canary, files::drain};
use crate::sandbox::Wall::{self, Landlock, MountView};
use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const S: &[Wall] = &[MountView, Landlock];
const L: &[Wall] = &[Landlock];
/// Folders that hold no secrets but very many files.
const DULL: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt", "/nix", "/proc", "/sys", "/snap"];
const LARGEST: u64 = 1 << 20;
const PATIENCE: Duration = Duration::from_millis(1_500);

/// What every command is given, and what the shell adds.
const MEANT: [&str; 15] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "TERM",
    "PAGER",
    "GIT_TERMINAL_PROMPT",
    "TAR_OPTIONS",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "_",
];
/// What leads it to its proxy.
const PROXY: [&str; 10] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "NODE_USE_ENV_PROXY",
    "GIT_SSH_COMMAND",
];

pub const ATTACKS: &[Attack] = &[
    Attack::together("hunt-home", "looks for secrets in all files of the home", |scene| {
        hunt(scene, vec![scene.home.clone()])
    })
    .held(S, L)
    .slow(),
    Attack::together("hunt-machine", "looks for secrets in all files of the machine", |scene| {
        // What changes most comes first.
        let first = ["/tmp", "/dev/shm", "/run", "/root", "/home", "/var/tmp", "/"];
        hunt(scene, first.iter().rev().map(PathBuf::from).collect())
    })
    .held(S, L)
    .slow(),
    Attack::together("hunt-environment", "looks for secrets in its own environment", |scene| {
        let bad = scene.environment.iter().find(|(_, value)| canary(value.as_bytes()));
        match bad {
            Some((name, _)) => Attempt::Succeeded(format!("found one in {name}")),
            None => Attempt::Refused("there is none".to_owned()),
        }
    })
    .held(&[Wall::Environment], &[Wall::Environment]),
    Attack::together("odd-environment", "is given variables that nobody meant it to have", |scene| {
        let odd = |name: &str| !MEANT.contains(&name) && !PROXY.contains(&name);
        match scene.environment.iter().find(|(name, _)| odd(name)) {
            Some((name, _)) => Attempt::Succeeded(format!("it has {name}")),
            None => Attempt::Refused("it has those that every command has".to_owned()),
        }
    })
    .held(&[Wall::Environment], &[Wall::Environment]),
];

/// Takes the folders from the end. What lies in its own two folders it was given.
fn hunt(scene: &Scene, mut open: Vec<PathBuf>) -> Attempt {
    let identity = |path: &Path| fs::metadata(path).map(|data| (data.dev(), data.ino())).ok();
    // By what they are: a folder of the machine may be there under a second name.
    let own = [&scene.own.workspace, &scene.own.tmp].map(|path| identity(path));
    let (start, mut seen) = (Instant::now(), 0_u32);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if start.elapsed() > PATIENCE {
                return Attempt::Refused(format!("found none in {seen} files; its time was over"));
            }
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            let given = kind.is_dir() && own.contains(&identity(&path));
            if given || DULL.iter().any(|dull| path == Path::new(dull)) {
                continue;
            }
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() && entry.metadata().is_ok_and(|data| data.len() <= LARGEST) {
                let Ok(bytes) = File::open(&path).and_then(|mut file| drain(&mut file)) else { continue };
                seen += 1;
                if canary(&bytes) {
                    return Attempt::Succeeded(format!("found one in {}", path.display()));
                }
            }
        }
    }
    Attempt::Refused(format!("found none in {seen} files"))
}
