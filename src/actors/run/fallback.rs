//! Another provider, when the one that was asked gives no answer.

use super::drive::{Break, Driver};
use crate::{
    domain::{Event, Failure, RetryAction, Retrying},
    model::ModelError,
};
use std::{rc::Rc, time::Duration};

/// An upstream that has had enough of us is left alone by later turns, too: for as long as it asks, within these bounds.
const REST: Duration = Duration::from_secs(60);
const LONGEST_REST: Duration = Duration::from_hours(1);

impl Driver {
    /// Has the next provider of `fallback_providers` answer the rest of the turn; `false`: there is none. A turn whose client
    /// chose a model is answered by that model or not at all.
    pub(super) fn fall_back(&mut self, failure: &Failure, error: Option<&ModelError>) -> Result<bool, Break> {
        if error.is_some_and(ModelError::is_rate_limit) && self.spec.upstream.is_none() {
            let asked = failure.retry_after.map_or(REST, Duration::from_secs);
            self.kit.upstreams.rest(self.fallen, asked.clamp(REST, LONGEST_REST));
        }
        self.next_provider(failure)
    }

    /// Leaves the profile's own upstream alone that was said to have had enough by an earlier turn.
    pub(super) fn pass_over_the_resting(&mut self) -> Result<(), Break> {
        if self.spec.upstream.is_none() && self.kit.upstreams.own_rests() {
            let text = "The upstream had too many requests a short while ago and is left alone for now.";
            self.next_provider(&Failure::new(crate::domain::Code::UpstreamRateLimited, text))?;
        }
        Ok(())
    }

    fn next_provider(&mut self, failure: &Failure) -> Result<bool, Break> {
        let next = self.kit.upstreams.fallback(self.fallen, &self.spec.sampling);
        let Some((fallen, next)) = next.filter(|_| self.spec.upstream.is_none()) else {
            return Ok(false);
        };
        tracing::warn!(run = %self.spec.run_id, provider = next.provider, error = failure.message, "falling back");
        let retrying = Event::RunRetrying(Box::new(Retrying {
            action: RetryAction::FallBack,
            attempt: 1,
            wait: 0.0,
            error: failure.message.clone(),
            error_code: failure.code,
            provider: next.provider.clone(),
            model: next.model.clone(),
        }));
        self.fallen = fallen;
        self.thinker = Some(Rc::new(next));
        // Nobody waits for the disk: the next fact brings it there.
        drop(self.log.append(retrying, std::mem::take(&mut self.changes))?);
        Ok(true)
    }
}
