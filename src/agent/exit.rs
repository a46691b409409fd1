//! Exit codes by which a program tells what it found, and not that it failed.

use super::shell;

/// What a program says by a code.
struct Meaning {
    programs: &'static [&'static str],
    code: i64,
    means: &'static str,
}

const MEANINGS: &[Meaning] = &[
    Meaning {
        programs: &["grep", "egrep", "fgrep", "zgrep", "rg", "pgrep"],
        code: 1,
        means: "nothing matched; this is no error",
    },
    Meaning { programs: &["diff", "cmp"], code: 1, means: "the files differ; this is no error" },
    Meaning { programs: &["test", "["], code: 1, means: "the condition is false; this is no error" },
];

/// What the exit code of a command says, where it is plain that it came from one of the programs above: there is only one
/// program, or it is the last one of a pipeline.
#[must_use]
pub fn exit_code_meaning(command: &str, code: i64) -> Option<&'static str> {
    // The commonest code costs nothing; `!` turns codes round.
    if code == 0 || command.contains('!') {
        return None;
    }
    let script = shell::read(command).ok()?;
    let (last, before) = script.commands.split_last()?;
    let one_pipeline = before.is_empty() || last.piped && before.iter().skip(1).all(|command| command.piped);
    if !one_pipeline || !last.wrappers.is_empty() {
        return None;
    }
    let program = last.core.first()?.text.as_str();
    let meant = |meaning: &&Meaning| meaning.code == code && meaning.programs.contains(&program);
    MEANINGS.iter().find(meant).map(|meaning| meaning.means)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_code_that_is_plainly_a_programs_own_has_a_meaning() {
        let cases = [
            ("grep x notes", 1, Some("nothing matched")),
            ("/usr/bin/grep -q x notes", 1, Some("nothing matched")),
            ("cat notes | sort | grep x", 1, Some("nothing matched")),
            ("diff a b", 1, Some("the files differ")),
            ("[ -e a ]", 1, Some("the condition is false")),
            ("grep x notes", 0, None),
            ("grep x notes", 2, None),
            ("grep x notes | sort", 1, None),
            ("cd /x && grep y z", 1, None),
            ("grep x a; false", 1, None),
            ("! grep x notes", 1, None),
            ("xargs grep x", 1, None),
            ("false", 1, None),
            ("echo 'open", 1, None),
            ("", 1, None),
        ];
        for (command, code, expected) in cases {
            let found = exit_code_meaning(command, code);
            assert_eq!(found.map(|text| text.split(';').next().unwrap()), expected, "{command} {code}");
        }
    }
}
