//! Secrets at rest: what of a home is open to others who have an account on this machine.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// For the owner alone.
const CLOSED: u32 = 0o077;
/// Others may look, and may not change: whoever writes a configuration has the profile.
const UNCHANGED: u32 = 0o022;
/// A group may read: that is how machines share one certificate among their services.
const SHARED: u32 = 0o007;

/// What of the home itself is too open: a sentence with the line that closes it. Blocking.
#[must_use]
pub fn home(home: &Path) -> Option<String> {
    let run = home.join("run");
    told([
        (home.to_owned(), UNCHANGED),
        (home.join(".env"), CLOSED),
        (home.join("config.yaml"), UNCHANGED),
        (home.join("profiles"), UNCHANGED),
        (run.join("secret"), CLOSED),
        (run.join("control.token"), CLOSED),
        (run.join("users"), CLOSED),
    ])
}

/// As [`home`], for one profile. Blocking.
#[must_use]
pub fn profile(root: &Path, state: &Path) -> Option<String> {
    told([
        (root.to_owned(), UNCHANGED),
        (root.join(".env"), CLOSED),
        (root.join("config.yaml"), UNCHANGED),
        (state.to_owned(), CLOSED),
    ])
}

/// As [`home`], for the private key of a certificate. Blocking.
#[must_use]
pub fn tls_key(key: &Path) -> Option<String> {
    told([(key.to_owned(), SHARED)])
}

fn told<const N: usize>(asked: [(PathBuf, u32); N]) -> Option<String> {
    let (mut paths, mut lines) = (Vec::new(), Vec::new());
    for (path, bits) in asked {
        // What is not there, or not to be looked at, cannot be told of; whoever needs it says so.
        let Ok(found) = path.metadata() else { continue };
        if found.permissions().mode() & bits == 0 {
            continue;
        }
        let mode = match (bits, found.is_dir()) {
            (CLOSED, true) => "700",
            (CLOSED, false) => "600",
            (SHARED, _) => "o-rwx",
            _ => "go-w",
        };
        let quoted = format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
        lines.push(format!("chmod {mode} {quoted}"));
        paths.push(path.display().to_string());
    }
    let (what, verb) = if paths.len() == 1 { ("", "is") } else { ("these ", "are") };
    (!paths.is_empty()).then(|| {
        format!(
            "{what}{} {verb} open to other users of this machine: `{}`",
            paths.join(", "),
            lines.join("; ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_too_open_is_told_with_the_line_that_closes_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let set =
            |name: &str, mode: u32| fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
        fs::create_dir(at("state")).unwrap();
        for name in [".env", "config.yaml"] {
            fs::write(at(name), "").unwrap();
        }
        let cases = [
            ("as made", [0o700, 0o600, 0o600, 0o700], vec![]),
            ("to look at", [0o755, 0o600, 0o644, 0o700], vec![]),
            ("the secrets", [0o755, 0o644, 0o644, 0o700], vec!["chmod 600 '.env'"]),
            ("the group", [0o755, 0o640, 0o644, 0o750], vec!["chmod 600 '.env'", "chmod 700 'state'"]),
            (
                "all",
                [0o777, 0o666, 0o666, 0o711],
                vec!["chmod go-w ''", "chmod 600 '.env'", "chmod go-w 'config.yaml'", "chmod 700 'state'"],
            ),
        ];
        for (case, modes, lines) in cases {
            for (name, mode) in ["", ".env", "config.yaml", "state"].into_iter().zip(modes) {
                set(name, mode);
            }
            let told = profile(dir.path(), &at("state")).unwrap_or_default();
            let told = told
                .replace(&format!("{}/", dir.path().display()), "")
                .replace(&dir.path().display().to_string(), "");
            assert_eq!(told.contains("open to other users"), !lines.is_empty(), "{case}: {told}");
            assert!(told.is_empty() || told.ends_with(&format!("`{}`", lines.join("; "))), "{case}: {told}");
        }
    }

    #[test]
    fn a_quote_in_a_path_does_not_end_the_line() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("it's");
        fs::create_dir(&root).unwrap();
        fs::write(root.join(".env"), "").unwrap();
        fs::set_permissions(root.join(".env"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(profile(&root, &root.join("state")).unwrap().contains(r"it'\''s"));
    }
}
