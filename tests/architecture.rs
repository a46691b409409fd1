//! Holds the source to the picture of its architecture: who may use whom, where frameworks stay, how long files get.
#![allow(clippy::unwrap_used)]

#[path = "architecture/source.rs"]
mod source;

use source::{has_word, names_crate, read_all, sources, used_items, used_modules};
use std::fs;

/// Which modules of ours each module may use. One that is missing here is an error too.
const MAY_USE: [(&str, &[&str]); 19] = [
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
    ("front", &["actors", "config", "domain", "guard", "telemetry", "store", "sandbox"]),
    (
        "gateway",
        &[
            "front",
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
    (&["actix", "actix_rt", "actix_web", "actix_web_lab"], &["actors", "front", "gateway"]),
    (&["actix_http", "actix_service"], &["front", "gateway"]),
    (&["sled"], &["store"]),
    // C that reads strangers' files: in the process of a command alone, never in the gateway's.
    (&["rusqlite"], &["state_db"]),
    // Whoever asks a server anything asks it by this one; what it makes of an answer is held to the same rules.
    (&["ureq_proto", "webpki_roots"], &["http1"]),
    // The proxy forwards what it must not interpret more than it has to.
    (&["hyper", "hyper_util", "http_body_util"], &["egress"]),
];

const LONGEST: usize = 400;

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

/// No other path leads out of a module.
#[test]
fn modules_are_left_by_the_crates_name_alone() {
    for source in sources().iter().filter(|source| !source.module.is_empty()) {
        let path = source.path.display();
        assert!(!source.code.contains("hermes_gateway::"), "{path} goes round the table");
        let names = source.path.components().count() - 1;
        let depth = if source.path.ends_with("mod.rs") { names - 1 } else { names };
        assert!(!source.code.contains(&"super::".repeat(depth)), "{path} leaves its module by `super`");
    }
}

/// `docs/ARCHITECTURE.md` has the same table, to be read.
#[test]
fn the_table_that_people_read_is_this_one() {
    let page = fs::read_to_string("docs/ARCHITECTURE.md").unwrap();
    let layout = page.split("## Source layout").nth(1).unwrap();
    let mut above = Vec::new();
    for row in layout.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let module = named_modules(cells[0])[0];
        let (_, allowed) = MAY_USE.iter().find(|(name, _)| *name == module).unwrap();
        let mut allowed = allowed.to_vec();
        allowed.sort_unstable();
        if cells[2].starts_with("all above") {
            assert!(allowed.iter().all(|name| above.contains(name)), "{module}");
        } else {
            assert_eq!(named_modules(cells[2]), allowed, "{module}");
        }
        above.push(module);
    }
    assert_eq!(above.len(), MAY_USE.len());
}

fn is_module(name: &str) -> bool {
    MAY_USE.iter().any(|(module, _)| *module == name)
}

/// The modules of ours that a cell of a table names, sorted.
fn named_modules(cell: &str) -> Vec<&str> {
    let mut named: Vec<&str> = cell.split('`').filter(|word| is_module(word)).collect();
    named.sort_unstable();
    named
}

#[test]
fn the_front_takes_from_the_store_only_what_reads() {
    for source in sources().iter().filter(|source| source.module == "front") {
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
        let code = source.code.replace("env::args_os", "").replace("env::consts", "");
        let reads = code.match_indices("env::").any(|(at, _)| {
            let before = code[..at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || c == '_') && !code[..at].ends_with("config::")
        });
        assert!(!reads && !code.contains("use std::env"), "{}", source.path.display());
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
