//! How long a text is to a model: guessed from its letters, and set right by what upstreams report.
//!
//! No tokenizer: each model has its own, and the upstream counts every request anyway. What it reported for the last one
//! sets the scale of the next guess.

use crate::domain::{Content, Message, Part};

/// An image, whatever its size.
const IMAGE: u64 = 1_600;
/// Role and punctuation of one message.
const AROUND: u64 = 4;
/// Reports of less than this say little about the scale.
const TELLING: u64 = 2_000;

/// Tokens of a text, about: four letters of ASCII, two of other alphabets, one of a script without spaces.
#[must_use]
pub fn of_text(text: &str) -> u64 {
    let (mut ascii, mut two, mut wide) = (0_u64, 0_u64, 0_u64);
    for byte in text.bytes() {
        match byte {
            0..=0x7f => ascii += 1,
            0xc0..=0xdf => two += 1,
            0xe0..=0xff => wide += 1,
            0x80..=0xbf => {}
        }
    }
    (ascii + 2 * two + 4 * wide).div_ceil(4)
}

/// Tokens of a message, about.
#[must_use]
pub fn of_message(message: &Message) -> u64 {
    let content = match message {
        Message::System { content } => of_text(content),
        Message::User { content: Content::Text(text) } => of_text(text),
        Message::User { content: Content::Parts(parts) } => parts
            .iter()
            .map(|part| match part {
                Part::Text { text } => of_text(text),
                Part::ImageUrl { .. } => IMAGE,
            })
            .sum(),
        // What the model thought may go back to it.
        Message::Assistant { content, tool_calls, reasoning } => {
            let calls = tool_calls.iter().map(|call| of_text(&call.name) + of_text(&call.arguments) + AROUND);
            of_text(content) + reasoning.as_deref().map_or(0, of_text) + calls.sum::<u64>()
        }
        Message::Tool { content, .. } => of_text(content),
    };
    content + AROUND
}

/// How many tokens of the upstream's one of ours is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale(f64);

impl Default for Scale {
    fn default() -> Self {
        Self(1.0)
    }
}

impl Scale {
    /// Takes in what an upstream counted of what we had guessed.
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    pub fn learn(&mut self, guessed: u64, counted: u64) {
        if guessed >= TELLING && counted >= TELLING {
            self.0 = (counted as f64 / guessed as f64).clamp(0.5, 3.0);
        }
    }

    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a guess"
    )]
    pub fn apply(self, guessed: u64) -> u64 {
        (guessed as f64 * self.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_follow_the_script() {
        for (text, tokens) in [("", 0), ("abcd", 1), ("abcde", 2), ("привет", 3), ("東京都", 3), ("a 東", 2)]
        {
            assert_eq!(of_text(text), tokens, "{text}");
        }
        let image = Part::ImageUrl {
            image_url: crate::domain::ImageUrl { url: "data:".to_owned() + &"x".repeat(9_000), detail: None },
        };
        assert_eq!(of_message(&Message::User { content: Content::Parts(vec![image]) }), IMAGE + AROUND);
    }

    #[test]
    fn a_report_sets_the_scale_and_a_strange_one_does_not_run_away_with_it() {
        let mut scale = Scale::default();
        scale.learn(10_000, 12_000);
        assert_eq!(scale.apply(1_000), 1_200);
        scale.learn(100, 9);
        assert_eq!(scale.apply(1_000), 1_200, "too short to tell");
        scale.learn(10_000, 900_000);
        assert_eq!(scale.apply(1_000), 3_000);
    }
}
