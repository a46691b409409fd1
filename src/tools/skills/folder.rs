//! The files of one skill, by paths that lead nowhere else.

use super::Skill;
use crate::tools::failure::Failure;
use rustix::{
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2},
    io::Errno,
};
use std::{
    fs::{self, File},
    io::Read as _,
    path::{Component, Path, PathBuf},
};

/// Folders of a skill that hold more than its text.
pub const PARTS: [&str; 4] = ["references", "templates", "scripts", "assets"];
/// Bytes of one file.
pub const LARGEST: u64 = 1 << 20;
/// Files that are named.
const LISTED: usize = 200;
const DEPTH: usize = 4;

/// A path inside a skill, as the model wrote it.
///
/// # Errors
///
/// It leads out of the skill, or is no path.
pub fn inside(path: &str) -> Result<PathBuf, Failure> {
    let outside = || {
        Failure::new("outside_skill", format!("`{path}` does not lead into the skill"))
            .hint("use a path below the skill's folder, like references/notes.md")
    };
    if path.contains('\0') {
        return Err(outside());
    }
    let mut kept = PathBuf::new();
    for part in Path::new(path.trim()).components() {
        match part {
            Component::Normal(name) => kept.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(outside()),
        }
    }
    if kept.as_os_str().is_empty() { Err(outside()) } else { Ok(kept) }
}

/// A path at which the agent may put a file: in one of the folders that skills have for that.
///
/// # Errors
///
/// As [`inside`]; or it is another place.
pub fn writable(path: &str) -> Result<PathBuf, Failure> {
    let inside = inside(path)?;
    let first = inside.components().next().map(|part| part.as_os_str().to_owned());
    let allowed = first.is_some_and(|first| PARTS.iter().any(|part| first == *part));
    if !allowed || inside.components().count() < 2 {
        let text = format!("`{path}` is no place for a file of a skill");
        let hint =
            format!("files lie below {}; SKILL.md itself is changed by edit and patch", PARTS.join(", "));
        return Err(Failure::new("outside_skill", text).hint(hint));
    }
    Ok(inside)
}

/// The text of one of a skill's files. The kernel walks the path: no link leads out. Blocking.
///
/// # Errors
///
/// There is none, it is no text, or too long.
pub fn read(skill: &Skill, path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let io = |error: Errno| match error {
        Errno::NOENT | Errno::NOTDIR => Failure::new("not_found", format!("the skill has no file `{shown}`"))
            .with("linked_files", linked(&skill.folder)),
        Errno::XDEV | Errno::LOOP => {
            Failure::new("outside_skill", format!("`{shown}` leads out of the skill"))
        }
        other => Failure::io(&format!("`{shown}`"), &other.into()),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = openat(CWD, &skill.folder, flags, Mode::empty()).map_err(io)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let walk = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let file = openat2(&folder, path, flags, Mode::empty(), walk).map_err(io)?;
    let stat = fstat(&file).map_err(io)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Failure::new("not_a_file", format!("`{shown}` is no file")));
    }
    let mut bytes = Vec::new();
    File::from(file)
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io(&format!("`{shown}`"), &error))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Failure::new("too_large", format!("`{shown}` is longer than {LARGEST} bytes")));
    }
    String::from_utf8(bytes).map_err(|_utf8| {
        Failure::new("not_text", format!("`{shown}` is no text"))
            .hint("commands can read it at the skill's path")
    })
}

/// The files beside `SKILL.md`, relative and sorted. Blocking.
pub fn linked(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for part in PARTS {
        walk(folder, Path::new(part), 0, &mut found);
    }
    found.sort();
    found.truncate(LISTED);
    found
}

fn walk(folder: &Path, relative: &Path, depth: usize, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder.join(relative)) else { return };
    for entry in entries.flatten().take(LISTED) {
        let below = relative.join(entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < DEPTH => walk(folder, &below, depth + 1, found),
            Ok(kind) if kind.is_file() => found.push(below.display().to_string()),
            Ok(_) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_into_the_skill_or_nowhere() {
        for (path, may_read, may_write) in [
            ("references/notes.md", true, true),
            ("./scripts/./run.sh", true, true),
            ("SKILL.md", true, false),
            ("references", true, false),
            ("notes.md", true, false),
            ("../other/SKILL.md", false, false),
            ("references/../../x", false, false),
            ("/etc/passwd", false, false),
            ("references/a\0b", false, false),
            ("", false, false),
            (".", false, false),
        ] {
            assert_eq!((inside(path).is_ok(), writable(path).is_ok()), (may_read, may_write), "{path}");
        }
    }
}
