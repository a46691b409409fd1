//! The table of the keys of `config.yaml`.

/// Every key that is read now, and every key of the reference that is to be served later: those are accepted in
/// silence, so that a configuration of the reference can be taken over as it is. `NAME*` matches any key with that
/// beginning, `**` whatever lies below.
pub(super) const KNOWN: &[&str] = &[
    "agent.api_max_retries",
    "agent.disabled_toolsets",
    "agent.gateway_timeout",
    "agent.loop_guard",
    "agent.max_turns",
    "agent.personalities.**",
    "agent.reasoning_effort",
    "agent.restart_drain_timeout",
    "approvals.cron_mode",
    "approvals.deny",
    "approvals.mode",
    "approvals.single_query_mode",
    "approvals.timeout",
    "approvals.unattended",
    "approvals.unattended_mode",
    "auxiliary.**",
    "browser.**",
    "checkpoints.**",
    "code_execution.**",
    "command_allowlist",
    "compression.enabled",
    "compression.in_place",
    "compression.protect_first_n",
    "compression.protect_last_n",
    "compression.target_ratio",
    "compression.threshold",
    "credential_pool_strategies.**",
    "cron.**",
    "curator.**",
    "delegation.**",
    "direct_model_requests",
    "display.**",
    "fallback_model.**",
    "fallback_providers",
    "file_read_max_chars",
    "gateway.api_server.cors_origins",
    "gateway.api_server.enabled",
    "gateway.api_server.failed_turn_status",
    "gateway.api_server.host",
    "gateway.api_server.key",
    "gateway.api_server.max_body_bytes",
    "gateway.api_server.max_concurrent_runs",
    "gateway.api_server.model_name",
    "gateway.api_server.model_routes.**",
    "gateway.api_server.on_busy",
    "gateway.api_server.port",
    "gateway.api_server.queue",
    "gateway.api_server.queue_timeout",
    "gateway.max_concurrent_runs",
    "gateway.multiplex_profiles",
    "gateway.proxy_key",
    "gateway.proxy_url",
    "hooks.**",
    "kanban.**",
    "logging.**",
    "mcp_servers.**",
    "memory.approve_after_untrusted",
    "memory.memory_char_limit",
    "memory.memory_enabled",
    "memory.provider",
    "memory.scope",
    "memory.user_char_limit",
    "memory.user_profile_enabled",
    "memory.write_approval",
    "model.api_key",
    "model.api_keys",
    "model.base_url",
    "model.connect_timeout",
    "model.context_length",
    "model.default",
    "model.first_byte_timeout",
    "model.idle_timeout",
    "model.max_tokens",
    "model.prices.cached",
    "model.prices.input",
    "model.prices.output",
    "model.provider",
    "model.send_reasoning",
    "model.vision",
    "on_busy",
    "platform_hints.**",
    "platform_toolsets.**",
    "platforms.api_server.cors_origins",
    "platforms.api_server.enabled",
    "platforms.api_server.extra.cors_origins",
    "platforms.api_server.extra.enabled",
    "platforms.api_server.extra.host",
    "platforms.api_server.extra.key",
    "platforms.api_server.extra.model_name",
    "platforms.api_server.extra.model_routes.**",
    "platforms.api_server.extra.port",
    "platforms.api_server.host",
    "platforms.api_server.key",
    "platforms.api_server.model_name",
    "platforms.api_server.model_routes.**",
    "platforms.api_server.port",
    "platforms.dingtalk.**",
    "platforms.discord.**",
    "platforms.email.**",
    "platforms.feishu.**",
    "platforms.homeassistant.**",
    "platforms.matrix.**",
    "platforms.mattermost.**",
    "platforms.signal.**",
    "platforms.slack.**",
    "platforms.sms.**",
    "platforms.telegram.**",
    "platforms.webhook.**",
    "platforms.whatsapp.**",
    "plugins.**",
    "profiles.inherit_secrets",
    "profiles.uids",
    "providers.**",
    "responses.stored",
    "responses.tool_items",
    "retention.audit",
    "retention.derived_sessions",
    "retention.idempotency",
    "retention.runs",
    "security.allow_private_urls",
    "security.redact_secrets",
    "security.tirith_enabled",
    "security.tirith_fail_open",
    "server.allowed_hosts",
    "server.max_connections",
    "server.tls.cert",
    "server.tls.key",
    "server.trusted_proxies",
    "server.workers",
    "sessions.auto_prune",
    "sessions.retention_days",
    "skills.**",
    "stt.**",
    "terminal.backend",
    "terminal.background_max",
    "terminal.cwd",
    "terminal.disk_quota",
    "terminal.disk_reserve",
    "terminal.docker_*",
    "terminal.env_passthrough",
    "terminal.limits.cpu_time",
    "terminal.limits.file_size",
    "terminal.limits.memory",
    "terminal.limits.open_files",
    "terminal.limits.output",
    "terminal.limits.processes",
    "terminal.limits.profile_memory",
    "terminal.limits.profile_processes",
    "terminal.max_timeout",
    "terminal.network",
    "terminal.network_allow",
    "terminal.roots",
    "terminal.sandbox",
    "terminal.sandbox_most",
    "terminal.timeout",
    "terminal.unix_sockets",
    "timezone",
    "tool_output.**",
    "tools.**",
    "toolsets",
    "tts.**",
    "web.**",
];

/// Settings of the whole machine: they count in the home's own file and nowhere else.
pub(super) const HOME_ONLY: [&str; 8] = [
    "agent.restart_drain_timeout",
    "gateway.max_concurrent_runs",
    "profiles.inherit_secrets",
    "profiles.uids",
    "server.allowed_hosts",
    "server.max_connections",
    "server.trusted_proxies",
    "server.workers",
];

/// What a dotted path is to us.
pub(super) enum Role {
    /// A setting, or something below a section that is taken as a whole.
    Setting,
    /// A section: settings lie below it.
    Section,
    Unknown,
}

pub(super) fn role(path: &str) -> Role {
    let mut found = Role::Unknown;
    for known in KNOWN {
        let matches = match (known.strip_suffix(".**"), known.strip_suffix('*')) {
            (Some(section), _) => {
                path.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
            (None, Some(start)) => path.starts_with(start),
            (None, None) => path == *known,
        };
        if matches {
            return Role::Setting;
        }
        if known.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')) {
            found = Role::Section;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_doubles_show() {
        assert!(KNOWN.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
