//! Is it there, is it ready, how is it.

use super::{auth, auth::Authorised, error::ApiError};
use crate::{
    actors::{GetLoad, ModelCall, ProfileLoad, Scope, Tenant, TenantState},
    config::{ModelConfig, Provider},
    domain::{Code, now, seconds, timestamp},
    sandbox::disk_holder,
};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use std::sync::Arc;
use std::{path::Path, time::Duration};

pub const PLATFORM: &str = "hermes-agent";
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Longest wait for the profile's own numbers: a health check must answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Used space, in percent, from which on the disk counts as a trouble.
const DISK_FULL: f64 = 90.0;

/// The process answers. Touches nothing.
pub async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok", "platform": PLATFORM, "version": VERSION}))
}

/// New turns would be taken on.
pub async fn ready(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let tenant = auth::tenant(&request)?;
    refuse_while_draining(&tenant)?;
    match tenant.state() {
        TenantState::Serving => {
            if tenant.is_disk_low().await {
                return Err(ApiError::new(
                    Code::StorageLow,
                    "The disk is nearly full: new turns are refused.",
                ));
            }
            Ok(HttpResponse::Ok().json(json!({"status": "ready"})))
        }
        // The reason names files; whoever has the key finds it at `/health/detailed`.
        TenantState::Restarting | TenantState::Failed(_) | TenantState::Stopped => {
            Err(ApiError::new(Code::ProfileUnavailable, "The profile is not serving."))
        }
    }
}

/// # Errors
///
/// `gateway_draining` once the gateway is going down.
pub fn refuse_while_draining(tenant: &Arc<Tenant>) -> Result<(), ApiError> {
    if tenant.is_draining() {
        let message = "Gateway is draining existing work; retry shortly.";
        return Err(ApiError::new(Code::GatewayDraining, message));
    }
    Ok(())
}

/// The profile's parts one by one. Always 200: the answer is the diagnosis.
pub async fn detailed(auth: Authorised) -> Result<HttpResponse, ApiError> {
    auth.require(Scope::Read)?;
    let tenant = &auth.tenant;
    let (store, load) = match load(tenant).await {
        Ok(load) => (json!({"status": "ok"}), load),
        Err(detail) => (degraded(&detail), ProfileLoad::default()),
    };
    let config = tenant.config();
    let (state, running) = state(tenant);
    let checks = json!({
        "state_db": store,
        "config": {"status": "ok"},
        "model": model(tenant, &config.model),
        "disk": disk(&config.root),
        "gateway": {"status": if running { "ok" } else { "degraded" }, "state": state,
                    "connected_platforms": u8::from(running), "platforms": 1},
        "background_queues": {"status": "ok", "active_api_runs": load.active_runs,
                              "waiting_for_approval": load.waiting_for_approval, "queued": load.queued,
                              "process_completions": 0, "active_delegations": 0},
    });
    let (sandbox, unheld) = (tenant.sandbox(), tenant.toolbox().unheld());
    let at = timestamp(now());
    let listener = json!({
        "state": if running { "connected" } else { "disconnected" },
        "error_code": null,
        "error_message": null,
        "updated_at": at,
    });
    // A model's server is not ours, and one request that it did not like says little: its check stands for itself.
    let ours = |(name, check): (&String, &Value)| name == "model" || check["status"] == "ok";
    let well = checks.as_object().is_some_and(|all| all.iter().all(ours));
    let status = if well { "ok" } else { "degraded" };
    Ok(HttpResponse::Ok().json(json!({
        "status": status,
        "readiness": {"status": status, "checks": checks},
        "platform": PLATFORM,
        "version": VERSION,
        "profile": config.name,
        "gateway_state": state,
        "platforms": {"api_server": listener},
        "sandbox": {"level": sandbox.level.name(), "way": sandbox.way_name(), "abi": sandbox.abi,
                    "reason": sandbox.reason, "breach": sandbox.standing.breach(),
                    "limits": super::discovery::held(&sandbox.machine)},
        "disk_quota": {"held_by": disk_holder(unheld.is_none()), "reason": unheld,
                       "bytes": config.terminal.limits.disk_quota},
        "uid": tenant.toolbox().owner().map(|owner| owner.uid),
        "network": super::discovery::network(&config, sandbox),
        "active_agents": load.active_runs,
        "gateway_busy": load.active_runs > 0,
        "gateway_drainable": true,
        "exit_reason": null,
        "started_at": seconds(tenant.started_at()),
        "updated_at": at,
        "pid": std::process::id(),
    })))
}

/// Reaching the actor means that its store is open.
pub(super) async fn load(tenant: &Arc<Tenant>) -> Result<ProfileLoad, String> {
    let asked = async {
        let profile = tenant.profile().await.map_err(|unavailable| unavailable.message)?;
        profile.send(GetLoad).await.map_err(|error| error.to_string())
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

pub(super) fn state(tenant: &Arc<Tenant>) -> (&'static str, bool) {
    match tenant.state() {
        TenantState::Serving if tenant.is_draining() => ("draining", true),
        TenantState::Serving => ("running", true),
        TenantState::Restarting => ("restarting", false),
        TenantState::Failed(_) => ("failed", false),
        TenantState::Stopped => ("stopped", false),
    }
}

/// What the last turn found: nobody asks a model, and pays for it, only to look.
fn model(tenant: &Tenant, config: &ModelConfig) -> Value {
    let last = tenant.model_calls().last();
    let upstream = [Code::UpstreamError, Code::UpstreamTimeout, Code::UpstreamRateLimited];
    let status = match last {
        _ if matches!(config.provider, Provider::Demo) => "ok",
        None => "unknown",
        Some(ModelCall { error: Some(code), .. }) if upstream.contains(&code) => "degraded",
        Some(_) => "ok",
    };
    let last = last.map(|call| json!({"at": seconds(call.at), "error_code": call.error.map(Code::wire)}));
    json!({"status": status, "provider": config.provider_name, "default": config.default, "last_call": last})
}

fn degraded(detail: &str) -> Value {
    json!({"status": "degraded", "detail": detail})
}

pub(super) fn disk(root: &Path) -> Value {
    let Ok(stat) = rustix::fs::statvfs(root) else {
        return degraded("the disk cannot be looked at");
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let used_blocks = stat.f_blocks.saturating_sub(stat.f_bfree);
    // Tenths of a percent, in whole numbers.
    let tenths = used_blocks.saturating_mul(1000).checked_div(stat.f_blocks).unwrap_or_default();
    let percent = f64::from(u32::try_from(tenths).unwrap_or(1000)) / 10.0;
    let status = if percent < DISK_FULL { "ok" } else { "degraded" };
    json!({"status": status, "used_percent": percent, "free_bytes": free})
}
