//! What a profile says of itself, described.

use super::{
    Access, Operation,
    schema::{Schema, always, any, boolean, integer, list, map, named, object, one_of, text, time},
};
use crate::{actors::Scope, config::NetworkMode, domain::Code, sandbox::disk_holder};

const TAG: &str = "discovery";

pub fn health() -> Operation {
    let answer = object().has("status", always("ok")).has("platform", text()).has("version", text());
    Operation::new(TAG, "health", Access::Open, "The process answers")
        .text("Touches nothing.")
        .answers(200, answer, "It does.")
}

pub fn ready() -> Operation {
    Operation::new(TAG, "ready", Access::Open, "New turns would be taken on")
        .answers(200, object().has("status", always("ready")), "They would.")
        .fails([Code::ProfileUnavailable, Code::GatewayDraining, Code::StorageLow])
}

pub fn detailed() -> Operation {
    Operation::new(TAG, "health_detailed", Access::Scope(Scope::Read), "Store, disk, model, sandbox and load")
        .answers(200, named("Health"), "Always 200: the answer is the diagnosis.")
}

pub fn metrics() -> Operation {
    Operation::new(TAG, "metrics", Access::Scope(Scope::Read), "The profile's figures for Prometheus")
        .text("Text exposition format 0.0.4: the wall, runs that have not ended, the disk.")
        .content(200, "text/plain", text().into_value(), "Read when it is asked for.")
}

pub fn isolation() -> Operation {
    let finding = object()
        .has("attack", text())
        .has("tries", text().note("The rest of a sentence that begins with \"a command\"."))
        .has("outcome", one_of(["contained", "detected_and_killed", "not_contained"]))
        .has("reason", text())
        .has("promised", boolean().note("The level promises to stop it."))
        .has("known", boolean().note("Its end was seen; else it counts as not contained."));
    let counts = object()
        .has("contained", integer())
        .has("detected_and_killed", integer())
        .has("not_contained", integer());
    let answer = object()
        .has("object", always("hermes.isolation"))
        .has("level", text())
        .has("abi", integer())
        .has("ran_at", time())
        .has("took_ms", integer())
        .has("counts", counts)
        .has("breach", text().or_null().note("What came through although the level promises to stop it."))
        .has("attacks", list(finding));
    Operation::new(TAG, "isolation", Access::Scope(Scope::Admin), "The gateway's attacks on its own wall")
        .text("Attacks from a sandbox of a throw-away profile with this profile's terminal settings; some seconds.")
        .query("fresh", boolean(), "Attacks anew instead of answering the last result.")
        .answers(200, answer, "What came of each attack.")
        .fails([Code::ProfileUnavailable])
}

pub fn models() -> Operation {
    Operation::new(TAG, "models", Access::Key, "The agent, as a model").answers(
        200,
        object().has("object", always("list")).has("data", list(named("Model"))),
        "The models that may be named.",
    )
}

pub fn model() -> Operation {
    Operation::new(TAG, "model", Access::Key, "One model")
        .answers(200, named("Model"), "The model.")
        .fails([Code::ModelNotFound])
}

pub fn capabilities() -> Operation {
    Operation::new(TAG, "capabilities", Access::Key, "Which features, limits and routes there are")
        .text("A flag is true only when its route works here and now.")
        .answers(200, named("Capabilities"), "What this profile can do.")
}

pub fn toolsets() -> Operation {
    let set = object()
        .has("name", text())
        .has("label", text())
        .has("description", text())
        .has("enabled", boolean().note("False, too, when the profile's model is another gateway's agent."))
        .has("configured", boolean().note("Some of its tools would work here."))
        .has("tools", list(text()))
        .has(
            "missing",
            object()
                .note("Why the agent has not the others, by name; `*`: none that a server would bring.")
                .open(),
        );
    let answer =
        object().has("object", always("list")).has("platform", always("api_server")).has("data", list(set));
    Operation::new(TAG, "toolsets", Access::Key, "The agent's tools").answers(200, answer, "Tools by set.")
}

