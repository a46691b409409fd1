//! Every upstream of a profile, each with its client.

use super::{
    HermesClient, ModelClient,
    window::{self, SeenWindows, Windows},
};
use crate::{
    config::{ModelConfig, Prices, Provider, SelectionConfig, Vision},
    domain::{ModelChoice, Sampling},
};
use serde_json::{Map, Value};
use std::{
    cell::Cell,
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, Instant},
};

/// The upstreams of a profile. Belongs to the thread that made it; cheap to clone. A client connects at its first call,
/// so that an upstream that nobody chooses costs nothing.
#[derive(Clone)]
pub struct Upstreams(Rc<All>);

struct All {
    own: Upstream,
    others: BTreeMap<String, Upstream>,
    /// Asked in this order when the own one gives no answer.
    fallbacks: Vec<Upstream>,
}

struct Upstream {
    name: String,
    default: String,
    vision: Vision,
    options: Map<String, Value>,
    windows: Windows,
    max_tokens: Option<u64>,
    way: Way,
    prices: Option<Prices>,
    /// It has had enough of us until then.
    rests_until: Cell<Option<Instant>>,
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
    pub provider: String,
    /// As the upstream calls it.
    pub model: String,
    /// What the turn asks of the model, the upstream's own options included.
    pub sampling: Sampling,
    pub prices: Option<Prices>,
    /// Tokens of an answer whose client names no limit.
    pub max_tokens: Option<u64>,
}

impl Upstreams {
    #[must_use]
    pub fn new(own: &ModelConfig, selection: &SelectionConfig, seen: &SeenWindows) -> Self {
        let others = selection.providers.iter();
        let others = others.map(|(name, config)| (name.clone(), Upstream::new(config, seen))).collect();
        let fallbacks = selection.fallbacks.iter().map(|config| Upstream::new(config, seen)).collect();
        Self(Rc::new(All { own: Upstream::new(own, seen), others, fallbacks }))
    }

    /// What a turn with this choice thinks with; `None` when its provider is not configured any more.
    #[must_use]
    pub fn mind(&self, choice: Option<&ModelChoice>, sampling: &Sampling) -> Option<Mind> {
        let upstream = self.upstream(choice)?;
        let model = choice.map_or(&upstream.default, |choice| &choice.model).clone();
        Some(match &upstream.way {
            Way::Model(client) => {
                let others = choice.is_none() && !self.0.fallbacks.is_empty();
                let client = client.clone().with_others(others);
                Mind::Model(upstream.asked(client, model, sampling))
            }
            Way::Hermes(client) => Mind::Agent(upstream.asked(client.clone(), model, sampling)),
        })
    }

    /// How many tokens a model of this provider can read. The endpoint may be asked for that, once, for later calls.
    #[must_use]
    pub fn window(&self, provider: &str, model: &str) -> u64 {
        let upstream = self.named(provider);
        upstream.map_or_else(|| window::by_name(model), |upstream| upstream.windows.of(model))
    }

    /// The same, where it is configured or the endpoint has said it.
    #[must_use]
    pub fn known_window(&self, provider: &str, model: &str) -> Option<u64> {
        self.named(provider)?.windows.known(model)
    }

    /// The same, or what the model's name tells; `None`: that would be a guess. Nobody is asked.
    #[must_use]
    pub fn likely_window(&self, provider: &str, model: &str) -> Option<u64> {
        self.named(provider)?.windows.likely(model)
    }

    fn named(&self, provider: &str) -> Option<&Upstream> {
        let All { own, others, fallbacks, .. } = &*self.0;
        let mut all = std::iter::once(own).chain(others.values()).chain(fallbacks);
        all.find(|upstream| upstream.name == provider)
    }

    /// Who is asked when the profile's own upstream gives no answer: of the list behind the first `tried`, the next that
    /// does not rest. Gives how many have been tried then.
    #[must_use]
    pub fn fallback(&self, tried: usize, sampling: &Sampling) -> Option<(usize, Asked<ModelClient>)> {
        let now = Instant::now();
        let left = self.0.fallbacks.iter().enumerate().skip(tried);
        let mut ready = left.filter(|(_, upstream)| !upstream.rests(now));
        let (at, upstream) = ready.next()?;
        let Way::Model(client) = &upstream.way else { return None };
        let client = client.clone().with_others(ready.next().is_some());
        Some((at + 1, upstream.asked(client, upstream.default.clone(), sampling)))
    }

    /// Leaves an upstream alone that has had enough: the own one, or the fallback of this number, from 1.
    pub fn rest(&self, tried: usize, how_long: Duration) {
        let place = tried.checked_sub(1).map_or(Some(&self.0.own), |at| self.0.fallbacks.get(at));
        if let Some(upstream) = place {
            upstream.rests_until.set(Some(Instant::now() + how_long));
        }
    }

    /// Whether the profile's own upstream is left alone, and there is another one.
    #[must_use]
    pub fn own_rests(&self) -> bool {
        let now = Instant::now();
        self.0.own.rests(now) && self.0.fallbacks.iter().any(|upstream| !upstream.rests(now))
    }

    /// Whether images may be sent to this choice.
    #[must_use]
    pub fn takes_images(&self, choice: Option<&ModelChoice>) -> bool {
        self.upstream(choice).is_none_or(|upstream| upstream.vision != Vision::No)
    }

    fn upstream(&self, choice: Option<&ModelChoice>) -> Option<&Upstream> {
        let All { own, others, fallbacks: _ } = &*self.0;
        match choice {
            Some(choice) if choice.provider != own.name => others.get(&choice.provider),
            Some(_) | None => Some(own),
        }
    }
}

impl Upstream {
    fn new(config: &ModelConfig, seen: &SeenWindows) -> Self {
        let way = match &config.provider {
            Provider::Demo | Provider::OpenAi { .. } => Way::Model(ModelClient::new(config)),
            Provider::Hermes { base_url } => Way::Hermes(HermesClient::new(base_url, config)),
        };
        Self {
            name: config.provider_name.clone(),
            default: config.default.clone(),
            vision: config.vision,
            options: config.options.clone(),
            windows: Windows::new(config, seen),
            max_tokens: config.max_tokens,
            way,
            prices: config.prices,
            rests_until: Cell::new(None),
        }
    }

    fn rests(&self, now: Instant) -> bool {
        self.rests_until.get().is_some_and(|until| until > now)
    }

    fn asked<C>(&self, client: C, model: String, sampling: &Sampling) -> Asked<C> {
        let mut all = self.options.clone();
        all.extend(sampling.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        let (prices, max_tokens) = (self.prices, self.max_tokens);
        Asked { client, provider: self.name.clone(), model, sampling: Sampling(all), prices, max_tokens }
    }
}
