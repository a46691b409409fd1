//! A profile's way to its model: attempts until one succeeds, or nothing more may be tried.

use super::{
    Again, Backoff, Delta, ModelAnswer, ModelError, ModelRequest,
    answer::Assembler,
    base_url,
    connection::{Call, Endpoint},
    demo,
    members::{Limit, Members, Sent},
    reader::AnswerBody,
    retry::{Failed, Repeat, Spent},
    rules::Remedy,
};
use crate::{
    config::{ModelConfig, Provider},
    domain::RetryAction,
};
use http::{Method, Uri};
use std::{cell::RefCell, collections::HashMap, pin::pin, rc::Rc, time::Duration};
use tokio_util::sync::CancellationToken;
use tracing::field;

/// A profile's way to its model; belongs to the thread that made it. Cheap to clone.
#[derive(Clone)]
pub struct ModelClient {
    way: Way,
    pace: Pace,
}

/// How patient a call is.
#[derive(Clone, Copy, Default)]
struct Pace {
    backoff: Backoff,
    /// There is another provider to ask: nobody waits for one that has had enough.
    others: bool,
}

#[derive(Clone)]
enum Way {
    Demo,
    Http(Rc<HttpModel>),
}

/// Of so many models of one upstream the limits are remembered: a client may name any.
const MODELS: usize = 256;

struct HttpModel {
    endpoint: Endpoint,
    /// Of chat completions.
    address: Result<Uri, String>,
    idle_timeout: Duration,
    attempts: u32,
    /// What the model thought before it called tools goes back to it.
    thoughts: bool,
    /// By model.
    limits: RefCell<HashMap<String, Limit>>,
}

impl ModelClient {
    /// A wrong base URL is reported by the first call, so that a profile's other parts still work.
    #[must_use]
    pub fn new(config: &ModelConfig) -> Self {
        let way = match &config.provider {
            Provider::Demo => Way::Demo,
            Provider::OpenAi { base_url } | Provider::Hermes { base_url } => Way::Http(Rc::new(HttpModel {
                endpoint: Endpoint::new(config),
                address: base_url::chat_completions(base_url),
                idle_timeout: config.idle_timeout,
                attempts: config.attempts,
                thoughts: config.send_reasoning,
                limits: RefCell::default(),
            })),
        };
        Self { way, pace: Pace::default() }
    }

    /// Another pace of attempts; tests do not want to wait.
    #[must_use]
    pub fn with_backoff(self, backoff: Backoff) -> Self {
        Self { pace: Pace { backoff, ..self.pace }, ..self }
    }

    /// `others`: whoever asks has another provider, should this one not answer.
    #[must_use]
    pub const fn with_others(mut self, others: bool) -> Self {
        self.pace.others = others;
        self
    }

