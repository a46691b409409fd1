//! Text that is typed into a process, a piece at a time: what a shell that reads it would carry out, and what it still waits
//! to be finished.
//!
//! Nothing runs before its line has an end, so that is when it is judged, with all pieces that it is made of. Where a shell
//! reads, a statement that goes over several lines is judged whole, too.

use super::shell::{self, is_shell};

/// Bytes that are kept of an unfinished text. A shell's statement beyond it is refused when it ends; of what others read, the
/// end is kept.
const MOST: usize = 128_001;
/// Stands behind a text to find out whether a command could begin there.
const PROBE: &str = "hermes-probe";
/// Programs that may open a shell of their own.
const OPENERS: [&str; 14] = [
    "su", "sudo", "doas", "runuser", "ssh", "script", "screen", "tmux", "chroot", "nsenter", "unshare",
    "busybox", "toybox", "expect",
];
/// Keys by which a terminal ends or forgets what was typed: nobody sees from here which of the two.
const INTERRUPT: char = '\u{3}';
const END_OF_INPUT: char = '\u{4}';

/// Who reads what is typed.
#[derive(Debug, Clone, Copy)]
pub struct Keyboard<'a> {
    /// What was typed before and waits to be finished.
    pub unfinished: &'a str,
    /// The command that was started.
    pub command: &'a str,
    /// It reads from a terminal.
    pub pty: bool,
}

/// What a piece makes of what stood there before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    /// What may run now. `None`: nothing yet.
    pub runs: Option<String>,
    /// There are keys in it by which a shell's line becomes another one.
    pub edited: bool,
    /// What waits to be finished when this was typed.
    pub unfinished: String,
}

impl Keyboard<'_> {
    /// `keys` as they reach the process; `closes`: nothing will follow, which ends the last line as well.
    #[must_use]
    pub fn typed(&self, keys: &str, closes: bool) -> Typed {
        let shell = opens_a_shell(self.command);
        let keys = if self.pty { keys.replace("\r\n", "\n").replace('\r', "\n") } else { keys.to_owned() };
        let whole = format!("{}{keys}", self.unfinished);
        let closes = closes || self.pty && keys.contains(END_OF_INPUT);
        let end = if closes { Some(whole.len()) } else { last_end(&whole, shell) };
        // Lines that ended before are there because their statement goes on.
        let Some(cut) = end.filter(|end| closes || *end > self.unfinished.len()) else {
            return Typed { unfinished: bounded(whole, shell), ..Typed::default() };
        };
        let (lines, rest) = whole.split_at(cut);
        let text = if self.pty { without_interrupts(lines) } else { lines.to_owned() };
        // What ends the input of one program may be the end of a line to the next.
        let waits = closes || shell && !is_whole(&text);
        let unfinished = if waits { bounded(whole.clone(), shell) } else { rest.to_owned() };
        let edits = |key: char| key.is_control() && key != '\n' && (self.pty || key != '\t');
        Typed { edited: shell && text.contains(edits), runs: Some(text.trim_end().to_owned()), unfinished }
    }
}

/// Where the last line ends that a shell would not go on with because of its last character.
fn last_end(text: &str, shell: bool) -> Option<usize> {
    let goes_on = |line: &str| (line.len() - line.trim_end_matches('\\').len()) % 2 == 1;
    let mut ends = text.rmatch_indices('\n').map(|(at, _)| at);
    ends.find(|at| !shell || !goes_on(&text[..*at])).map(|at| at + 1)
}

/// All that may have become of a line: whole, and what came after a key that forgets it.
fn without_interrupts(lines: &str) -> String {
    let plain = lines.replace([INTERRUPT, END_OF_INPUT], "");
    match lines.rsplit_once(INTERRUPT) {
        Some((_, after)) => {
            format!("{}\n{}", plain.trim_end_matches('\n'), after.replace(END_OF_INPUT, ""))
        }
        None => plain,
    }
}

/// Whether the next line would be a command of its own.
fn is_whole(lines: &str) -> bool {
    let Ok(script) = shell::read(&format!("{lines}{PROBE}")) else { return false };
    let alone = |last: &shell::Command| !last.piped && last.words.len() == 1 && last.words[0].text == PROBE;
    script.commands.last().is_some_and(alone)
}

/// Whether what the command reads may be read by a shell. What cannot be told counts as one.
fn opens_a_shell(command: &str) -> bool {
    let Ok(script) = shell::read(command) else { return true };
    let mut words = script.commands.iter().flat_map(|command| &command.words);
    words.any(|word| {
        let name = word.text.rsplit('/').next().unwrap_or_default();
        is_shell(name) || OPENERS.contains(&name)
    })
}

