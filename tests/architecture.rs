//! Holds the source to the picture of its architecture: who may use whom, where frameworks stay, how long files get.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Which modules of ours each module may use. One that is missing here is an error too.
const MAY_USE: [(&str, &[&str]); 20] = [
    ("domain", &[]),
    // Looks at texts alone; nobody's.
    ("guard", &[]),
    // Knows servers, not what is asked of them.
    ("http1", &[]),
    ("config", &["domain"]),
    ("agent", &["domain", "config"]),
    ("redact", &["domain", "config"]),
    // What is written must be clean, so those that write use it.
    ("audit", &["domain", "redact"]),
    ("telemetry", &["domain", "config", "redact"]),
    ("store", &["domain", "config", "redact"]),
    // Reads a stranger's database for the command line; what it tells are plain records.
    ("state_db", &["domain"]),
    ("model", &["domain", "config", "http1"]),
    ("sandbox", &["domain", "config"]),
    ("egress", &["audit", "domain", "config"]),
    ("tools", &["domain", "config", "guard", "sandbox", "egress", "store", "http1"]),
    // Attacks what the tools of a profile stand on, with a store of its own as bait.
    ("isolation", &["tools", "sandbox", "egress", "audit", "redact", "store", "config", "domain"]),
    // The sandbox and the list of own ports are handed through: a tenant is made with them and gives them to its tools.
    (
        "actors",
        &[
            "agent",
            "audit",
            "guard",
            "redact",
            "model",
            "tools",
            "store",
            "config",
            "domain",
            "sandbox",
            "egress",
            "isolation",
        ],
    ),
    // The level in force is part of what `/v1/capabilities` says.
    ("front", &["actors", "config", "domain", "guard", "telemetry", "store", "sandbox", "isolation"]),
    ("admin", &["actors", "config", "domain", "telemetry", "store"]),
    (
        "gateway",
        &[
            "front",
            "admin",
            "actors",
            "agent",
            "audit",
            "isolation",
            "redact",
            "model",
            "tools",
            "sandbox",
            "egress",
            "store",
            "config",
            "domain",
            "telemetry",
        ],
    ),
    ("cli", &["gateway", "state_db", "audit", "redact", "config", "domain", "sandbox", "store", "isolation"]),
];

/// What the HTTP side may take from the store: the cursors that read, and what they give and ask.
const READ_SIDE: [&str; 19] = [
    "Query",
    "SearchFilter",
    "SearchHit",
    "SearchPage",
    "SearchRole",
    "EventCursor",
    "RunFilter",
    "StoreError",
    "StoredRun",
    "ForkSession",
    "SessionChange",
    "SessionCursor",
    "SessionFilter",
    "SessionHeader",
    "SessionMessage",
    "SessionMessages",
    "ToolResults",
    "UsageFilter",
    "UsageReport",
];

/// Crates that must not leak, and where they live.
const AT_HOME: [(&[&str], &[&str]); 6] = [
    (&["actix", "actix_rt", "actix_web", "actix_web_lab"], &["actors", "front", "admin", "gateway"]),
    (&["actix_http", "actix_service"], &["front", "admin", "gateway"]),
    (&["sled"], &["store"]),
    // C that reads strangers' files: in the process of a command alone, never in the gateway's.
    (&["rusqlite"], &["state_db"]),
    // Whoever asks a server anything asks it by this one; what it makes of an answer is held to the same rules.
    (&["ureq_proto", "webpki_roots"], &["http1"]),
    // The proxy forwards what it must not interpret more than it has to.
    (&["hyper", "hyper_util", "http_body_util"], &["egress"]),
];

const LONGEST: usize = 400;

struct Source {
    path: PathBuf,
    /// `store`, `front` …; empty for `lib.rs` and `main.rs`.
    module: String,
    /// Without comments, and without the tests at the end.
    code: String,
    lines: usize,
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.module.is_empty()) {
        let Some((_, allowed)) = MAY_USE.iter().find(|(module, _)| *module == source.module) else {
            wrong.push(format!("{}: the module is not in the table", source.path.display()));
            continue;
        };
        for used in used_modules(&source.code) {
            if used != source.module && !allowed.contains(&used.as_str()) && is_module(&used) {
                wrong.push(format!("{}: `{}` may not use `{used}`", source.path.display(), source.module));
            }
        }
    }
    assert_eq!(wrong, [""; 0], "see the table at the head of this test");
}

