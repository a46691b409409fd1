//! The files below a place, sorted, as git and people see them.

use super::Patience;
use crate::{sandbox::Place, tools::failure::Failure};
use ignore::{WalkBuilder, overrides::OverrideBuilder};
use rustix::fs::FileType;
use std::path::PathBuf;

/// A file that the walk met.
pub struct Found<'a> {
    pub place: Place<'a>,
    /// Relative to the workspace, or below `/tmp`.
    pub shown: String,
}

pub struct Walk<'a> {
    place: &'a Place<'a>,
    builder: WalkBuilder,
    base: PathBuf,
}

impl<'a> Walk<'a> {
    /// `glob`: only files whose name fits. A word without special characters means "has it in its name".
    pub fn new(place: &'a Place<'a>, glob: Option<&str>) -> Result<Self, Failure> {
        if !matches!(place.kind()?, FileType::Directory | FileType::RegularFile) {
            let text = format!("`{}` cannot be searched", place.path().display());
            return Err(Failure::new("not_a_file", text));
        }
        let base = place.path();
        let mut builder = WalkBuilder::new(&base);
        // Files like `.gitignore` above the workspace belong to the operator (his may well name the workspace), and
        // links are never followed. Ignore files work without a repository too.
        builder.parents(false).git_global(false).require_git(false).follow_links(false);
        builder.sort_by_file_path(Ord::cmp).threads(1);
        if let Some(glob) = glob {
            builder.overrides(only(&base, glob)?);
        }
        Ok(Self { place, builder, base })
    }

    /// Calls `visit` for each file. False when patience ended first.
    pub fn each(&self, patience: &Patience<'_>, mut visit: impl FnMut(Found<'a>)) -> bool {
        for entry in self.builder.build() {
            if patience.is_over() {
                return false;
            }
            // What cannot be read is not there for this agent.
            let Ok(entry) = entry else { continue };
            if !entry.file_type().is_some_and(|kind| kind.is_file()) {
                continue;
            }
            let Ok(below) = entry.path().strip_prefix(&self.base) else {
                continue;
            };
            let below = if below.as_os_str().is_empty() {
                self.place.relative().to_owned()
            } else {
                self.place.relative().join(below)
            };
            if let Some(place) = self.place.sibling(&below) {
                let shown = place.shown_path();
                visit(Found { place, shown });
            }
        }
        true
    }
}

fn only(base: &std::path::Path, glob: &str) -> Result<ignore::overrides::Override, Failure> {
    let special = glob.contains(['*', '?', '[', '{']);
    let glob = if special { glob.to_owned() } else { format!("*{glob}*") };
    // A leading `!` would turn its meaning round.
    let glob = if glob.starts_with('!') { format!("\\{glob}") } else { glob };
    let bad =
        |error: ignore::Error| Failure::new("invalid_pattern", format!("the glob is not valid: {error}"));
    let mut globs = OverrideBuilder::new(base);
    globs.add(&glob).map_err(bad)?;
    globs.build().map_err(bad)
}
