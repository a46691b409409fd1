//! Verdicts on whole command lines.

use super::policy::{Policy, Verdict};
use proptest::{prelude::*, test_runner::RngSeed};
use serde_json::json;

/// Commands with the verdict that a careful person gave them.
const CASES: &str = include_str!("approval_cases.tsv");

fn judge(command: &str) -> Verdict {
    Policy::default().judge("terminal", &json!({ "command": command }))
}

fn kind(command: &str) -> &'static str {
    match judge(command) {
        Verdict::Run => "safe",
        Verdict::Ask(_) => "needs_approval",
        Verdict::Refuse(_) => "hard_blocked",
    }
}

fn cases() -> Vec<(&'static str, String)> {
    CASES
        .lines()
        .map(|line| {
            let (verdict, command) = line.split_once('\t').unwrap();
            (verdict, serde_json::from_str(command).unwrap())
        })
        .collect()
}

#[test]
fn every_case_gets_the_verdict_that_was_recommended() {
    let cases = cases();
    assert_eq!(cases.len(), 277);
    let wrong: Vec<_> = cases
        .iter()
        .map(|(want, command)| (want, kind(command), command))
        .filter(|(want, got, _)| **want != *got)
        .collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), cases.len());
}

#[test]
fn a_command_that_cannot_be_followed_is_asked_about_and_never_run() {
    for command in ["echo 'a", "rm -rf / '", "$(((", "a b (c)"] {
        assert_eq!(kind(command), "needs_approval", "{command}");
    }
}

/// What changes nothing about a command, but how it looks.
#[derive(Debug, Clone)]
enum Disguise {
    /// A quote or an escape inside of its words, at these places.
    Quotes(Vec<(usize, u8)>),
    /// Other blanks between its words.
    Blanks(&'static str),
    /// A program that runs it.
    Wrapper(&'static str),
    /// A place in a larger text.
    Frame(&'static str),
    /// As text for another shell.
    Script(&'static str),
}

fn disguise() -> impl Strategy<Value = Disguise> {
    let wrappers = [
        "sudo",
        "sudo -u root",
        "env",
        "env A=1 -i",
        "/usr/bin/env",
        "timeout 5",
        "timeout -k 1 5s",
        "nice",
        "nice -n 5",
        "nohup",
        "command",
        "exec",
        "time",
        "xargs",
        "xargs -n 1",
        "stdbuf -o0",
        "setsid",
        "ionice -c 3",
        "busybox",
        "A=1",
        "flock /tmp/l",
        "chroot /",
        "strace -f",
        "! ",
        "unknown-wrapper --option",
    ];
    let frames = [
        "true; @",
        "true && @",
        "@ | cat",
        "( @ )",
        "{ @; }",
        "if true; then @; fi",
        "while true; do @; done",
        "for i in 1; do @; done",
        "echo $( @ )",
        "echo `@`",
        "echo \"$( @ )\"",
        "cat <(@)",
        "f() { @; }; f",
        "case a in a) @;; esac",
        "@ &",
        "\n@\n",
        "a <<E\n$( @ )\nE",
        "! @",
        "@ 2>&1 >/dev/null",
        "cd /tmp; @ # harmless\n",
        "x=$( @ )",
        "[[ -n $( @ ) ]]",
        "echo ${x:-$( @ )}",
    ];
    let scripts = [
        "sh -c @",
        "bash -lc @",
        "/bin/bash -euo pipefail -c @",
        "eval @",
        "X=@; eval \"$X\"",
        "bash <<< @",
        "env -S @",
        "su -c @",
        "watch @",
        "trap @ EXIT",
        "find . -exec sh -c @ \\;",
        "unknown-program @",
        "ssh host @",
    ];
    prop_oneof![
        proptest::collection::vec((0..40_usize, 0..4_u8), 1..6).prop_map(Disguise::Quotes),
        proptest::sample::select(vec!["  ", "\t", " \\\n ", "${IFS}"]).prop_map(Disguise::Blanks),
        proptest::sample::select(wrappers.to_vec()).prop_map(Disguise::Wrapper),
        proptest::sample::select(frames.to_vec()).prop_map(Disguise::Frame),
        proptest::sample::select(scripts.to_vec()).prop_map(Disguise::Script),
    ]
}

impl Disguise {
    fn put_on(&self, command: &str) -> String {
        // Quotes and blanks mean something else inside of what is quoted or expanded already.
        let plain = command.chars().all(|c| c.is_ascii_alphanumeric() || " /._-=:".contains(c))
            && !command.contains("A=1");
        // What a program that is not known does with its words is not known: only the worst is looked for among them.
        let unknown = matches!(self, Self::Wrapper(name) | Self::Script(name) if name.starts_with("unknown"));
        if unknown && !command.contains("rm ") && !command.contains(" /dev/") {
            return command.to_owned();
        }
        match self {
            Self::Quotes(places) if plain => {
                let mut chars: Vec<String> = command.chars().map(String::from).collect();
                for (place, kind) in places {
                    let at = place % chars.len();
                    if chars[at].len() == 1 && chars[at] != " " {
                        let c = chars[at].clone();
                        chars[at] = match kind {
                            0 => format!("\\{c}"),
                            1 => format!("'{c}'"),
                            2 => format!("\"{c}\""),
                            _ => format!("''{c}\"\""),
                        };
                    }
                }
                chars.concat()
            }
            Self::Blanks(blank) if plain => command.replace(' ', blank),
            Self::Quotes(_) | Self::Blanks(_) => command.to_owned(),
            // Behind most wrappers an assignment is the name of a program that is not there.
            Self::Wrapper(_) if command.starts_with("A=1 ") => command.to_owned(),
            // In front of a compound command or a built-in one a wrapper is an error of the shell.
            Self::Wrapper(wrapper) if !command.contains(|c: char| ";&|(){}$`<>\n!'\"".contains(c)) => {
                format!("{wrapper} {command}")
            }
            Self::Wrapper(_) => command.to_owned(),
            // Backticks do not nest without escapes.
            Self::Frame(frame) if frame.contains('`') && command.contains('`') => command.to_owned(),
            Self::Frame(frame) => frame.replace('@', command),
            Self::Script(frame) => frame.replace('@', &format!("'{}'", command.replace('\'', "'\\''"))),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, rng_seed: RngSeed::Fixed(20_261_122), ..ProptestConfig::default() })]

    #[test]
    fn no_disguise_makes_a_blocked_command_safe(row in 0..62_usize, disguises in proptest::collection::vec(disguise(), 1..4)) {
        let blocked: Vec<String> =
            cases().into_iter().filter(|(verdict, _)| *verdict == "hard_blocked").map(|(_, command)| command).collect();
        prop_assert_eq!(blocked.len(), 62);
        let command = disguises.iter().fold(blocked[row].clone(), |command, disguise| disguise.put_on(&command));
        prop_assert_ne!(kind(&command), "safe", "{}", command);
    }

    #[test]
    fn any_text_at_all_gets_a_verdict(text in "[a-z{}()$`'\"\\\\;&|<> \n/*~=#-]{0,60}") {
        let _ = judge(&text);
    }
}
