//! Who answers a request: the order in which its `model` and `provider` count.
//!
//! | first that applies | answers |
//! |---|---|
//! | `model` is an alias of `model_routes` | the route; `provider` beside it is a contradiction |
//! | `provider` is named | that upstream, with `model`, else with its default |
//! | `model` is one of the agent's own names | the profile's own model |
//! | a bare `model` counts (`direct_model_requests`, and always on the Hermes surfaces) | the profile's upstream with it |
//! | else | the profile's own model; `model` is only echoed |

use super::{ModelConfig, ProfileConfig, SelectionConfig, provider};
use crate::domain::{Code, ModelChoice};
use serde_json::{Map, Value};
use std::fmt;

/// The name that clients of the reference write when they mean the agent.
pub const ANY_AGENT: &str = "hermes-agent";

/// What a request says of who shall answer it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    pub model: Option<&'a str>,
    pub provider: Option<&'a str>,
    /// A bare `model` counts although `direct_model_requests` is off.
    pub bare_model_counts: bool,
}

/// Who answers, and what goes with every call because of that.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chosen<'a> {
    /// `None`: the profile's own model, whatever it is when the turn runs.
    pub upstream: Option<ModelChoice>,
    /// Of the route; the request's own members count before them.
    pub options: Option<&'a Map<String, Value>>,
}

/// A wish that cannot be met. Says which member of the request is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChoiceError {
    pub code: Code,
    pub param: &'static str,
    message: String,
}

impl fmt::Display for ChoiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ChoiceError {}

impl ProfileConfig {
    /// Decides who answers, by the table at the head of this module.
    ///
    /// # Errors
    ///
    /// An unknown provider, a provider beside a route, a model that is not among those that may be chosen there.
    pub fn choose(&self, wanted: Wanted<'_>) -> Result<Chosen<'_>, ChoiceError> {
        let Wanted { model, provider, bare_model_counts } = wanted;
        if let Some((alias, route)) = model.and_then(|model| self.selection.routes.get_key_value(model)) {
            if provider.is_some() {
                let message = format!(
                    "`{alias}` is a route of this profile and has its provider: leave `provider` out."
                );
                return Err(ChoiceError { code: Code::InvalidRequest, param: "provider", message });
            }
            let upstream = ModelChoice { provider: route.provider.clone(), model: route.model.clone() };
            return Ok(Chosen { upstream: Some(upstream), options: Some(&route.options) });
        }
        let model = model.filter(|model| !self.is_agent(model));
        let (upstream, model) = match (provider, model) {
            (Some(name), model) => {
                (self.upstream(&provider::canonical(name)).ok_or_else(|| self.unknown(name))?, model)
            }
            (None, Some(model)) if bare_model_counts || self.selection.direct_model_requests => {
                (&self.model, Some(model))
            }
            (None, _) => return Ok(Chosen::default()),
        };
        let model = model.unwrap_or(&upstream.default);
        if std::ptr::eq(upstream, &raw const self.model) && model == self.model.default {
            return Ok(Chosen::default());
        }
        check(upstream, model)?;
        let upstream = ModelChoice { provider: upstream.provider_name.clone(), model: model.to_owned() };
        Ok(Chosen { upstream: Some(upstream), options: None })
    }

    /// Whether a client that writes this name means the agent, not a model of the upstream.
    fn is_agent(&self, model: &str) -> bool {
        model == self.model_name || model == self.name.as_str() || model == ANY_AGENT
    }

    /// An upstream by its name: the profile's own, or one of the table.
    #[must_use]
    pub fn upstream(&self, name: &str) -> Option<&ModelConfig> {
        if name == self.model.provider_name { Some(&self.model) } else { self.selection.providers.get(name) }
    }

    /// The profile's own upstream, then those of the table.
    pub fn upstreams(&self) -> impl Iterator<Item = &ModelConfig> {
        let SelectionConfig { providers, .. } = &self.selection;
        std::iter::once(&self.model).chain(providers.values())
    }

    fn unknown(&self, name: &str) -> ChoiceError {
        let names: Vec<_> =
            self.upstreams().map(|upstream| format!("`{}`", upstream.provider_name)).collect();
        let shown: String = name.chars().take(64).collect();
        let message =
            format!("The provider `{shown}` is not configured; this profile has {}.", names.join(", "));
        ChoiceError { code: Code::InvalidRequest, param: "provider", message }
    }
}

fn check(upstream: &ModelConfig, model: &str) -> Result<(), ChoiceError> {
    let provider = &upstream.provider_name;
    if model.trim().is_empty() {
        let message = format!("The provider `{provider}` has no default model: name one as `model`.");
        return Err(ChoiceError { code: Code::InvalidRequest, param: "model", message });
    }
    if upstream.models.is_empty() || upstream.models.iter().any(|known| known == model) {
        return Ok(());
    }
    let shown: String = model.chars().take(128).collect();
    let message =
        format!("The model `{shown}` is not among those of `{provider}`: {}.", upstream.models.join(", "));
    Err(ChoiceError { code: Code::ModelNotFound, param: "model", message })
}
