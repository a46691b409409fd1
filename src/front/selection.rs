//! What a request says of the model that shall answer: `model`, `provider`, `model_options`, on every surface.

use super::{
    ask::ask,
    auth::Authorised,
    error::ApiError,
    json::{Object, wrong_type},
};
use crate::{
    actors::GetModelLock,
    config::{Chosen, ProfileConfig, Wanted},
    domain::{Code, ModelChoice, ModelLock, ResponseId, RouteSource, Runtime, Sampling, SessionRef, Surface},
};
use serde_json::{Map, Value};
use std::fmt::Display;

/// How hard a model may be asked to think; which of them it knows is the upstream's to say.
pub const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// Longest name that a session keeps.
const MAX_NAME: usize = 256;

/// The members of a body that choose the model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// Echoed in the answer, whether it chooses anything or not.
    pub model: Option<String>,
    provider: Option<String>,
    /// `model_options`, as members of a call to the upstream.
    options: Map<String, Value>,
    /// What the session has chosen; it counts first.
    lock: Option<ModelLock>,
}

/// Who answers, as it was decided.
#[derive(Debug)]
pub struct Decided {
    /// The name that is echoed.
    pub model: String,
    /// The choice that the turn takes along.
    pub upstream: Option<ModelChoice>,
    pub runtime: Runtime,
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
        Ok(Self { model, provider, options, lock: None })
    }

    /// The same for a turn of `session`, else of the session of `previous`: what that has chosen counts first.
    ///
    /// # Errors
    ///
    /// What the profile answered.
    pub async fn in_session(
        self,
        auth: &Authorised,
        session: Option<&SessionRef>,
        previous: Option<ResponseId>,
    ) -> Result<Self, ApiError> {
        let session = session.filter(|session| session.named).cloned();
        if session.is_none() && previous.is_none() {
            return Ok(self);
        }
        let lock = ask(&auth.tenant, GetModelLock { session, previous }).await?;
        Ok(self.locked(lock))
    }

    #[must_use]
    pub fn locked(self, lock: Option<ModelLock>) -> Self {
        Self { lock, ..self }
    }

    /// No more than a name was given, or nothing.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.provider.is_none() && self.options.is_empty()
    }

    /// Neither model nor provider was named.
    #[must_use]
    pub const fn names_nobody(&self) -> bool {
        self.model.is_none() && self.provider.is_none()
    }

    /// What was chosen, as a session keeps it.
    ///
    /// # Errors
    ///
    /// 400 for a name that is too long to be one.
    pub fn into_lock(self) -> Result<ModelLock, ApiError> {
        let Self { model, provider, options, lock: _ } = self;
        let tier = options.get("service_tier").and_then(Value::as_str);
        let names = [
            ("model", model.as_deref()),
            ("provider", provider.as_deref()),
            ("model_options.service_tier", tier),
        ];
        for (place, name) in names {
            if name.is_some_and(|name| name.len() > MAX_NAME) {
                return Err(ApiError::invalid(
                    place,
                    format!("`{place}` must have at most {MAX_NAME} bytes"),
                ));
            }
        }
        Ok(ModelLock { model, provider, options })
    }

    /// Decides who answers. What session, `model_options` and route ask for joins `sampling`, below the request's own
    /// members.
    ///
    /// # Errors
    ///
    /// 400 for a provider that is not configured, or that stands beside a route; 404 for a model that may not be chosen;
    /// 409 when the session's own choice cannot be kept.
    pub fn resolve(
        self,
        config: &ProfileConfig,
        surface: Surface,
        sampling: &mut Sampling,
    ) -> Result<Decided, ApiError> {
        let Self { model, provider, options, lock } = self;
        let bare_model_counts = match surface {
            Surface::Chat | Surface::Responses => false,
            Surface::Runs | Surface::SessionChat => true,
        };
        let Chosen { upstream, options: of_route } = match &lock {
            Some(lock) => locked_choice(config, lock)?,
            None => {
                let wanted =
                    Wanted { model: model.as_deref(), provider: provider.as_deref(), bare_model_counts };
                let chosen = config.choose(wanted);
                chosen.map_err(|error| ApiError::new(error.code, error.to_string()).at(error.param))?
            }
        };
        let source = match (&lock, of_route, &upstream) {
            (Some(_), _, _) => RouteSource::SessionModelLock,
            (None, Some(_), _) => RouteSource::ModelRoutes,
            (None, None, Some(_)) => RouteSource::RawRequest,
            (None, None, None) => RouteSource::Global,
        };
        let of_route = of_route.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone()));
        let of_lock = lock.map(|lock| lock.options).into_iter().flatten();
        for (name, value) in of_lock.chain(options).chain(of_route) {
            sampling.0.entry(name).or_insert(value);
        }
        let own = || ModelChoice {
            provider: config.model.provider_name.clone(),
            model: config.model.default.clone(),
        };
        let at_work = upstream.clone().unwrap_or_else(own);
        let runtime = Runtime {
            provider: at_work.provider,
            model: at_work.model,
            source,
            requested_provider: provider,
            requested_model: model.clone(),
        };
        Ok(Decided { model: model.unwrap_or_else(|| config.model_name.clone()), upstream, runtime })
    }
}

fn locked_choice<'a>(config: &'a ProfileConfig, lock: &ModelLock) -> Result<Chosen<'a>, ApiError> {
    let wanted =
        Wanted { model: lock.model.as_deref(), provider: lock.provider.as_deref(), bare_model_counts: true };
    config.choose(wanted).map_err(|error| {
        let text = format!(
            "The model of the session's lock is not available: {error} Send another to `/api/sessions/{{id}}/model`, or \
             `{{\"model\": null}}` to take the lock off."
        );
        ApiError::new(Code::ModelLockUnavailable, text).at(error.param)
    })
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
