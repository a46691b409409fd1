//! The text of a document, as far as there is room for it.

use super::Text;

/// Bytes of a text. Whoever needs more of a document reads it with a program.
pub const MOST: usize = 8 << 20;
/// Characters of a line; `read_file` would cut longer ones, and what it cuts could not be asked for.
const LONGEST: usize = 1_900;

#[derive(Default)]
pub struct Lines {
    text: String,
    full: bool,
}

impl Lines {
    /// Adds one or more lines. Those that are too long are parted between words.
    pub fn push(&mut self, text: &str) {
        for mut line in text.lines() {
            while let Some((most, _)) = line.char_indices().nth(LONGEST) {
                let end = line[..most].rfind([' ', '\t']).map_or(most, |gap| gap + 1);
                self.put(&line[..end]);
                line = &line[end..];
            }
            self.put(line);
        }
    }

    /// Sets what comes next apart.
    pub fn part(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.put("");
        }
    }

    /// What comes next would not find room.
    pub const fn fill(&mut self) {
        self.full = true;
    }

    pub const fn is_full(&self) -> bool {
        self.full
    }

    pub fn done(self) -> Text {
        Text { lines: self.text, whole: !self.full }
    }

    fn put(&mut self, line: &str) {
        self.full |= self.text.len() + line.len() >= MOST;
        if !self.full {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(of: impl FnOnce(&mut Lines)) -> Text {
        let mut lines = Lines::default();
        of(&mut lines);
        lines.done()
    }

    #[test]
    fn long_lines_are_parted_between_words_and_lose_nothing() {
        let line = "wörter ".repeat(1_000);
        let parted = text(|lines| lines.push(&line)).lines;
        assert!(parted.lines().all(|part| part.chars().count() <= LONGEST && part.ends_with(' ')));
        assert_eq!(parted.replace('\n', ""), line);
        let word = "ö".repeat(4_000);
        assert_eq!(text(|lines| lines.push(&word)).lines.replace('\n', ""), word);
    }

    #[test]
    fn parts_stand_apart_by_one_line() {
        let parts = text(|lines| {
            lines.part();
            lines.push("a");
            lines.part();
            lines.part();
            lines.push("b\n\nc");
        });
        assert_eq!((parts.lines.as_str(), parts.whole), ("a\n\nb\n\nc\n", true));
    }

    #[test]
    fn a_text_beyond_measure_is_cut_and_says_so() {
        let line = "x".repeat(1_000);
        let cut = text(|lines| (0..MOST / 500).for_each(|_| lines.push(&line)));
        assert!(!cut.whole && cut.lines.len() <= MOST && cut.lines.ends_with("x\n"));
    }
}