#[test]
fn the_front_takes_from_the_store_only_what_reads() {
    for source in sources().iter().filter(|source| ["front", "admin"].contains(&source.module.as_str())) {
        for item in used_items(&source.code, "store") {
            assert!(READ_SIDE.contains(&item.as_str()), "{}: store::{item}", source.path.display());
        }
    }
}

#[test]
fn frameworks_stay_at_home() {
    for source in sources() {
        let path = source.path.to_string_lossy().into_owned();
        for (crates, homes) in AT_HOME {
            let is_home = homes.iter().any(|home| path.starts_with(&format!("src/{home}")));
            for name in crates.iter().filter(|_| !is_home) {
                assert!(
                    !names_crate(&source.code, name),
                    "{path} names the crate `{name}`; it stays in {homes:?}"
                );
            }
        }
    }
}

#[test]
fn unsafe_code_is_in_the_sandbox_alone() {
    for source in sources().iter().filter(|source| source.module != "sandbox") {
        let found = source.code.lines().find(|line| has_word(line, "unsafe"));
        assert_eq!(found, None, "{}", source.path.display());
    }
}

#[test]
fn no_state_is_global() {
    // A table that is computed once and never changes is a constant; what can change could know a tenant.
    const CHANGES: [&str; 9] =
        ["mut ", "Mutex", "RwLock", "Cell", "Atomic", "OnceLock", "DashMap", "Sender", "Semaphore"];
    for source in sources() {
        let global = |line: &&str| {
            let item = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            let kind = item.strip_prefix("static ").map(|item| item.split('=').next().unwrap_or_default());
            kind.is_some_and(|kind| CHANGES.iter().any(|word| kind.contains(word)))
                || item.starts_with("thread_local!")
        };
        assert_eq!(source.code.lines().find(global), None, "{}", source.path.display());
    }
}

#[test]
fn the_environment_is_read_in_config_alone() {
    for source in sources().iter().filter(|source| source.module != "config") {
        // The arguments are the command line's own; the constants are the compiler's.
        let code = source.code.replace("std::env::args_os", "").replace("std::env::consts", "");
        assert!(!code.contains("std::env") && !code.contains("env::var"), "{}", source.path.display());
    }
}

#[test]
fn files_stay_short() {
    let mut long: Vec<_> = sources()
        .iter()
        .chain(&read_all("tests"))
        .filter(|source| source.lines > LONGEST)
        .map(|source| format!("{}: {} lines", source.path.display(), source.lines))
        .collect();
    long.sort();
    assert_eq!(long, [""; 0], "at most {LONGEST} lines: split by idea");
}

/// `docs/AGENT.md` names a test for each promise.
#[test]
fn every_promise_names_a_test_that_there_is() {
    let page = fs::read_to_string("docs/AGENT.md").unwrap();
    let named: Vec<&str> = page.split('`').filter(|word| word.contains(".rs::")).collect();
    assert!(named.len() > 80, "{}", named.len());
    for place in named {
        let (file, name) = place.split_once("::").unwrap();
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{place}: {error}"));
        let before = text.split(&format!("fn {name}(")).next().filter(|before| before.len() < text.len());
        let marks = before.unwrap_or_else(|| panic!("{place}: no such test")).rsplit("\n\n").next().unwrap();
        assert!(marks.contains("test]"), "{place}: no test");
    }
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise"));
    let bare: Vec<&str> = rows.filter(|row| !row.contains(".rs::")).collect();
    assert_eq!(bare, [""; 0], "a promise without a test");
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

fn sources() -> Vec<Source> {
    let all = read_all("src");
    assert!(all.len() > 50, "the test looks at the wrong folder");
    all
}

fn read_all(folder: &str) -> Vec<Source> {
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

fn is_module(name: &str) -> bool {
    MAY_USE.iter().any(|(module, _)| *module == name)
}

/// The first segments of all `crate::…` paths, groups opened.
fn used_modules(code: &str) -> BTreeSet<String> {
    paths(code).into_iter().map(|path| path.split("::").next().unwrap_or_default().to_owned()).collect()
}

/// The second segments of all paths into `module`.
fn used_items(code: &str, module: &str) -> BTreeSet<String> {
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

fn names_crate(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    code.match_indices(&path)
        .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|found| found == word)
}

/// Removes comments. Good enough for rustfmt's output: it knows strings, and that `'"'` opens none.
fn without_comments(text: &str) -> String {
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