pub fn docs() -> Operation {
    page_part("docs", "This document as a page", "text/html")
}

pub fn docs_script() -> Operation {
    page_part("docs_script", "The page's script", "text/javascript")
}

pub fn docs_style() -> Operation {
    page_part("docs_style", "The page's style sheet", "text/css")
}

fn page_part(name: &'static str, summary: &'static str, media: &'static str) -> Operation {
    Operation::new(TAG, name, Access::Open, summary).content(200, media, text().into_value(), "The page.")
}

pub fn openapi() -> Operation {
    Operation::new(TAG, "openapi", Access::Open, "This document").answers(
        200,
        object().has("openapi", text()).open(),
        "OpenAPI 3.1.",
    )
}

fn health_schema() -> Schema {
    let breach = text().or_null().note("Why commands are refused: what came through at the last attack.");
    let sandbox = sandbox().has("reason", text().or_null()).has("breach", breach);
    let status = one_of(["ok", "degraded", "unknown"]);
    let check = object().has("status", status.note("`unknown`: a model that no turn has asked yet.")).open();
    let readiness = object().has("status", one_of(["ok", "degraded"])).has("checks", map(check));
    let platform = object()
        .has("state", text())
        .has("error_code", text().or_null())
        .has("error_message", text().or_null())
        .has("updated_at", text());
    let disk_quota = object()
        .has("held_by", one_of([disk_holder(true), disk_holder(false)]))
        .has("reason", text().or_null().note("Why the file system does not hold it."))
        .has("bytes", integer());
    object()
        .has("status", one_of(["ok", "degraded"]))
        .has("readiness", readiness)
        .has("platform", text())
        .has("version", text())
        .has("profile", text())
        .has("gateway_state", text())
        .has("platforms", map(platform))
        .has("sandbox", sandbox)
        .has("disk_quota", disk_quota)
        .has(
            "uid",
            integer()
                .or_null()
                .note("Whose commands and files are, where that is not the gateway's own user."),
        )
        .has("network", network())
        .has("active_agents", integer())
        .has("gateway_busy", boolean())
        .has("gateway_drainable", boolean())
        .has("exit_reason", text().or_null())
        .has("started_at", time())
        .has("updated_at", text())
        .has("pid", integer())
}

/// What commands may reach.
fn network() -> Schema {
    let mode = || one_of(NetworkMode::NAMES.map(|(name, _)| name));
    object()
        .has("policy", mode().note("`terminal.network`."))
        .has("in_force", mode().note("What this machine can hold of it."))
}

fn sandbox() -> Schema {
    let limits = object()
        .has("held_by", one_of(["cgroup", "rlimits"]))
        .has("reason", text().or_null().note("Why control groups do not hold them."));
    object()
        .has("limits", limits)
        .has("level", one_of(["none", "landlock", "strict"]))
        .has("way", one_of(["user_namespace", "root"]).or_null())
        .has("abi", integer())
}

fn capabilities_schema() -> Schema {
    let auth = object().has("type", always("bearer")).has("required", always(true));
    let endpoint = object().has("method", text()).has("path", text());
    object()
        .has("object", always("hermes.api_server.capabilities"))
        .has("platform", text())
        .has("model", text())
        .has("auth", auth)
        .has("runtime", object().open())
        .has("features", map(any()).note("Flags; a few are texts or objects."))
        .has("sandbox", sandbox())
        .has("network", network())
        .has("limits", map(integer()))
        .has("endpoints", map(endpoint))
}

pub fn components() -> Vec<(&'static str, Schema)> {
    vec![
        ("Health", health_schema()),
        (
            "Model",
            object()
                .has("id", text())
                .has("object", always("model"))
                .has("created", integer())
                .has("owned_by", text())
                .has("permission", list(any()))
                .has("root", text())
                .has("parent", text().or_null())
                .may("description", text())
                .may(
                    "context_length",
                    integer().note("Tokens of prompt and answer together; only where known."),
                )
                .may("max_model_len", integer().note("The same.")),
        ),
        ("Capabilities", capabilities_schema()),
    ]
}
