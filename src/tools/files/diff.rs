//! What a change did, as a unified diff of bounded size.

use similar::TextDiff;
use std::time::Duration;

const MOST: usize = 20_000;
/// A diff of two large unlike texts is cut short, not computed for ever; it then is correct but not minimal.
const PATIENCE: Duration = Duration::from_millis(500);

pub fn unified(path: &str, old: &str, new: &str) -> String {
    let path = path.trim_start_matches('/');
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(old, new);
    let (from, to) = (format!("a/{path}"), format!("b/{path}"));
    let mut text = diff.unified_diff().context_radius(3).header(&from, &to).to_string();
    if text.len() > MOST {
        let cut = text.floor_char_boundary(MOST);
        let more = text.len() - cut;
        text.truncate(cut);
        text.push_str(&format!("\n[... {more} bytes of diff omitted ...]\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_names_the_path_once() {
        assert_eq!(
            unified("/tmp/a", "x\ny\n", "x\nz\n"),
            "--- a/tmp/a\n+++ b/tmp/a\n@@ -1,2 +1,2 @@\n x\n-y\n+z\n"
        );
    }

    #[test]
    fn a_long_diff_says_how_much_is_missing() {
        let text = unified("a", "", &"line\n".repeat(10_000));
        assert!(text.len() < MOST + 100 && text.ends_with("bytes of diff omitted ...]\n"), "{}", text.len());
    }
}
