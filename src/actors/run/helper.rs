//! Asking a model for something beside the turn: nobody reads along, and the turn goes on without it if need be.

use super::{
    drive::{Break, Driver},
    ledger,
};
use crate::{
    agent::context::HELPER,
    config::HelperConfig,
    domain::{CallKind, Code, Message, ModelChoice, Sampling, Usage},
    model::{Asked, Images, Mind, ModelClient, ModelError, ModelRequest},
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

/// A question for a model beside the turn.
pub(super) struct Aside<'a> {
    pub kind: CallKind,
    /// Who is asked; `None`: whoever answers the turn.
    pub helper: Option<&'a HelperConfig>,
    pub timeout: Duration,
    pub system: &'a str,
    pub question: &'a str,
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
        let (helper, timeout) = (rules.helper.as_ref(), rules.timeout);
        let aside = Aside { kind: CallKind::Summary, helper, timeout, system: HELPER, question };
        match self.aside(mind, aside).await? {
            Ok(text) => Ok(Some(text)),
            Err(why) => {
                tracing::warn!(run = %self.spec.run_id, why, "the summary was not written by a model; none is asked for a while");
                self.kit.rest.0.set(Some(Instant::now()));
                Ok(None)
            }
        }
    }

    /// Asks; the inner error says why there is no answer.
    pub(super) async fn aside(
        &mut self,
        mind: &Asked<ModelClient>,
        aside: Aside<'_>,
    ) -> Result<Result<String, String>, Break> {
        let Aside { kind, helper, timeout, system, question } = aside;
        let helper = helper.map(|helper| ModelChoice {
            provider: helper.provider.clone().unwrap_or_else(|| self.own_provider()),
            model: helper.model.clone().unwrap_or_else(|| mind.model.clone()),
        });
        let choice = helper.as_ref().or(self.spec.upstream.as_ref());
        let Some(Mind::Model(asked)) = self.kit.upstreams.mind(choice, &Sampling::default()) else {
            return Ok(Err("there is no model that could be asked".to_owned()));
        };
        let messages = [Message::user(question)];
        let request = ModelRequest {
            run: Some(self.spec.run_id),
            model: &asked.model,
            system: &[system],
            messages: &[&messages],
            images: &Images::default(),
            tools: None,
            tool_choice: None,
            parallel: None,
            limit: None,
            sampling: &asked.sampling,
        };
        let mut nobody = |_: crate::model::Delta<'_>| {};
        let asking = asked.client.ask(&request, &self.control.stop, &mut nobody);
        let begun = Instant::now();
        let answered = tokio::time::timeout(timeout, asking).await;
        let (error, usage) = match &answered {
            Ok(Ok(answer)) => (None, answer.usage.unwrap_or_default()),
            Ok(Err(error)) => (Some(error.failure().code), Usage::default()),
            Err(_elapsed) => (Some(Code::UpstreamTimeout), Usage::default()),
        };
        let call = ledger::row(kind, &asked, begun.elapsed(), error, usage);
        self.log.add_call(call);
        match answered {
            Ok(Ok(answer)) if answer.text.trim().is_empty() => Ok(Err("its answer was empty".to_owned())),
            Ok(Ok(answer)) => Ok(Ok(answer.text.trim().to_owned())),
            Ok(Err(ModelError::Cancelled)) => Err(self.stopped()),
            Ok(Err(error)) => Ok(Err(error.to_string())),
            Err(_elapsed) => Ok(Err("it did not answer in time".to_owned())),
        }
    }

    fn own_provider(&self) -> String {
        self.tenant.config().model.provider_name.clone()
    }
}
