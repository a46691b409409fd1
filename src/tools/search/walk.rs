//! The files below a place, sorted, as git and people see them.
//!
//! Each folder is opened through the jail, by its path from the root: a folder that is swapped for a link between two
//! steps shows no name from outside, and none is held open, however deep they lie.

use super::{
    Patience,
    rules::{Rules, anchored},
};
use crate::{
    sandbox::{Member, Place},
    tools::failure::Failure,
};
use ignore::overrides::{Override, OverrideBuilder};
use rustix::fs::FileType;
use std::{path::Path, rc::Rc};

/// Members of one folder that are looked at; a folder with more is not searched to its end.
const MOST_MEMBERS: usize = 100_000;

/// A file that the walk met.
pub struct Found<'a> {
    pub place: Place<'a>,
    /// As the model should write it.
    pub shown: String,
}

pub struct Walk<'a> {
    place: &'a Place<'a>,
    only: Option<Override>,
}

/// What is still to be looked at: a file, or a folder with the rules for what lies in it.
struct Open<'a> {
    place: Place<'a>,
    kind: FileType,
    rules: Option<Rc<Rules>>,
}

impl<'a> Walk<'a> {
    /// `glob`: only files whose name fits. A word without special characters means "has it in its name".
    pub fn new(place: &'a Place<'a>, glob: Option<&str>) -> Result<Self, Failure> {
        if !matches!(place.kind()?, FileType::Directory | FileType::RegularFile) {
            let text = format!("`{}` cannot be searched", place.path().display());
            return Err(Failure::new("not_a_file", text));
        }
        let only = glob.map(|glob| only(place, glob)).transpose()?;
        Ok(Self { place, only })
    }

    /// Calls `visit` for each file. False when patience ended first, or a folder had too many members.
    pub fn each(&self, patience: &Patience<'_>, mut visit: impl FnMut(Found<'a>)) -> bool {
        let (Some(place), Ok(kind)) = (self.place.sibling(self.place.relative()), self.place.kind()) else {
            return true;
        };
        let mut complete = true;
        let mut open = vec![Open { place, kind, rules: None }];
        while let Some(next) = open.pop() {
            if patience.is_over() {
                return false;
            }
            if next.kind == FileType::Directory {
                complete &= self.descend(&next, &mut open);
            } else {
                visit(Found { shown: next.place.shown_path(), place: next.place });
            }
        }
        complete
    }

    /// Puts the members of a folder on the pile, the first one on top. False: there are more.
    fn descend(&self, folder: &Open<'a>, open: &mut Vec<Open<'a>>) -> bool {
        // What cannot be read is not there for this agent.
        let Ok((mut members, complete)) = folder.place.members(MOST_MEMBERS) else { return true };
        members.sort_unstable_by(|one, other| other.name.cmp(&one.name));
        let has = |name: &str| members.iter().any(|member| member.name == name);
        let rules = Rules::of(&folder.place, has, folder.rules.clone());
        for Member { name, kind } in members {
            let is_folder = kind == FileType::Directory;
            let path = folder.place.relative().join(&name);
            let hidden = name.as_encoded_bytes().starts_with(b".");
            let wanted = is_folder || (kind == FileType::RegularFile && self.fits(&path));
            if wanted
                && !hidden
                && !rules.leave_out(&path, is_folder)
                && let Some(place) = self.place.sibling(&path)
            {
                open.push(Open { place, kind, rules: is_folder.then(|| rules.clone()) });
            }
        }
        complete
    }

    fn fits(&self, relative: &Path) -> bool {
        self.only.as_ref().is_none_or(|only| only.matched(anchored(relative), false).is_whitelist())
    }
}

fn only(place: &Place<'_>, glob: &str) -> Result<Override, Failure> {
    let special = glob.contains(['*', '?', '[', '{']);
    let glob = if special { glob.to_owned() } else { format!("*{glob}*") };
    // A leading `!` would turn its meaning round.
    let glob = if glob.starts_with('!') { format!("\\{glob}") } else { glob };
    let bad =
        |error: ignore::Error| Failure::new("invalid_pattern", format!("the glob is not valid: {error}"));
    let mut globs = OverrideBuilder::new(anchored(place.relative()));
    globs.add(&glob).map_err(bad)?;
    globs.build().map_err(bad)
}
