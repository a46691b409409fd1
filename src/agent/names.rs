//! Names of tools as models write them.

/// The tool that is meant by a name that no tool has: another case, other signs between the words, a prefix, a slip of the
/// pen. `None` when it could be several, or none.
#[must_use]
pub fn meant<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let last = written.rsplit(['.', '/', ':']).next().unwrap_or(written);
    let bare = bare(last);
    if bare.is_empty() {
        return None;
    }
    only(known.iter().filter(|name| self::bare(name) == bare)).or_else(|| {
        let most = if bare.chars().count() < 8 { 1 } else { 2 };
        let slips = |name: &str| strsim::damerau_levenshtein(&self::bare(name), &bare);
        let fewest = known.iter().map(|name| slips(name)).min().filter(|fewest| *fewest <= most)?;
        only(known.iter().filter(|name| slips(name) == fewest))
    })
}

/// Letters and digits alone.
fn bare(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn only<'b, 'a: 'b>(mut found: impl Iterator<Item = &'b &'a str>) -> Option<&'a str> {
    let first = found.next()?;
    found.next().is_none().then_some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_mended_only_where_one_tool_is_meant() {
        const KNOWN: &[&str] =
            &["patch", "read_file", "search_files", "terminal", "web_search", "write_file"];
        let cases = [
            ("Terminal", Some("terminal")),
            ("termnial", Some("terminal")),
            ("ReadFile", Some("read_file")),
            ("read-file", Some("read_file")),
            ("functions.read_file", Some("read_file")),
            ("default_api:write_file", Some("write_file")),
            ("serch_files", Some("search_files")),
            ("pach", Some("patch")),
            ("bash", None),
            ("web", None),
            ("", None),
            ("read", None),
        ];
        for (written, expected) in cases {
            assert_eq!(meant(written, KNOWN), expected, "{written}");
        }
        assert_eq!(meant("file_a", &["file_b", "file_c"]), None, "two are as near");
        assert_eq!(meant("READ", &["read", "Read"]), None, "two are the same but for case");
    }
}
