//! What the agent remembers: `memories/MEMORY.md` and, of the person it works for, `memories/USER.md`.
//!
//! Plain text; entries are separated by a line with `§`.

use std::{fs, io, io::Read as _, path::Path};

/// More than this is no memory, whatever wrote it.
const LARGEST: u64 = 1 << 20;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    pub memory: Vec<String>,
    pub user: Vec<String>,
}

impl Memory {
    /// Reads both files below a profile's root; one that does not exist is empty. Blocking.
    ///
    /// # Errors
    ///
    /// A file is there and cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let folder = root.join("memories");
        Ok(Self { memory: entries(&folder.join("MEMORY.md"))?, user: entries(&folder.join("USER.md"))? })
    }
}

fn entries(file: &Path) -> io::Result<Vec<String>> {
    let mut bytes = Vec::new();
    match fs::File::open(file) {
        Ok(opened) => opened.take(LARGEST).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(split(&String::from_utf8_lossy(&bytes)))
}

fn split(text: &str) -> Vec<String> {
    let mut entries = vec![String::new()];
    for line in text.lines() {
        match entries.last_mut() {
            Some(entry) if line.trim() != "§" => {
                entry.push_str(line);
                entry.push('\n');
            }
            Some(_) | None => entries.push(String::new()),
        }
    }
    let trimmed = entries.iter().map(|entry| entry.trim().to_owned());
    trimmed.filter(|entry| !entry.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_may_have_several_lines() {
        assert_eq!(
            split("likes tea\n§\ntwo\nlines\n §\n\n§\n§ is no rule here\n"),
            ["likes tea", "two\nlines", "§ is no rule here"]
        );
        assert_eq!(split(""), [""; 0]);
    }
}
