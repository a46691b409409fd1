//! What an admin does to a profile while it serves: another configuration.

use super::Tenant;
use crate::{
    actors::profile::Reconfigured,
    audit::{Actor, AuditLog},
    config::ProfileConfig,
    egress::{Egress, Listeners},
    redact::Secrets,
};
use std::sync::{Arc, PoisonError};

impl Tenant {
    /// The way out for tools of a profile with this configuration.
    pub(super) fn egress(config: &ProfileConfig, listeners: &Listeners, audit: &AuditLog) -> Egress {
        let network = config.terminal.network.clone();
        Egress::new(config.name.clone(), network, listeners.clone(), audit.clone())
    }

    /// Takes over a new configuration (of the same port): turns that begin from now on see it.
    pub fn reconfigure(&self, config: ProfileConfig) {
        self.board.configure(config.api.max_concurrent_runs, config.api.queue);
        self.keys.set_env(config.api_key.as_ref());
        self.redactor.replace(Secrets::of(&config));
        self.audit.note(Actor::Gateway, super::record::loaded(&config, &self.home_secret));
        let config = Arc::new(config);
        let egress = Self::egress(&config, &self.listeners, &self.audit);
        let toolbox = self.toolbox().renewed(config.clone(), egress);
        *self.toolbox.write().unwrap_or_else(PoisonError::into_inner) = toolbox;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        if let Some(actor) = self.actor() {
            actor.do_send(Reconfigured);
        }
    }
}
