//! The calls of one gateway's API that a run needs, each repeated until it is certain what came of it.

use super::RemoteEvents;
use crate::{
    config::ModelConfig,
    domain::{ApprovalId, Choice, UpstreamRun},
    http1::{Body, Content},
    model::{
        Backoff, ModelError, base_url,
        connection::{Call, Endpoint},
        retry::{Failed, Repeat, Spent},
    },
};
use http::{Method, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{rc::Rc, time::Duration};
use tokio::time::timeout;

/// More than any answer has that is no stream and that we read.
const MAX_ANSWER: usize = 256 * 1024;

/// A profile of another gateway. Belongs to the thread that made it; cheap to clone.
#[derive(Clone)]
pub struct HermesClient(Rc<Gateway>);

struct Gateway {
    endpoint: Endpoint,
    base_url: String,
    idle_timeout: Duration,
    attempts: u32,
    backoff: Backoff,
}

#[derive(Deserialize)]
struct Accepted {
    run_id: String,
}

impl HermesClient {
    #[must_use]
    pub fn new(base_url: &str, config: &ModelConfig) -> Self {
        Self(Rc::new(Gateway {
            endpoint: Endpoint::new(config),
            base_url: base_url.to_owned(),
            idle_timeout: config.idle_timeout,
            attempts: config.attempts,
            backoff: Backoff::default(),
        }))
    }

    /// Starts the run of a turn's [`super::RemoteTurn::body`] and gives its id. Under one `key` it is started once, however often this is called.
    ///
    /// # Errors
    /// [`ModelError`], when no attempt was answered well.
    pub async fn start(&self, body: Vec<u8>, key: &str) -> Result<String, ModelError> {
        let answer = self.post("/runs", &[("Idempotency-Key", key)], body).await?;
        let accepted = serde_json::from_slice::<Accepted>(&answer);
        let id = accepted.ok().map(|accepted| accepted.run_id).filter(|id| is_sane(id));
        id.ok_or_else(|| garbage("an answer to a new run that names no run"))
    }

    /// The run's events behind the last one seen.
    #[must_use]
    pub fn events(&self, run: &UpstreamRun) -> RemoteEvents {
        RemoteEvents::new(self.clone(), run)
    }

    /// Answers a question of the run.
    ///
    /// # Errors
    /// [`ModelError`]; the other side may know a decision already.
    pub async fn decide(
        &self,
        run: &str,
        approval: ApprovalId,
        choice: Choice,
        reason: Option<&str>,
    ) -> Result<(), ModelError> {
        let body = json!({ "approval_id": approval, "choice": choice, "reason": reason });
        self.post(&format!("/runs/{run}/approval"), &[], body.to_string().into_bytes()).await.map(drop)
    }

    /// Answers what the agent of the run asks itself.
    ///
    /// # Errors
    /// As [`HermesClient::decide`].
    pub async fn clarify(&self, run: &str, question: ApprovalId, response: &str) -> Result<(), ModelError> {
        let body = json!({ "clarify_id": question, "response": response });
        self.post(&format!("/runs/{run}/clarify"), &[], body.to_string().into_bytes()).await.map(drop)
    }

    /// Says something to the running turn.
    ///
    /// # Errors
    /// [`ModelError`]; the other side may take nothing in any more.
    pub async fn steer(&self, run: &str, input: &str) -> Result<(), ModelError> {
        // Words that were heard, and whose answer was lost, are not said again.
        let key = uuid::Uuid::now_v7().to_string();
        let body = json!({ "input": input }).to_string().into_bytes();
        self.post(&format!("/runs/{run}/steer"), &[("Idempotency-Key", &key)], body).await.map(drop)
    }

    /// Ends the run; one that has ended does not mind.
    ///
    /// # Errors
    /// [`ModelError`]: then it may go on over there.
    pub async fn stop(&self, run: &str) -> Result<(), ModelError> {
        let body = Value::Object(serde_json::Map::new()).to_string().into_bytes();
        self.post(&format!("/runs/{run}/stop"), &[], body).await.map(drop)
    }

    async fn post(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Vec<u8>,
    ) -> Result<Vec<u8>, ModelError> {
        let address = self.address(path);
        let mut patience = Patience::default();
        loop {
            let body = body.clone().into();
            match self.attempt(Call { method: Method::POST, address: &address, headers, body }).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => tokio::time::sleep(self.wait(&mut patience, failed)?).await,
            }
        }
    }

    async fn attempt(&self, call: Call<'_>) -> Result<Vec<u8>, Failed> {
        let mut body = self.0.endpoint.send(call).await?.body;
        let mut answer = Vec::new();
        loop {
            match timeout(self.0.idle_timeout, body.next()).await {
                Ok(Some(Ok(bytes))) if answer.len() + bytes.len() <= MAX_ANSWER => {
                    answer.extend_from_slice(&bytes);
                }
                Ok(Some(Ok(_))) => return Err(garbage("an endless answer").into()),
                Ok(Some(Err(_))) | Err(_) => {
                    let error = cut("The upstream closed the connection within its answer.");
                    return Err(Failed::new(error, Repeat::Later));
                }
                Ok(None) => break,
            }
        }
        Ok(answer)
    }

    /// Opens the stream of a run's events; one attempt.
    pub(super) async fn open(&self, run: &str, after: u64) -> Result<Body, Failed> {
        let (address, after) = (self.address(&format!("/runs/{run}/events")), after.to_string());
        let headers = [("Last-Event-ID", after.as_str())];
        let call =
            Call { method: Method::GET, address: &address, headers: &headers, body: Content::default() };
        Ok(self.0.endpoint.send(call).await?.body)
    }

    /// How long to wait before the next attempt.
    ///
    /// # Errors
    /// That of the last attempt, when there shall be no other.
    pub(super) fn wait(&self, patience: &mut Patience, mut failed: Failed) -> Result<Duration, ModelError> {
        patience.spent.hold(&mut failed);
        patience.failures += u32::from(matches!(failed.repeat, Repeat::Later | Repeat::Once));
        let jitter = getrandom::u32().unwrap_or(0);
        let wait = self.0.backoff.wait(&failed, patience.failures, self.0.attempts, jitter);
        wait.ok_or(failed.error)
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        self.0.idle_timeout
    }

    fn address(&self, path: &str) -> Result<Uri, String> {
        base_url::below(&self.0.base_url, path)
    }
}

/// What has been tried in vain, in a row.
#[derive(Default)]
pub(super) struct Patience {
    failures: u32,
    spent: Spent,
}

/// The id becomes part of an address.
fn is_sane(id: &str) -> bool {
    (1..=256).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

pub(super) fn garbage(what: &str) -> ModelError {
    ModelError::Garbage { message: what.to_owned(), partial: false }
}

pub(super) fn cut(message: &str) -> ModelError {
    ModelError::Connection { message: message.to_owned(), partial: false }
}
