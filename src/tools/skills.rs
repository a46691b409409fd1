//! The profile's skills: `skills/[CATEGORY/]NAME/SKILL.md`, each with its name and description in its head.

use crate::config::front_matter;
use std::{
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

/// Most skills that are looked at.
const MOST: usize = 1_000;
/// A head is in the first bytes of its file.
const HEAD: u64 = 64 << 10;
const LONGEST_NAME: usize = 64;
const LONGEST_DESCRIPTION: usize = 1_024;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skill {
    pub category: Option<String>,
    pub name: String,
    pub description: String,
}

/// All skills of a folder, by category and name. A broken one is left out, and named in the log. Blocking.
///
/// # Errors
///
/// The folder is there and cannot be read.
pub fn skills(folder: &Path) -> io::Result<Vec<Skill>> {
    let mut found = Vec::new();
    for path in folders(folder)? {
        if path.join("SKILL.md").is_file() {
            found.extend(read(&path, None));
        } else {
            let category = name_of(&path);
            // A category that cannot be read has no skills; the others still have.
            for path in folders(&path).unwrap_or_default() {
                found.extend(read(&path, category.clone()));
            }
        }
        if found.len() >= MOST {
            break;
        }
    }
    found.truncate(MOST);
    found.sort();
    Ok(found)
}

/// The folders in a folder, hidden ones left out, by name; one that does not exist is empty.
fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.is_dir() && name_of(path).is_some_and(|name| !name.starts_with('.')))
        .collect();
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

fn read(folder: &Path, category: Option<String>) -> Option<Skill> {
    let file = folder.join("SKILL.md");
    let skill = (|| {
        let mut bytes = Vec::new();
        let opened = fs::File::open(&file).map_err(|error| error.to_string())?;
        opened.take(HEAD).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        let head =
            front_matter(&file, &String::from_utf8_lossy(&bytes)).map_err(|error| error.to_string())?;
        let name = head.get("name").cloned().or_else(|| name_of(folder)).unwrap_or_default();
        if !is_name(&name) {
            return Err(format!("`{name}` is no name for a skill"));
        }
        let description = head.get("description").map(|text| text.trim()).unwrap_or_default();
        if description.is_empty() || description.chars().count() > LONGEST_DESCRIPTION {
            return Err(format!("`description` must have 1 to {LONGEST_DESCRIPTION} characters"));
        }
        Ok(Skill { category, name, description: description.to_owned() })
    })();
    if let Err(reason) = &skill
        && file.exists()
    {
        tracing::warn!(file = %file.display(), reason, "a skill is left out");
    }
    skill.ok()
}

/// `[a-z0-9][a-z0-9._-]*`, 64 characters at most.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= LONGEST_NAME
        && name.starts_with(plain)
        && name.chars().all(|c| plain(c) || matches!(c, '.' | '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skills_are_found_with_and_without_a_category_and_broken_ones_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("SKILL.md"), text).unwrap();
        };
        put("greet", "---\nname: greet\ndescription: Says hello.\n---\n# Greet\n");
        put("work/report", "---\ndescription: \"Writes: reports\"\n---\n");
        put("work/broken", "---\nname: [\n---\n");
        put("work/silent", "---\nname: silent\n---\n");
        put("work/Bad Name", "---\ndescription: x\n---\n");
        put(".hidden", "---\nname: hidden\ndescription: x\n---\n");
        let skill = |category: Option<&str>, name: &str, description: &str| Skill {
            category: category.map(str::to_owned),
            name: name.to_owned(),
            description: description.to_owned(),
        };
        let expected =
            [skill(None, "greet", "Says hello."), skill(Some("work"), "report", "Writes: reports")];
        assert_eq!(skills(dir.path()).unwrap(), expected);
        assert_eq!(skills(&dir.path().join("none")).unwrap(), []);
    }
}
