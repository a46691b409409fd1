//! What can be chosen, and how a request chooses it, described.

use super::{
    Access, Operation,
    schema::{Schema, always, boolean, flag, integer, list, named, object, one_of, text},
};
use crate::front::selection::EFFORTS;

pub fn options() -> Operation {
    Operation::new(
        "discovery",
        "model_options",
        Access::Key,
        "What `model`, `provider` and routes may choose",
    )
    .answers(200, named("ModelOptions"), "Without addresses and keys.")
}

/// The members of a request that choose the model, and among the agent's tools.
pub fn selection(request: Schema) -> Schema {
    request
        .may(
            "model",
            text().note("Echoed. Chooses a route, or a model of `provider`; alone it counts as `/v1/models` lists it."),
        )
        .may("provider", text().note("One of `/api/model/options`."))
        .may("model_options", named("ModelRequestOptions"))
        .may("enabled_toolsets", list(text()).note("Names of tools or toolsets: the agent has these alone."))
        .may("disabled_toolsets", list(text()).note("The agent is without these."))
}

fn request_options() -> Schema {
    let effort = || one_of(EFFORTS);
    let reasoning = object().may("enabled", flag()).may("effort", effort()).open();
    object()
        .may("reasoning", reasoning)
        .may("reasoning_effort", effort())
        .may("service_tier", text())
        .may("fast", flag().note("`service_tier: priority`."))
        .open()
}

pub fn components() -> Vec<(&'static str, Schema)> {
    let provider = object()
        .has("slug", text().note("What `provider` may say."))
        .has("name", text())
        .has("is_current", boolean())
        .has("has_key", boolean())
        .has("default", text().or_null())
        .has("total_models", integer())
        .has("models", list(text()))
        .has("models_are_all", boolean().note("False: other names may be tried, too."))
        .has(
            "context_length",
            integer().or_null().note("Tokens that the default model reads; null: not known."),
        );
    let route = object().has("id", text()).has("provider", text()).has("model", text());
    let options = object()
        .has("object", always("hermes.model.options"))
        .has("provider", text())
        .has("model", text())
        .has("providers", list(provider))
        .has("routes", list(route))
        .has("direct_model_requests", boolean());
    vec![("ModelOptions", options), ("ModelRequestOptions", request_options())]
}
