//! Which messages of a conversation give way to a summary.

use super::tokens;
use crate::domain::Message;

/// Messages at the end that stay, as long as they are not very long.
const LEAST: usize = 8;

/// What has to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stays {
    /// Messages at the beginning.
    pub first: usize,
    /// Messages at the end, as long as they are short …
    pub last: usize,
    /// … and tokens of them, however many messages that is.
    pub tokens: u64,
}

/// What gives way: messages from `head` to before `tail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    pub head: usize,
    pub tail: usize,
    /// One of these that stays nevertheless: the user's last word, when none comes after.
    pub kept: Option<usize>,
}

impl Cut {
    /// `None`: there is nothing that could give way. The first `old` messages are what is left of an earlier time, its
    /// summary at `summary`: more than these has to give way now.
    #[must_use]
    pub fn of(messages: &[&Message], old: usize, summary: Option<usize>, stays: Stays) -> Option<Self> {
        let result = |at: usize| matches!(messages.get(at), Some(Message::Tool { .. }));
        let mut head = stays.first.min(messages.len());
        while head > 0 && result(head) {
            head += 1;
        }
        let user = |at: &usize| matches!(messages[*at], Message::User { .. }) && summary != Some(*at);
        let mut tail = messages.len();
        let (mut kept, mut sum) = (0, 0);
        while tail > head {
            let next = sum + tokens::of_message(messages[tail - 1]);
            let stay = next <= stays.tokens
                || kept < stays.last && next <= stays.tokens + stays.tokens / 2
                || kept < stays.last.min(LEAST) && next <= 5 * stays.tokens / 2;
            if !stay && kept > 0 {
                break;
            }
            (tail, kept, sum) = (tail - 1, kept + 1, next);
        }
        // A result stays with its call.
        while tail > head && result(tail) {
            tail -= 1;
        }
        // The last word is the task at hand: it stands behind the summary, not before it.
        let kept = (0..messages.len()).rev().find(user).filter(|at| *at < tail);
        head = kept.map_or(head, |kept| head.min(kept));
        let new = tail.saturating_sub(head.max(old));
        (new > usize::from(kept.is_some_and(|kept| kept >= old))).then_some(Self { head, tail, kept })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ToolCall;

    /// A conversation as letters: `u`ser, `a`nswer, `c`all of a tool, `r`esult; a capital is long.
    fn messages(letters: &str) -> Vec<Message> {
        letters
            .chars()
            .map(|letter| {
                let text = if letter.is_ascii_uppercase() { "x".repeat(4_000) } else { "x".repeat(384) };
                match letter.to_ascii_lowercase() {
                    'u' => Message::user(text),
                    'a' => Message::assistant(text),
                    'c' => Message::Assistant {
                        content: text,
                        tool_calls: vec![ToolCall {
                            id: "1".into(),
                            name: "t".into(),
                            arguments: "{}".into(),
                        }],
                        reasoning: None,
                    },
                    _ => Message::Tool { tool_call_id: "1".into(), name: None, content: text },
                }
            })
            .collect()
    }

    /// Head, tail and what is kept, marked in the letters: `head|covered|tail`, a kept one in brackets.
    fn cut(letters: &str, old: usize) -> Option<String> {
        let all = messages(letters);
        let all: Vec<&Message> = all.iter().collect();
        let stays = Stays { first: 3, last: 4, tokens: 400 };
        let Cut { head, tail, kept } = Cut::of(&all, old, None, stays)?;
        let mark = |(at, letter): (usize, char)| {
            if kept == Some(at) { format!("[{letter}]") } else { letter.to_string() }
        };
        let covered: String = letters.char_indices().skip(head).take(tail - head).map(mark).collect();
        Some(format!("{}|{covered}|{}", &letters[..head], &letters[tail..]))
    }

    #[test]
    fn the_middle_gives_way_and_no_call_loses_its_result() {
        let cases = [
            ("plain", "uauauauauauaua", 0, Some("uau|auauaua|uaua")),
            ("a call at the cut", "uauauaucrrraua", 0, Some("uau|auau|crrraua")),
            ("a call in the head", "ucrrrauauauaua", 0, Some("ucrrr|auaua|uaua")),
            ("long at the end", "uauauauauaUAUA", 0, Some("uau|auauauaUA[U]|A")),
            ("one very long message", "uauauaR", 0, Some("uau|a[u]|aR")),
            ("the user's word", "uauuacrcrcrcrcrcrcr", 0, Some("uau|[u]acrcrcrcrcr|crcr")),
            ("the only word", "ucrcrcrcrcrcrcr", 0, Some("|[u]crcrcrcrcr|crcr")),
            ("too short", "uauaua", 0, None),
            ("nothing new", "uauauauauauaua", 10, None),
            ("something new", "uauauauauauaua", 8, Some("uau|auauaua|uaua")),
        ];
        for (case, letters, old, expected) in cases {
            assert_eq!(cut(letters, old).as_deref(), expected, "{case}");
        }
    }
}
