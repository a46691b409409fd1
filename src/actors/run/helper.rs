//! Asking a model for something beside the turn: nobody reads along, and the turn goes on without it if need be.

use super::{
    drive::{Break, Driver},
    ledger,
};
use crate::{
    agent::context::HELPER,
    domain::{CallKind, Code, Message, ModelChoice, Sampling, Usage},
    model::{Asked, Mind, ModelClient, ModelError, ModelRequest},
};
use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// After a failure no helper is asked for so long.
const REST: Duration = Duration::from_secs(600);

/// When a helper of the profile failed last.
#[derive(Default)]
pub struct Rest(Cell<Option<Instant>>);

impl Rest {
    fn is_over(&self) -> bool {
        self.0.get().is_none_or(|failed| failed.elapsed() >= REST)
    }
}

impl Driver {
    /// The helper's summary; `None` when there is none to be had.
    pub(super) async fn helped(
        &mut self,
        mind: &Asked<ModelClient>,
        question: &str,
    ) -> Result<Option<String>, Break> {
        if !self.kit.rest.is_over() {
            return Ok(None);
        }
        let rules = self.tenant.config().compression.clone();
        let helper = rules.helper.as_ref().map(|helper| ModelChoice {
            provider: helper.provider.clone().unwrap_or_else(|| self.own_provider()),
            model: helper.model.clone().unwrap_or_else(|| mind.model.clone()),
        });
        let choice = helper.as_ref().or(self.spec.upstream.as_ref());
        let Some(Mind::Model(asked)) = self.kit.upstreams.mind(choice, &Sampling::default()) else {
            return Ok(None);
        };
        let messages = [Message::user(question)];
        let request = ModelRequest {
            model: &asked.model,
            system: &[HELPER],
            messages: &[&messages],
            tools: None,
            tool_choice: None,
            parallel: None,
            sampling: &asked.sampling,
        };
        let mut nobody = |_: crate::model::Delta<'_>| {};
        let asking = asked.client.ask(&request, &self.control.stop, &mut nobody);
        let begun = Instant::now();
        let answered = tokio::time::timeout(rules.timeout, asking).await;
        let (error, usage) = match &answered {
            Ok(Ok(answer)) => (None, answer.usage.unwrap_or_default()),
            Ok(Err(error)) => (Some(error.failure().code), Usage::default()),
            Err(_elapsed) => (Some(Code::UpstreamTimeout), Usage::default()),
        };
        let call = ledger::row(CallKind::Summary, &asked, begun.elapsed(), error, usage);
        self.log.add_call(call);
        let answer = match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(ModelError::Cancelled)) => return Err(self.stopped()),
            Ok(Err(error)) => return Ok(self.without(&error.to_string())),
            Err(_elapsed) => return Ok(self.without("it did not answer in time")),
        };
        if answer.text.trim().is_empty() {
            return Ok(self.without("its answer was empty"));
        }
        Ok(Some(answer.text.trim().to_owned()))
    }

    fn without(&self, why: &str) -> Option<String> {
        tracing::warn!(run = %self.spec.run_id, why, "the summary was not written by a model; none is asked for a while");
        self.kit.rest.0.set(Some(Instant::now()));
        None
    }

    fn own_provider(&self) -> String {
        self.tenant.config().model.provider_name.clone()
    }
}
