//! Which skill took over what a deleted one was for: a line `OLD NEW` each in `skills/.successors`.

use crate::tools::own_file;
use std::{
    io,
    path::{Path, PathBuf},
};

const LARGEST: u64 = 1 << 20;
/// The oldest are forgotten.
const MOST: usize = 1_000;
/// A skill may have been taken over by one that was taken over.
const LONGEST_CHAIN: usize = 16;

fn file(skills: &Path) -> PathBuf {
    skills.join(".successors")
}

/// Notes who took a skill over, or that the name is in use again. Whoever calls it keeps others out. Blocking.
///
/// # Errors
///
/// The file cannot be read or written.
pub fn note(skills: &Path, old: &str, new: Option<&str>) -> io::Result<()> {
    let file = file(skills);
    let before = own_file::read(&file, LARGEST)?;
    let mut pairs = pairs(before.as_deref().unwrap_or_default());
    let known = pairs.len();
    pairs.retain(|(name, _)| *name != old);
    if new.is_none() && pairs.len() == known {
        return Ok(());
    }
    pairs.extend(new.map(|new| (old, new)));
    let oldest = pairs.len().saturating_sub(MOST);
    let after: String = pairs[oldest..].iter().map(|(old, new)| format!("{old} {new}\n")).collect();
    if own_file::replace(&file, before.as_deref(), &after)? {
        return Ok(());
    }
    Err(io::Error::other("somebody else has just changed it"))
}

/// The skill that stands for a deleted one now. Blocking.
pub fn successor(skills: &Path, old: &str, exists: impl Fn(&str) -> bool) -> Option<String> {
    let text = own_file::read(&file(skills), LARGEST).ok()??;
    let pairs = pairs(&text);
    let mut name = old;
    for _ in 0..LONGEST_CHAIN {
        name = pairs.iter().find(|(from, _)| *from == name)?.1;
        if exists(name) {
            return Some(name.to_owned());
        }
    }
    None
}

fn pairs(text: &str) -> Vec<(&str, &str)> {
    text.lines().filter_map(|line| line.trim().split_once(' ')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_is_there_now_is_found_and_circles_end() {
        let dir = tempfile::tempdir().unwrap();
        let skills = dir.path();
        let find = |old: &str| successor(skills, old, |name| name == "now");
        assert_eq!(find("old"), None);
        for (old, new) in [("old", "older"), ("older", "now"), ("a", "b"), ("b", "a"), ("lost", "gone")] {
            note(skills, old, Some(new)).unwrap();
        }
        assert_eq!(find("old").as_deref(), Some("now"));
        assert_eq!((find("a"), find("lost")), (None, None));
        note(skills, "older", None).unwrap();
        assert_eq!(find("old"), None, "forgotten with its name in use again");
        let many: String = (0..MOST).map(|n| format!("s{n} now\n")).collect();
        std::fs::write(file(skills), many).unwrap();
        note(skills, "last", Some("now")).unwrap();
        assert_eq!(
            (find("s0"), find("s1").as_deref(), find("last").as_deref()),
            (None, Some("now"), Some("now"))
        );
    }
}
