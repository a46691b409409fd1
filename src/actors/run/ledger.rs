//! What a turn's model calls cost.

use super::drive::Driver;
use crate::{
    domain::{CallKind, Code, UpstreamCall, Usage, now},
    model::{Asked, ModelAnswer, ModelError},
};
use std::time::Duration;

/// The row of a call that has ended.
pub(super) fn row<C>(
    kind: CallKind,
    asked: &Asked<C>,
    took: Duration,
    error: Option<Code>,
    usage: Usage,
) -> UpstreamCall {
    UpstreamCall {
        at: now(),
        kind,
        provider: asked.provider.clone(),
        model: asked.model.clone(),
        ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        usage,
        error,
        cost: asked.prices.map(|prices| prices.cost(&usage)),
    }
}

/// Why a call failed, and what it cost.
pub(super) fn outcome(answer: &Result<ModelAnswer, ModelError>) -> (Option<Code>, Usage) {
    match answer {
        Ok(answer) => (None, answer.usage.unwrap_or_default()),
        Err(error) => (Some(error.failure().code), Usage::default()),
    }
}

impl Driver {
    /// Notes a call of the turn: it goes to disk with the turn's next event, before the next step.
    pub(super) fn called<C>(&mut self, asked: &Asked<C>, took: Duration, error: Option<Code>, usage: Usage) {
        let kind = if self.spec.parent.is_some() { CallKind::Child } else { CallKind::Main };
        self.log.add_call(row(kind, asked, took, error, usage));
    }

    /// The same of another gateway's agent, whose run counts as one call.
    pub(super) fn called_there<C>(&mut self, asked: &Asked<C>, error: Option<Code>, usage: Usage) {
        let since =
            self.log.see(|record| record.started_at).map_or(0, |started| now().saturating_sub(started));
        self.called(asked, Duration::from_millis(u64::try_from(since).unwrap_or(0)), error, usage);
    }
}
