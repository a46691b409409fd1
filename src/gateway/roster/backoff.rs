//! When a crashed profile is opened again, and when it is given up.

use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// This many failures within [`WINDOW`] and the profile is given up.
const FAILURES: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    RetryAfter(Duration),
    GiveUp,
}

/// The recent failures of one profile.
#[derive(Debug, Default)]
pub struct Failures {
    recent: VecDeque<Instant>,
    last_wait: Option<Duration>,
}

impl Failures {
    /// A failure at `now`: waits double from failure to failure, and begin anew after a quiet minute.
    pub fn record(&mut self, now: Instant) -> Verdict {
        let quiet =
            self.recent.back().is_none_or(|last| now - *last > WINDOW + self.last_wait.unwrap_or_default());
        self.recent.retain(|at| now - *at < WINDOW);
        self.recent.push_back(now);
        if self.recent.len() >= FAILURES {
            return Verdict::GiveUp;
        }
        let wait = match self.last_wait {
            Some(last) if !quiet => (last * 2).min(LONGEST),
            Some(_) | None => FIRST,
        };
        self.last_wait = Some(wait);
        Verdict::RetryAfter(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_five_failures_within_a_minute_are_the_end() {
        let retry = |seconds| Verdict::RetryAfter(Duration::from_secs(seconds));
        let cases: [(&str, &[u64], &[Verdict]); 4] = [
            (
                "at once, again and again",
                &[0, 1, 3, 7, 15],
                &[retry(1), retry(2), retry(4), retry(8), Verdict::GiveUp],
            ),
            ("one now and then", &[0, 200, 400, 600, 800], &[retry(1); 5]),
            (
                "always after 50 seconds",
                &[0, 50, 100, 150, 200, 250, 300, 350],
                &[retry(1), retry(2), retry(4), retry(8), retry(16), retry(32), retry(60), retry(60)],
            ),
            ("two, and a quiet hour", &[0, 1, 3_600], &[retry(1), retry(2), retry(1)]),
        ];
        let begin = Instant::now();
        for (case, seconds, verdicts) in cases {
            let mut failures = Failures::default();
            let got: Vec<_> =
                seconds.iter().map(|at| failures.record(begin + Duration::from_secs(*at))).collect();
            assert_eq!(got, verdicts, "{case}");
        }
    }
}
