//! Answers that are no answers: how often each kind is asked for again, and what the model is told then.

/// A kind of answer that the turn cannot go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// The model's own limit cut the text.
    CutText,
    /// A call of a tool is not whole.
    CutCall,
    /// Thoughts, and nothing said or done.
    ThoughtsAlone,
    /// Nothing at all.
    Empty,
    /// Only calls of tools that do not exist.
    UnknownTools,
}

/// One line of the table.
struct Rule {
    mishap: Mishap,
    /// How often such an answer is asked for again. Of tools that do not exist: how many such answers get results that say so.
    again: u32,
    nudge: Option<Nudge>,
}

const RULES: [Rule; 5] = [
    Rule { mishap: Mishap::CutText, again: 3, nudge: Some(Nudge::GoOn) },
    Rule { mishap: Mishap::CutCall, again: 3, nudge: Some(Nudge::CallAgain) },
    Rule { mishap: Mishap::ThoughtsAlone, again: 2, nudge: Some(Nudge::Speak) },
    Rule { mishap: Mishap::Empty, again: 3, nudge: None },
    Rule { mishap: Mishap::UnknownTools, again: 2, nudge: None },
];

/// Said to the model with one call, and never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nudge {
    GoOn,
    CallAgain,
    Speak,
    /// The turn has no more model calls.
    WrapUp,
}

impl Nudge {
    pub const ALL: [Self; 4] = [Self::GoOn, Self::CallAgain, Self::Speak, Self::WrapUp];

    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::GoOn => {
                "Your answer was cut off at the output limit. Go on exactly where it stops, in the middle of the word if \
                 need be. Repeat nothing and add no introduction."
            }
            Self::CallAgain => {
                "Your tool call was cut off before its arguments were whole, and was not run. Make it again; split it \
                 into smaller calls if it is long. Do not repeat text that you wrote already."
            }
            Self::Speak => "You thought, but neither answered nor called a tool. Do one of the two now.",
            Self::WrapUp => {
                "You have used all the model calls of this turn. Without calling any tool, sum up for the user what was \
                 done, what was found and what is still open."
            }
        }
    }
}

/// What went wrong in a turn so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Mishaps {
    counts: [u32; RULES.len()],
    /// Of the answer before; nothing else is nudged about.
    last: Option<Mishap>,
}

impl Mishaps {
    /// Counts one more; whether it is asked again.
    pub(super) fn again(&mut self, mishap: Mishap) -> bool {
        self.last = Some(mishap);
        let Some(at) = RULES.iter().position(|rule| rule.mishap == mishap) else { return false };
        self.counts[at] += 1;
        self.counts[at] <= RULES[at].again
    }

    /// An answer came that the turn goes on with: all is forgiven, but for tools that do not exist.
    pub(super) fn over(&mut self, unknown_tools: bool) {
        let kept = self.counts;
        *self = Self::default();
        for (at, rule) in RULES.iter().enumerate() {
            if unknown_tools && rule.mishap == Mishap::UnknownTools {
                self.counts[at] = kept[at];
            }
        }
    }

    pub(super) fn nudge(&self) -> Option<Nudge> {
        let last = self.last?;
        RULES.iter().find(|rule| rule.mishap == last)?.nudge
    }

    /// Whether the answer before ended within a call.
    pub(super) fn cut_a_call(&self) -> bool {
        self.last == Some(Mishap::CutCall)
    }
}
