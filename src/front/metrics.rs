//! `/metrics`: a profile's figures as Prometheus and its like collect them (text exposition format 0.0.4).
//!
//! Each is read when it is asked for: nothing is counted beside the work.

use super::{auth::Authorised, discovery, error::ApiError, health};
use crate::{actors::Scope, domain::seconds, sandbox::disk_holder};
use actix_web::HttpResponse;
use std::fmt::{Display, Write as _};

const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What `/health/detailed` says, as far as it is numbers or does not change. The key decides whose.
///
/// # Errors
///
/// A key without the scope `read`.
pub async fn metrics(auth: Authorised) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Read)?;
    let tenant = &auth.tenant;
    let (config, sandbox) = (tenant.config(), tenant.sandbox());
    let load = health::load(tenant).await;
    let (_, running) = health::state(tenant);
    let mut page = Page { profile: config.name.as_str().to_owned(), text: String::new() };
    page.gauge("hermes_build_info", "The gateway's version.", &[("version", health::VERSION)], 1);
    let up = u8::from(running && load.is_ok());
    page.gauge("hermes_profile_up", "Whether the profile serves and its store answers.", &[], up);
    let started = seconds(tenant.started_at());
    page.gauge(
        "hermes_profile_start_time_seconds",
        "When the profile was started, in Unix time.",
        &[],
        started,
    );
    let abi = sandbox.abi.to_string();
    let limits = discovery::held(&sandbox.machine);
    let wall = [
        ("level", sandbox.level.name()),
        ("abi", abi.as_str()),
        ("limits", limits["held_by"].as_str().unwrap_or_default()),
        ("disk_quota", disk_holder(tenant.toolbox().unheld().is_none())),
    ];
    page.gauge(
        "hermes_sandbox_info",
        "The wall of commands, its Landlock ABI, and who holds the limits.",
        &wall,
        1,
    );
    let breach = u8::from(sandbox.standing.breach().is_some());
    page.gauge("hermes_sandbox_breach", "Whether the gateway's own attack has come through.", &[], breach);
    if let Ok(load) = &load {
        page.head("hermes_turns", "Turns that have not ended, by what they do.");
        page.row("hermes_turns", &[("state", "running")], load.running);
        page.row("hermes_turns", &[("state", "queued")], load.queued);
        page.row("hermes_turns", &[("state", "waiting_for_approval")], load.waiting_for_approval);
    }
    if let Some(free) = health::disk(&config.root)["free_bytes"].as_u64() {
        page.gauge("hermes_disk_free_bytes", "Free space where the profile lies.", &[], free);
    }
    let quota = config.terminal.limits.disk_quota;
    page.gauge("hermes_disk_quota_bytes", "What the agent may have on it.", &[], quota);
    Ok(HttpResponse::Ok().content_type(MEDIA).body(page.text))
}

struct Page {
    profile: String,
    text: String,
}

impl Page {
    fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: impl Display) {
        self.head(name, help);
        self.row(name, labels, value);
    }

    fn head(&mut self, name: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
    }

    fn row(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "{name}{{profile=\"{}\"", self.profile);
        for (label, said) in labels {
            let said = said.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.text, ",{label}=\"{said}\"");
        }
        let _ = writeln!(self.text, "}} {value}");
    }
}
