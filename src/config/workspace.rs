//! Where a profile's agent works, and where it must not.

use super::{ConfigError, settings::Settings};
use std::path::{Component, Path, PathBuf};

/// Folders of a profile that its agent must not write to, or not even see.
const PRIVATE: [&str; 4] = ["state", "skills", "run", "profiles"];

/// `terminal.cwd`, relative to the profile's folder, else its `workspace`.
///
/// `.` is the reference's default, "wherever the gateway was started"; for a service of many that means nothing, so it
/// reads as not set.
///
/// # Errors
///
/// A folder that would put keys, stores or another profile's files into the agent's view.
pub(super) fn resolve(settings: &Settings<'_>, home: &Path, root: &Path) -> Result<PathBuf, ConfigError> {
    let Some(found) = settings.yaml("terminal.cwd")? else {
        return Ok(root.join("workspace"));
    };
    let text = found.text.trim();
    if matches!(text, "" | "." | "auto") {
        return Ok(root.join("workspace"));
    }
    if text.starts_with('~') {
        return Err(found.place.error("must be written out: `~` is not replaced"));
    }
    let workspace = plain(&root.join(text));
    match conflict(&workspace, home, root) {
        Some(why) => {
            Err(found.place.error(format!("{why}: choose a folder of its own, such as `workspace`")))
        }
        None => Ok(workspace),
    }
}

/// Why an agent must not be given this folder: half a sentence.
pub(super) fn conflict(folder: &Path, home: &Path, root: &Path) -> Option<&'static str> {
    let [workspace, home, root] = &[real(folder), real(home), real(root)];
    if home.starts_with(workspace) || root.starts_with(workspace) {
        return Some("holds the home or the profile itself, with its keys and its store");
    }
    let private = |folder: &Path| PRIVATE.iter().any(|name| workspace.starts_with(folder.join(name)));
    let inside = workspace.strip_prefix(root).is_ok();
    if private(root) || (private(home) && !(inside && root != home)) {
        return Some("lies in a folder that the gateway keeps for itself or for other profiles");
    }
    None
}

/// Without `.` and `..`, by the text alone.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                whole.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => whole.push(part),
        }
    }
    whole
}

/// With symbolic links followed, as far as the path exists.
pub(super) fn real(path: &Path) -> PathBuf {
    for existing in path.ancestors() {
        if let (Ok(found), Ok(rest)) = (existing.canonicalize(), path.strip_prefix(existing)) {
            return found.join(rest);
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_never_holds_what_an_agent_must_not_see() {
        let cases = [
            ("default place", "/h/profiles/a/workspace", true),
            ("elsewhere", "/srv/work", true),
            ("in the home, not kept", "/h/shared", true),
            ("the profile itself", "/h/profiles/a", false),
            ("all profiles", "/h/profiles", false),
            ("the home", "/h", false),
            ("everything", "/", false),
            ("own store", "/h/profiles/a/state/x", false),
            ("own skills", "/h/profiles/a/skills", false),
            ("another profile", "/h/profiles/b/workspace", false),
            ("like its name", "/h/profiles/ab", false),
            ("the home's store", "/h/state", false),
            ("control sockets", "/h/run", false),
        ];
        for (case, workspace, good) in cases {
            let found = conflict(Path::new(workspace), Path::new("/h"), Path::new("/h/profiles/a"));
            assert_eq!(found.is_none(), good, "{case}: {found:?}");
        }
        let home = Path::new("/h");
        assert!(conflict(Path::new("/h/workspace"), home, home).is_none());
        assert!(conflict(Path::new("/h/profiles/a/workspace"), home, home).is_some());
    }

    #[test]
    fn dots_in_a_path_are_resolved_before_it_is_judged() {
        assert_eq!(plain(Path::new("/h/profiles/a/../../x/./y")), Path::new("/h/x/y"));
    }
}
