//! Programs that start other programs, and where in their arguments those stand.

use super::{Command, Word};

/// A program that runs the words behind its own.
struct Wrapper {
    name: &'static str,
    /// Options that take the next word.
    values: &'static [&'static str],
    /// Words between the options and the program.
    operands: usize,
}

const fn wrapper(name: &'static str, values: &'static [&'static str], operands: usize) -> Wrapper {
    Wrapper { name, values, operands }
}

const WRAPPERS: &[Wrapper] = &[
    wrapper("builtin", &[], 0),
    wrapper("busybox", &[], 0),
    wrapper("caffeinate", &["-t", "-w"], 0),
    wrapper("catchsegv", &[], 0),
    wrapper("chroot", &[], 1),
    wrapper("chrt", &["-p"], 1),
    wrapper("command", &[], 0),
    wrapper("dbus-run-session", &[], 0),
    wrapper("doas", &["-u", "-C"], 0),
    wrapper("dumb-init", &[], 0),
    wrapper("entr", &[], 0),
    wrapper("env", &["-u", "-C", "--unset", "--chdir"], 0),
    wrapper("exec", &["-a"], 0),
    wrapper("fakeroot", &["-l", "-s", "-i"], 0),
    wrapper("firejail", &[], 0),
    wrapper("flock", &["-w", "-E", "--wait"], 1),
    wrapper("gosu", &[], 1),
    wrapper("ionice", &["-c", "-n", "--class", "--classdata"], 0),
    wrapper("ltrace", &["-e", "-o", "-s", "-u"], 0),
    wrapper("nice", &["-n", "--adjustment"], 0),
    wrapper("nohup", &[], 0),
    wrapper("nsenter", &["-t", "--target"], 0),
    wrapper("parallel", &["-j", "-n", "-N", "--jobs", "-a"], 0),
    wrapper("pkexec", &["--user"], 0),
    wrapper("prlimit", &[], 0),
    wrapper("proxychains4", &["-f"], 0),
    wrapper("runuser", &["-u", "-g", "-G", "--user"], 0),
    wrapper("setarch", &[], 1),
    wrapper("setpriv", &["--reuid", "--regid", "--groups", "--inh-caps", "--bounding-set"], 0),
    wrapper("setsid", &[], 0),
    wrapper("stdbuf", &["-i", "-o", "-e"], 0),
    wrapper("strace", &["-e", "-o", "-s", "-u", "-a"], 0),
    wrapper("su-exec", &[], 1),
    wrapper(
        "sudo",
        &["-u", "-g", "-h", "-p", "-C", "-r", "-t", "-T", "-U", "-D", "-R", "--user", "--group"],
        0,
    ),
    wrapper("systemd-run", &["-p", "-u", "--unit", "--property"], 0),
    wrapper("taskset", &[], 1),
    wrapper("time", &["-f", "-o"], 0),
    wrapper("timeout", &["-s", "-k", "--signal", "--kill-after"], 1),
    wrapper("tini", &[], 0),
    wrapper("torsocks", &[], 0),
    wrapper("toybox", &[], 0),
    wrapper("unbuffer", &[], 0),
    wrapper("unshare", &[], 0),
    wrapper("watch", &["-n", "--interval"], 0),
    wrapper(
        "xargs",
        &["-I", "-n", "-P", "-L", "-s", "-d", "-E", "-a", "--max-args", "--max-procs", "--delimiter"],
        0,
    ),
    wrapper("xvfb-run", &["-s", "-n", "-e"], 0),
];

/// Wrappers that take assignments before the program.
const SETS: [&str; 3] = ["env", "sudo", "doas"];

/// Programs that run text given to them as commands.
const SHELLS: [&str; 10] = ["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "rbash", "csh"];

/// Whether the program is a shell.
#[must_use]
pub fn is_shell(program: &str) -> bool {
    SHELLS.contains(&program)
}

/// The words behind all wrappers, the program's folder taken off, and the names of the wrappers.
pub(super) fn core(words: &[Word]) -> (Vec<Word>, Vec<String>) {
    let (mut rest, mut wrappers) = (words, Vec::new());
    loop {
        // A word that an unset variable leaves out does not stand in the way.
        let Some((first, args)) = rest.split_first() else { return (Vec::new(), wrappers) };
        let program = base(&first.text);
        let found = WRAPPERS.iter().find(|wrapper| wrapper.name == program);
        let next = found.and_then(|wrapper| behind(wrapper, args));
        let (Some(wrapper), Some(next)) = (found, next) else {
            let mut core = rest.to_vec();
            core[0].text = program.to_owned();
            return (core, wrappers);
        };
        wrappers.push(wrapper.name.to_owned());
        rest = next;
    }
}

/// What a wrapper runs; `None` when it runs nothing.
fn behind<'a>(wrapper: &Wrapper, mut args: &'a [Word]) -> Option<&'a [Word]> {
    let mut operands = wrapper.operands;
    loop {
        let (first, rest) = args.split_first()?;
        let text = first.text.as_str();
        let asks_only = match wrapper.name {
            "command" => text.starts_with('-') && text.contains(['v', 'V']),
            "sudo" => matches!(text, "-l" | "-v" | "-k" | "-K" | "-e" | "--list" | "--validate"),
            _ => false,
        };
        if asks_only {
            return None;
        }
        if text == "--" {
            args = rest;
        } else if text.starts_with('-') && text.len() > 1 {
            let takes = wrapper.values.contains(&text);
            args = rest.get(usize::from(takes)..)?;
        } else if SETS.contains(&wrapper.name) && is_assignment(text) {
            args = rest;
        } else if operands > 0 {
            operands -= 1;
            args = rest;
        } else {
            return Some(args);
        }
    }
}

