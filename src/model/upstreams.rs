//! Every upstream of a profile, each with its client.

use super::ModelClient;
use crate::{
    config::{ModelConfig, SelectionConfig},
    domain::{ModelChoice, Sampling},
};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, rc::Rc};

/// The upstreams of a profile. Belongs to the thread that made it; cheap to clone. A client connects at its first call,
/// so that an upstream that nobody chooses costs nothing.
#[derive(Clone)]
pub struct Upstreams(Rc<All>);

struct All {
    own: Upstream,
    others: BTreeMap<String, Upstream>,
}

struct Upstream {
    name: String,
    default: String,
    options: Map<String, Value>,
    client: ModelClient,
}

/// What one turn thinks with.
#[derive(Clone)]
pub struct Mind {
    pub client: ModelClient,
    /// As the upstream calls it.
    pub model: String,
    /// What the turn asks of the model, the upstream's own options included.
    pub sampling: Sampling,
}

impl Upstreams {
    #[must_use]
    pub fn new(own: &ModelConfig, selection: &SelectionConfig) -> Self {
        let others = selection.providers.iter();
        let others = others.map(|(name, config)| (name.clone(), Upstream::new(config))).collect();
        Self(Rc::new(All { own: Upstream::new(own), others }))
    }

    /// What a turn with this choice thinks with; `None` when its provider is not configured any more.
    #[must_use]
    pub fn mind(&self, choice: Option<&ModelChoice>, sampling: &Sampling) -> Option<Mind> {
        let All { own, others } = &*self.0;
        let (upstream, model) = match choice {
            None => (own, &own.default),
            Some(choice) if choice.provider == own.name => (own, &choice.model),
            Some(choice) => (others.get(&choice.provider)?, &choice.model),
        };
        let mut all = upstream.options.clone();
        all.extend(sampling.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        Some(Mind { client: upstream.client.clone(), model: model.clone(), sampling: Sampling(all) })
    }
}

impl Upstream {
    fn new(config: &ModelConfig) -> Self {
        Self {
            name: config.provider_name.clone(),
            default: config.default.clone(),
            options: config.options.clone(),
            client: ModelClient::new(config),
        }
    }
}
