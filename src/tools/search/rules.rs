//! What a walk leaves out: hidden files, and what `.ignore`, `.gitignore` and a repository's own list name.

use crate::sandbox::Place;
use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};
use std::{
    io::Read as _,
    path::{Path, PathBuf},
    rc::Rc,
};

/// A longer list was not written by hand, and each of its lines becomes a piece of an automaton.
const MOST_BYTES: u64 = 256 << 10;

/// The lists of one folder, above those of the folders that it lies in.
pub struct Rules {
    above: Option<Rc<Rules>>,
    /// `.ignore`, `.gitignore`, `.git/info/exclude`, the strongest first.
    lists: [Option<Gitignore>; 3],
    /// A repository begins here: the git lists of the folders above are another one's.
    repository: bool,
}

impl Rules {
    /// Reads the lists of a folder; `names` are its members. Like every file they are opened through the jail.
    pub fn of(folder: &Place<'_>, names: impl Fn(&str) -> bool, above: Option<Rc<Self>>) -> Rc<Self> {
        let list = |name: &str, path: &str| names(name).then(|| read(folder, path)).flatten();
        let lists =
            [list(".ignore", ".ignore"), list(".gitignore", ".gitignore"), list(".git", ".git/info/exclude")];
        Rc::new(Self { above, lists, repository: names(".git") })
    }

    /// Whether a member (relative to its root) is left out.
    pub fn leave_out(&self, relative: &Path, is_folder: bool) -> bool {
        let path = anchored(relative);
        let mut found: [Option<bool>; 3] = [None; 3];
        let (mut rules, mut git) = (Some(self), true);
        while let Some(here) = rules {
            for (at, (list, found)) in here.lists.iter().zip(&mut found).enumerate() {
                // The nearest folder that says something about the path counts.
                if let Some(list) = list.as_ref().filter(|_| found.is_none() && (at == 0 || git)) {
                    *found = match list.matched(&path, is_folder) {
                        Match::None => None,
                        Match::Ignore(_) => Some(true),
                        Match::Whitelist(_) => Some(false),
                    };
                }
            }
            git &= !here.repository;
            rules = here.above.as_deref();
        }
        found.into_iter().flatten().next().unwrap_or(false)
    }
}

/// Patterns are anchored at their folder; a root stands for the whole file system.
pub fn anchored(relative: &Path) -> PathBuf {
    Path::new("/").join(relative.strip_prefix(".").unwrap_or(relative))
}

/// A list that cannot be read, or is no text, says nothing.
fn read(folder: &Place<'_>, name: &str) -> Option<Gitignore> {
    let place = folder.sibling(&folder.relative().join(name))?;
    let (file, _) = place.open().ok()?;
    let mut text = String::new();
    file.take(MOST_BYTES).read_to_string(&mut text).ok()?;
    let mut builder = GitignoreBuilder::new(anchored(folder.relative()));
    for line in text.lines() {
        // A line that is no pattern takes nothing from the others.
        let _ = builder.add_line(None, line);
    }
    builder.build().ok()
}
