//! What an admin does to a profile while it serves: another configuration, keys.

use super::{Tenant, hold};
use crate::{
    actors::{NewKey, ProfileError, Scope, keys, profile::Reconfigured},
    audit::{Act, Actor},
    config::ProfileConfig,
    domain::{Code, KeyId, now},
    redact::Secrets,
    store::{Change, KeyRecord, Store},
};
use std::sync::{Arc, PoisonError};

impl Tenant {
    /// Takes over a new configuration (of the same port): turns that begin from now on see it.
    pub fn reconfigure(&self, config: ProfileConfig) {
        self.board.configure(config.api.max_concurrent_runs, config.api.queue);
        self.keys.set_env(config.api_key.as_ref());
        self.redactor.replace(Secrets::of(&config));
        self.audit.note(Actor::Gateway, super::record::loaded(&config, &self.home_secret));
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        if let Some(actor) = self.actor() {
            actor.do_send(Reconfigured);
        }
    }

    async fn store(self: &Arc<Self>) -> Result<Store, ProfileError> {
        self.open().await?;
        let store = hold(&self.slot).store.clone();
        store.ok_or_else(|| self.unavailable("has just been closed").into())
    }

    /// Makes a key and stores it.
    ///
    /// # Errors
    ///
    /// The profile is unavailable; the store refuses.
    pub async fn create_key(self: &Arc<Self>, name: &str, scopes: &[Scope]) -> Result<NewKey, ProfileError> {
        let store = self.store().await?;
        let (name, scopes, secret) = (name.to_owned(), scopes.to_vec(), self.home_secret.clone());
        let made = tokio::task::spawn_blocking(move || keys::mint(&name, &scopes, &secret)).await;
        let key = made.map_err(|error| ProfileError::new(Code::Internal, error.to_string()))??;
        let made = Act::KeyCreated {
            key: key.record.id.clone(),
            name: key.record.name.clone(),
            scopes: key.record.scopes.clone(),
        };
        self.audit.record(Actor::Operator, made).await?;
        store.commit(vec![Change::Key(key.record.clone())]).await?;
        self.keys.load(&store.keys()?);
        Ok(key)
    }

    /// # Errors
    ///
    /// The profile is unavailable.
    pub async fn keys(self: &Arc<Self>) -> Result<Vec<KeyRecord>, ProfileError> {
        Ok(self.store().await?.keys()?)
    }

    /// Ends a key, and with it the streams that it opened.
    ///
    /// # Errors
    ///
    /// There is no such key; the store refuses.
    pub async fn revoke_key(self: &Arc<Self>, id: &KeyId) -> Result<KeyRecord, ProfileError> {
        let store = self.store().await?;
        let found = store.keys()?.into_iter().find(|record| record.id == *id);
        let mut record =
            found.ok_or_else(|| ProfileError::new(Code::NotFound, format!("There is no key `{id}`.")))?;
        record.revoked_at.get_or_insert_with(now);
        // What takes power away does not wait for the log.
        self.audit.note(Actor::Operator, Act::KeyRevoked { key: id.clone() });
        store.commit(vec![Change::Key(record.clone())]).await?;
        self.keys.load(&store.keys()?);
        Ok(record)
    }
}
