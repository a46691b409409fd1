//! The V4A patch text: parsed as a whole, then applied to texts. No file is touched here.

use crate::tools::failure::Failure;

/// One file's change.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    Add { path: String, content: String },
    Delete { path: String },
    Update { path: String, moved_to: Option<String>, hunks: Vec<Hunk> },
}

/// Lines to find and what stands there afterwards.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hunk {
    /// The text after `@@`: a line that comes before the place.
    anchor: Option<String>,
    old: Vec<String>,
    new: Vec<String>,
    /// `*** End of File`: the place is the end.
    at_end: bool,
}

pub fn parse(text: &str) -> Result<Vec<Change>, Failure> {
    let mut changes = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let bad =
            |why: &str| Failure::new("invalid_patch", format!("line {} of the patch: {why}", number + 1));
        if let Some(path) = line.strip_prefix("*** Add File: ") {
            changes.push(Change::Add { path: named(path).map_err(bad)?, content: String::new() });
        } else if let Some(path) = line.strip_prefix("*** Delete File: ") {
            changes.push(Change::Delete { path: named(path).map_err(bad)? });
        } else if let Some(path) = line.strip_prefix("*** Update File: ") {
            changes.push(Change::Update {
                path: named(path).map_err(bad)?,
                moved_to: None,
                hunks: Vec::new(),
            });
        } else if line.trim() == "*** End Patch" {
            break;
        } else if line.trim() != "*** Begin Patch" {
            match changes.last_mut() {
                Some(change) => change.add_line(line).map_err(bad)?,
                None if line.trim().is_empty() => {}
                None => {
                    return Err(bad(
                        "text before the first `*** Update File:`, `*** Add File:` or `*** Delete File:`",
                    ));
                }
            }
        }
    }
    if changes.is_empty() {
        return Err(Failure::new("invalid_patch", "the patch names no file"));
    }
    for change in &changes {
        if let Change::Update { path, moved_to: None, hunks } = change
            && hunks.iter().all(|hunk| hunk.old == hunk.new)
        {
            return Err(Failure::new("invalid_patch", format!("the patch changes nothing in `{path}`")));
        }
    }
    Ok(changes)
}

fn named(path: &str) -> Result<String, &'static str> {
    let path = path.trim();
    if path.is_empty() { Err("no file name") } else { Ok(path.to_owned()) }
}

impl Change {
    fn add_line(&mut self, line: &str) -> Result<(), &'static str> {
        match self {
            Self::Add { content, .. } => {
                let text = line.strip_prefix('+');
                let text = text
                    .or_else(|| line.is_empty().then_some(""))
                    .ok_or("a line of a new file starts with `+`")?;
                content.push_str(text);
                content.push('\n');
                Ok(())
            }
            Self::Delete { .. } if line.trim().is_empty() => Ok(()),
            Self::Delete { .. } => Err("a deletion has no lines"),
            Self::Update { moved_to, hunks, .. } => {
                if let Some(path) = line.strip_prefix("*** Move to: ") {
                    *moved_to = Some(named(path)?);
                    return Ok(());
                }
                if let Some(anchor) = line.strip_prefix("@@") {
                    let anchor = Some(anchor.trim().trim_end_matches("@@").trim().to_owned());
                    hunks.push(Hunk { anchor: anchor.filter(|text| !text.is_empty()), ..Hunk::default() });
                    return Ok(());
                }
                if hunks.is_empty() {
                    hunks.push(Hunk::default());
                }
                hunks.last_mut().map_or(Ok(()), |hunk| hunk.add_line(line))
            }
        }
    }
}

impl Hunk {
    fn add_line(&mut self, line: &str) -> Result<(), &'static str> {
        if line.trim() == "*** End of File" {
            self.at_end = true;
            return Ok(());
        }
        let (sign, text) = line.split_at_checked(1).unwrap_or((" ", ""));
        match sign {
            " " => {
                self.old.push(text.to_owned());
                self.new.push(text.to_owned());
            }
            "-" => self.old.push(text.to_owned()),
            "+" => self.new.push(text.to_owned()),
            _ => return Err("a line starts with a blank, `-` or `+`"),
        }
        Ok(())
    }
}

/// The text with all hunks applied, in order.
pub fn apply(path: &str, text: &str, hunks: &[Hunk]) -> Result<String, Failure> {
    let windows = text.contains("\r\n");
    let ended = text.is_empty() || text.ends_with('\n');
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut from = 0;
    for (number, hunk) in hunks.iter().enumerate() {
        let failed = |why: &str| {
            Failure::new("no_match", format!("hunk {} of `{path}`: {why}", number + 1))
                .hint("read the file again; nothing was written")
        };
        if let Some(anchor) = &hunk.anchor {
            let at = lines[from..]
                .iter()
                .position(|line| line.trim() == anchor || line.trim().starts_with(anchor));
            from += at.ok_or_else(|| failed(&format!("no line `{anchor}` from line {} on", from + 1)))? + 1;
        }
        let at = place(&lines, hunk, from).map_err(failed)?;
        let end = at + hunk.old.len();
        // Lines that stay keep the blanks that the file has.
        let mut kept = lines[at..end].to_vec();
        let mut new = Vec::with_capacity(hunk.new.len());
        for line in &hunk.new {
            let same = kept.iter().position(|have| have.trim_end() == line.trim_end());
            new.push(match same.filter(|_| hunk.old.contains(line)) {
                Some(found) => kept.drain(..=found).next_back().unwrap_or_default(),
                None => line.clone(),
            });
        }
        from = at + new.len();
        lines.splice(at..end, new);
    }
    let mut text = lines.join(if windows { "\r\n" } else { "\n" });
    if ended && !text.is_empty() {
        text.push_str(if windows { "\r\n" } else { "\n" });
    }
    Ok(text)
}