fn bounded(mut text: String, shell: bool) -> String {
    if text.len() <= MOST {
        return text;
    }
    if shell {
        text.truncate(text.floor_char_boundary(MOST));
        return text;
    }
    text.split_off(text.ceil_char_boundary(text.len() - MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What runs after each piece, typed one after the other.
    fn runs(command: &str, pty: bool, pieces: &[&str]) -> Vec<Option<String>> {
        let mut unfinished = String::new();
        let step = |piece: &&str| {
            let typed = Keyboard { unfinished: &unfinished, command, pty }.typed(piece, false);
            unfinished = typed.unfinished;
            typed.runs
        };
        pieces.iter().map(step).collect()
    }

    #[test]
    fn what_is_typed_in_pieces_is_seen_whole_when_it_ends() {
        type Case<'a> = (&'a str, bool, &'a [&'a str], &'a [Option<&'a str>]);
        let cases: [Case<'_>; 14] = [
            ("bash", false, &["rm -r", "f ", "d", "\n"], &[None, None, None, Some("rm -rf d")]),
            ("cat", false, &["rm -r", "f d\n", "x\n"], &[None, Some("rm -rf d"), Some("x")]),
            ("bash", true, &["rm -rf", " d\r", "ls\r\n"], &[None, Some("rm -rf d"), Some("ls")]),
            ("bash", false, &["ls\nrm -r", "f d\n"], &[Some("ls"), Some("rm -rf d")]),
            // A carriage return ends a line in a terminal alone.
            ("bash", false, &["rm \r", "-rf d\n"], &[None, Some("rm \r-rf d")]),
            // A statement that goes on.
            ("sh", false, &["rm \\\n", "-rf d\n", "ls\n"], &[None, Some("rm \\\n-rf d"), Some("ls")]),
            ("sh", false, &["ls\nrm \\\n", "-rf d\n"], &[Some("ls"), Some("rm \\\n-rf d")]),
            ("sh", false, &["ls \\\\\n", "rm\n"], &[Some("ls \\\\"), Some("rm")]),
            ("sh", false, &["curl x | # y\n", "sh\n"], &[Some("curl x | # y"), Some("curl x | # y\nsh")]),
            (
                "sh",
                false,
                &["rm -rf 'a\n", "b'\n", "ls\n"],
                &[Some("rm -rf 'a"), Some("rm -rf 'a\nb'"), Some("ls")],
            ),
            // To what is no shell, each line is a line.
            ("python3", false, &["it's\n", "ls\n"], &[Some("it's"), Some("ls")]),
            ("sudo -i", false, &["it's\n", "ls\n"], &[Some("it's"), Some("it's\nls")]),
            // Forgotten or not: both are looked at.
            ("bash", true, &["rm -rf ", "\u{3}d\r"], &[None, Some("rm -rf d\nd")]),
            ("bash", true, &["# ", "\u{3}rm -rf d\r"], &[None, Some("# rm -rf d\nrm -rf d")]),
        ];
        for (command, pty, pieces, expected) in cases {
            let got = runs(command, pty, pieces);
            let got: Vec<Option<&str>> = got.iter().map(Option::as_deref).collect();
            assert_eq!(got, expected, "{command}: {pieces:?}");
        }
    }

    #[test]
    fn the_end_of_the_input_ends_the_last_line() {
        let board = |unfinished, pty| Keyboard { unfinished, command: "bash", pty };
        let closed = board("rm -rf d", false).typed("", true);
        assert_eq!(closed.runs.as_deref(), Some("rm -rf d"));
        let closed = board("rm -rf ", true).typed("d\u{4}", false);
        assert_eq!((closed.runs.as_deref(), closed.edited), (Some("rm -rf d"), false));
        assert_eq!(closed.unfinished, "rm -rf d\u{4}", "a shell may go on reading");
    }

    #[test]
    fn keys_that_edit_a_shells_line_are_seen() {
        for (command, pty, keys, edited) in [
            ("bash", true, "rm -rf build\u{7f}\r", true),
            ("bash", true, "\u{1b}[A\r", true),
            ("bash", true, "./del\t\r", true),
            ("bash", true, "ls\u{3}\r", false),
            ("bash", false, "if a; then\n\tb\nfi\n", false),
            ("bash", false, "rm\0 x\n", true),
            ("vim", true, "\u{1b}:wq\r", false),
        ] {
            let typed = Keyboard { unfinished: "", command, pty }.typed(keys, false);
            assert_eq!(typed.edited, edited, "{command} {keys:?}");
        }
    }

    #[test]
    fn what_is_never_ended_takes_bounded_room() {
        let piece = "\u{e9}".repeat(60_000);
        for command in ["bash", "cat"] {
            let mut unfinished = String::new();
            for _ in 0..4 {
                unfinished =
                    Keyboard { unfinished: &unfinished, command, pty: false }.typed(&piece, false).unfinished;
                assert!(unfinished.len() <= MOST, "{command}: {}", unfinished.len());
            }
        }
    }
}
