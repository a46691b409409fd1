//! The model client against a real socket.

mod answers;
mod failures;
mod http1;

use crate::support::upstream::within;
use hermes_gateway::{
    config::{ModelConfig, Provider, Secret},
    domain::{Message, Sampling},
    model::{Backoff, Delta, Images, ModelAnswer, ModelClient, ModelError, ModelRequest},
};
use std::time::Duration;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

/// A limit that no test means to meet.
const LONG: Duration = Duration::from_secs(20);
/// One that a test waits for.
const SHORT: Duration = Duration::from_millis(300);

/// A client that does not wait between attempts.
fn client(base_url: &str, limit: Duration) -> ModelClient {
    let config = ModelConfig {
        vision: hermes_gateway::config::Vision::Auto,
        provider: Provider::OpenAi { base_url: base_url.to_owned() },
        provider_name: "custom".to_owned(),
        default: "scripted".to_owned(),
        models: Vec::new(),
        options: serde_json::Map::new(),
        api_key: Some(Secret::new("sk-test")),
        context_length: None,
        max_tokens: None,
        connect_timeout: LONG,
        first_byte_timeout: limit,
        idle_timeout: limit,
        attempts: 3,
        send_reasoning: false,
        more_keys: Vec::new(),
        pool: hermes_gateway::config::PoolStrategy::default(),
        prices: None,
    };
    ModelClient::new(&config).with_backoff(Backoff { base: Duration::ZERO, ..Backoff::default() })
}

type End = Result<ModelAnswer, ModelError>;

/// Asks, and tells each delta, reasoning in parentheses.
async fn ask_and_tell(
    client: &ModelClient,
    text: &str,
    stop: &CancellationToken,
    tell: &mut dyn FnMut(String),
) -> End {
    let messages = [Message::user(text)];
    let request = ModelRequest {
        run: None,
        model: "scripted",
        system: &["own"],
        messages: &[&messages],
        images: &Images::default(),
        tools: None,
        tool_choice: None,
        parallel: None,
        limit: None,
        sampling: &Sampling::default(),
    };
    let mut on_delta = |delta: Delta<'_>| {
        tell(match delta {
            Delta::Text(text) => text.to_owned(),
            Delta::Reasoning(text) => format!("({text})"),
            Delta::Again(_) => return,
        });
    };
    within(client.ask(&request, stop, &mut on_delta)).await
}

/// The deltas, and how the call ended.
async fn ask(client: &ModelClient, text: &str) -> (Vec<String>, End) {
    let mut deltas = Vec::new();
    let end = ask_and_tell(client, text, &CancellationToken::new(), &mut |delta| {
        deltas.push(delta);
    })
    .await;
    (deltas, end)
}

/// Runs a test as an arbiter would: one thread, local tasks.
async fn local<T>(test: impl Future<Output = T>) -> T {
    LocalSet::new().run_until(test).await
}
