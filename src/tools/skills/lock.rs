//! Skills that a person has pinned: `skills.lock` in the profile's folder has the digest of each, and what is another skill
//! by now is not used until a person has looked at it.

use crate::tools::{own_file, parts::Watch};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

const LARGEST: u64 = 1 << 20;
/// Files of one skill, and how deep they lie.
const FILES: usize = 1_000;
const DEPTH: usize = 8;

/// Digests by name; a line each.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SkillLock(pub BTreeMap<String, String>);

impl SkillLock {
    /// What cannot be read pins nothing, and is named in the log.
    pub fn read(watch: &mut Watch, path: &Path) -> Self {
        watch.note(path);
        match own_file::read(path, LARGEST) {
            Ok(text) => Self::parse(&text.unwrap_or_default()),
            Err(error) => {
                tracing::error!(file = %path.display(), %error, "the pins of skills cannot be read");
                Self::default()
            }
        }
    }

    fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.trim().split_once(' '));
        Self(pairs.map(|(digest, name)| (name.trim().to_owned(), digest.to_owned())).collect())
    }

    fn text(&self) -> String {
        self.0.iter().map(|(name, digest)| format!("{digest} {name}\n")).collect()
    }

    /// Pins a skill as it is now, or takes the pin off. Blocking.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn change(path: &Path, name: &str, digest: Option<&str>) -> io::Result<()> {
        let _held = own_file::lock(&path.with_extension("lock.held"))?;
        loop {
            let before = own_file::read(path, LARGEST)?;
            let mut lock = Self::parse(before.as_deref().unwrap_or_default());
            match digest {
                Some(digest) => lock.0.insert(name.to_owned(), digest.to_owned()),
                None => lock.0.remove(name),
            };
            let after = lock.text();
            if before.as_deref().unwrap_or_default() == after
                || own_file::replace(path, before.as_deref(), &after)?
            {
                return Ok(());
            }
        }
    }
}

/// Of the names and contents of all files of a skill. Blocking.
///
/// # Errors
///
/// Some of it cannot be read, or it is too much to be one skill.
pub fn digest(watch: &mut Watch, folder: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    walk(watch, folder, 0, &mut files)?;
    files.sort();
    let mut hasher = blake3::Hasher::new();
    for path in files {
        watch.note(&path);
        let mut bytes = Vec::new();
        fs::File::open(&path)?.take(16 * LARGEST).read_to_end(&mut bytes)?;
        let name = path.strip_prefix(folder).unwrap_or(&path).as_os_str().as_encoded_bytes();
        for part in [name, &bytes] {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
        }
    }
    Ok(hasher.finalize().to_hex()[..32].to_owned())
}

fn walk(watch: &mut Watch, folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    watch.note(folder);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if depth > DEPTH || files.len() > FILES {
            return Err(io::Error::other("it has too many files to be one skill"));
        }
        // Links are followed: what they mean is part of the skill.
        if path.is_dir() {
            walk(watch, &path, depth + 1, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
