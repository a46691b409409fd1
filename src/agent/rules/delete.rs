//! Files and folders that are gone afterwards.

use super::{
    Category, Rule, Seen,
    Severity::{Ask, Block},
    paths::{is_temporary, is_vital},
};
use crate::agent::shell::is_shell;

const CATEGORY: Category = Category::Deletion;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "delete-system",
        category: CATEGORY,
        severity: Block,
        description: "deletes the root, a system folder or a whole home",
        finds: &[
            "rm -rf /",
            "rm -rf /usr/*",
            "rm -fr ~",
            "rm --recursive /etc/",
            "cd / && rm -rf *",
            "rm -rf /{bin,etc}",
            "rm -rf /e?c",
            "find / -delete",
            "find /etc -type f -exec rm {} +",
            "rm -r ${HOME}",
            "rm -rf $'\\x2f'",
            "X=/; rm -rf $X",
            "rm -rf ~bob",
        ],
        leaves: &[
            "rm -rf /opt/app",
            "rm -rf ~/projects",
            "ls /",
            "find / -name core -delete",
            "rm -rf build/*",
        ],
        test: |c| {
            deletes_recursively(c) && c.paths().any(|path| is_vital(&path))
                || c.program() == "find"
                    && c.paths().any(|path| is_vital(&path))
                    && deletes_found(c)
                    && !is_filtered(c)
        },
    },
    Rule {
        id: "recursive-delete",
        category: CATEGORY,
        severity: Ask,
        description: "deletes folders with all that is in them",
        finds: &[
            "rm -r build",
            "rm -Rf x",
            "rm --recurs x",
            "for f in *; do rm -r $f; done",
            "rsync -a --delete a/ b/",
        ],
        leaves: &["rm file.txt", "rm -f a b", "rmdir dir", "rm -i file", "git rm -r x"],
        test: |c| {
            deletes_recursively(c)
                || c.is(&["rsync"]) && c.args().iter().any(|word| word.starts_with("--del"))
        },
    },
    Rule {
        id: "delete-absolute",
        category: CATEGORY,
        severity: Ask,
        description: "deletes a file outside of the working directory",
        finds: &["rm /etc/hosts", "unlink /etc/passwd", "rm ~/notes", "shred -u file", "cd /srv && rm data"],
        leaves: &["rm /tmp/x", "rm notes", "cd build && rm notes"],
        test: |c| {
            let outside = |path: String| path.starts_with(['/', '~']) && !is_temporary(&path);
            c.is(&["rm", "unlink"]) && c.paths().any(outside) || c.is(&["shred", "srm"])
        },
    },
    Rule {
        id: "delete-found",
        category: CATEGORY,
        severity: Ask,
        description: "deletes or changes whatever a search or a list names",
        finds: &[
            "find . -name '*.pyc' -delete",
            "find . -exec rm {} \\;",
            "ls | xargs rm",
            "find . -ok sh -c x \\;",
            "xargs -I{} sh -c '{}'",
            "fd -x rm",
            "parallel rm ::: a b",
        ],
        leaves: &["find . -name '*.py'", "find . -exec grep -l x {} +", "ls | xargs wc -l"],
        test: |c| deletes_found(c) || c.under(&["xargs", "parallel"]) && changes(c.program()),
    },
    Rule {
        id: "empty-file",
        category: CATEGORY,
        severity: Ask,
        description: "empties a file or moves it into nothing",
        finds: &["truncate -s 0 file", "mv ~/x /dev/null"],
        leaves: &["> file.txt", "cp /dev/null file", "mv a b"],
        test: |c| c.is(&["truncate"]) || c.is(&["mv"]) && c.operands().last() == Some("/dev/null"),
    },
];

fn deletes_recursively(c: &Seen<'_>) -> bool {
    c.is(&["rm"]) && c.flag(&['r', 'R'], &["recursive"])
}

/// A search that deletes: itself, or by a program.
fn deletes_found(c: &Seen<'_>) -> bool {
    const RUNS: [&str; 8] = ["-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"];
    if !c.is(&["find", "fd", "fdfind"]) {
        return false;
    }
    let program_behind = |at: usize| c.args().get(at + 1).and_then(|word| word.rsplit('/').next());
    let runs = |(at, word): (usize, &&str)| RUNS.contains(word) && program_behind(at).is_some_and(changes);
    c.has(&["-delete"]) || c.args().iter().enumerate().any(runs)
}

/// The search takes only some names.
fn is_filtered(c: &Seen<'_>) -> bool {
    c.has(&[
        "-name", "-iname", "-path", "-ipath", "-regex", "-iregex", "-newer", "-mtime", "-mmin", "-size",
        "-empty",
    ])
}

fn changes(program: &str) -> bool {
    matches!(program, "rm" | "unlink" | "shred" | "mv" | "dd" | "truncate" | "chmod" | "chown")
        || is_shell(program)
}
