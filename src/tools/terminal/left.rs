//! What a command leaves to the next one of its session: a directory, and exported variables.
//!
//! Each command leaves them in a file of its own. Here they are taken over, one command after the other: what it did not
//! change stays as it is by now, so that a command that ran beside it loses nothing.

use super::shell::{DIR_FILE, EXPORTS_FILE, MOST_EXPORTS, MOST_LEFT, State, THEN_EXPORTS, WHOLE, text};
use crate::sandbox::Jail;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// What will be found after the end of a command.
pub struct Left {
    /// The name of its file in the session's temporary folder.
    name: String,
    /// `None`: the directory was asked for one call, and is not kept.
    began_in: Option<PathBuf>,
    /// What it began with.
    before: State,
}

impl Left {
    /// For one command.
    pub fn of(before: State, began_in: Option<PathBuf>) -> Self {
        let name = format!(".hermes-left-{}", uuid::Uuid::now_v7().simple());
        Self { name, began_in, before }
    }

    /// Where the command writes it, by the name that it has for its temporary folder.
    pub fn file(&self, tmp: &Path) -> PathBuf {
        tmp.join(&self.name)
    }

    /// Takes over what the command has left; nothing when it was killed. Blocking; one at a time for a session.
    pub fn take_over(self, jail: &Jail) {
        let name = format!("/tmp/{}", self.name);
        let Some(left) = text(jail, &name, MOST_LEFT) else { return };
        if let Ok(place) = jail.locate(&name) {
            let _ = place.remove();
        }
        let Some((before, dir, after)) = parts(&left, self.before.exports.as_deref()) else { return };
        let write = |path, text: &str| jail.locate(path).and_then(|place| place.write(text.as_bytes()));
        if self.began_in.is_some_and(|began_in| began_in != Path::new(dir)) {
            // What cannot be written is not carried over; the command itself is done.
            let _ = write(DIR_FILE, dir);
        }
        let now = State::read(jail).exports;
        if after == before && now.is_some() {
            return;
        }
        let now = now.unwrap_or_else(|| before.to_owned());
        let merged = if now == before { after.to_owned() } else { merged(before, after, &now) };
        if merged.len() as u64 <= MOST_EXPORTS {
            let _ = write(EXPORTS_FILE, &merged);
        }
    }
}

/// The variables at its beginning, its directory, the variables at its end.
fn parts<'a>(left: &'a str, before: Option<&'a str>) -> Option<(&'a str, &'a str, &'a str)> {
    let (before, rest) = match before {
        Some(before) => (before, left),
        None => left.split_at(left.find(WHOLE)? + WHOLE.len()),
    };
    let (dir, after) = rest.split_once(THEN_EXPORTS)?;
    after.ends_with(WHOLE).then_some((before, dir, after))
}

/// `now` with what has changed from `before` to `after`.
fn merged(before: &str, after: &str, now: &str) -> String {
    let (before, after, mut now) = (variables(before), variables(after), variables(now));
    for (name, line) in &after {
        if before.get(name) != Some(line) {
            now.insert(*name, *line);
        }
    }
    now.retain(|name, _| after.contains_key(name) || !before.contains_key(name));
    now.into_values().collect::<String>().trim_end().to_owned() + "\n" + WHOLE
}

/// By name, what declares it: a line, or several where the value has some.
fn variables(exports: &str) -> BTreeMap<&str, &str> {
    let text = exports.strip_suffix(WHOLE).unwrap_or(exports);
    let mut found = BTreeMap::new();
    let mut starts: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some(name) = declared(line) {
            starts.push((at, name));
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([text.len()]);
    for ((start, name), end) in starts.iter().zip(ends) {
        found.insert(*name, &text[*start..end]);
    }
    found
}

/// `declare -x NAME="value"`, or `export NAME='value'`, or either without a value.
fn declared(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("declare -x ").or_else(|| line.strip_prefix("export "))?;
    rest.split(['=', '\n']).next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(lines: &[&str]) -> String {
        lines.iter().map(|line| format!("{line}\n")).collect::<String>() + WHOLE
    }

    #[test]
    fn what_two_commands_changed_is_both_kept() {
        let before = whole(&["declare -x A=\"1\"", "declare -x GONE=\"1\"", "declare -x OLDPWD"]);
        let one = whole(&["declare -x A=\"1\"", "declare -x OLDPWD", "declare -x X=\"two", "lines\""]);
        let other =
            whole(&["declare -x A=\"2\"", "declare -x GONE=\"1\"", "declare -x OLDPWD", "declare -x Y"]);
        let both = whole(&[
            "declare -x A=\"2\"",
            "declare -x OLDPWD",
            "declare -x X=\"two",
            "lines\"",
            "declare -x Y",
        ]);
        assert_eq!(merged(&before, &one, &other), both);
        assert_eq!(merged(&before, &other, &one), both);
    }

    #[test]
    fn a_file_is_of_use_only_when_it_was_written_to_its_end() {
        let (start, end) = (whole(&["export A='1'"]), whole(&["export A='2'"]));
        let left = format!("{start}/a b{THEN_EXPORTS}{end}");
        assert_eq!(parts(&left, None), Some((&*start, "/a b", &*end)));
        let later = format!("/a b{THEN_EXPORTS}{end}");
        assert_eq!(parts(&later, Some(&start)), Some((&*start, "/a b", &*end)));
        for cut in [&left[..left.len() - 1], &start, ""] {
            assert_eq!(parts(cut, None), None);
        }
    }
}
