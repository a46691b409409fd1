//! Which calls of one answer may run beside each other: those that cannot get into each other's way, in whatever order they
//! happen. Results keep the order of the calls all the same.

use super::shell::{self, Command};
use serde_json::Value;
use std::path::{Component, Path, PathBuf};

/// Calls of one answer that run at once, at most.
const MOST: usize = 8;

/// Programs that change nothing, whatever their arguments are.
const LOOKS: &[&str] = &[
    "[", "basename", "cat", "cmp", "cut", "df", "diff", "dirname", "du", "echo", "egrep", "false", "fgrep",
    "grep", "head", "id", "ls", "nl", "printf", "pwd", "readlink", "realpath", "sleep", "stat", "tail",
    "test", "tr", "true", "uname", "wc", "which", "whoami",
];

/// What git can be asked without changing anything, as long as it writes to no file.
const GIT_LOOKS: &[&str] = &["diff", "log", "show", "status"];

/// Programs that change the shell which the next call finds.
const KEEPS: &[&str] = &[
    ".", "alias", "cd", "declare", "eval", "exec", "export", "popd", "pushd", "readonly", "set", "shopt",
    "source", "trap", "typeset", "umask", "unset",
];

/// How far a call reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It looks, perhaps everywhere.
    Looks,
    /// One file.
    File {
        path: PathBuf,
        writes: bool,
    },
    /// A command that works in a folder of its own.
    Folder(PathBuf),
    Alone,
}

impl Reach {
    /// `only_reads`: the tool changes nothing.
    #[must_use]
    pub fn of(tool: &str, arguments: &Value, only_reads: bool) -> Self {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str);
        match tool {
            "read_file" | "write_file" => text("path")
                .map_or(Self::Alone, |path| Self::File { path: plain(path), writes: tool == "write_file" }),
            // A patch of the other form names its files within its text.
            "patch" if text("mode").is_none_or(|mode| mode == "replace") => {
                text("path").map_or(Self::Alone, |path| Self::File { path: plain(path), writes: true })
            }
            "terminal" => Self::of_command(arguments),
            _ if only_reads => Self::Looks,
            _ => Self::Alone,
        }
    }

    fn of_command(arguments: &Value) -> Self {
        let flag = |name: &str| arguments.get(name).is_some_and(|flag| *flag != Value::Bool(false));
        let command = arguments.get("command").and_then(Value::as_str).unwrap_or_default();
        let Ok(script) = shell::read(command) else { return Self::Alone };
        if flag("background") || flag("pty") || !script.functions.is_empty() {
            return Self::Alone;
        }
        if !script.commands.is_empty() && script.commands.iter().all(looks) {
            return Self::Looks;
        }
        match arguments.get("workdir").and_then(Value::as_str) {
            Some(folder) if !script.commands.iter().any(keeps) => Self::Folder(plain(folder)),
            Some(_) | None => Self::Alone,
        }
    }

    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Alone, _) | (_, Self::Alone) => true,
            (Self::Looks, Self::Looks) => false,
            (Self::Looks, Self::File { writes, .. }) | (Self::File { writes, .. }, Self::Looks) => *writes,
            (Self::File { path, writes }, Self::File { path: other, writes: others }) => {
                (*writes || *others) && overlap(path, other)
            }
            (Self::Folder(folder), Self::Folder(other)) => overlap(folder, other),
            (Self::Folder(_), Self::Looks | Self::File { .. })
            | (Self::Looks | Self::File { .. }, Self::Folder(_)) => true,
        }
    }
}

/// How many of the next calls may run at once; at least one.
#[must_use]
pub fn beside(reaches: &[Reach]) -> usize {
    let free = |at: usize| reaches[..at].iter().all(|before| !before.meets(&reaches[at]));
    (1..reaches.len().min(MOST)).find(|&at| !free(at)).unwrap_or(reaches.len().min(MOST)).max(1)
}

