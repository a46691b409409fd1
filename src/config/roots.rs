//! `terminal.roots`: folders besides the workspace that a profile's agent sees.

use super::{
    ConfigError, ExtraRoot,
    settings::{Row, Settings},
    workspace::{conflict, plain, real},
};
use std::path::Path;

/// Folders of the machine that the sandbox makes itself, so that nothing of the operator's can be put there.
const BUILT: [&str; 4] = ["/proc", "/sys", "/dev", "/run"];

/// Reads the list: `{path: /data, mode: ro}`, or the path alone.
///
/// # Errors
///
/// A folder that would put keys, stores or another profile's files into the agent's view; two that hold each other,
/// since a grant holds for all that lies below.
pub(super) fn read(
    settings: &Settings<'_>,
    home: &Path,
    root: &Path,
    workspace: &Path,
    warnings: &mut Vec<String>,
) -> Result<Vec<ExtraRoot>, ConfigError> {
    let mut roots: Vec<ExtraRoot> = Vec::new();
    for row in settings.yaml_rows("terminal.roots", "path")?.unwrap_or_default() {
        let found = one(&row, warnings)?;
        let refuse = |why: &str| Err(row.place.error(why.to_owned()));
        if let Some(why) = conflict(&found.path, home, root) {
            return refuse(&format!("{why}: choose a folder of its own"));
        }
        let built = BUILT.iter().find(|built| found.path.starts_with(built));
        if let Some(built) = built.or((found.path == Path::new("/tmp")).then_some(&"/tmp")) {
            return refuse(&format!("is in {built}, which the sandbox makes itself: choose another folder"));
        }
        let meets = |other: &Path| other.starts_with(&found.path) || found.path.starts_with(other);
        if meets(&real(workspace)) {
            return refuse("holds the workspace or lies in it: the workspace can be written anyway");
        }
        if roots.iter().any(|other| meets(&other.path)) {
            return refuse(
                "holds another root, lies in one, or stands twice: what is given holds for all below it",
            );
        }
        roots.push(found);
    }
    Ok(roots)
}

fn one(row: &Row, warnings: &mut Vec<String>) -> Result<ExtraRoot, ConfigError> {
    let (mut path, mut writable) = (None, false);
    for (name, found) in &row.members {
        match name.as_str() {
            "path" => {
                let asked = Path::new(found.text.trim());
                if !asked.is_absolute() {
                    return Err(found.place.error("must be an absolute path: `/srv/data`"));
                }
                path = Some(real(&plain(asked)));
            }
            "mode" => writable = found.choice(&[("ro", false), ("rw", true)])?,
            other => {
                let what = "is not known and has no effect; there are `path` and `mode`";
                warnings.push(found.place.warning(format!("`{other}` {what}")));
            }
        }
    }
    let path =
        path.ok_or_else(|| row.place.error("an entry has no `path`: `{path: /srv/data, mode: ro}`"))?;
    Ok(ExtraRoot { path, writable })
}
