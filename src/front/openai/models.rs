//! `/v1/models`: the names that a request may write as `model`; and `/api/model/options`: all that may be chosen.

use crate::{
    actors::SeenWindows,
    config::{ModelConfig, ModelRoute, ProfileConfig, Provider},
    domain::{Code, Millis},
    front::{auth::Authorised, error::ApiError},
};
use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[derive(Debug, Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: Millis,
    owned_by: &'a str,
    permission: [(); 0],
    /// What the upstream calls it, of a route and of a model that is the upstream's own.
    root: &'a str,
    parent: Option<&'a str>,
    /// The built-in demo model says what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'static str>,
    /// Tokens that it reads, prompt and answer together, under the names by which clients look for them. Only where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_model_len: Option<u64>,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

/// The agent under its own name, then the routes, then, where a bare `model` counts, the models of the profile's
/// upstream.
fn models<'a>(config: &'a ProfileConfig, windows: &SeenWindows, started_at: Millis) -> Vec<Model<'a>> {
    let demo = matches!(config.model.provider, Provider::Demo);
    let window = windows.window(&config.model, &config.model.default);
    let agent = Model {
        id: &config.model_name,
        object: "model",
        created: started_at / 1000,
        owned_by: "hermes",
        permission: [],
        root: &config.model_name,
        parent: None,
        description: demo.then_some("Demo model: answers by rule. Set `model.provider` to use a real one."),
        context_length: window,
        max_model_len: window,
    };
    let below = |id, root, owned_by, window| Model {
        id,
        root,
        owned_by,
        parent: Some(&config.model_name),
        description: None,
        context_length: window,
        max_model_len: window,
        ..agent
    };
    let routes = config.selection.routes.iter().filter(|(alias, _)| **alias != config.model_name);
    let of_route = |route: &ModelRoute| {
        let upstream = config.upstreams().find(|upstream| upstream.provider_name == route.provider)?;
        windows.window(upstream, &route.model)
    };
    let mut all: Vec<Model<'_>> =
        routes.map(|(alias, route)| below(alias, &route.model, "hermes", of_route(route))).collect();
    if config.selection.direct_model_requests {
        for model in names(&config.model) {
            if model != config.model_name && !config.selection.routes.contains_key(model) {
                let window = windows.window(&config.model, model);
                all.push(below(model, model, &config.model.provider_name, window));
            }
        }
    }
    all.insert(0, agent);
    all
}

/// The models of an upstream that are known by name, its default first.
fn names(upstream: &ModelConfig) -> Vec<&str> {
    let default = std::iter::once(&upstream.default).filter(|default| !default.is_empty());
    let mut seen = BTreeSet::new();
    default.chain(&upstream.models).map(String::as_str).filter(|model| seen.insert(*model)).collect()
}

pub async fn list(auth: Authorised) -> Result<HttpResponse, ApiError> {
    let config = auth.tenant.config();
    let data = models(&config, auth.tenant.windows(), auth.tenant.started_at());
    Ok(HttpResponse::Ok().json(List { object: "list", data }))
}

pub async fn one(auth: Authorised, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let config = auth.tenant.config();
    let mut models = models(&config, auth.tenant.windows(), auth.tenant.started_at());
    match models.iter().position(|model| model.id == *id) {
        Some(at) => Ok(HttpResponse::Ok().json(models.swap_remove(at))),
        None => {
            let shown: String = id.chars().take(128).collect();
            let known: Vec<&str> = models.iter().map(|model| model.id).collect();
            let message =
                format!("The model `{shown}` does not exist; this profile serves `{}`.", known.join("`, `"));
            Err(ApiError::new(Code::ModelNotFound, message).at("model"))
        }
    }
}

/// What `model`, `provider` and `model_options` may say, and what answers now. No address and no key.
pub async fn options(auth: Authorised) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(choices(&auth.tenant.config(), auth.tenant.windows())))
}

fn choices(config: &ProfileConfig, windows: &SeenWindows) -> Value {
    let provider = |upstream: &ModelConfig| {
        let current = upstream.provider_name == config.model.provider_name;
        let models = names(upstream);
        json!({
            "slug": upstream.provider_name,
            "name": upstream.provider_name,
            "is_current": current,
            "has_key": upstream.api_key.is_some(),
            "default": (!upstream.default.is_empty()).then_some(&upstream.default),
            "total_models": models.len(),
            "models": models,
            // Without a list any name may be tried.
            "models_are_all": !upstream.models.is_empty(),
            "context_length": windows.window(upstream, &upstream.default),
        })
    };
    let routes = config.selection.routes.iter();
    let routes =
        routes.map(|(alias, route)| json!({"id": alias, "provider": route.provider, "model": route.model}));
    json!({
        "object": "hermes.model.options",
        "provider": config.model.provider_name,
        "model": config.model.default,
        "providers": config.upstreams().map(provider).collect::<Vec<_>>(),
        "routes": routes.collect::<Vec<_>>(),
        "direct_model_requests": config.selection.direct_model_requests,
    })
}
