//! Writes one entry of a `.env` and leaves every other line as it is.

use super::{ConfigError, env_file, expand::is_env_name, text_file};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Sets `name` in a `.env`, which is made when missing. Its mode becomes 0600. The old file stays until the new one is
/// complete on disk.
///
/// # Errors
///
/// The name or value cannot stand in a `.env`, the present file is broken, or the disk refuses.
pub fn write_env_value(file: &Path, name: &str, value: &str) -> Result<(), ConfigError> {
    // A link stays a link: what it points to is replaced.
    let found = fs::canonicalize(file).or_else(|_| std::path::absolute(file));
    let file = &found.map_err(|cause| ConfigError::unreadable(file, &cause))?;
    let refuse =
        |message: &str| ConfigError { key: Some(name.to_owned()), ..ConfigError::about(file, message) };
    if !is_env_name(name) {
        return Err(refuse("is no name of a setting: letters, digits and `_`"));
    }
    let old = text_file::read(file)?;
    let new = with_entry(file, &old, name, value)?;
    let written = env_file::parse(file, &new)?.into_iter().rfind(|entry| entry.name == name);
    if written.is_none_or(|entry| entry.value.reveal() != value) {
        return Err(refuse("cannot hold this value"));
    }
    replace(file, &new).map_err(|cause| ConfigError::about(file, format!("cannot be written: {cause}")))
}

/// The text with the entry in place of its last assignment and the others of that name gone, or at the end.
fn with_entry(file: &Path, old: &str, name: &str, value: &str) -> Result<String, ConfigError> {
    let assigned: Vec<_> =
        env_file::parse(file, old)?.into_iter().filter(|assignment| assignment.name == name).collect();
    let entry = format!("{name}={}\n", quoted(value));
    let mut new = String::new();
    for (index, line) in old.split_inclusive('\n').enumerate() {
        let number = index + 1;
        match assigned.iter().position(|a| (a.first_line..=a.last_line).contains(&number)) {
            None => new.push_str(line),
            Some(at) if at + 1 == assigned.len() && assigned[at].first_line == number => new.push_str(&entry),
            Some(_) => {}
        }
    }
    if assigned.is_empty() {
        if !new.is_empty() && !new.ends_with('\n') {
            new.push('\n');
        }
        new.push_str(&entry);
    }
    Ok(new)
}

/// A value in the plainest form that reads back as it is.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.,:/@%+=".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    if !value.contains(['\'', '\\', '\n']) {
        return format!("'{value}'");
    }
    let mut quoted = String::from('"');
    for c in value.chars() {
        match c {
            '"' | '\\' | '$' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Writes beside the file, then renames: a crash or a full disk leaves the old text.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let draft = draft_name(file);
    let written = (|| {
        let mut options = fs::OpenOptions::new();
        let mut draft = options.write(true).create_new(true).mode(0o600).open(&draft)?;
        draft.write_all(text.as_bytes())?;
        draft.sync_all()
    })();
    written.and_then(|()| fs::rename(&draft, file)).inspect_err(|_| {
        // Best effort: the error that counts is the one before.
        let _ = fs::remove_file(&draft);
    })?;
    fs::File::open(folder)?.sync_all()
}

/// A name that no other writer has: two commands may write at once.
fn draft_name(file: &Path) -> PathBuf {
    let unique = uuid::Uuid::now_v7().simple();
    file.with_file_name(format!(".env.{unique}.tmp"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn other_lines_stay_and_the_mode_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(".env");
        let cases = [
            ("new file", None, "A=1\n"),
            ("appended", Some("# mine\nB=2"), "# mine\nB=2\nA=1\n"),
            ("replaced", Some("A=0\n# mine\nB=2\n"), "A=1\n# mine\nB=2\n"),
            ("doubles", Some("A=0\nB=2\nexport A='00'\n"), "B=2\nA=1\n"),
            ("inside another value", Some("B='x\nA=7\n'\n"), "B='x\nA=7\n'\nA=1\n"),
            ("over lines", Some("A=\"x\ny\"\nB=2\n"), "A=1\nB=2\n"),
        ];
        for (case, before, after) in cases {
            let _ = fs::remove_file(&file);
            if let Some(before) = before {
                fs::write(&file, before).unwrap();
            }
            write_env_value(&file, "A", "1").unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), after, "{case}");
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{case}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{case}: a draft was left");
        }
    }

    #[test]
    fn any_value_reads_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(".env");
        for value in ["", "a b", "it's", "$HOME", "a\"b\\c$d", "line\nline", "# no comment", "'", "\\", "é ☃"]
        {
            write_env_value(&file, "A", value).unwrap();
            let text = fs::read_to_string(&file).unwrap();
            let found = env_file::parse(&file, &text).unwrap();
            assert_eq!(found[0].value.reveal(), value, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_written_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(".env");
        fs::write(&file, "B=hunter two\n").unwrap();
        assert!(write_env_value(&file, "A", "1").is_err(), "a broken file is not made worse");
        fs::write(&file, "B=2\n").unwrap();
        for (name, value) in [("A B", "1"), ("", "1"), ("A\nC", "1"), ("A", "x\ry\u{fdd0}")] {
            assert!(write_env_value(&file, name, value).is_err(), "{name:?}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "B=2\n");
    }
}
