//! The format of a file: plain text, entries parted by lines with `§`.

/// The line between two entries.
const RULE: &str = "§";

pub fn split(text: &str) -> Vec<String> {
    let mut entries = vec![String::new()];
    for line in text.trim_start_matches('\u{feff}').lines() {
        match entries.last_mut() {
            Some(entry) if line.trim() != RULE => {
                entry.push_str(line);
                entry.push('\n');
            }
            Some(_) | None => entries.push(String::new()),
        }
    }
    let trimmed = entries.iter().map(|entry| entry.trim().to_owned());
    trimmed.filter(|entry| !entry.is_empty()).collect()
}

/// The text of a file with these entries; [`split`] gives them back.
pub fn join(entries: &[String]) -> String {
    let mut text = entries.join("\n§\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// Whether a text would be read as several entries.
pub fn has_rule(text: &str) -> bool {
    text.lines().any(|line| line.trim() == RULE)
}

/// What counts against the limit.
pub fn characters(entries: &[String]) -> usize {
    let texts: usize = entries.iter().map(|entry| entry.chars().count()).sum();
    texts + 3 * entries.len().saturating_sub(1)
}

/// `1% — 23/2,200 chars`: a little is not nothing, and not quite full is not full.
pub fn usage(characters: usize, limit: usize) -> String {
    let percent = match (100 * characters).checked_div(limit).unwrap_or(100) {
        0 if characters > 0 => 1,
        percent => percent,
    };
    format!("{percent}% — {}/{} chars", grouped(characters), grouped(limit))
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_may_have_several_lines() {
        assert_eq!(
            split("likes tea\n§\ntwo\nlines\n §\n\n§\n§ is no rule here\n"),
            ["likes tea", "two\nlines", "§ is no rule here"]
        );
        assert_eq!(split(""), [""; 0]);
        let entries = ["a".to_owned(), "b\nc".to_owned()];
        assert_eq!(split(&join(&entries)), entries);
        assert_eq!((characters(&entries), join(&entries).chars().count()), (7, 8));
    }

    #[test]
    fn a_little_use_is_not_nought_percent() {
        assert_eq!(usage(0, 2_200), "0% — 0/2,200 chars");
        assert_eq!(usage(23, 2_200), "1% — 23/2,200 chars");
        assert_eq!(usage(1_234, 1_234_567), "1% — 1,234/1,234,567 chars");
        assert_eq!(usage(2_199, 2_200), "99% — 2,199/2,200 chars");
    }
}
