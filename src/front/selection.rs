//! What a request says of the model that shall answer: `model`, `provider`, `model_options`, on every surface.

use super::{
    error::ApiError,
    json::{Object, wrong_type},
};
use crate::{
    config::{Chosen, ProfileConfig, Wanted},
    domain::{ModelChoice, Sampling, Surface},
};
use serde_json::{Map, Value};
use std::fmt::Display;

/// How hard a model may be asked to think; which of them it knows is the upstream's to say.
pub const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// The members of a body that choose the model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// Echoed in the answer, whether it chooses anything or not.
    pub model: Option<String>,
    provider: Option<String>,
    /// `model_options`, as members of a call to the upstream.
    options: Map<String, Value>,
}

#[cfg(test)]
impl From<&str> for Selection {
    fn from(model: &str) -> Self {
        Self { model: Some(model.to_owned()), ..Self::default() }
    }
}

impl Selection {
    /// # Errors
    ///
    /// 400 at the member that has a wrong type or an unknown effort.
    pub fn take<P: Display>(body: &mut Object<P>) -> Result<Self, ApiError> {
        let some = |text: &String| !text.trim().is_empty();
        let model = body.string("model")?.filter(some);
        let provider = body.string("provider")?.filter(some);
        let options = match body.take("model_options") {
            None => Map::new(),
            Some(options) => model_options(Object::at(options, body.place_of("model_options"))?)?,
        };
        Ok(Self { model, provider, options })
    }

    /// Decides who answers: the name that is echoed, and the choice that the turn takes along. What the route and
    /// `model_options` ask for joins `sampling`, below the request's own members.
    ///
    /// # Errors
    ///
    /// 400 for a provider that is not configured, or that stands beside a route; 404 for a model that may not be chosen.
    pub fn resolve(
        self,
        config: &ProfileConfig,
        surface: Surface,
        sampling: &mut Sampling,
    ) -> Result<(String, Option<ModelChoice>), ApiError> {
        let Self { model, provider, options } = self;
        let bare_model_counts = match surface {
            Surface::Chat | Surface::Responses => false,
            Surface::Runs | Surface::SessionChat => true,
        };
        let wanted = Wanted { model: model.as_deref(), provider: provider.as_deref(), bare_model_counts };
        let chosen = config.choose(wanted);
        let Chosen { upstream, options: of_route } =
            chosen.map_err(|error| ApiError::new(error.code, error.to_string()).at(error.param))?;
        let of_route = of_route.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone()));
        for (name, value) in options.into_iter().chain(of_route) {
            sampling.0.entry(name).or_insert(value);
        }
        Ok((model.unwrap_or_else(|| config.model_name.clone()), upstream))
    }
}

/// `reasoning {enabled, effort}` or `reasoning_effort`, `service_tier`, `fast`.
fn model_options<P: Display>(mut options: Object<P>) -> Result<Map<String, Value>, ApiError> {
    let mut members = Map::new();
    let mut effort = effort(&mut options, "reasoning_effort")?;
    if let Some(reasoning) = options.take("reasoning") {
        let mut reasoning = Object::at(reasoning, options.place_of("reasoning"))?;
        let asked = self::effort(&mut reasoning, "effort")?;
        effort = match reasoning.flag("enabled")? {
            Some(false) => Some("none".to_owned()),
            Some(true) => asked.or(effort).or_else(|| Some("medium".to_owned())),
            None => asked.or(effort),
        };
    }
    let fast = options.flag("fast")?.unwrap_or_default();
    let tier = options.string("service_tier")?.or_else(|| fast.then(|| "priority".to_owned()));
    for (name, value) in [("reasoning_effort", effort), ("service_tier", tier)] {
        if let Some(value) = value {
            members.insert(name.to_owned(), Value::String(value));
        }
    }
    Ok(members)
}

fn effort<P: Display>(object: &mut Object<P>, name: &str) -> Result<Option<String>, ApiError> {
    match object.take(name) {
        None => Ok(None),
        Some(Value::String(effort)) if EFFORTS.contains(&effort.as_str()) => Ok(Some(effort)),
        Some(other) => {
            let expected = format!("one of {}", EFFORTS.map(|effort| format!("`{effort}`")).join(", "));
            Err(match &other {
                Value::String(_) => {
                    let place = object.place_of(name);
                    ApiError::invalid(&place, format!("`{place}` must be {expected}"))
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    wrong_type(object.place_of(name), &expected, &other)
                }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn taken(body: Value) -> Result<Selection, ApiError> {
        Selection::take(&mut Object::body(body).ok().unwrap())
    }

    #[test]
    fn options_become_members_of_the_call() {
        let cases = [
            (json!({}), json!({})),
            (json!({"reasoning_effort": "low"}), json!({"reasoning_effort": "low"})),
            (json!({"reasoning": {"effort": "high"}}), json!({"reasoning_effort": "high"})),
            (json!({"reasoning": {"enabled": true}}), json!({"reasoning_effort": "medium"})),
            (json!({"reasoning": {"enabled": false, "effort": "high"}}), json!({"reasoning_effort": "none"})),
            (json!({"fast": true}), json!({"service_tier": "priority"})),
            (json!({"fast": true, "service_tier": "flex"}), json!({"service_tier": "flex"})),
            (json!({"fast": false, "unknown": 1}), json!({})),
        ];
        for (options, expected) in cases {
            let selection = taken(json!({"model_options": options.clone()})).unwrap();
            assert_eq!(Value::Object(selection.options), expected, "{options}");
        }
    }

    #[test]
    fn wrong_values_are_named() {
        let cases = [
            (json!({"model": 5}), "model"),
            (json!({"provider": []}), "provider"),
            (json!({"model_options": "fast"}), "model_options"),
            (json!({"model_options": {"reasoning": true}}), "model_options.reasoning"),
            (json!({"model_options": {"reasoning": {"effort": 3}}}), "model_options.reasoning.effort"),
            (json!({"model_options": {"reasoning_effort": "enormous"}}), "model_options.reasoning_effort"),
            (json!({"model_options": {"service_tier": {}}}), "model_options.service_tier"),
            (json!({"model_options": {"fast": "maybe"}}), "model_options.fast"),
        ];
        for (body, param) in cases {
            let error = taken(body.clone()).unwrap_err();
            assert_eq!((error.param.as_deref(), error.code.status()), (Some(param), 400), "{body}");
        }
    }
}