fn looks(command: &Command) -> bool {
    let words: Vec<&str> = command.core.iter().map(|word| word.text.as_str()).collect();
    let Some((program, rest)) = words.split_first() else { return false };
    let nowhere = |file: &super::shell::Word| matches!(file.text.as_str(), "/dev/null" | "1" | "2");
    let quiet =
        command.wrappers.is_empty() && command.assigned.is_empty() && command.writes.iter().all(nowhere);
    let known = match *program {
        "git" => {
            rest.first().is_some_and(|what| GIT_LOOKS.contains(what))
                && !rest.iter().any(|word| word.starts_with("--o") || word.starts_with("--ext"))
        }
        program => LOOKS.contains(&program),
    };
    quiet && known
}

fn keeps(command: &Command) -> bool {
    let program = command.core.first().map_or("", |word| word.text.as_str());
    KEEPS.contains(&program) || program.is_empty() || program.contains(shell::UNKNOWN)
}

/// One of them lies in the other, or they cannot be compared.
fn overlap(one: &Path, other: &Path) -> bool {
    one.is_absolute() != other.is_absolute() || one.starts_with(other) || other.starts_with(one)
}

/// Without `.` and `..`, as far as the text tells.
fn plain(path: &str) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in Path::new(path.trim()).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(command: &str) -> Reach {
        Reach::of("terminal", &json!({"command": command}), false)
    }

    fn in_folder(folder: &str, command: &str) -> Reach {
        Reach::of("terminal", &json!({"command": command, "workdir": folder}), false)
    }

    fn file(tool: &str, path: &str) -> Reach {
        Reach::of(tool, &json!({"path": path}), false)
    }

    #[test]
    fn commands_that_only_look_are_known() {
        let looking = [
            "ls -l",
            "cat a | grep b | wc -l",
            "sleep 1",
            "git status",
            "git log -3 2>/dev/null",
            "echo $(pwd)",
            "ls; ls b",
        ];
        for command in looking {
            assert_eq!(run(command), Reach::Looks, "{command}");
        }
        let others = [
            "rm a",
            "echo x > a",
            "cat a >> b",
            "git commit",
            "git diff --output=a",
            "cd b",
            "FOO=1 ls",
            "sudo ls",
            "find . -delete",
            "sort -o a b",
            "echo 'open",
            "f() { ls; }; f",
            "$X",
            "",
            "bash -c ls",
            "echo `touch a`",
            "ls | tee a",
            "export A=1",
        ];
        for command in others {
            assert_eq!(run(command), Reach::Alone, "{command}");
        }
    }

    #[test]
    fn only_what_cannot_meet_runs_at_once() {
        let looks = || Reach::of("search_files", &json!({}), true);
        let cases = [
            ("reads", vec![looks(), file("read_file", "a"), run("ls")], 3),
            ("two files", vec![file("write_file", "a"), file("patch", "b"), file("read_file", "c")], 3),
            ("one file twice", vec![file("write_file", "a"), file("read_file", "./x/../a")], 1),
            ("a file in a folder", vec![file("write_file", "a"), file("write_file", "a/b")], 1),
            ("names that cannot be compared", vec![file("write_file", "a"), file("write_file", "/w/a")], 1),
            ("a look after a write", vec![file("write_file", "a"), looks()], 1),
            ("two folders", vec![in_folder("a", "make"), in_folder("b", "make")], 2),
            ("one folder", vec![in_folder("a", "make"), in_folder("a/b", "make")], 1),
            ("a shell that keeps", vec![in_folder("a", "cd x"), in_folder("b", "make")], 1),
            ("a command and a file", vec![in_folder("a", "make"), file("read_file", "b")], 1),
            ("two commands", vec![run("make"), run("make")], 1),
            ("a crowd", vec![Reach::Looks; 20], MOST),
            ("one", vec![Reach::Alone], 1),
        ];
        for (case, reaches, expected) in cases {
            assert_eq!(beside(&reaches), expected, "{case}");
        }
    }
}
