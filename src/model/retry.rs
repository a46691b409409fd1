//! Whether a failed attempt is repeated, and after how long.

use super::{ModelError, rules::Remedy};
use std::time::Duration;

/// The pace of attempts: `base` × 2ⁿ plus up to half of it, at most `cap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    pub base: Duration,
    /// Nobody waits longer, not even when the upstream asks for it: then the call fails with its wish.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_secs(2), cap: Duration::from_secs(60) }
    }
}

/// An attempt that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: ModelError,
    pub(super) repeat: Repeat,
    /// The provider has another key that was not refused.
    pub(super) other_key: bool,
}

impl Failed {
    pub(super) const fn new(error: ModelError, repeat: Repeat) -> Self {
        Self { error, repeat, other_key: false }
    }
}

/// Whether the way in which an attempt failed lets it be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The request would fail again, or its time is spent.
    No,
    /// The cause may pass.
    Later,
    /// Later, but not a second time: each silence costs a whole limit.
    Once,
    /// A kept connection was found closed: the upstream has not seen the request, and nothing is wrong with it.
    Now,
}

impl From<ModelError> for Failed {
    /// For what the upstream itself answered: the rule is in the error. Never after the first token.
    fn from(error: ModelError) -> Self {
        let again = error.remedies().contains(&Remedy::Again) && !error.is_partial();
        Self::new(error, if again { Repeat::Later } else { Repeat::No })
    }
}

/// What a call is given once, as far as it was.
#[derive(Default)]
pub(super) struct Spent {
    reconnected: bool,
    was_silent: bool,
}

impl Spent {
    /// Holds an attempt that failed to what is left.
    pub(super) const fn hold(&mut self, failed: &mut Failed) {
        failed.repeat = match failed.repeat {
            Repeat::Now if std::mem::replace(&mut self.reconnected, true) => Repeat::Later,
            Repeat::Once if std::mem::replace(&mut self.was_silent, true) => Repeat::No,
            repeat @ (Repeat::No | Repeat::Later | Repeat::Once | Repeat::Now) => repeat,
        };
    }
}

impl Backoff {
    /// How long to wait after attempt number `attempt` (from 1) of `attempts`; `None` ends the call. `jitter` is a
    /// random number.
    pub(super) fn wait(&self, failed: &Failed, attempt: u32, attempts: u32, jitter: u32) -> Option<Duration> {
        match failed.repeat {
            Repeat::No => None,
            Repeat::Now => Some(Duration::ZERO),
            Repeat::Later | Repeat::Once if attempt >= attempts => None,
            Repeat::Later | Repeat::Once => match failed.error.retry_after().map(Duration::from_secs) {
                Some(asked) => (asked <= self.cap).then_some(asked),
                None => Some(self.growing(attempt, jitter)),
            },
        }
    }

    fn growing(&self, attempt: u32, jitter: u32) -> Duration {
        let factor = 2u32.saturating_pow(attempt.saturating_sub(1));
        let wait = self.base.saturating_mul(factor).min(self.cap);
        let half = u64::try_from((wait / 2).as_micros()).unwrap_or(u64::MAX);
        // A fixed-point product: the jitter's share of 2³² of half the wait.
        let extra = (u128::from(half) * u128::from(jitter)) >> 32;
        wait.saturating_add(Duration::from_micros(u64::try_from(extra).unwrap_or(0))).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, retry_after: Option<u64>) -> Failed {
        let error = ModelError::Status { status, message: String::new(), code: None, retry_after };
        error.into()
    }

    #[test]
    fn what_may_pass_is_repeated_and_the_rest_is_not() {
        let cases = [
            (400, Repeat::No),
            (401, Repeat::No),
            (402, Repeat::No),
            (403, Repeat::No),
            (404, Repeat::No),
            (413, Repeat::No),
            (408, Repeat::Later),
            (429, Repeat::Later),
            (500, Repeat::Later),
            (502, Repeat::Later),
            (503, Repeat::Later),
            (529, Repeat::Later),
        ];
        for (code, repeat) in cases {
            assert_eq!(status(code, None).repeat, repeat, "{code}");
        }
    }

    #[test]
    fn nothing_is_repeated_after_the_first_token() {
        for (partial, repeat) in [(false, Repeat::Later), (true, Repeat::No)] {
            let error =
                ModelError::Upstream { message: String::new(), code: Some("503".to_owned()), partial };
            assert_eq!(Failed::from(error).repeat, repeat, "{partial}");
        }
    }

    #[test]
    fn waits_grow_up_to_the_cap_and_the_upstream_is_heard() {
        let seconds = |number: f64| Some(Duration::from_secs_f64(number));
        let half = 1 << 31;
        let cases = [
            ("first", status(500, None), 1, 0, seconds(2.0)),
            ("first, jittered", status(500, None), 1, half, seconds(2.5)),
            ("second", status(500, None), 2, 0, seconds(4.0)),
            ("last", status(500, None), 9, half, None),
            ("eighth", status(500, None), 8, half, seconds(60.0)),
            ("asked", status(429, Some(7)), 1, half, seconds(7.0)),
            ("asked for nothing", status(429, Some(0)), 1, half, seconds(0.0)),
            ("asked for too long", status(429, Some(61)), 1, half, None),
            ("never", status(400, Some(1)), 1, half, None),
        ];
        for (case, failed, attempt, jitter, expected) in cases {
            assert_eq!(Backoff::default().wait(&failed, attempt, 9, jitter), expected, "{case}");
        }
    }

    #[test]
    fn jitter_is_never_more_than_half() {
        let wait = Backoff::default().wait(&status(500, None), 1, 3, u32::MAX);
        assert!(wait.is_some_and(|wait| wait < Duration::from_secs(3)), "{wait:?}");
    }
}
