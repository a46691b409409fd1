//! What this profile can do, told honestly: a flag is true only when its route works here and now.

use super::{auth::Authorised, body::MAX_DEPTH, error::ApiError, health::PLATFORM, openai};
use crate::{
    config::{ApiConfig, ProfileConfig, SandboxLevel},
    domain::ToolSpec,
    sandbox::Sandbox,
};
use actix_web::HttpResponse;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Routes by the names that the reference gives them.
const ENDPOINTS: [(&str, &str, &str); 20] = [
    ("health", "GET", "/health"),
    ("health_detailed", "GET", "/health/detailed"),
    ("ready", "GET", "/ready"),
    ("models", "GET", "/v1/models"),
    ("model", "GET", "/v1/models/{model}"),
    ("chat_completions", "POST", "/v1/chat/completions"),
    ("runs", "POST", "/v1/runs"),
    ("runs_list", "GET", "/v1/runs"),
    ("run_status", "GET", "/v1/runs/{run_id}"),
    ("run_events", "GET", "/v1/runs/{run_id}/events"),
    ("run_approval", "POST", "/v1/runs/{run_id}/approval"),
    ("run_stop", "POST", "/v1/runs/{run_id}/stop"),
    ("approvals", "GET", "/v1/approvals"),
    ("approval", "GET", "/v1/approvals/{approval_id}"),
    ("approval_answer", "POST", "/v1/approvals/{approval_id}"),
    ("approval_rules", "GET", "/v1/approvals/rules"),
    ("approval_rule_delete", "DELETE", "/v1/approvals/rules/{rule_id}"),
    ("capabilities", "GET", "/v1/capabilities"),
    ("skills", "GET", "/v1/skills"),
    ("toolsets", "GET", "/v1/toolsets"),
];

pub async fn capabilities(auth: Authorised) -> Result<HttpResponse, ApiError> {
    let config = auth.tenant.config();
    Ok(HttpResponse::Ok().json(document(&config, auth.tenant.sandbox())))
}

fn document(config: &ProfileConfig, sandbox: &Sandbox) -> Value {
    let endpoints: BTreeMap<&str, Value> = ENDPOINTS
        .iter()
        .map(|(name, method, path)| (*name, json!({"method": method, "path": path})))
        .collect();
    json!({
        "object": "hermes.api_server.capabilities",
        "platform": PLATFORM,
        "model": config.model_name,
        "auth": {"type": "bearer", "required": true},
        "runtime": {
            "mode": "server_agent",
            "tool_execution": "server",
            "split_runtime": false,
            "description": "The profile's agent runs in the gateway; its tools run on this machine, in a sandbox.",
        },
        "features": features(config),
        "sandbox": {"level": level(sandbox.level), "abi": sandbox.abi},
        "limits": limits(&config.api),
        "endpoints": endpoints,
    })
}

fn features(config: &ProfileConfig) -> Value {
    let retention = config.retention.idempotency.as_secs();
    let mut features = json!({
        "chat_completions": true,
        "chat_completions_streaming": true,
        "run_submission": true,
        "run_status": true,
        "run_events_sse": true,
        "run_event_replay": true,
        "run_stop": true,
        "run_approval_response": true,
        "run_submission_idempotency": true,
        "runs_idempotency": {"supported": true, "durable": true, "retention_seconds": retention},
        "tool_progress_events": true,
        "approval_events": true,
        "approvals_api": true,
        "skills_api": true,
        "reasoning_streaming": config.api.show_reasoning,
        "session_continuity_header": "X-Hermes-Session-Id",
        "session_key_header": "X-Hermes-Session-Key",
        "cors": !config.cors_origins.is_empty(),
    });
    let absent = [
        "responses_api",
        "responses_streaming",
        "responses_background",
        "client_tools",
        "run_steer",
        "session_resources",
        "session_chat",
        "session_chat_streaming",
        "session_fork",
        "admin_config_rw",
        "jobs_admin",
        "memory_write_api",
        "audio_api",
        "realtime_voice",
    ];
    for name in absent {
        features[name] = Value::Bool(false);
    }
    features
}

fn limits(api: &ApiConfig) -> Value {
    json!({
        "max_body_bytes": api.max_body_bytes,
        "max_json_depth": MAX_DEPTH,
        "max_messages": openai::messages::MAX_MESSAGES,
        "max_parts_per_message": openai::content::MAX_PARTS,
        "max_concurrent_runs": api.max_concurrent_runs,
        "queue": api.queue,
        "queue_timeout_seconds": api.queue_timeout.as_secs(),
    })
}

/// A sandbox level by its name in the configuration.
pub const fn level(level: SandboxLevel) -> &'static str {
    match level {
        SandboxLevel::None => "none",
        SandboxLevel::Landlock => "landlock",
        SandboxLevel::Strict => "strict",
    }
}

pub async fn toolsets(auth: Authorised) -> Result<HttpResponse, ApiError> {
    let data = grouped(auth.tenant.tool_specs());
    Ok(HttpResponse::Ok().json(json!({"object": "list", "platform": "api_server", "data": data})))
}

fn grouped(specs: &[ToolSpec]) -> Vec<Value> {
    let mut sets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for spec in specs {
        sets.entry(spec.toolset).or_default().push(spec.name);
    }
    let describe = |(name, mut tools): (&str, Vec<&str>)| {
        tools.sort_unstable();
        json!({
            "name": name,
            "label": label(name),
            "description": tools.join(", "),
            "enabled": true,
            "configured": true,
            "tools": tools,
        })
    };
    sets.into_iter().map(describe).collect()
}

fn label(toolset: &str) -> &str {
    match toolset {
        "terminal" => "💻 Terminal & Processes",
        "file" => "📁 File Operations",
        other => other,
    }
}

/// The true list: skills come later.
pub async fn skills(_: Authorised) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(json!({"object": "list", "data": []})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_listed_by_set_and_sorted() {
        let spec = |name, toolset| ToolSpec {
            name,
            description: "",
            parameters: "{}",
            read_only: true,
            toolset,
            emoji: "",
        };
        let specs = [spec("write_file", "file"), spec("terminal", "terminal"), spec("patch", "file")];
        let sets = grouped(&specs);
        let shown: Vec<_> = sets.iter().map(|set| (set["name"].clone(), set["tools"].clone())).collect();
        assert_eq!(
            shown,
            [(json!("file"), json!(["patch", "write_file"])), (json!("terminal"), json!(["terminal"])),]
        );
    }
}
