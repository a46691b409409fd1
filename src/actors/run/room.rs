//! What of the conversation a model is shown: all of it, until it grew too long and a summary took the place of a part.
//!
//! The conversation itself (what was loaded, the request's history, the opening, the turn's own messages) is never
//! changed. What is shown is a base, which stands for its first messages, and the rest of it.

use super::drive::Driver;
use crate::{
    agent::context::{self, Scale},
    domain::{Message, Sampling, Summary},
    model::{Asked, ModelClient},
    store::SessionContext,
};
use std::{borrow::Cow, collections::HashSet};

/// Tokens below which a limit is no use.
const LEAST_ANSWER: u64 = 256;
/// Nobody waits for a longer answer, and few models give one.
const MOST_ANSWER: u64 = 65_536;

/// The state of one turn.
#[derive(Default)]
pub(super) struct Room {
    /// First messages, summary, the user's last word: shown instead of the first `covered` messages.
    pub base: Vec<Message>,
    pub covered: usize,
    /// Where the summary stands among what is shown, if there is one, and how many messages of it are old: they gave
    /// way once.
    pub summary_at: Option<usize>,
    pub old: usize,
    /// The one that counts now.
    pub summary: Option<Summary>,
    /// What was loaded has this one in it.
    loaded: Option<Summary>,
    /// To be kept with the turn's messages, which it covers.
    pub pending: Option<Summary>,
    /// Messages of the session when the turn began, and its summaries.
    pub total: u64,
    pub summaries: u32,
    /// Compressions in this turn.
    pub rounds: u32,
    /// What the agent's own prompt was made of may have changed: it is built anew.
    pub new_prompt: bool,
    /// Folders whose own instructions were looked for since.
    pub looked_into: HashSet<String>,
    pub scale: Scale,
    /// Tokens of the last request, as guessed before the scale.
    pub guessed: u64,
    /// How many messages of the conversation are counted in `tokens`, those of the base included.
    counted: usize,
    tokens: u64,
}

impl Room {
    /// Notes how what was loaded of a session is made up.
    pub fn of_session(context: &SessionContext) -> Self {
        let summary = context.summary.clone();
        let head = context.head.len();
        Self {
            summary_at: summary.as_ref().map(|_| head),
            old: summary.as_ref().map_or(0, |_| head + 1 + usize::from(context.kept.is_some())),
            loaded: summary.clone(),
            summary,
            total: context.total,
            summaries: context.summaries,
            ..Self::default()
        }
    }

    /// The conversation is not what was loaded: parts of it were left out, or mended.
    pub const fn forget_places(&mut self) {
        (self.summary_at, self.old) = (None, 0);
    }

    /// What is shown of these.
    pub fn shown<'a>(&'a self, conversation: [&'a [Message]; 4]) -> [&'a [Message]; 5] {
        let [first, second, third, own] = context::skip(conversation, self.covered);
        [&self.base, first, second, third, own]
    }

    /// The base changed: all is counted anew, and what stood in results may be shown no more.
    pub fn recount(&mut self) {
        (self.counted, self.tokens) = (0, 0);
        self.looked_into.clear();
    }
}

/// What is told of a session, in order.
pub(in crate::actors) fn told(context: SessionContext) -> Vec<Message> {
    let SessionContext { mut head, summary, kept, tail, .. } = context;
    head.extend(summary.as_ref().map(context::message));
    head.extend(kept);
    head.extend(tail);
    head
}

impl Driver {
    /// The conversation as it is shown, one slice after the other.
    pub(super) fn shown(&self) -> [&[Message]; 5] {
        let [first, second, third] = self.conversation();
        self.room.shown([first, second, third, self.turn.messages()])
    }

    /// Guessed tokens of what is shown. Each message is counted once.
    pub(super) fn shown_tokens(&mut self) -> u64 {
        let Room { mut counted, mut tokens, covered, .. } = self.room;
        if counted == 0 {
            tokens = self.room.base.iter().map(context::of_message).sum();
            counted = covered;
        }
        let [first, second, third] = self.conversation();
        let new = context::skip([first, second, third, self.turn.messages()], counted);
        for message in new.into_iter().flatten() {
            tokens += context::of_message(message);
            counted += 1;
        }
        (self.room.counted, self.room.tokens) = (counted, tokens);
        tokens
    }

    /// What bounds the next call's answer: the members of the request (`limits`: those for the final answer too), and the
    /// gateway's own limit where they have none.
    pub(super) fn bounds<'a>(
        &self,
        mind: &'a Asked<ModelClient>,
        limits: bool,
    ) -> (Cow<'a, Sampling>, Option<u64>) {
        let sampling = if limits {
            self.fitting(mind).map_or(Cow::Borrowed(&mind.sampling), Cow::Owned)
        } else {
            Cow::Owned(mind.sampling.without_limits())
        };
        let limit = if sampling.limits_answer() { None } else { self.own_limit(mind) };
        (sampling, limit)
    }

    /// `model.max_tokens`, and no more than is left of a window that is known: an upstream that reserves room for the answer
    /// refuses a call whose prompt and limit are more than its window, and one with a small limit of its own cuts answers
    /// that had room.
    fn own_limit(&self, mind: &Asked<ModelClient>) -> Option<u64> {
        let left = self.kit.upstreams.known_window(&mind.provider, &mind.model).map(|window| {
            let prompt = self.room.scale.apply(self.room.guessed);
            // The first guess of a prompt may be far off.
            window.saturating_sub(prompt + prompt / 4)
        });
        let limit = match (mind.max_tokens, left) {
            (Some(most), Some(left)) => Some(most.min(left)),
            (Some(most), None) => return Some(most),
            (None, left) => left.map(|left| left.min(MOST_ANSWER)),
        };
        // Too little for any answer: the upstream says so, and the conversation is made shorter.
        limit.filter(|limit| *limit >= LEAST_ANSWER.min(mind.max_tokens.unwrap_or(LEAST_ANSWER)))
    }

    /// The members of the next call with a limit that fits into what is left of the window: an upstream refuses a call
    /// whose prompt and limit are more than that together. `None`: they fit as they are.
    fn fitting(&self, mind: &Asked<ModelClient>) -> Option<Sampling> {
        let wanted = mind.sampling.answer_limit()?;
        let window = self.kit.upstreams.window(&mind.provider, &mind.model);
        let left = window.saturating_sub(self.room.scale.apply(self.room.guessed));
        // What is left is a guess.
        let left = left - left / 20;
        // Too little for any answer: the upstream says so, and the conversation is made shorter.
        (wanted > left && left >= LEAST_ANSWER).then(|| mind.sampling.limited_to(left))
    }

    /// Whether places of the conversation are places of the session.
    pub(super) fn is_sessions(&self) -> bool {
        let spec = &self.spec;
        spec.session.named
            && spec.load_history
            && spec.after.is_none()
            && spec.history.is_empty()
            && self.mended.is_none()
    }

    /// The number that a message of the conversation has in the session, or will have: the turn's own come after all that
    /// it has now. Only where [`Driver::is_sessions`].
    pub(super) fn number_of(&self, at: usize) -> u64 {
        let at = at as u64;
        let loaded = self.loaded.len() as u64;
        if at >= loaded {
            return self.room.total + at - loaded + 1;
        }
        match &self.room.loaded {
            Some(summary) if at >= summary.head => {
                let behind = at - summary.head;
                let shown = 1 + u64::from(summary.kept.is_some());
                if behind < shown {
                    summary.kept.unwrap_or(summary.upto)
                } else {
                    summary.upto + behind - shown + 1
                }
            }
            Some(_) | None => at + 1,
        }
    }
}
