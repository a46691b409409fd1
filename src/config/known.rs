//! The keys of `config.yaml` that mean something, and the nearest of them to one that does not.

use super::{
    ConfigError,
    error::Place,
    node::{Kind, Member, Node},
    yaml::YamlFile,
};

/// Every key that is read now, and every key of the reference that is to be served later: those are accepted in
/// silence, so that a configuration of the reference can be taken over as it is. `NAME*` matches any key with that
/// beginning, `**` whatever lies below.
const KNOWN: [&str; 122] = [
    "agent.api_max_retries",
    "agent.disabled_toolsets",
    "agent.gateway_timeout",
    "agent.max_turns",
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
    "compression.**",
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
    "memory.memory_char_limit",
    "memory.memory_enabled",
    "memory.provider",
    "memory.user_char_limit",
    "memory.user_profile_enabled",
    "memory.write_approval",
    "model.api_key",
    "model.base_url",
    "model.connect_timeout",
    "model.context_length",
    "model.default",
    "model.first_byte_timeout",
    "model.idle_timeout",
    "model.provider",
    "on_busy",
    "platform_toolsets.**",
    "platforms.api_server.cors_origins",
    "platforms.api_server.enabled",
    "platforms.api_server.extra.cors_origins",
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
    "providers.**",
    "responses.stored",
    "responses.tool_items",
    "retention.derived_sessions",
    "retention.idempotency",
    "retention.runs",
    "security.allow_private_urls",
    "security.redact_secrets",
    "security.tirith_enabled",
    "security.tirith_fail_open",
    "server.trusted_proxies",
    "server.workers",
    "sessions.auto_prune",
    "sessions.retention_days",
    "skills.**",
    "stt.**",
    "terminal.backend",
    "terminal.background_max",
    "terminal.cwd",
    "terminal.docker_*",
    "terminal.env_passthrough",
    "terminal.max_timeout",
    "terminal.sandbox",
    "terminal.timeout",
    "timezone",
    "tool_output.**",
    "tools.**",
    "toolsets",
    "tts.**",
    "web.**",
];

/// Settings of the whole machine: they count in the home's own file and nowhere else.
const HOME_ONLY: [&str; 5] = [
    "agent.restart_drain_timeout",
    "gateway.max_concurrent_runs",
    "profiles.inherit_secrets",
    "server.trusted_proxies",
    "server.workers",
];

/// Whose file is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Home,
    Profile,
}

/// What a dotted path is to us.
enum Role {
    /// A setting, or something below a section that is taken as a whole.
    Setting,
    /// A section: settings lie below it.
    Section,
    Unknown,
}

