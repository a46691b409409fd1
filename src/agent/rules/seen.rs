//! A command as a rule looks at it.

use super::paths;
use crate::agent::shell::{Command, Script, Word, is_shell};

/// A program with its arguments, and the text that it is part of.
pub struct Seen<'a> {
    pub command: &'a Command,
    pub script: &'a Script,
    /// The program and its arguments.
    core: Vec<&'a str>,
}

impl<'a> Seen<'a> {
    #[must_use]
    pub fn new(script: &'a Script, index: usize) -> Option<Self> {
        let command = script.commands.get(index)?;
        Some(Self { command, script, core: command.core.iter().map(|word| word.text.as_str()).collect() })
    }

    pub(super) fn program(&self) -> &'a str {
        self.core.first().copied().unwrap_or("")
    }

    pub(super) fn is(&self, programs: &[&str]) -> bool {
        programs.contains(&self.program())
    }

    pub(super) fn args(&self) -> &[&'a str] {
        self.core.get(1..).unwrap_or(&[])
    }

    pub(super) fn arg_words(&self) -> &'a [Word] {
        self.command.core.get(1..).unwrap_or(&[])
    }

    /// Arguments that are no options.
    pub(super) fn operands(&self) -> impl Iterator<Item = &'a str> + '_ {
        let end = self.args().iter().position(|word| *word == "--");
        self.args().iter().enumerate().filter_map(move |(at, word)| match end {
            Some(end) if at > end => Some(*word),
            Some(_) | None => (!word.starts_with('-')).then_some(*word),
        })
    }

    /// Operands as paths from where the command runs.
    pub(super) fn paths(&self) -> impl Iterator<Item = String> + '_ {
        self.operands().map(|path| self.path(path))
    }

    pub(super) fn path(&self, path: &str) -> String {
        paths::joined(self.command.dir.as_deref(), path)
    }

    pub(super) fn has(&self, words: &[&str]) -> bool {
        self.args().iter().any(|word| words.contains(word))
    }

    /// A short option in any cluster (`-rf` has `r`), or a long one, also cut short as `getopt_long` allows.
    pub(super) fn flag(&self, short: &[char], long: &[&str]) -> bool {
        self.args().iter().take_while(|word| **word != "--").any(|word| match word.strip_prefix("--") {
            Some(name) => {
                let name = name.split('=').next().unwrap_or(name);
                name.len() > 1 && long.iter().any(|option| option.starts_with(name)) || long.contains(&name)
            }
            None => word.strip_prefix('-').is_some_and(|cluster| cluster.contains(short)),
        })
    }

    /// The value of an option, whether it stands behind it or in the next word.
    pub(super) fn values(&self, options: &'a [&'a str]) -> impl Iterator<Item = &'a str> + '_ {
        let args = self.args();
        args.iter().enumerate().filter_map(move |(at, word)| {
            options.iter().find_map(|option| {
                if word == option {
                    return args.get(at + 1).copied();
                }
                let rest = word.strip_prefix(option)?;
                match rest.strip_prefix('=') {
                    Some(value) => Some(value),
                    None => (!option.starts_with("--")).then_some(rest),
                }
            })
        })
    }

    /// The program with one of these words among its operands: a sub-command, wherever global options leave it.
    pub(super) fn sub(&self, programs: &[&str], subs: &[&str]) -> bool {
        self.is(programs) && self.operands().any(|word| subs.contains(&word))
    }

    pub(super) fn under(&self, wrappers: &[&str]) -> bool {
        self.command.wrappers.iter().any(|wrapper| wrappers.contains(&wrapper.as_str()))
    }

    /// Files that it writes: by redirection, or because that is what the program does.
    pub(super) fn targets(&self) -> Vec<String> {
        let mut targets: Vec<&str> = self.command.writes.iter().map(|word| word.text.as_str()).collect();
        match self.program() {
            "tee" | "truncate" | "sponge" => targets.extend(self.operands()),
            "sed" | "perl" | "ruby" if self.flag(&['i'], &["in-place"]) => {
                let script = usize::from(!self.flag(&['e'], &["expression"]));
                targets.extend(self.operands().skip(script));
            }
            "cp" | "mv" | "install" | "ln" | "rsync" | "scp" => {
                targets.extend(self.operands().last());
                targets.extend(self.values(&["-t", "--target-directory"]));
            }
            "dd" => targets.extend(self.args().iter().filter_map(|word| word.strip_prefix("of="))),
            "curl" => targets.extend(self.values(&["-o", "--output"])),
            "wget" => targets.extend(self.values(&["-O", "--output-document"])),
            _ => {}
        }
        targets.into_iter().map(|path| self.path(path)).collect()
    }

    /// Files that it names or reads.
    pub(super) fn sources(&self) -> impl Iterator<Item = String> + '_ {
        let reads = self.command.reads.iter().map(|word| word.text.as_str());
        self.args().iter().copied().chain(reads).map(|path| self.path(path.trim_start_matches('@')))
    }

    /// A program that runs text, by name.
    pub(super) fn interpreter(&self) -> Option<&'a str> {
        let program = self.program();
        let bare = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let known =
            ["python", "pypy", "perl", "ruby", "node", "bun", "php", "deno", "lua", "Rscript", "tclsh"];
        if is_shell(program) {
            return Some("sh");
        }
        known.into_iter().find(|name| *name == bare)
    }

    /// A short option with one of these letters, in a cluster whose first letter takes no value.
    pub(super) fn cluster(&self, letters: &[char], with_value: &[char]) -> bool {
        self.args().iter().any(|word| {
            word.strip_prefix('-').is_some_and(|cluster| {
                !cluster.starts_with('-') && !cluster.starts_with(with_value) && cluster.contains(letters)
            })
        })
    }

    /// It says text and does nothing with it.
    pub(super) fn only_speaks(&self) -> bool {
        self.is(&["echo", "printf", ":", "true", "test", "[", "[[", "logger"])
            || self.sub(&["git"], &["commit", "tag", "notes", "log", "show", "merge", "stash"])
    }
}