    /// Asks, with the retry rule, and hands out deltas as they come. Dropping the future, or the token, closes the
    /// upstream connection at once.
    ///
    /// # Errors
    /// [`ModelError`]; [`ModelError::Cancelled`] when the token was cancelled.
    pub async fn ask(
        &self,
        request: &ModelRequest<'_>,
        stop: &CancellationToken,
        on_delta: &mut dyn FnMut(Delta<'_>),
    ) -> Result<ModelAnswer, ModelError> {
        // One registration for the whole call: the token is looked at in each wait, also between two attempts.
        // It gets a reference: what it takes by value it keeps room for twice.
        let answer = pin!(async {
            match &self.way {
                Way::Demo => Ok(demo::answer(request, on_delta).await),
                Way::Http(model) => model.ask(request, self.pace, on_delta).await,
            }
        });
        stop.run_until_cancelled(answer).await.unwrap_or(Err(ModelError::Cancelled))
    }
}

impl HttpModel {
    async fn ask(
        &self,
        request: &ModelRequest<'_>,
        pace: Pace,
        on_delta: &mut dyn FnMut(Delta<'_>),
    ) -> Result<ModelAnswer, ModelError> {
        let (mut attempt, mut attempts) = (1, 1);
        let mut spent = Spent::default();
        let known = self.limits.borrow().get(request.model).copied().unwrap_or_default();
        let mut members = Members::of(known);
        loop {
            let mut failed = match self.attempt(request, &members, on_delta).await {
                Ok(answer) => {
                    self.remember(request.model, known, members.limit);
                    return Ok(answer);
                }
                Err(failed) => failed,
            };
            spent.hold(&mut failed);
            if failed.repeat == Repeat::Now {
                continue;
            }
            let next = self.next(&failed, attempt, pace, (&mut members, request.sent_limit()));
            let Some((action, wait)) = next else { return Err(failed.error) };
            let run = request.run.map(field::display);
            tracing::warn!(run, attempts, ?wait, error = %failed.error, "model call failed, trying again");
            on_delta(Delta::Again(Again { error: &failed.error, action, attempt: attempts, wait }));
            attempt += u32::from(action == RetryAction::Retry);
            attempts += 1;
            tokio::time::sleep(wait).await;
        }
    }

    /// What is done about an attempt that failed: the first remedy that is possible; `None`: nothing here.
    fn next(
        &self,
        failed: &Failed,
        attempt: u32,
        pace: Pace,
        (members, sent): (&mut Members, Option<Sent>),
    ) -> Option<(RetryAction, Duration)> {
        if failed.error.is_partial() {
            return None;
        }
        for remedy in failed.error.remedies() {
            match remedy {
                Remedy::Again => {
                    let jitter = getrandom::u32().unwrap_or(0);
                    let wait = pace.backoff.wait(failed, attempt, self.attempts, jitter);
                    if let Some(wait) = wait {
                        return Some((RetryAction::Retry, wait));
                    }
                }
                Remedy::AnotherKey if failed.other_key => {
                    return Some((RetryAction::RotateKey, Duration::ZERO));
                }
                Remedy::WithoutMember if members.learn(failed.error.said(), sent) => {
                    return Some((RetryAction::Repair, Duration::ZERO));
                }
                Remedy::WithoutLimit if members.without_own_limit(failed.error.said(), sent) => {
                    return Some((RetryAction::Repair, Duration::ZERO));
                }
                Remedy::AnotherModel if pace.others => return None,
                Remedy::AnotherKey | Remedy::WithoutMember | Remedy::WithoutLimit | Remedy::AnotherModel => {}
            }
        }
        None
    }

    /// What a model's server said of limits would be said again at each call.
    fn remember(&self, model: &str, known: Limit, learnt: Limit) {
        let mut limits = self.limits.borrow_mut();
        if learnt != known && (limits.len() < MODELS || limits.contains_key(model)) {
            limits.insert(model.to_owned(), learnt);
        }
    }

    async fn attempt(
        &self,
        request: &ModelRequest<'_>,
        members: &Members,
        on_delta: &mut dyn FnMut(Delta<'_>),
    ) -> Result<ModelAnswer, Failed> {
        let body = request.body(self.thoughts, members).map_err(|error| {
            let message = format!("The request to the upstream could not be written: {error}.");
            Failed::new(ModelError::Connection { message, partial: false }, Repeat::No)
        })?;
        let call = Call { method: Method::POST, address: &self.address, headers: &[], body };
        // Boxed: what it takes to begin is not kept for as long as the answer lasts.
        let response = Box::pin(self.endpoint.send(call)).await?;
        let mut body = AnswerBody::new(response, self.idle_timeout);
        let mut assembler = Assembler::new(on_delta);
        body.read(&mut assembler).await?;
        let answer = assembler.finish(request.messages)?;
        body.drain();
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::Sampling, model::Images};

    #[test]
    fn a_call_that_waits_for_its_model_is_small() {
        let client = ModelClient { way: Way::Demo, pace: Pace::default() };
        let request = ModelRequest {
            run: None,
            model: "m",
            system: &[],
            messages: &[],
            images: &Images::default(),
            tools: None,
            tool_choice: None,
            parallel: None,
            limit: None,
            sampling: &Sampling::default(),
        };
        let (stop, mut deltas) = (CancellationToken::new(), |_: Delta<'_>| {});
        // Thousands of these are held at once; what it takes to begin one is 14 KB.
        let size = size_of_val(&client.ask(&request, &stop, &mut deltas));
        assert!(size < 1_536, "{size}");
    }
}
