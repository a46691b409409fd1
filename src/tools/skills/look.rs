//! The profile's skills: `skills/[CATEGORY/]NAME/SKILL.md`, each with its name and description in its head.

use super::{SkillLock, digest};
use crate::{
    config::{FrontMatter, ProfileConfig},
    guard::{Kind, scan},
    tools::parts::Watch,
};
use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

/// Most skills that are looked at.
const MOST: usize = 1_000;
/// A head is in the first bytes of its file.
const HEAD: u64 = 64 << 10;
const LONGEST_NAME: usize = 64;
const LONGEST_DESCRIPTION: usize = 1_024;

/// What a person has said of a skill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    #[default]
    Free,
    /// It is to stay as it is, and is so.
    Pinned,
    /// It was pinned, and is another one by now: not used until a person accepts it.
    Changed,
}

impl State {
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Pinned => "pinned",
            Self::Changed => "changed",
        }
    }
}

/// A skill without its text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skill {
    pub category: Option<String>,
    pub name: String,
    pub description: String,
    /// Where it lies.
    pub folder: PathBuf,
    /// In a folder of `skills.external_dirs`, which the agent does not change.
    pub external: bool,
    pub state: State,
}

impl Skill {
    /// What lists call its category.
    #[must_use]
    pub fn category(&self) -> &str {
        self.category.as_deref().unwrap_or("general")
    }
}

/// All skills of a profile, by category and name. A broken one is left out, and named in the log. Blocking.
pub fn look(watch: &mut Watch, config: &ProfileConfig) -> Vec<Skill> {
    let external = config.skills.external_dirs.iter().map(|folder| (folder.as_path(), true));
    let mut found: BTreeMap<String, Skill> = BTreeMap::new();
    for (folder, external) in [(config.skills_dir.as_path(), false)].into_iter().chain(external) {
        for skill in skills(watch, folder, external) {
            // The profile's own hides another of the same name.
            found.entry(skill.name.clone()).or_insert(skill);
        }
    }
    let disabled = |skill: &Skill| config.skills.disabled.contains(&skill.name);
    let mut skills: Vec<Skill> = found.into_values().filter(|skill| !disabled(skill)).collect();
    let lock = SkillLock::read(watch, &config.root.join("skills.lock"));
    for skill in &mut skills {
        if let Some(pinned) = lock.0.get(&skill.name) {
            let same = digest(watch, &skill.folder).is_ok_and(|now| now == *pinned);
            skill.state = if same { State::Pinned } else { State::Changed };
        }
    }
    skills.sort();
    skills
}

fn skills(watch: &mut Watch, folder: &Path, external: bool) -> Vec<Skill> {
    let mut found = Vec::new();
    for path in folders(watch, folder) {
        if is_skill(watch, &path) {
            found.extend(read(&path, None, external));
        } else {
            let category = name_of(&path);
            for path in folders(watch, &path) {
                if is_skill(watch, &path) {
                    found.extend(read(&path, category.clone(), external));
                }
            }
        }
        if found.len() >= MOST {
            tracing::warn!(folder = %folder.display(), "more than {MOST} skills; the others are left out");
            break;
        }
    }
    found.truncate(MOST);
    found
}

fn is_skill(watch: &mut Watch, folder: &Path) -> bool {
    let file = folder.join("SKILL.md");
    watch.note(&file);
    file.is_file()
}

/// The folders in a folder, hidden ones left out, by name; none when it is not there or cannot be read.
fn folders(watch: &mut Watch, folder: &Path) -> Vec<PathBuf> {
    watch.note(folder);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            if folder.exists() {
                tracing::warn!(folder = %folder.display(), %error, "skills cannot be read");
            }
            return Vec::new();
        }
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.is_dir() && name_of(path).is_some_and(|name| !name.starts_with('.')))
        .collect();
    paths.sort();
    paths
}

fn name_of(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

fn read(folder: &Path, category: Option<String>, external: bool) -> Option<Skill> {
    let file = folder.join("SKILL.md");
    let skill = (|| -> Result<Skill, String> {
        let mut bytes = Vec::new();
        let opened = fs::File::open(&file).map_err(|error| error.to_string())?;
        opened.take(HEAD).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        let (name, description) = head(&file, &String::from_utf8_lossy(&bytes), folder)?;
        // It stands in the prompt of every session.
        if let Some(found) = scan(&description, Kind::Prompt) {
            return Err(format!("its description {} (pattern `{}`)", found.says, found.id));
        }
        Ok(Skill { category, name, description, folder: folder.to_owned(), external, state: State::Free })
    })();
    if let Err(reason) = &skill
        && file.exists()
    {
        tracing::warn!(file = %file.display(), reason, "a skill is left out");
    }
    skill.ok()
}

/// Name and description of a skill, from the head of its text.
///
/// # Errors
///
/// A sentence that says what is wrong with it.
pub fn head(file: &Path, text: &str, folder: &Path) -> Result<(String, String), String> {
    let head = FrontMatter::of(file, text).map_err(|error| error.to_string())?;
    let name = head.text("name").map(str::to_owned).or_else(|| name_of(folder)).unwrap_or_default();
    if !is_name(&name) {
        return Err(format!("`{name}` is no name for a skill: lower-case letters, digits, `.`, `_`, `-`"));
    }
    let description = head.text("description").map(str::trim).unwrap_or_default();
    if description.is_empty() || description.chars().count() > LONGEST_DESCRIPTION {
        return Err(format!("`description` in the head must have 1 to {LONGEST_DESCRIPTION} characters"));
    }
    Ok((name, description.to_owned()))
}

/// `[a-z0-9][a-z0-9._-]*`, 64 characters at most.
pub fn is_name(name: &str) -> bool {
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
        let listed: Vec<_> = skills(&mut Watch::default(), dir.path(), false)
            .into_iter()
            .map(|skill| (skill.category, skill.name, skill.description))
            .collect();
        let expected = [(None, "greet", "Says hello."), (Some("work"), "report", "Writes: reports")];
        let expected = expected
            .map(|(category, name, text)| (category.map(str::to_owned), name.to_owned(), text.to_owned()));
        assert_eq!(listed, expected);
        assert_eq!(skills(&mut Watch::default(), &dir.path().join("none"), false), []);
    }
}
