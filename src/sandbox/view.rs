//! What a command may read besides its own folders: an allow-list, the same for all profiles, with the home cut out.

use std::path::{Path, PathBuf};

/// Folders of the system with programs, libraries and their data.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
    "/sys/devices/system/cpu",
];

/// Files that say something about the machine, nothing about who uses it. The rest of `/proc` shows other processes.
const FACTS: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/version",
];

/// Harmless members of `/etc`. Never whole: `shadow`, host keys and `ssl/private` lie there.
const ETC: &[&str] = &[
    "alternatives",
    "bash.bashrc",
    "bash_completion.d",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "gitconfig",
    "group",
    "host.conf",
    "hostname",
    "hosts",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "lsb-release",
    "magic",
    "magic.mime",
    "mailcap",
    "mime.types",
    "networks",
    "nsswitch.conf",
    "os-release",
    "passwd",
    "perl",
    "pki/ca-trust",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "profile",
    "profile.d",
    "protocols",
    "python3",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "resolv.conf",
    "rpc",
    "services",
    "shells",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "xdg",
];

/// The paths that every command of one profile may read. Computed once per profile.
#[derive(Debug, Clone)]
pub struct View {
    paths: Vec<PathBuf>,
    /// `/bin` is `/usr/bin` on most machines.
    links: Vec<(PathBuf, PathBuf)>,
}

impl View {
    /// The system's paths without anything at or below `hidden`: grants only ever add up, so a folder that contains a
    /// hidden one is given child by child.
    #[must_use]
    pub fn without(hidden: &[PathBuf]) -> Self {
        let hidden: Vec<PathBuf> = hidden.iter().map(|path| real(path)).collect();
        let etc = ETC.iter().map(|name| Path::new("/etc").join(name));
        let fixed = SYSTEM.iter().chain(FACTS).map(PathBuf::from);
        let (mut paths, mut links) = (Vec::new(), Vec::new());
        for name in fixed.chain(etc) {
            // Links are followed here, once.
            let Ok(path) = name.canonicalize() else { continue };
            if name.is_symlink() {
                links.push((name, path.clone()));
            }
            grant(path, &hidden, &mut paths);
        }
        Self { paths: pruned(paths), links }
    }

    #[must_use]
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Names of the list that are links, and where they lead.
    #[must_use]
    pub fn links(&self) -> &[(PathBuf, PathBuf)] {
        &self.links
    }
}

fn grant(path: PathBuf, hidden: &[PathBuf], paths: &mut Vec<PathBuf>) {
    if hidden.iter().any(|secret| path.starts_with(secret)) {
        return;
    }
    if !hidden.iter().any(|secret| secret.starts_with(&path)) {
        paths.push(path);
        return;
    }
    let Ok(entries) = path.read_dir() else { return };
    for entry in entries.flatten() {
        // A link is granted by where it leads, or not at all; here it is enough that its target is listed itself.
        if entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
            grant(entry.path(), hidden, paths);
        }
    }
}

/// Drops what lies below another entry.
fn pruned(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort();
    let mut kept: Vec<PathBuf> = Vec::new();
    for path in paths {
        if !kept.last().is_some_and(|above| path.starts_with(above)) {
            kept.push(path);
        }
    }
    kept
}

/// The path with its links resolved as far as it exists.
pub fn real(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_inside_a_system_folder_is_cut_out() {
        let usr = Path::new("/usr");
        let secret = usr.join("share");
        let view = View::without(std::slice::from_ref(&secret));
        assert!(view.paths().iter().all(|path| !secret.starts_with(path) && !path.starts_with(&secret)));
        assert!(view.paths().contains(&real(Path::new("/usr/bin"))));
    }

    #[test]
    fn nothing_listed_contains_secrets_of_the_machine() {
        let view = View::without(&[]);
        for secret in
            ["/etc/shadow", "/etc/ssl/private/x", "/root/x", "/home/x", "/var/run/x", "/proc/1/environ"]
        {
            assert!(!view.paths().iter().any(|path| Path::new(secret).starts_with(path)), "{secret}");
        }
        assert!(view.paths().contains(&"/usr".into()));
    }
}
