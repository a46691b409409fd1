//! Looks at files that are to be told of and need not be there.

use super::{Jail, Place, Roots};
use crate::sandbox::guise::as_agent;
use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
    ptr,
};

impl Roots {
    /// Does file work without a session, with the rights of the agent. See [`Jail::enter`].
    ///
    /// # Errors
    ///
    /// The rights cannot be taken on; then nothing was done.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        as_agent(self.owner, work)
    }

    /// The workspace itself, as a place.
    #[must_use]
    pub fn working_directory(&self) -> Place<'_> {
        let shown = self.workspace.path().display().to_string();
        Place { root: &self.workspace, relative: PathBuf::new(), shown }
    }
}

impl Jail {
    /// The folders on the way to one, itself included, the outermost first, as far as they are parts of a project: not the
    /// workspace itself, and none that is temporary or a skill's.
    #[must_use]
    pub fn folders_to(&self, path: &str) -> Vec<Place<'_>> {
        let Ok(place) = self.locate(path) else { return Vec::new() };
        if ptr::eq(place.root, &self.tmp) || self.roots.is_skills(place.root) {
            return Vec::new();
        }
        let in_workspace = ptr::eq(place.root, &self.roots.workspace);
        let is_part = |relative: &&Path| !in_workspace || !relative.as_os_str().is_empty();
        let on_the_way: Vec<&Path> = place.relative.ancestors().filter(is_part).collect();
        on_the_way.into_iter().rev().filter_map(|relative| place.sibling(relative)).collect()
    }
}

impl<'a> Place<'a> {
    /// What lies in this folder under a name.
    #[must_use]
    pub fn member(&self, name: impl AsRef<Path>) -> Option<Place<'a>> {
        self.sibling(&self.relative.join(name))
    }

    /// The first `most` bytes of a file; `None`: there is none that can be read. Never waits for what lies there.
    #[must_use]
    pub fn peek(&self, most: u64) -> Option<Vec<u8>> {
        let (file, _) = self.open().ok()?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}