/// Where the old lines stand: exactly, else but for blanks at line ends. More than one place is an error unless an
/// anchor or an earlier hunk already led there.
fn place(lines: &[String], hunk: &Hunk, from: usize) -> Result<usize, &'static str> {
    let size = hunk.old.len();
    if size == 0 {
        // Only new lines: after the anchor, else at the end.
        return Ok(if hunk.anchor.is_some() && !hunk.at_end { from } else { lines.len() });
    }
    if lines.len() < size {
        return Err("its lines do not occur in the file");
    }
    let exact = |have: &String, want: &String| have == want;
    let trimmed = |have: &String, want: &String| have.trim_end() == want.trim_end();
    for same in [exact as fn(&String, &String) -> bool, trimmed] {
        let fits =
            |at: &usize| lines[*at..*at + size].iter().zip(&hunk.old).all(|(have, want)| same(have, want));
        let last = lines.len() - size;
        if hunk.at_end && fits(&last) && last >= from {
            return Ok(last);
        }
        let mut found = (from..=last).filter(fits);
        match (found.next(), found.next()) {
            (Some(at), None) => return Ok(at),
            (Some(at), Some(_)) if hunk.anchor.is_some() || from > 0 => return Ok(at),
            (Some(_), Some(_)) => return Err("its lines occur more than once; add context or an `@@` line"),
            (None, _) => {}
        }
    }
    Err("its lines do not occur in the file")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn updated(text: &str, patch: &str) -> Result<String, Failure> {
        let changes = parse(&format!("*** Begin Patch\n*** Update File: f\n{patch}\n*** End Patch\n"))?;
        match &changes[..] {
            [Change::Update { path, hunks, .. }] => apply(path, text, hunks),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn hunks_apply_in_order() {
        let cases = [
            ("one", "a\nb\nc\n", "@@\n a\n-b\n+x\n c", "a\nx\nc\n"),
            ("without a header", "a\nb\n", "-a\n+x", "x\nb\n"),
            ("anchored", "f:\n  x\ng:\n  x\n", "@@ g:\n-  x\n+  y", "f:\n  x\ng:\n  y\n"),
            ("two hunks", "a\nb\nc\nd\n", "@@\n-a\n+1\n@@\n-d\n+4", "1\nb\nc\n4\n"),
            ("blanks at the end stay in context", "a  \nb\n", "@@\n a\n-b\n+c", "a  \nc\n"),
            ("at the end", "x\ny\nx\n", "@@\n-x\n+z\n*** End of File", "x\ny\nz\n"),
            ("only new lines", "a\n", "@@\n+b", "a\nb\n"),
            ("only new lines after an anchor", "a\nb\n", "@@ a\n+x", "a\nx\nb\n"),
            ("windows ends", "a\r\nb\r\n", "@@\n-a\n+x", "x\r\nb\r\n"),
            ("no end of line", "a\nb", "@@\n-b\n+c", "a\nc"),
            ("doubled context lines", "a\na\nb\n", "@@\n a\n a\n-b\n+c", "a\na\nc\n"),
        ];
        for (case, text, patch, expected) in cases {
            assert_eq!(updated(text, patch).unwrap(), expected, "{case}");
        }
    }

    #[test]
    fn what_does_not_apply_is_refused() {
        let cases = [
            ("absent", "a\n", "@@\n-x\n+y"),
            ("twice", "a\na\n", "@@\n-a\n+b"),
            ("longer than the file", "a\n", "@@\n a\n b\n-c\n+d"),
            ("no anchor", "a\n", "@@ zzz\n-a\n+b"),
            ("a stray line", "a\n", "@@\n-a\n+b\nstray"),
            ("no change", "a\n", "@@\n a"),
        ];
        for (case, text, patch) in cases {
            assert!(updated(text, patch).is_err(), "{case}");
        }
        for text in
            ["", "*** Begin Patch\n*** End Patch", "hello", "*** Add File: \n+x", "*** Delete File: a\nx"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn files_are_added_deleted_and_moved() {
        let text = "*** Begin Patch\n*** Add File: a\n+1\n+\n*** Delete File: b\n*** Update File: c\n*** Move to: d\n@@\n-x\n+y\n*** End Patch";
        let changes = parse(text).unwrap();
        assert_eq!(changes[0], Change::Add { path: "a".into(), content: "1\n\n".into() });
        assert_eq!(changes[1], Change::Delete { path: "b".into() });
        assert!(matches!(&changes[2], Change::Update { moved_to: Some(to), .. } if to == "d"));
    }
}
