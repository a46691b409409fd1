//! Commands that would be refused, standing among the arguments of a program that we do not know to run them.

use super::{Seen, Severity, found};
use crate::agent::shell::{self, Command, Script, Word};

/// Words that make it worth a look.
const SUSPECTS: [&str; 16] = [
    "rm",
    "find",
    "dd",
    "mkfs",
    "wipefs",
    "blkdiscard",
    "fdisk",
    "parted",
    "shutdown",
    "reboot",
    "halt",
    "poweroff",
    "kill",
    "init",
    "systemctl",
    "shred",
];
/// Programs that are looked for among the words.
const PROGRAMS: [&str; 10] =
    ["rm", "dd", "mkfs", "wipefs", "blkdiscard", "fdisk", "parted", "shred", "find", "kill"];
/// Places that are looked at. A command with more of them is suspect by that alone.
const MOST: usize = 16;
/// Texts within texts.
const DEEPEST: usize = 3;

/// Whether an argument reads like a command that is blocked: `flock f rm -rf /`, `vim -c ':!rm -rf /'`. What the program does
/// with it is its own affair, so somebody is asked.
pub fn hides_a_blocked_command(script: &Script, index: usize) -> bool {
    hides(script, index, 0)
}

fn hides(script: &Script, index: usize, depth: usize) -> bool {
    let Some(seen) = Seen::new(script, index) else { return false };
    if seen.only_speaks() {
        return false;
    }
    let args = seen.arg_words();
    // What is only copied into a file is no command.
    let here = seen.command.here.as_deref().filter(|_| !seen.is(&["cat", "tee"]));
    let texts = args.iter().map(|word| word.text.as_str()).chain(here);
    let texts = texts.filter(|text| text.contains(char::is_whitespace) && is_suspect(text));
    let tails = args.iter().enumerate().filter(|(_, word)| {
        word.text.rsplit('/').next().is_some_and(|name| PROGRAMS.contains(&name) || name.starts_with("mkfs."))
    });
    if texts.clone().count() + tails.clone().count() > MOST {
        return true;
    }
    texts.into_iter().any(|text| is_blocked_text(text, depth))
        || tails.into_iter().any(|(at, _)| is_blocked_tail(&args[at..]))
}

fn is_suspect(text: &str) -> bool {
    let text: String = text.chars().filter(|c| !matches!(c, '\'' | '"' | '\\' | '\n')).collect();
    SUSPECTS.iter().any(|name| text.contains(name)) || text.contains(":|:") || text.contains("/dev/")
}

fn is_blocked_text(text: &str, depth: usize) -> bool {
    // `:!rm -rf /` of an editor.
    let text = text.trim_start_matches([':', '!', ' ']);
    let deeper = |script: &Script| {
        depth < DEEPEST && (0..script.commands.len()).any(|index| hides(script, index, depth + 1))
    };
    match shell::read(text) {
        Ok(script) => is_blocked(&script) || deeper(&script),
        // What cannot be followed is suspect by a word that stands alone in it: "it's the terminal" is not.
        Err(shell::Unreadable(_)) => {
            text.split(|c: char| !c.is_alphanumeric()).any(|word| SUSPECTS.contains(&word))
        }
    }
}

fn is_blocked_tail(words: &[Word]) -> bool {
    let mut core = words.to_vec();
    if let Some(first) = core.first_mut()
        && let Some(name) = first.text.rsplit('/').next()
    {
        first.text = name.to_owned();
    }
    let command = Command { words: words.to_vec(), core, ..Command::default() };
    is_blocked(&Script { commands: vec![command], functions: Vec::new() })
}

fn is_blocked(script: &Script) -> bool {
    (0..script.commands.len())
        .any(|index| found(script, index).first().is_some_and(|rule| rule.severity == Severity::Block))
}
