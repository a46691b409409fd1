//! Finding the text that is to be replaced. Exactly first; then by lines whose blanks at the ends differ, when there is
//! only one such place and one shift of indentation explains all its lines. Nothing cleverer: a near miss that is
//! patched in the wrong place costs more than an error.

use crate::tools::failure::Failure;

/// The new text, and how many places were changed.
pub fn replace(text: &str, old: &str, new: &str, all: bool) -> Result<(String, usize), Failure> {
    if old.is_empty() {
        return Err(Failure::invalid("`old_string` is empty").hint("write_file makes a new file"));
    }
    if old == new {
        return Err(Failure::invalid("`old_string` and `new_string` are the same"));
    }
    // A file with Windows line ends keeps them, however the model writes.
    let windows = text.contains("\r\n") && !old.contains('\r');
    let ends = |part: &str| {
        if windows { part.replace('\n', "\r\n") } else { part.to_owned() }
    };
    let (exact, instead) = (ends(old), ends(new));
    match text.matches(&exact).count() {
        0 => by_lines(text, old, new, windows).map(|text| (text, 1)),
        1 => Ok((text.replacen(&exact, &instead, 1), 1)),
        count if all => Ok((text.replace(&exact, &instead), count)),
        count => Err(Failure::new(
            "not_unique",
            format!("`old_string` occurs {count} times: {}", places(text, &exact)),
        )
        .hint("add lines around it until it is unique, or set replace_all")),
    }
}

fn places(text: &str, old: &str) -> String {
    let lines: Vec<String> = text
        .match_indices(old)
        .take(10)
        .map(|(at, _)| format!("line {}", text[..at].bytes().filter(|byte| *byte == b'\n').count() + 1))
        .collect();
    lines.join(", ")
}

fn by_lines(text: &str, old: &str, new: &str, windows: bool) -> Result<String, Failure> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let wanted: Vec<&str> = old.trim_matches('\n').lines().collect();
    if wanted.iter().all(|line| line.trim().is_empty()) {
        return Err(missing(text, new));
    }
    let same = |window: &[&str]| window.iter().zip(&wanted).all(|(have, want)| have.trim() == want.trim());
    let found: Vec<usize> = lines
        .windows(wanted.len())
        .enumerate()
        .filter(|(_, window)| same(window))
        .map(|(at, _)| at)
        .collect();
    match found[..] {
        [] => Err(missing(text, new)),
        [at] => {
            let window = &lines[at..at + wanted.len()];
            let shift = Shift::between(&wanted, window).ok_or_else(|| {
                Failure::new(
                    "no_match",
                    format!("only the indentation of line {} and following differs", at + 1),
                )
                .hint("copy old_string from read_file with its exact indentation")
            })?;
            let mut instead = shift.apply(new.trim_matches('\n'), windows).ok_or_else(|| {
                Failure::new(
                    "no_match",
                    "`new_string` is indented less than `old_string` in a way that does not fit",
                )
                .hint("copy old_string from read_file with its exact indentation")
            })?;
            // The last line keeps its line end; an empty text takes the lines away.
            let ends = window.last().is_some_and(|line| line.ends_with('\n'));
            if ends && !new.trim_matches('\n').is_empty() {
                instead.push_str(if windows { "\r\n" } else { "\n" });
            }
            Ok(lines[..at].concat() + &instead + &lines[at + wanted.len()..].concat())
        }
        _ => {
            Err(Failure::new("not_unique", format!("`old_string` fits {} places, none exactly", found.len()))
                .hint("copy old_string from read_file with its exact blanks, and more lines around it"))
        }
    }
}

fn missing(text: &str, new: &str) -> Failure {
    let failure = Failure::new("no_match", "`old_string` does not occur in the file");
    if !new.trim().is_empty() && text.contains(new) {
        return failure.hint("`new_string` is there already: the change may have been made before");
    }
    failure.hint("read the file again and copy the text exactly")
}

/// The indentation that the model wrote and the one that the file has, as far as they differ.
struct Shift<'a> {
    from: &'a str,
    to: &'a str,
}

impl<'a> Shift<'a> {
    fn between(wanted: &[&'a str], have: &[&'a str]) -> Option<Self> {
        let pairs = || wanted.iter().zip(have).filter(|(want, _)| !want.trim().is_empty());
        let (want, line) = pairs().next()?;
        let shift = Self { from: indent(want), to: indent(line) };
        let fits =
            |(want, line): (&&str, &&str)| shift.line(indent(want)).is_some_and(|text| text == indent(line));
        pairs().all(fits).then_some(shift)
    }

    fn line(&self, line: &str) -> Option<String> {
        Some(format!("{}{}", self.to, line.strip_prefix(self.from)?))
    }

    fn apply(&self, text: &str, windows: bool) -> Option<String> {
        let lines: Option<Vec<String>> = text
            .lines()
            .map(|line| if line.trim().is_empty() { Some(String::new()) } else { self.line(line) })
            .collect();
        Some(lines?.join(if windows { "\r\n" } else { "\n" }))
    }
}

fn indent(line: &str) -> &str {
    let rest = line.trim_start_matches([' ', '\t']);
    &line[..line.len() - rest.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_replaced() {
        let cases = [
            ("exact", "a\nb\nc\n", "b", "x", false, "a\nx\nc\n"),
            ("all", "b b", "b", "x", true, "x x"),
            ("deletion", "a\nb\n", "b\n", "", false, "a\n"),
            ("windows ends", "a\r\nb\r\n", "a\nb", "x\ny", false, "x\r\ny\r\n"),
            ("blanks at line ends", "a  \nb\n", "a\nb\n", "x\ny\n", false, "x\ny\n"),
            (
                "less indentation in old",
                "    if x:\n        go()\n    end\n",
                "if x:\n    go()",
                "if y:\n    run()\n\n    go()",
                false,
                "    if y:\n        run()\n\n        go()\n    end\n",
            ),
            (
                "more indentation in old",
                "a:\n  b\n",
                "    a:\n      b",
                "    c:\n      d",
                false,
                "c:\n  d\n",
            ),
            ("no line end at the end", "  a\n  b", "a\nb", "c", false, "  c"),
        ];
        for (case, text, old, new, all, expected) in cases {
            let done = replace(text, old, new, all).unwrap_or_else(|failure| panic!("{case}: {failure:?}"));
            assert_eq!(done.0, expected, "{case}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error_with_its_reason() {
        let cases = [
            ("empty", "a", "", "b", "invalid_arguments"),
            ("same", "a", "a", "a", "invalid_arguments"),
            ("absent", "a", "b", "c", "no_match"),
            ("absent, but the new text is there", "x = 2\n", "x = 1\n", "x = 2\n", "no_match"),
            ("twice", "a\na\n", "a", "b", "not_unique"),
            ("twice but for blanks", "a \n a \n", "a\n", "b", "not_unique"),
            ("indentation differs unevenly", "  a\n     b\n", "a\n  b", "c", "no_match"),
            ("only blanks", "a\n\nb\n", " ", "b", "no_match"),
        ];
        for (case, text, old, new, code) in cases {
            let failure = replace(text, old, new, false).unwrap_err();
            assert!(failure.output().text.contains(code), "{case}");
        }
    }
}
