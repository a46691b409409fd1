//! Paths that matter, as far as their names tell.

use crate::agent::shell::UNKNOWN;

/// Folders of the system right below the root.
const SYSTEM: [&str; 15] = [
    "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "proc", "root", "run", "sbin", "sys",
    "usr", "var",
];
/// Second folders without which a machine does not work.
const SECOND: [&str; 9] = [
    "usr/bin",
    "usr/lib",
    "usr/lib64",
    "usr/sbin",
    "usr/share",
    "usr/local",
    "var/lib",
    "etc/ssh",
    "etc/ssl",
];

/// The path from `dir`, with `.`, `..` and double slashes taken out.
pub(super) fn joined(dir: Option<&str>, path: &str) -> String {
    let absolute = path.starts_with(['/', '~']);
    let whole = match dir {
        Some(dir) if !absolute => format!("{dir}/{path}"),
        Some(_) | None => path.to_owned(),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." && !last.starts_with('~') => drop(parts.pop()),
            ("..", None) if whole.starts_with('/') => {}
            _ => parts.push(part),
        }
    }
    let slash = if whole.starts_with('/') { "/" } else { "" };
    format!("{slash}{}", parts.join("/"))
}

/// The root, a folder of the system, or somebody's home, or all that lies in it: nothing that a turn could mean to delete.
pub(super) fn is_vital(path: &str) -> bool {
    let path = without_everything(path);
    if let Some(home) = path.strip_prefix('~') {
        return !home.contains('/');
    }
    let Some(path) = path.strip_prefix('/') else { return false };
    if path.is_empty() {
        return true;
    }
    let depth = path.split('/').count();
    let names: &[&str] = match depth {
        1 => &SYSTEM,
        2 => &SECOND,
        _ => &[],
    };
    names.iter().any(|name| covers(path, name))
}

/// `/etc/*` and `/etc/.*` are `/etc`.
fn without_everything(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((folder, last)) if is_everything(last) => {
            if folder.is_empty() {
                "/"
            } else {
                folder
            }
        }
        Some(_) | None => path,
    }
}

fn is_everything(name: &str) -> bool {
    name.contains('*') && name.chars().all(|c| matches!(c, '*' | '?' | '.' | '[' | ']' | '!' | '^'))
}

/// Whether a pattern of the shell can mean a name. A class of characters counts as any one.
fn covers(pattern: &str, name: &str) -> bool {
    fn step(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, rest) => rest.is_none(),
            (Some(('*', rest)), _) => {
                step(rest, name) || name.split_first().is_some_and(|(_, less)| step(pattern, less))
            }
            (Some(_), None) => false,
            (Some(('?', rest)), Some((_, less))) => step(rest, less),
            (Some(('[', rest)), Some((_, less))) => {
                let end = rest.iter().skip(1).position(|c| *c == ']').map_or(rest.len(), |at| at + 2);
                step(&rest[end..], less)
            }
            (Some((c, rest)), Some((d, less))) => c == d && step(rest, less),
        }
    }
    // Longer patterns are not for these names, and would take long to compare.
    let pattern: Vec<char> = pattern.chars().collect();
    let stars = pattern.iter().filter(|c| **c == '*').count();
    stars < 6 && pattern.len() < 64 && step(&pattern, &name.chars().collect::<Vec<_>>())
}

pub(super) fn is_raw_disk(path: &str) -> bool {
    let Some(name) = path.strip_prefix("/dev/") else { return false };
    ["sd", "hd", "vd", "xvd", "nvme", "mmcblk", "disk", "mapper/", "md", "loop", "mem", "kmem", "port"]
        .iter()
        .any(|kind| name.starts_with(kind))
        || name.starts_with(UNKNOWN)
}

/// Where nobody misses a single file.
pub(super) fn is_temporary(path: &str) -> bool {
    ["/tmp/", "/var/tmp/", "/dev/shm/"].iter().any(|folder| path.starts_with(folder)) && !path.contains("..")
}

/// A file that changes what the machine, a shell or the gateway does next, or who may come in.
pub(super) fn is_guarded(path: &str) -> bool {
    const DEVICES: [&str; 7] = ["null", "zero", "stdout", "stderr", "tty", "fd/1", "fd/2"];
    const NAMES: [&str; 17] = [
        "config.yaml",
        ".netrc",
        ".pgpass",
        ".bashrc",
        ".bash_profile",
        ".bash_login",
        ".bash_logout",
        ".profile",
        ".zshrc",
        ".zshenv",
        ".zprofile",
        "SOUL.md",
        ".npmrc",
        ".pypirc",
        ".gitconfig",
        "authorized_keys",
        "sudoers",
    ];
    let name = path.rsplit('/').next().unwrap_or(path);
    if let Some(device) = path.strip_prefix("/dev/") {
        return !DEVICES.contains(&device) && !device.starts_with("shm/");
    }
    let system =
        ["/etc/", "/boot/", "/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/proc/", "/sys/", "/root/"];
    system.iter().any(|folder| path.starts_with(folder))
        || path == "/etc"
        || [".ssh/", ".gnupg/", ".git/hooks/", ".hermes/", "/cron", ".config/autostart/", ".config/systemd/"]
            .iter()
            .any(|part| path.contains(part))
        || is_env_file(name)
        || NAMES.contains(&name)
}

fn is_env_file(name: &str) -> bool {
    const HARMLESS: [&str; 6] = [".example", ".sample", ".template", ".dist", ".bak", ".old"];
    name == ".env" || name.starts_with(".env.") && !HARMLESS.iter().any(|end| name.ends_with(end))
}

/// A file with a secret in it that lies outside of a project.
pub(super) fn is_secret(path: &str) -> bool {
    const PARTS: [&str; 12] = [
        "/etc/shadow",
        "/etc/gshadow",
        "/etc/sudoers",
        ".ssh/id_",
        ".aws/credentials",
        ".hermes/.env",
        ".kube/config",
        ".docker/config.json",
        ".gnupg/",
        ".config/gcloud/",
        ".pgpass",
        ".netrc",
    ];
    PARTS.iter().any(|part| path.contains(part)) && !path.ends_with(".pub")
}
