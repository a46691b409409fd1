//! One profile's layers to its [`ProfileConfig`].

use super::{
    AccessConfig, AgentConfig, ApiConfig, ApprovalMode, ApprovalsConfig, ConfigError, ExtraRoot, LoopGuard,
    ProfileConfig, ResponsesConfig, RetentionConfig, SandboxLevel, TerminalConfig, compression,
    expand::is_env_name,
    helper, limits, listen, mcp, memory, model, network, prompt, roots, selection,
    settings::{Found, Settings},
    tls, tools,
    typed::DAY,
    web, workspace,
};
use crate::domain::{OnBusy, ProfileName, ToolItems, Unattended};
use std::{path::Path, time::Duration};

/// A wait of this many runs is allowed where a profile sets no cap of its own, so that only the machine's counts.
const QUEUE_WITHOUT_CAP: usize = 1_024;
const WEEK: u64 = 7 * DAY;
const TEN_YEARS: u64 = 3_650 * DAY;

/// # Errors
///
/// The first mistake that keeps the profile from being served.
pub(super) fn resolve(
    name: &ProfileName,
    home: &Path,
    root: &Path,
    settings: &Settings<'_>,
    warnings: &mut Vec<String>,
) -> Result<ProfileConfig, ConfigError> {
    let listen = listen::read(settings, name)?;
    let table = selection::Table::read(settings, warnings)?;
    let model = model::read(settings, &table, warnings)?;
    let selection = selection::read(settings, &table, &model, warnings)?;
    let providers: Vec<&str> =
        selection.providers.keys().chain([&model.provider_name]).map(String::as_str).collect();
    let compression = compression::read(settings, &providers, warnings)?;
    let approvals = approvals(settings, &providers, warnings)?;
    let vision = tools::vision(settings, &model, &selection)?;
    let workspace = workspace::resolve(settings, home, root)?;
    let roots = roots::read(settings, home, root, &workspace, warnings)?;
    Ok(ProfileConfig {
        name: name.clone(),
        root: root.to_owned(),
        state_dir: root.join("state"),
        workspace,
        skills_dir: root.join("skills"),
        soul_file: root.join("SOUL.md"),
        listen: listen.address,
        // Of the machine: the home adds it.
        access: AccessConfig::default(),
        tls: tls::read(settings, root)?,
        api_key: listen.api_key,
        cors_origins: listen.cors_origins,
        model_name: listen.model_name,
        compression,
        model,
        selection,
        api: api(settings)?,
        approvals,
        terminal: terminal(settings, roots, warnings)?,
        agent: AgentConfig {
            max_turns: settings.number("agent.max_turns", 1..=10_000, 90)?,
            loop_guard: settings.choice("agent.loop_guard", &LoopGuard::NAMES, LoopGuard::default())?,
            verbose_tools: settings.bool("tools.verbose", false)?,
        },
        memory: memory::read(settings)?,
        prompt: prompt::prompt(settings, warnings)?,
        skills: prompt::skills(settings, root, warnings)?,
        tools: tools::selection(settings)?,
        delegation: tools::delegation(settings)?,
        web: web::read(settings)?,
        mcp: mcp::read(settings)?,
        vision,
        retention: RetentionConfig {
            runs: settings.duration("retention.runs", 60..=TEN_YEARS, WEEK)?,
            derived_sessions: settings.duration("retention.derived_sessions", 60..=TEN_YEARS, 30 * DAY)?,
            idempotency: settings.duration("retention.idempotency", 60..=TEN_YEARS, DAY)?,
            audit: settings.duration("retention.audit", DAY..=TEN_YEARS, 365 * DAY)?,
        },
        responses: ResponsesConfig {
            stored: settings.number("responses.stored", 1..=1_000_000, 1_000)?,
            tool_items: settings.choice("responses.tool_items", &ToolItems::NAMED, ToolItems::default())?,
        },
        env: settings.env_values(),
    })
}

fn api(settings: &Settings<'_>) -> Result<ApiConfig, ConfigError> {
    let max_concurrent_runs = settings.number("gateway.api_server.max_concurrent_runs", 0..=1_000_000, 10)?;
    let queue = match max_concurrent_runs {
        0 => QUEUE_WITHOUT_CAP,
        cap => 2 * cap,
    };
    let statuses = [("200", true), ("502", false)];
    let reasoning = match settings.yaml("display.platforms.api_server.show_reasoning")? {
        Some(found) => Some(found),
        None => settings.yaml("display.show_reasoning")?,
    };
    Ok(ApiConfig {
        max_concurrent_runs,
        queue: settings.number("gateway.api_server.queue", 0..=1_000_000, queue)?,
        queue_timeout: settings.duration("gateway.api_server.queue_timeout", 0..=3_600, 30)?,
        max_body_bytes: settings.number(
            "gateway.api_server.max_body_bytes",
            1_024..=1_000_000_000,
            10_000_000,
        )?,
        on_busy: settings.choice("gateway.api_server.on_busy", &OnBusy::NAMES, OnBusy::default())?,
        failed_turn_ok: settings.choice("gateway.api_server.failed_turn_status", &statuses, false)?,
        show_reasoning: reasoning.map_or(Ok(false), |found| found.bool())?,
    })
}

