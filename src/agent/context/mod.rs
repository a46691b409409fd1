//! How much of a conversation a model is shown, and what stands for the rest.
//!
//! ```text
//! the first messages │ what is cut out → summary (│ the user's last word, if it is in there) │ the last messages
//! ```
//!
//! A call is never parted from its result. Nothing here asks a model: the run does, and tells what came of it.

mod cut;
mod summary;
mod tokens;

pub use cut::{Cut, Stays};
pub use summary::{HELPER, Told, extract, message, open_tasks, question};
pub use tokens::{Scale, of_message, of_text};

use crate::domain::Message;

/// The least window for which the floor of the threshold was made.
const FLOOR: u64 = 64_000;
/// Of a window that is smaller than that, and the most of any.
const MOST: f64 = 0.85;
/// Windows below this are used further than half.
const WIDE: u64 = 512_000;
const NARROW_SHARE: f64 = 0.75;

/// From how many tokens on a conversation is compressed.
///
/// `share`: `compression.threshold`; `answer`: what the answer may take of the window.
#[must_use]
pub fn threshold(window: u64, answer: u64, share: f64) -> u64 {
    let room = window.saturating_sub(answer).max(window / 4);
    let share = if window < WIDE { share.max(NARROW_SHARE) } else { share };
    let floor = FLOOR.min(part(room, MOST));
    part(room, share).max(floor).min(part(room, MOST.max(share)))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate"
)]
fn part(of: u64, share: f64) -> u64 {
    (of as f64 * share) as u64
}

/// The part of the conversation that is shown in front of what is `behind`: messages of it in a row.
#[must_use]
pub fn skip<const N: usize>(parts: [&[Message]; N], mut covered: usize) -> [&[Message]; N] {
    parts.map(|part| {
        let gone = covered.min(part.len());
        covered -= gone;
        &part[gone..]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_follows_the_window() {
        let cases = [
            ("the reference's own", 131_072, 0, 0.5, 98_304),
            ("wide", 1_000_000, 0, 0.5, 500_000),
            ("room for the answer", 1_000_000, 200_000, 0.5, 400_000),
            ("never under the floor", 80_000, 0, 0.5, 64_000),
            ("where the floor passes the window", 70_000, 0, 0.5, 59_500),
            ("small", 8_000, 0, 0.5, 6_800),
            ("an answer beyond all measure", 8_000, 65_536, 0.5, 1_700),
            ("as asked", 131_072, 0, 0.8, 104_857),
        ];
        for (case, window, answer, share, expected) in cases {
            assert_eq!(threshold(window, answer, share), expected, "{case}");
        }
    }

    #[test]
    fn what_is_covered_is_skipped_across_the_parts() {
        let said: Vec<Message> = (0..5).map(|number| Message::user(number.to_string())).collect();
        let parts = [&said[..2], &said[2..3], &said[3..]];
        assert_eq!(skip(parts, 0), parts);
        assert_eq!(skip(parts, 3), [&[], &[], &said[3..]]);
        assert_eq!(skip(parts, 9), [&[] as &[Message]; 3]);
    }
}