/// Texts among the arguments that a shell would read.
pub(super) fn scripts(command: &Command) -> Vec<String> {
    let mut scripts = Vec::new();
    for (name, value) in &command.assigned {
        if matches!(name.as_str(), "PROMPT_COMMAND" | "PS4" | "ENV" | "BASH_ENV") {
            scripts.push(value.text.clone());
        }
    }
    // `env -S 'rm -rf /'`, `watch 'rm x'`, `flock file -c 'rm x'`.
    let runs_under = |name: &str| {
        command.wrappers.iter().any(|wrapper| wrapper == name)
            || command.core.first().is_some_and(|word| word.text == name)
    };
    for pair in command.words.windows(2) {
        if matches!(pair[0].text.as_str(), "-S" | "--split-string") && runs_under("env")
            || pair[0].text == "-c" && runs_under("flock")
        {
            scripts.push(pair[1].text.clone());
        }
    }
    let Some((program, args)) = command.core.split_first() else { return scripts };
    if command.wrappers.iter().any(|name| matches!(name.as_str(), "watch" | "parallel" | "entr"))
        && is_text(&program.text)
    {
        scripts.push(program.text.clone());
    }
    let join = |words: &[Word]| words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    match program.text.as_str() {
        "eval" => scripts.push(join(args)),
        "trap" => scripts.extend(args.first().map(|word| word.text.clone())),
        "alias" => {
            scripts.extend(
                args.iter().filter_map(|word| word.text.split_once('=')).map(|(_, text)| text.to_owned()),
            );
        }
        "su" | "script" | "runuser" => {
            let at = args.iter().position(|word| matches!(word.text.as_str(), "-c" | "--command" | "-qc"));
            scripts.extend(at.and_then(|at| args.get(at + 1)).map(|word| word.text.clone()));
        }
        shell if is_shell(shell) => {
            let (given, operand) = shell_arguments(args);
            match operand {
                Some(script) if given => scripts.push(script.text.clone()),
                Some(_) => {}
                None => scripts.extend(command.here.clone()),
            }
        }
        _ => {}
    }
    scripts
}

/// Whether a shell has `-c`, and its first operand.
fn shell_arguments(args: &[Word]) -> (bool, Option<&Word>) {
    let mut given = false;
    let mut rest = args.iter();
    while let Some(word) = rest.next() {
        let text = word.text.as_str();
        if matches!(text, "-o" | "+o" | "-O" | "+O" | "--rcfile" | "--init-file") {
            rest.next();
        } else if text == "--" {
            return (given, rest.next());
        } else if text.starts_with('-') && text.len() > 1 || text.starts_with('+') {
            let cluster = !text.starts_with("--");
            given |= cluster && text.contains('c');
            if cluster && text.ends_with('o') {
                rest.next();
            }
        } else {
            return (given, Some(word));
        }
    }
    (given, None)
}

/// Programs that stand as words among the arguments: `find … -exec rm {} \;`.
pub(super) fn programs(core: &[Word]) -> Vec<Vec<Word>> {
    let Some((program, args)) = core.split_first() else { return Vec::new() };
    if !matches!(program.text.as_str(), "find" | "fd" | "fdfind") {
        return Vec::new();
    }
    let starts = |word: &Word| {
        matches!(
            word.text.as_str(),
            "-exec" | "-execdir" | "-ok" | "-okdir" | "-x" | "-X" | "--exec" | "--exec-batch"
        )
    };
    let ends = |word: &Word| matches!(word.text.as_str(), ";" | "+");
    let mut found = Vec::new();
    let mut rest = args;
    while let Some(at) = rest.iter().position(starts) {
        rest = &rest[at + 1..];
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        if end > 0 {
            found.push(rest[..end].to_vec());
        }
        rest = &rest[end..];
    }
    found
}

/// `/bin/rm` is `rm`; a whole text in the place of a program stays whole.
pub(super) fn base(word: &str) -> &str {
    if is_text(word) {
        return word;
    }
    word.rsplit('/').find(|part| !part.is_empty()).unwrap_or(word)
}

/// No name of a program: something that a shell would take apart.
fn is_text(word: &str) -> bool {
    word.contains(|c: char| c.is_whitespace() || "(){};&|<>$`\\'\"".contains(c))
}

pub(super) fn is_assignment(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else {
        return false;
    };
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
