//! `/api/config`: the settings in force, told without secrets.

use super::{auth::Authorised, discovery::level, error::ApiError};
use crate::{
    actors::Scope,
    config::{ApprovalMode, ModelConfig, ProfileConfig, Provider},
    domain::Unattended,
};
use actix_web::HttpResponse;
use serde_json::{Value, json};
use std::time::Duration;
use url::Url;

pub async fn show(auth: Authorised) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Read)?;
    Ok(HttpResponse::Ok().json(view(&auth.tenant.config())))
}

/// Members are named one by one, so that a setting that is new is not shown before somebody thought about it.
fn view(config: &ProfileConfig) -> Value {
    let seconds = |time: Duration| time.as_secs_f64();
    let (api, approvals, terminal) = (&config.api, &config.approvals, &config.terminal);
    let (agent, retention) = (&config.agent, &config.retention);
    json!({
        "object": "hermes.config",
        "profile": config.name,
        "config": {
            "model": model(&config.model),
            "agent": {"max_turns": agent.max_turns, "api_max_retries": config.model.attempts},
            "memory": {"memory_enabled": agent.memory_enabled},
            "approvals": {
                "mode": match approvals.mode {
                    ApprovalMode::Manual => "manual",
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
                "sandbox": level(terminal.sandbox),
                "timeout": seconds(terminal.timeout),
                "max_timeout": seconds(terminal.max_timeout),
                "env_passthrough": terminal.env_passthrough,
            },
            "tool_output": {"max_bytes": terminal.max_output},
            "display": {"show_reasoning": api.show_reasoning},
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
                "max_body_bytes": api.max_body_bytes,
            },
        },
    })
}

fn model(model: &ModelConfig) -> Value {
    let address = match &model.provider {
        Provider::Demo => None,
        Provider::OpenAi { base_url } | Provider::Hermes { base_url } => Some(without_secrets(base_url)),
    };
    json!({
        "provider": model.provider_name,
        "default": model.default,
        "base_url": address,
        "context_length": model.context_length,
        "has_api_key": model.api_key.is_some(),
    })
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
