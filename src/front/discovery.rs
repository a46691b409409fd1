//! What this profile can do, told honestly: a flag is true only when its route works here and now.

use super::{auth::Authorised, body::MAX_DEPTH, error::ApiError, health::PLATFORM, openai, openapi, routes};
use crate::{
    config::{ApiConfig, ProfileConfig, Provider},
    domain::{SETS, ToolSpec},
    sandbox::{Machine, Sandbox},
};
use actix_web::HttpResponse;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub async fn capabilities(auth: Authorised) -> Result<HttpResponse, ApiError> {
    let config = auth.tenant.config();
    Ok(HttpResponse::Ok().json(document(&config, auth.tenant.sandbox())))
}

fn document(config: &ProfileConfig, sandbox: &Sandbox) -> Value {
    let endpoints = endpoints();
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
        "features": features(config, &endpoints),
        "sandbox": {"level": sandbox.level.name(), "way": sandbox.way_name(), "abi": sandbox.abi,
                    "limits": held(&sandbox.machine)},
        "network": network(config, sandbox),
        "limits": limits(&config.api),
        "endpoints": endpoints,
    })
}

/// Routes by the names that the reference gives them.
fn endpoints() -> BTreeMap<&'static str, Value> {
    let paths = routes::table();
    let named = paths.iter().flat_map(|path| {
        let shown = openapi::without_patterns(path.pattern());
        path.operations()
            .map(move |(method, operation)| (operation.name, json!({"method": method, "path": shown})))
    });
    named.collect()
}

/// Flags that stand for a route: true when the router has it.
const ROUTED: &[(&str, &str)] = &[
    ("chat_completions", "chat_completions"),
    ("chat_completions_streaming", "chat_completions"),
    ("responses_api", "responses"),
    ("responses_streaming", "responses"),
    ("responses_background", "response_cancel"),
    ("run_submission", "runs"),
    ("run_status", "run_status"),
    ("run_events_sse", "run_events"),
    ("run_event_replay", "run_events"),
    ("run_stop", "run_stop"),
    ("run_steer", "run_steer"),
    ("run_approval_response", "run_approval"),
    ("approvals_api", "approvals"),
    ("run_clarify", "run_clarify"),
    ("session_resources", "sessions"),
    ("session_chat", "session_chat"),
    ("session_chat_streaming", "session_chat_stream"),
    ("session_fork", "session_fork"),
    ("session_search", "session_search"),
    ("session_compress", "session_compress"),
    ("model_selection", "model_options"),
    ("skills_api", "skills"),
    ("memory_read_api", "memory"),
    ("memory_write_api", "memory_add"),
    ("config_read_api", "config"),
];

fn features(config: &ProfileConfig, endpoints: &BTreeMap<&'static str, Value>) -> Value {
    let retention = config.retention.idempotency.as_secs();
    let mut features = json!({
        "run_submission_idempotency": true,
        "runs_idempotency": {"supported": true, "durable": true, "retention_seconds": retention},
        "tool_progress_events": true,
        "approval_events": true,
        "client_tools": true,
        "reasoning_streaming": config.api.show_reasoning,
        "session_continuity_header": "X-Hermes-Session-Id",
        "session_key_header": "X-Hermes-Session-Key",
        "cors": !config.cors_origins.is_empty(),
        "admin_config_rw": false,
        "jobs_admin": false,
        "audio_api": false,
        "realtime_voice": false,
    });
    for &(flag, route) in ROUTED {
        features[flag] = Value::Bool(endpoints.contains_key(route));
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

/// What commands may reach, as it was configured and as this machine holds it.
pub fn network(config: &ProfileConfig, sandbox: &Sandbox) -> Value {
    let policy = config.terminal.network.mode;
    json!({"policy": policy.name(), "in_force": sandbox.network(policy).name()})
}

/// Who holds the limits of commands, and why nobody better does.
pub fn held(machine: &Machine) -> Value {
    let (held_by, reason) = machine.holder();
    json!({"held_by": held_by, "reason": reason})
}

pub async fn toolsets(auth: Authorised) -> Result<HttpResponse, ApiError> {
    // Another gateway's agent brings its own tools, and none of ours are offered to it.
    let enabled = match auth.tenant.config().model.provider {
        Provider::Hermes { .. } => false,
        Provider::OpenAi { .. } | Provider::Demo => true,
    };
    let toolbox = auth.tenant.toolbox();
    toolbox.discover().await;
    let mut trouble = toolbox.trouble();
    trouble.iter_mut().for_each(|(_, why)| auth.tenant.redactor().clean_text(why));
    let data = sets(toolbox.toolset().specs(), &toolbox.missing(), &trouble, enabled);
    Ok(HttpResponse::Ok().json(json!({"object": "list", "platform": "api_server", "data": data})))
}

/// The sets by name, each with the tools that the agent has of it, and why it has not the others.
fn sets(
    specs: &[ToolSpec],
    missing: &[(&ToolSpec, &str)],
    trouble: &[(String, String)],
    enabled: bool,
) -> Vec<Value> {
    let mut sets: BTreeMap<&str, (Vec<&str>, BTreeMap<&str, &str>)> = BTreeMap::new();
    for spec in specs {
        sets.entry(&*spec.toolset).or_default().0.push(&*spec.name);
    }
    for (spec, why) in missing {
        sets.entry(&*spec.toolset).or_default().1.insert(&*spec.name, why);
    }
    for (set, why) in trouble {
        sets.entry(set).or_default().1.insert("*", why);
    }
    let describe = |(name, (mut tools, missing)): (&str, (Vec<&str>, BTreeMap<&str, &str>))| {
        tools.sort_unstable();
        let known = SETS.iter().find(|set| set.name == name);
        json!({
            "name": name,
            "label": known.map_or(name, |set| set.label),
            "description": tools.join(", "),
            "enabled": enabled && !tools.is_empty(),
            "configured": !tools.is_empty(),
            "tools": tools,
            "missing": missing,
        })
    };
    sets.into_iter().map(describe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_listed_by_set_and_sorted() {
        let spec = |name: &'static str, toolset: &'static str| ToolSpec {
            name: name.into(),
            description: "".into(),
            parameters: "{}".into(),
            read_only: true,
            toolset: toolset.into(),
            emoji: "",
        };
        let specs = [spec("write_file", "file"), spec("terminal", "terminal"), spec("patch", "file")];
        let search = spec("web_search", "web");
        let sets = sets(&specs, &[(&search, "not configured")], &[], true);
        let shown: Vec<_> =
            sets.iter().map(|set| [&set["name"], &set["tools"], &set["enabled"], &set["missing"]]).collect();
        let expected = [
            [json!("file"), json!(["patch", "write_file"]), json!(true), json!({})],
            [json!("terminal"), json!(["terminal"]), json!(true), json!({})],
            [json!("web"), json!([]), json!(false), json!({"web_search": "not configured"})],
        ];
        assert_eq!(shown, expected.each_ref().map(<[Value; 4]>::each_ref));
    }
}
