//! The settings in force, described.

use super::{
    Access, Operation,
    runs::on_busy,
    schema::{Schema, always, boolean, either, integer, list, map, named, number, object, one_of, text},
};
use crate::{
    actors::Scope,
    config::{LoopGuard, MemoryScoping, NetworkMode, Vision},
    domain::ToolItems,
};

pub fn config() -> Operation {
    let answer = object()
        .has("object", always("hermes.config"))
        .has("profile", text())
        .has("config", named("Settings"));
    Operation::new(
        "discovery",
        "config",
        Access::Scope(Scope::Read),
        "The settings in force, without secrets",
    )
    .answers(200, answer, "The settings.")
}

pub fn components() -> Vec<(&'static str, Schema)> {
    let responses =
        object().has("stored", integer()).has("tool_items", one_of(ToolItems::NAMED.map(|(name, _)| name)));
    let retention =
        object().has("runs", number()).has("derived_sessions", number()).has("idempotency", number());
    let settings = object()
        .has("model", model())
        .has(
            "providers",
            map(upstream()).note("What a request may choose beside the profile's own provider."),
        )
        .has(
            "fallback_providers",
            list(object().has("provider", text()).has("model", text()))
                .note("Who is asked, in this order, when the profile's own upstream gives no answer."),
        )
        .has("direct_model_requests", boolean())
        .has("responses", responses)
        .has(
            "agent",
            object()
                .has("max_turns", integer())
                .has("loop_guard", one_of(LoopGuard::NAMES.map(|(name, _)| name)))
                .has("api_max_retries", integer()),
        )
        .has("memory", memory())
        .has("approvals", approvals())
        .has("terminal", terminal())
        .has("tool_output", object().has("max_bytes", integer()))
        .has("display", object().has("show_reasoning", boolean()).has("personality", text().or_null()))
        .has("tools", object().has("verbose", boolean()))
        .has("retention", retention)
        .has("api_server", api_server())
        .note("By section, with every default filled in; times in seconds.");
    vec![("Settings", settings)]
}

fn memory() -> Schema {
    object()
        .has("memory_enabled", boolean())
        .has("user_profile_enabled", boolean())
        .has("memory_char_limit", integer())
        .has("user_char_limit", integer())
        .has("scope", one_of(MemoryScoping::NAMES.map(|(name, _)| name)))
        .has("write_approval", boolean())
        .has("approve_after_untrusted", boolean())
}

fn upstream() -> Schema {
    object()
        .has("default", text().note("Empty: a request has to name the model."))
        .has("models", list(text()).note("The only ones that may be chosen; empty: any."))
        .has("base_url", text().or_null().note("Without credentials."))
        .has("context_length", integer().or_null())
        .has("max_tokens", integer().or_null())
        .has("vision", one_of(Vision::NAMES.map(|(name, _)| name)))
        .has("has_api_key", boolean())
        .has("more_api_keys", integer())
        .has("send_reasoning", boolean())
}

fn model() -> Schema {
    upstream()
        .has("provider", text())
        .has("connect_timeout", number())
        .has("first_byte_timeout", number())
        .has("idle_timeout", number())
}

fn approvals() -> Schema {
    object()
        .has("mode", one_of(["manual", "off"]))
        .has("timeout", number().or_null().note("Null: never."))
        .has("unattended", one_of(["deny", "wait"]))
        .has("deny", list(text()))
}

fn terminal() -> Schema {
    object()
        .has("sandbox", one_of(["none", "landlock", "strict"]))
        .has("sandbox_most", one_of(["landlock", "strict"]))
        .has("unix_sockets", boolean())
        .has("timeout", number())
        .has("max_timeout", number())
        .has("background_max", number())
        .has("env_passthrough", list(text()))
        .has("network", one_of(NetworkMode::NAMES.map(|(name, _)| name)))
        .has("network_allow", list(text()).note("Hosts and addresses beside what `network` opens."))
        .has("limits", limits())
        .has("disk_quota", integer().note("Bytes of the workspace and the temporary folders."))
        .has("disk_reserve", integer().note("Bytes that must stay free on the disk."))
}

fn limits() -> Schema {
    object()
        .has("memory", integer().note("Bytes of one command."))
        .has("processes", integer())
        .has("cpu_time", number())
        .has("file_size", integer())
        .has("open_files", integer())
        .has("output", integer().note("Bytes that one command may print."))
        .has("profile_memory", integer().note("Bytes of all commands of the profile."))
        .has("profile_processes", integer())
}

fn api_server() -> Schema {
    let route = object().has("provider", text()).has("model", text());
    object()
        .has("model_name", text())
        .has("cors_origins", list(text()))
        .has("max_concurrent_runs", integer().note("0: no limit."))
        .has("queue", integer())
        .has("queue_timeout", number())
        .has("max_body_bytes", integer())
        .has("model_routes", map(route))
        .has("on_busy", on_busy())
        .has("failed_turn_status", either([always(200), always(502)]))
}
