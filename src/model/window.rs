//! How long a conversation a model can read, in tokens.
//!
//! In this order: what is configured, what the endpoint says of its models, what is known of the name, a guess.

use super::{
    base_url,
    connection::{Call, Endpoint},
};
use crate::{
    config::{ModelConfig, Provider},
    http1::Content,
};
use http::{Method, Uri};
use serde::Deserialize;
use serde_json::Value;
use std::{
    cell::Cell,
    collections::HashMap,
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::timeout;

/// Where nothing is known.
const GUESS: u64 = 256_000;
/// An endpoint gets this long to say what models it has, and this many bytes.
const PATIENCE: Duration = Duration::from_secs(5);
const MOST: usize = 4 << 20;
/// What an endpoint may call it.
const MEMBERS: [&str; 9] = [
    "context_length",
    "context_window",
    "max_context_length",
    "max_model_len",
    "max_input_tokens",
    "max_seq_len",
    "loaded_context_length",
    "n_ctx",
    "n_ctx_train",
];

/// Parts of names, the more exact ones first.
const KNOWN: [(&str, u64); 40] = [
    ("gpt-5", 400_000),
    ("gpt-4.1", 1_047_576),
    ("gpt-4o", 128_000),
    ("gpt-4-turbo", 128_000),
    ("gpt-4-32k", 32_768),
    ("gpt-4", 8_192),
    ("gpt-3.5", 16_385),
    ("gpt-oss", 131_072),
    ("o1", 200_000),
    ("o3", 200_000),
    ("o4-mini", 200_000),
    ("claude", 200_000),
    ("gemini-1.5-pro", 2_097_152),
    ("gemini", 1_048_576),
    ("gemma-3", 131_072),
    ("gemma", 8_192),
    ("grok-4-fast", 2_000_000),
    ("grok-4", 256_000),
    ("grok", 131_072),
    ("kimi-k2", 262_144),
    ("kimi", 131_072),
    ("moonshot", 131_072),
    ("deepseek", 131_072),
    ("qwen3-coder", 262_144),
    ("qwen3", 131_072),
    ("qwen2.5", 32_768),
    ("qwen", 32_768),
    ("llama-4", 1_048_576),
    ("llama-3.1", 131_072),
    ("llama-3.2", 131_072),
    ("llama-3.3", 131_072),
    ("llama-3", 8_192),
    ("mistral-large", 131_072),
    ("mistral", 32_768),
    ("mixtral", 32_768),
    ("codestral", 262_144),
    ("command", 128_000),
    ("phi-4", 16_384),
    ("glm-4", 131_072),
    ("minimax", 204_800),
];

/// What endpoints have said of their models, by their address and the model. Belongs to the profile, so that it outlives
/// whoever asked.
#[derive(Debug, Clone, Default)]
pub struct SeenWindows(Arc<Mutex<Seen>>);

type Seen = HashMap<String, HashMap<String, u64>>;

impl SeenWindows {
    /// The window of a model, where it is configured, its endpoint said it, or its name tells.
    #[must_use]
    pub fn window(&self, upstream: &ModelConfig, model: &str) -> Option<u64> {
        let configured = upstream.context_length.filter(|_| is_meant(upstream, model));
        let said = || match &upstream.provider {
            Provider::OpenAi { base_url } => self.said(base_url, model).or_else(|| named(model)),
            Provider::Hermes { .. } | Provider::Demo => None,
        };
        configured.or_else(said)
    }

    fn said(&self, base_url: &str, model: &str) -> Option<u64> {
        self.lock().get(base_url)?.get(model).copied()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the window that is configured is this model's: of others the same upstream may have another.
fn is_meant(upstream: &ModelConfig, model: &str) -> bool {
    model == upstream.default || upstream.default.is_empty()
}

/// The windows of one upstream's models.
pub(super) struct Windows {
    configured: Option<u64>,
    /// Whose window is configured, and what its name tells: that is asked with every prompt.
    model: String,
    named: Option<u64>,
    endpoint: Option<Rc<Listing>>,
}

struct Listing {
    endpoint: Endpoint,
    address: Result<Uri, String>,
    asked: Cell<bool>,
    base_url: String,
    seen: SeenWindows,
}

impl Windows {
    pub(super) fn new(config: &ModelConfig, seen: &SeenWindows) -> Self {
        let endpoint = match &config.provider {
            Provider::OpenAi { base_url } => Some(Rc::new(Listing {
                endpoint: Endpoint::new(config),
                address: base_url::models(base_url),
                asked: Cell::new(false),
                base_url: base_url.clone(),
                seen: seen.clone(),
            })),
            Provider::Hermes { .. } | Provider::Demo => None,
        };
        let model = config.default.clone();
        Self { configured: config.context_length, named: named(&model), model, endpoint }
    }

    /// The window of a model, as far as it is known by now. The endpoint is asked once, and nobody waits for it.
    pub(super) fn of(&self, model: &str) -> u64 {
        if let Some(known) = self.known(model) {
            return known;
        }
        if let Some(listing) = self.endpoint.as_ref().filter(|listing| !listing.asked.replace(true)) {
            let listing = Rc::clone(listing);
            tokio::task::spawn_local(async move { listing.ask().await });
        }
        by_name(model)
    }

    /// As it is known by now, or as the name tells; nobody is asked.
    pub(super) fn likely(&self, model: &str) -> Option<u64> {
        let named = || if model == self.model { self.named } else { named(model) };
        self.known(model).or_else(named)
    }

    /// As it is configured, or as the endpoint has said it.
    pub(super) fn known(&self, model: &str) -> Option<u64> {
        let said = |listing: &Rc<Listing>| listing.seen.said(&listing.base_url, model);
        let found = || self.endpoint.as_ref().and_then(said);
        self.configured.filter(|_| model == self.model || self.model.is_empty()).or_else(found)
    }
}

impl Listing {
    async fn ask(&self) {
        let asked = timeout(PATIENCE, self.list()).await;
        match asked {
            Ok(Some(found)) => drop(self.seen.lock().insert(self.base_url.clone(), found)),
            Ok(None) | Err(_) => {
                tracing::debug!("the upstream does not say how long its models' windows are");
            }
        }
    }

    async fn list(&self) -> Option<HashMap<String, u64>> {
        let call =
            Call { method: Method::GET, address: &self.address, headers: &[], body: Content::default() };
        let mut response = self.endpoint.send(call).await.ok()?;
        let mut body = Vec::new();
        while let Some(Ok(bytes)) = response.body.next().await {
            body.extend_from_slice(&bytes);
            if body.len() > MOST {
                return None;
            }
        }
        read(&body)
    }
}

fn read(body: &[u8]) -> Option<HashMap<String, u64>> {
    #[derive(Deserialize)]
    struct List {
        data: Vec<Value>,
    }
    let list: List = serde_json::from_slice(body).ok()?;
    let window = |model: &Value| {
        let places = [model, &model["meta"], &model["top_provider"]];
        let members = places.iter().flat_map(|place| MEMBERS.iter().map(|member| &place[*member]));
        members.filter_map(Value::as_u64).find(|window| (1_024..=100_000_000).contains(window))
    };
    let found = list.data.iter().filter_map(|model| Some((model["id"].as_str()?.to_owned(), window(model)?)));
    Some(found.collect())
}

pub(super) fn by_name(model: &str) -> u64 {
    named(model).unwrap_or(GUESS)
}

fn named(model: &str) -> Option<u64> {
    let model = model.to_ascii_lowercase();
    // A provider's or owner's name may stand before the model's.
    let bare = model.rsplit('/').next().unwrap_or_default();
    KNOWN
        .iter()
        .find(|(part, _)| if part.len() == 2 { bare.starts_with(part) } else { bare.contains(part) })
        .map(|(_, window)| *window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_known_by_name() {
        for (model, window) in [
            ("gpt-4o-mini", 128_000),
            ("openai/gpt-4.1", 1_047_576),
            ("anthropic/claude-sonnet-4", 200_000),
            ("o3-mini", 200_000),
            ("Qwen3-Coder-480B", 262_144),
            ("Meta-Llama-3.1-8B", 131_072),
            ("foo-3", GUESS),
            ("", GUESS),
        ] {
            assert_eq!(by_name(model), window, "{model}");
        }
    }

    #[test]
    fn servers_say_it_under_many_names() {
        let body = br#"{"data":[{"id":"a","context_length":8192},{"id":"b","max_model_len":4096},{"id":"c","meta":{"n_ctx_train":2048}},
            {"id":"d"},{"id":"e","context_length":"long"},{"id":"f","context_length":3}]}"#;
        let found = read(body).unwrap();
        let of = |id: &str| found.get(id).copied();
        assert_eq!([of("a"), of("b"), of("c")], [Some(8_192), Some(4_096), Some(2_048)]);
        assert_eq!([of("d"), of("e"), of("f")], [None; 3]);
        assert_eq!(read(b"<html>"), None);
    }
}
