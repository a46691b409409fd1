//! A profile's way to its model: attempts until one succeeds, or nothing more may be tried.

use super::{
    Backoff, Delta, ModelAnswer, ModelError, ModelRequest,
    answer::Assembler,
    base_url,
    connection::{Call, Endpoint},
    demo,
    reader::AnswerBody,
    retry::{Failed, Repeat},
};
use crate::config::{ModelConfig, Provider};
use awc::http::{Method, Uri};
use std::{rc::Rc, time::Duration};
use tokio_util::sync::CancellationToken;

/// A profile's way to its model; belongs to the thread that made it. Cheap to clone.
#[derive(Clone)]
pub struct ModelClient {
    way: Way,
    backoff: Backoff,
}

#[derive(Clone)]
enum Way {
    Demo,
    Http(Rc<HttpModel>),
}

struct HttpModel {
    endpoint: Endpoint,
    /// Of chat completions.
    address: Result<Uri, String>,
    idle_timeout: Duration,
    attempts: u32,
    /// What the model thought before it called tools goes back to it.
    thoughts: bool,
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
            })),
        };
        Self { way, backoff: Backoff::default() }
    }

    /// Another pace of attempts; tests do not want to wait.
    #[must_use]
    pub fn with_backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
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
        let answer = stop.run_until_cancelled(async {
            match &self.way {
                Way::Demo => Ok(demo::answer(request, on_delta).await),
                Way::Http(model) => model.ask(request, self.backoff, on_delta).await,
            }
        });
        answer.await.unwrap_or(Err(ModelError::Cancelled))
    }
}

impl HttpModel {
    async fn ask(
        self: &Rc<Self>,
        request: &ModelRequest<'_>,
        backoff: Backoff,
        on_delta: &mut dyn FnMut(Delta<'_>),
    ) -> Result<ModelAnswer, ModelError> {
        let mut attempt = 1;
        let mut reconnected = false;
        loop {
            let mut failed = match self.attempt(request, on_delta).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            if failed.repeat == Repeat::Now && std::mem::replace(&mut reconnected, true) {
                failed.repeat = Repeat::Later;
            }
            let jitter = getrandom::u32().unwrap_or(0);
            let Some(wait) = backoff.wait(&failed, attempt, self.attempts, jitter) else {
                return Err(failed.error);
            };
            if failed.repeat == Repeat::Later {
                tracing::warn!(attempt, ?wait, error = %failed.error, "model call failed, trying again");
                attempt += 1;
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt(
        self: &Rc<Self>,
        request: &ModelRequest<'_>,
        on_delta: &mut dyn FnMut(Delta<'_>),
    ) -> Result<ModelAnswer, Failed> {
        let body = request.body(self.thoughts).map_err(|error| Failed {
            error: ModelError::Connection {
                message: format!("The request to the upstream could not be written: {error}."),
                partial: false,
            },
            repeat: Repeat::No,
        })?;
        let call = Call { method: Method::POST, address: &self.address, headers: &[], body };
        let response = self.endpoint.send(call).await?;
        let mut body = AnswerBody::new(response, self.idle_timeout);
        let mut assembler = Assembler::new(on_delta);
        body.read(&mut assembler).await?;
        let answer = assembler.finish(request.messages)?;
        let model = Rc::clone(self);
        body.drain(move || model.endpoint.connection_kept());
        Ok(answer)
    }
}
