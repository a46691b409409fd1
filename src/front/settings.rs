//! `/api/config`: the settings in force, told without secrets.

use super::{auth::Authorised, error::ApiError};
use crate::{
    actors::Scope,
    config::{
        ApprovalMode, LimitsConfig, LoopGuard, MemoryConfig, MemoryScoping, ModelConfig, ModelRoute,
        ProfileConfig, Provider, Vision,
    },
    domain::{OnBusy, ToolItems, Unattended},
};
use actix_web::HttpResponse;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use url::Url;

pub async fn show(auth: Authorised) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Read)?;
    Ok(HttpResponse::Ok().json(view(&auth.tenant.config())))
}

/// By the keys of the configuration file. Members are named one by one, so that a setting that is new is not shown before somebody thought about it.
fn view(config: &ProfileConfig) -> Value {
    let (api, approvals, terminal) = (&config.api, &config.approvals, &config.terminal);
    let (agent, retention, selection) = (&config.agent, &config.retention, &config.selection);
    let providers = selection.providers.iter().map(|(name, found)| (name, provider(found)));
    let routes = selection.routes.iter().map(|(alias, found)| (alias, route(found)));
    json!({
        "object": "hermes.config",
        "profile": config.name,
        "config": {
            "model": model(&config.model),
            "providers": providers.collect::<BTreeMap<_, _>>(),
            "fallback_providers": selection.fallbacks.iter().map(fallback).collect::<Vec<_>>(),
            "direct_model_requests": selection.direct_model_requests,
            "responses": {
                "stored": config.responses.stored,
                "tool_items": name_in(&ToolItems::NAMED, &config.responses.tool_items),
            },
            "agent": {"max_turns": agent.max_turns, "loop_guard": name_in(&LoopGuard::NAMES, &agent.loop_guard), "api_max_retries": config.model.attempts},
            "memory": memory(&config.memory),
            "approvals": {
                "mode": match approvals.mode {
                    ApprovalMode::Manual => "manual",
                    ApprovalMode::Smart => "smart",
                    ApprovalMode::Off => "off",
                },
                "timeout": approvals.timeout.map(seconds),
                "unattended": match approvals.unattended {
                    Unattended::Deny => "deny",
                    Unattended::Wait => "wait",
                },
                "deny": approvals.deny,
            },
            "terminal": {
                "sandbox": terminal.sandbox.name(),
                "sandbox_most": terminal.sandbox_most.name(),
                "unix_sockets": terminal.unix_sockets,
                "timeout": seconds(terminal.timeout),
                "max_timeout": seconds(terminal.max_timeout),
                "background_max": seconds(terminal.background_max),
                "env_passthrough": terminal.env_passthrough,
                "network": terminal.network.mode.name(),
                "network_allow": terminal.network.allow.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "limits": limits(&terminal.limits),
                "disk_quota": terminal.limits.disk_quota,
                "disk_reserve": terminal.limits.disk_reserve,
            },
            "tool_output": {"max_bytes": terminal.max_output},
            "display": {
                "show_reasoning": api.show_reasoning,
                "personality": config.prompt.personality.as_ref().map(|chosen| &chosen.name),
            },
            "tools": {"verbose": agent.verbose_tools},
            "retention": {
                "runs": seconds(retention.runs),
                "derived_sessions": seconds(retention.derived_sessions),
                "idempotency": seconds(retention.idempotency),
            },
            "api_server": {
                "model_name": config.model_name,
                "cors_origins": config.cors_origins,
                "max_concurrent_runs": api.max_concurrent_runs,
                "queue": api.queue,
                "queue_timeout": seconds(api.queue_timeout),
                "on_busy": name_in(&OnBusy::NAMES, &api.on_busy),
                "model_routes": routes.collect::<BTreeMap<_, _>>(),
                "failed_turn_status": if api.failed_turn_ok { 200 } else { 502 },
                "max_body_bytes": api.max_body_bytes,
            },
        },
    })
}

fn memory(memory: &MemoryConfig) -> Value {
    json!({
        "memory_enabled": memory.enabled,
        "user_profile_enabled": memory.user_enabled,
        "memory_char_limit": memory.limit,
        "user_char_limit": memory.user_limit,
        "scope": name_in(&MemoryScoping::NAMES, &memory.scope),
        "write_approval": memory.write_approval,
        "approve_after_untrusted": memory.approve_after_untrusted,
    })
}

fn limits(limits: &LimitsConfig) -> Value {
    json!({
        "memory": limits.memory,
        "processes": limits.processes,
        "cpu_time": seconds(limits.cpu_time),
        "file_size": limits.file_size,
        "open_files": limits.open_files,
        "output": limits.output,
        "profile_memory": limits.profile_memory,
        "profile_processes": limits.profile_processes,
    })
}

fn model(model: &ModelConfig) -> Value {
    json!({
        "provider": model.provider_name,
        "default": model.default,
        "models": model.models,
        "base_url": address(&model.provider),
        "context_length": model.context_length,
        "max_tokens": model.max_tokens,
        "vision": name_in(&Vision::NAMES, &model.vision),
        "has_api_key": model.api_key.is_some(),
        "more_api_keys": model.more_keys.len(),
        "send_reasoning": model.send_reasoning,
        "connect_timeout": seconds(model.connect_timeout),
        "first_byte_timeout": seconds(model.first_byte_timeout),
        "idle_timeout": seconds(model.idle_timeout),
    })
}

/// Its timeouts are those of `model`. Its `options` are free members, and may hold what is nobody's business.
fn provider(provider: &ModelConfig) -> Value {
    json!({
        "default": provider.default,
        "models": provider.models,
        "base_url": address(&provider.provider),
        "context_length": provider.context_length,
        "max_tokens": provider.max_tokens,
        "vision": name_in(&Vision::NAMES, &provider.vision),
        "has_api_key": provider.api_key.is_some(),
        "more_api_keys": provider.more_keys.len(),
        "send_reasoning": provider.send_reasoning,
    })
}

fn fallback(fallback: &ModelConfig) -> Value {
    json!({"provider": fallback.provider_name, "model": fallback.default})
}

fn route(route: &ModelRoute) -> Value {
    json!({"provider": route.provider, "model": route.model})
}

fn address(provider: &Provider) -> Option<String> {
    match provider {
        Provider::Demo => None,
        Provider::OpenAi { base_url } | Provider::Hermes { base_url } => without_secrets(base_url),
    }
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

/// What the configuration calls a value.
fn name_in<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> Option<&'static str> {
    names.iter().find(|(_, named)| named == value).map(|(name, _)| *name)
}

/// An address may carry a password or a key; what cannot be read as an address is not shown.
fn without_secrets(address: &str) -> Option<String> {
    let mut url = Url::parse(address).ok()?;
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_opens_it() {
        let cases = [
            ("https://user:secret@host:1/v1?key=secret#secret", Some("https://host:1/v1")),
            ("http://127.0.0.1:11434/v1", Some("http://127.0.0.1:11434/v1")),
            ("secret", None),
        ];
        for (address, shown) in cases {
            assert_eq!(without_secrets(address).as_deref(), shown, "{address}");
        }
    }
}
