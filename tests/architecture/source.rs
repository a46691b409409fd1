//! Reads the source: its files without comments and tests, and the paths that they name.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

pub struct Source {
    pub path: PathBuf,
    /// `store`, `front` …; empty for `lib.rs` and `main.rs`.
    pub module: String,
    /// Without comments, and without the tests at the end.
    pub code: String,
    pub lines: usize,
}

pub fn sources() -> Vec<Source> {
    let all = read_all("src");
    assert!(all.len() > 50, "the test looks at the wrong folder");
    all
}

pub fn read_all(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                found.push(read(root, &path));
            }
        }
    }
    found
}

fn read(root: &Path, path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let path = path.strip_prefix(root).unwrap().to_owned();
    let mut parts = path.components().skip(1).map(|part| part.as_os_str().to_string_lossy().into_owned());
    let first = parts.next().unwrap_or_default();
    let is_folder = parts.next().is_some();
    // Tests may set up what the code itself must not touch.
    let is_test = path.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        ["tests", "tests.rs", "testing.rs"].contains(&&*name) || name.ends_with("_tests.rs")
    });
    let code = without_comments(&text);
    let code = match code.find("#[cfg(test)]\nmod tests {") {
        _ if is_test => String::new(),
        Some(tests) => code[..tests].to_owned(),
        None => code,
    };
    Source { path, module: if is_folder { first } else { String::new() }, code, lines: text.lines().count() }
}

/// The first segments of all `crate::…` paths, groups opened.
pub fn used_modules(code: &str) -> BTreeSet<String> {
    paths(code).into_iter().map(|path| path.split("::").next().unwrap_or_default().to_owned()).collect()
}

/// The second segments of all paths into `module`.
pub fn used_items(code: &str, module: &str) -> BTreeSet<String> {
    let items = paths(code).into_iter().filter_map(|path| {
        let rest = path.strip_prefix(module)?.strip_prefix("::")?;
        Some(rest.split("::").next().unwrap_or_default().to_owned())
    });
    items.collect()
}

fn paths(code: &str) -> Vec<String> {
    code.match_indices("crate::").flat_map(|(at, found)| open_group(&code[at + found.len()..])).collect()
}

/// `b::{c, d}` as `b::c`, `b::d`; ends with the path.
fn open_group(text: &str) -> Vec<String> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    let (head, rest) = text.split_at(end);
    let Some(inside) = rest.strip_prefix('{') else {
        return vec![head.trim_end_matches(':').to_owned()];
    };
    let mut members = Vec::new();
    let (mut depth, mut start) = (1, 0);
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && c == ',') {
            members.push(inside[start..at].trim());
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    let members = members.into_iter().filter(|member| !member.is_empty());
    members.flat_map(open_group).map(|member| format!("{head}{member}")).collect()
}

pub fn names_crate(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    code.match_indices(&path)
        .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

pub fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|found| found == word)
}

/// Removes comments. Good enough for rustfmt's output: it knows strings, and that `'"'` opens none.
pub fn without_comments(text: &str) -> String {
    let (mut code, mut rest, mut in_string) = (String::new(), text, false);
    while let Some(c) = rest.chars().next() {
        let step = match (in_string, c) {
            (false, '/') if rest.starts_with("//") => {
                rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
                continue;
            }
            (false, '/') if rest.starts_with("/*") => {
                rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
                continue;
            }
            (false, '\'') if rest.starts_with("'\"'") => 3,
            (true, '\\') => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            (_, '"') => {
                in_string = !in_string;
                1
            }
            (_, other) => other.len_utf8(),
        };
        code.push_str(&rest[..step]);
        rest = &rest[step..];
    }
    code
}

#[test]
fn the_reader_of_imports_reads_them() {
    let code =
        "use crate::{a, b::{c, d}, e::*};\nfn f() -> crate::g::H { crate::i::j() }\nuse crate::k as l;";
    let used: Vec<_> = used_modules(code).into_iter().collect();
    assert_eq!(used, ["a", "b", "e", "g", "i", "k"]);
    let items: Vec<_> =
        used_items("use crate::{store::{A, B as C}, domain::X}; crate::store::D::new()", "store")
            .into_iter()
            .collect();
    assert_eq!(items, ["A", "B", "D"]);
    assert!(names_crate("use sled::Db;", "sled") && !names_crate("bobsled::x; my.sled()", "sled"));
    assert_eq!(
        without_comments("a // crate::x\nb /* crate::y\n*/ c\n\"// kept\"").trim(),
        "a \nb  c\n\"// kept\""
    );
}
