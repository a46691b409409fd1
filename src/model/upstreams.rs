//! Every upstream of a profile, each with its client.

use super::{HermesClient, ModelClient};
use crate::{
    config::{ModelConfig, Provider, SelectionConfig, Vision},
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
    vision: Vision,
    options: Map<String, Value>,
    way: Way,
}

enum Way {
    Model(ModelClient),
    Hermes(HermesClient),
}

/// What one turn thinks with.
pub enum Mind {
    /// A model; our agent acts for it.
    Model(Asked<ModelClient>),
    /// Another gateway's agent, which acts by itself.
    Agent(Asked<HermesClient>),
}

/// An upstream as one turn asks it.
pub struct Asked<C> {
    pub client: C,
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
        let upstream = self.upstream(choice)?;
        let model = choice.map_or(&upstream.default, |choice| &choice.model).clone();
        let mut all = upstream.options.clone();
        all.extend(sampling.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        let sampling = Sampling(all);
        Some(match &upstream.way {
            Way::Model(client) => Mind::Model(Asked { client: client.clone(), model, sampling }),
            Way::Hermes(client) => Mind::Agent(Asked { client: client.clone(), model, sampling }),
        })
    }

    /// Whether images may be sent to this choice.
    #[must_use]
    pub fn takes_images(&self, choice: Option<&ModelChoice>) -> bool {
        self.upstream(choice).is_none_or(|upstream| upstream.vision != Vision::No)
    }

    fn upstream(&self, choice: Option<&ModelChoice>) -> Option<&Upstream> {
        let All { own, others } = &*self.0;
        match choice {
            Some(choice) if choice.provider != own.name => others.get(&choice.provider),
            Some(_) | None => Some(own),
        }
    }
}

impl Upstream {
    fn new(config: &ModelConfig) -> Self {
        let way = match &config.provider {
            Provider::Demo | Provider::OpenAi { .. } => Way::Model(ModelClient::new(config)),
            Provider::Hermes { base_url } => Way::Hermes(HermesClient::new(base_url, config)),
        };
        Self {
            name: config.provider_name.clone(),
            default: config.default.clone(),
            vision: config.vision,
            options: config.options.clone(),
            way,
        }
    }
}