fn role(path: &str) -> Role {
    let mut found = Role::Unknown;
    for known in KNOWN {
        let matches = match (known.strip_suffix(".**"), known.strip_suffix('*')) {
            (Some(section), _) => path
                .strip_prefix(section)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
            (None, Some(start)) => path.starts_with(start),
            (None, None) => path == known,
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

/// Walks a file: unknown keys and keys in the wrong file become warnings.
///
/// # Errors
///
/// A section that is no map: everything meant to be below it would be lost in silence.
pub(super) fn check(file: &YamlFile, owner: Owner) -> Result<Vec<String>, ConfigError> {
    let mut warnings = Vec::new();
    walk(file, owner, "", &file.root, &mut warnings)?;
    Ok(warnings)
}

fn walk(
    file: &YamlFile,
    owner: Owner,
    above: &str,
    node: &Node,
    warnings: &mut Vec<String>,
) -> Result<(), ConfigError> {
    for Member { key, line, value } in node.members() {
        let path = if above.is_empty() {
            key.clone()
        } else {
            format!("{above}.{key}")
        };
        let place = Place {
            file: file.path.clone(),
            line: Some(*line),
            key: path.clone(),
        };
        match role(&path) {
            Role::Setting if owner == Owner::Profile && HOME_ONLY.contains(&path.as_str()) => {
                warnings.push(
                    place.warning("has no effect here: it counts in the home's own `config.yaml` only"),
                );
            }
            Role::Setting => {}
            Role::Section => match value.kind {
                Kind::Map(_) => walk(file, owner, &path, value, warnings)?,
                // `model: NAME` is the reference's short form of `model.default`.
                Kind::Scalar { .. } if value.is_null() || path == "model" => {}
                Kind::Scalar { .. } | Kind::List(_) => {
                    let message = format!("is {}, but settings belong below it", value.kind_name());
                    return Err(place.error(message));
                }
            },
            Role::Unknown => warnings.push(place.warning(match nearest(above, key) {
                Some(near) => format!("is not known and has no effect: did you mean `{near}`?"),
                None => "is not known and has no effect".to_owned(),
            })),
        }
    }
    Ok(())
}

/// The known key that was most likely meant: a like one in the same section, else the same name in another section.
fn nearest(above: &str, key: &str) -> Option<String> {
    let siblings = KNOWN.iter().filter_map(|known| {
        let rest = if above.is_empty() {
            known
        } else {
            known.strip_prefix(above)?.strip_prefix('.')?
        };
        let name = rest.split('.').next()?;
        (!name.ends_with('*')).then_some(name)
    });
    if let Some(name) = nearest_of(key, siblings) {
        return Some(if above.is_empty() {
            name.to_owned()
        } else {
            format!("{above}.{name}")
        });
    }
    let namesakes = KNOWN.iter().filter(|known| known.rsplit('.').next() == Some(key));
    namesakes
        .min_by_key(|known| known.len())
        .map(|known| (*known).to_owned())
}

/// The candidate within a few slips of the pen; longer words may have more of them.
pub(super) fn nearest_of<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;
    use std::path::Path;

    fn check_text(text: &str, owner: Owner) -> Result<Vec<String>, String> {
        let path = Path::new("c.yaml");
        let root = yaml::parse(path, text).map_err(|error| error.to_string())?;
        check(
            &YamlFile {
                path: path.to_owned(),
                root,
            },
            owner,
        )
        .map_err(|error| error.to_string())
    }

    #[test]
    fn unknown_keys_are_told_with_the_nearest_known_one() {
        let cases = [
            (
                "a slip",
                "agent:\n  max_turn: 3\n",
                "c.yaml:2: `agent.max_turn`",
                Some("agent.max_turns"),
            ),
            (
                "swapped letters",
                "modle:\n  default: x\n",
                "c.yaml:1: `modle`",
                Some("model"),
            ),
            (
                "wrong section",
                "max_turns: 3\n",
                "c.yaml:1: `max_turns`",
                Some("agent.max_turns"),
            ),
            (
                "deep",
                "gateway:\n  api_server:\n    prot: 1\n",
                "c.yaml:3: `gateway.api_server.prot`",
                Some("gateway.api_server.port"),
            ),
            ("nothing like it", "zebra: 1\n", "c.yaml:1: `zebra`", None),
        ];
        for (case, text, start, near) in cases {
            let warnings = check_text(text, Owner::Profile).unwrap();
            let end = near.map_or("has no effect".to_owned(), |near| {
                format!("did you mean `{near}`?")
            });
            assert_eq!(warnings.len(), 1, "{case}: {warnings:?}");
            assert!(
                warnings[0].starts_with(start) && warnings[0].ends_with(&end),
                "{case}: {warnings:?}"
            );
        }
    }

    #[test]
    fn keys_of_the_reference_are_accepted_in_silence() {
        let text = "compression: {enabled: true, threshold: .5}\ndelegation:\n  max_iterations: 50\ncron:\n  wrap_response: true\n\
                    display: {platforms: {api_server: {show_reasoning: true}}}\ntimezone: Europe/Berlin\nfallback_providers: []\n\
                    terminal: {docker_image: x, docker_volumes: []}\nmodel: some-model\nplatforms: {telegram: {token: x}}\nmemory:\n";
        assert_eq!(check_text(text, Owner::Profile), Ok(vec![]));
    }

    #[test]
    fn a_section_that_is_no_map_is_an_error() {
        for (text, start) in [
            ("agent: 5\n", "c.yaml:1: `agent`: is a single value"),
            (
                "gateway:\n  api_server: [a]\n",
                "c.yaml:2: `gateway.api_server`: is a list",
            ),
        ] {
            assert!(
                check_text(text, Owner::Home).unwrap_err().starts_with(start),
                "{text}"
            );
        }
    }

    #[test]
    fn machine_settings_have_no_effect_in_a_profile() {
        let text = "server:\n  workers: 2\n";
        assert!(check_text(text, Owner::Profile).unwrap()[0].contains("home's own"));
        assert_eq!(check_text(text, Owner::Home), Ok(vec![]));
    }

    #[test]
    fn the_table_is_sorted_so_that_doubles_show() {
        assert!(KNOWN.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