fn approvals(
    settings: &Settings<'_>,
    providers: &[&str],
    warnings: &mut Vec<String>,
) -> Result<ApprovalsConfig, ConfigError> {
    // YAML's older rules read a bare `off` as `false`, and people who know that write `false`.
    let modes = [
        ("manual", ApprovalMode::Manual),
        ("smart", ApprovalMode::Smart),
        ("off", ApprovalMode::Off),
        ("false", ApprovalMode::Off),
    ];
    let timeout = match settings.yaml("approvals.timeout")? {
        Some(found) if found.text.trim().eq_ignore_ascii_case("never") => None,
        Some(found) => Some(found.duration(1..=TEN_YEARS).map_err(|mut error| {
            error.message.push_str("; `never` waits for ever");
            error
        })?),
        None => Some(Duration::from_secs(300)),
    };
    let unattended = [("deny", Unattended::Deny), ("wait", Unattended::Wait)];
    let deny = globs(settings, "approvals.deny")?;
    let allow = globs(settings, "command_allowlist")?;
    if let Some(all) = allow.iter().find(|glob| glob.text.chars().all(|c| matches!(c, '*' | '?' | ' '))) {
        return Err(all
            .place
            .error("would allow everything: write `mode: off` below `approvals:` if that is meant"));
    }
    if settings.env("HERMES_YOLO_MODE").is_some() {
        let file = settings.env.path.display();
        warnings
            .push(format!("{file}: `HERMES_YOLO_MODE`: has no effect: write `mode: off` below `approvals:`"));
    }
    Ok(ApprovalsConfig {
        mode: settings.choice("approvals.mode", &modes, ApprovalMode::Manual)?,
        timeout,
        unattended: settings.choice("approvals.unattended", &unattended, Unattended::Deny)?,
        deny: deny.into_iter().map(|glob| glob.text).collect(),
        allow: allow.into_iter().map(|glob| glob.text).collect(),
        reviewer: helper::read(settings, "approval", providers, warnings)?,
        review_timeout: settings.duration("auxiliary.approval.timeout", 1..=600, 30)?,
    })
}

/// Patterns of commands, none of them empty.
fn globs(settings: &Settings<'_>, path: &str) -> Result<Vec<Found>, ConfigError> {
    let globs = settings.yaml_list_whole(path)?.unwrap_or_default();
    match globs.iter().find(|glob| glob.text.trim().is_empty()) {
        Some(blank) => Err(blank.place.error("holds an empty pattern")),
        None => Ok(globs),
    }
}

fn terminal(
    settings: &Settings<'_>,
    roots: Vec<ExtraRoot>,
    warnings: &mut Vec<String>,
) -> Result<TerminalConfig, ConfigError> {
    let levels = [
        ("none", SandboxLevel::None),
        ("landlock", SandboxLevel::Landlock),
        ("strict", SandboxLevel::Strict),
    ];
    let timeout = settings.duration("terminal.timeout", 1..=86_400, 180)?;
    let longest = settings.yaml("terminal.max_timeout")?;
    let max_timeout = match &longest {
        Some(found) => found.duration(1..=86_400)?,
        None => timeout.max(Duration::from_secs(600)),
    };
    if let Some(found) = longest.filter(|_| max_timeout < timeout) {
        return Err(found.place.error("is shorter than `terminal.timeout`"));
    }
    if let Some(backend) = settings.yaml("terminal.backend")?.filter(|found| found.text.trim() != "local") {
        warnings.push(backend.place.warning("only `local` exists: commands run in the built-in sandbox"));
    }
    let passthrough = settings.yaml_list("terminal.env_passthrough")?.unwrap_or_default();
    for name in &passthrough {
        if name.text == "API_SERVER_KEY" {
            return Err(name
                .place
                .error("must not name `API_SERVER_KEY`: a command could answer its own approval"));
        }
        if !is_env_name(&name.text) {
            return Err(name.place.error("must be names of `.env` entries: letters, digits and `_`"));
        }
    }
    let sandbox = settings.choice("terminal.sandbox", &levels, SandboxLevel::Landlock)?;
    let most = settings.yaml("terminal.sandbox_most")?;
    let sandbox_most = match &most {
        // The least wall can be none; the most cannot.
        Some(found) => found.choice(&levels[1..])?,
        None => SandboxLevel::Strict,
    };
    if let Some(found) = most.filter(|_| sandbox_most < sandbox) {
        return Err(found.place.error("is below `terminal.sandbox`: every command would be refused"));
    }
    Ok(TerminalConfig {
        sandbox,
        sandbox_most,
        unix_sockets: settings.bool("terminal.unix_sockets", false)?,
        timeout,
        max_timeout,
        background_max: settings.duration("terminal.background_max", 1..=604_800, 86_400)?,
        network: network::read(settings, warnings)?,
        env_passthrough: passthrough.into_iter().map(|name| name.text).collect(),
        roots,
        max_output: settings.number("tool_output.max_bytes", 1_000..=10_000_000, 50_000)?,
        limits: limits::read(settings)?,
    })
}
