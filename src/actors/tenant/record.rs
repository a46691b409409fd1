//! What the audit log is told of a profile itself.

use crate::{
    audit::Act,
    config::{ApprovalMode, ProfileConfig},
    domain::Unattended,
    sandbox::Sandbox,
};

pub(super) fn started(sandbox: &Sandbox) -> Act {
    Act::ProfileStarted {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sandbox: sandbox.level.name().to_owned(),
    }
}

/// The settings that are in force from here on. Their digest is keyed: without the home's secret nobody can try out what a
/// short password in them was.
pub(super) fn loaded(config: &ProfileConfig, home_secret: &[u8; 32]) -> Act {
    let mut hasher = blake3::Hasher::new_keyed(home_secret);
    // Everything but the secrets, which do not show in this form, and then those.
    hasher.update(format!("{config:?}").as_bytes());
    for (name, value) in &config.env {
        hasher.update(format!("\n{name}=").as_bytes()).update(value.reveal().as_bytes());
    }
    Act::ConfigLoaded {
        digest: hasher.finalize().to_hex().to_string(),
        approvals: match config.approvals.mode {
            ApprovalMode::Manual => "manual",
            ApprovalMode::Smart => "smart",
            ApprovalMode::Off => "off",
        }
        .to_owned(),
        unattended: match config.approvals.unattended {
            Unattended::Deny => "deny",
            Unattended::Wait => "wait",
        }
        .to_owned(),
        denied: config.approvals.deny.len(),
        sandbox: config.terminal.sandbox.name().to_owned(),
        env_passthrough: config.terminal.env_passthrough.clone(),
    }
}
