//! What a turn's model calls cost.

use super::drive::Driver;
use crate::{
    config::Prices,
    domain::{CallKind, Code, UpstreamCall, Usage, now},
    model::Asked,
};
use std::time::Duration;

impl Driver {
    /// Notes a call that has ended: it goes to disk with the turn's next event, before the next step.
    pub(super) fn called<C>(&mut self, asked: &Asked<C>, took: Duration, error: Option<Code>, usage: Usage) {
        self.log.add_call(UpstreamCall {
            at: now(),
            kind: CallKind::Main,
            provider: asked.provider.clone(),
            model: asked.model.clone(),
            ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            usage,
            error,
            cost: asked.prices.as_ref().map(|prices| Prices::cost(prices, &usage)),
        });
    }

    /// The same of another gateway's agent, whose run counts as one call.
    pub(super) fn called_there<C>(&mut self, asked: &Asked<C>, error: Option<Code>, usage: Usage) {
        let since = self.log.record().started_at.map_or(0, |started| now().saturating_sub(started));
        self.called(asked, Duration::from_millis(u64::try_from(since).unwrap_or(0)), error, usage);
    }
}
