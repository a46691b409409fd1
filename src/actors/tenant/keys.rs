//! The keys of a profile while it serves: making, changing, ending them.

use super::{Tenant, hold};
use crate::{
    actors::{
        Caller, Editor, KeyChange, KeySpec, NewKey, ProfileError, Rights,
        keys::{self, find},
    },
    audit::Act,
    domain::{Code, KeyId, Millis, now},
    store::{Change, KeyRecord, KeyUse, Store},
};
use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

/// A key with what its record does not say.
#[derive(Debug, Clone)]
pub struct KeyState {
    pub record: KeyRecord,
    pub last_used_at: Option<Millis>,
}

impl Tenant {
    pub(super) async fn store(self: &Arc<Self>) -> Result<Store, ProfileError> {
        self.open().await?;
        let store = hold(&self.slot).store.clone();
        store.ok_or_else(|| self.unavailable("has just been closed").into())
    }

    /// Makes a key and stores it.
    ///
    /// # Errors
    ///
    /// It is no sensible key; the editor has less itself; the profile is unavailable; the store refuses.
    pub async fn create_key(self: &Arc<Self>, spec: KeySpec, by: &Editor) -> Result<NewKey, ProfileError> {
        keys::check(&spec, by)?;
        let store = self.store().await?;
        let _one = self.editing_keys.lock().await;
        let secret = self.home_secret.clone();
        let key = blocking(move || keys::mint(&spec, &secret)).await?;
        let KeyRecord { id, name, scopes, .. } = key.record.clone();
        self.audit.record(by.actor(), Act::KeyCreated { key: id, name, scopes }).await?;
        self.put(&store, key.record.clone()).await?;
        Ok(key)
    }

    /// Every key, oldest first, revoked ones included.
    ///
    /// # Errors
    ///
    /// The profile is unavailable.
    pub async fn keys(self: &Arc<Self>) -> Result<Vec<KeyState>, ProfileError> {
        let store = self.store().await?;
        let written: HashMap<KeyId, Millis> =
            store.key_uses()?.into_iter().map(|KeyUse { id, at }| (id, at)).collect();
        let records = store.keys()?.into_iter();
        let state = |record: KeyRecord| {
            let last_used_at = self.keys.last_used(&record.id).max(written.get(&record.id).copied());
            KeyState { record, last_used_at }
        };
        Ok(records.map(state).collect())
    }

    /// One key, by its id or a name of its own.
    ///
    /// # Errors
    ///
    /// There is none; the profile is unavailable.
    pub async fn key(self: &Arc<Self>, text: &str) -> Result<KeyState, ProfileError> {
        let all = self.keys().await?;
        let records: Vec<KeyRecord> = all.iter().map(|state| state.record.clone()).collect();
        let id = find(&records, text)?.id;
        all.into_iter().find(|state| state.record.id == id).ok_or_else(|| keys::not_found(text))
    }

    /// Gives a key another name or other rights. One that loses a right loses its open streams.
    ///
    /// # Errors
    ///
    /// As [`keys::changed`]; there is no such key; the store refuses.
    pub async fn change_key(
        self: &Arc<Self>,
        key: &str,
        change: KeyChange,
        by: &Editor,
    ) -> Result<KeyState, ProfileError> {
        let store = self.store().await?;
        let _one = self.editing_keys.lock().await;
        let what = change.what();
        let record = keys::changed(find(&store.keys()?, key)?, change, by)?;
        let id = record.id.clone();
        self.audit.record(by.actor(), Act::KeyChanged { key: id.clone(), what }).await?;
        self.put(&store, record).await?;
        self.key(id.as_str()).await
    }

    /// Gives a key another secret; the one that it had works on for `overlap`.
    ///
    /// # Errors
    ///
    /// As [`keys::rotated`]; there is no such key; the store refuses.
    pub async fn rotate_key(
        self: &Arc<Self>,
        key: &str,
        overlap: Duration,
        by: Editor,
    ) -> Result<NewKey, ProfileError> {
        let store = self.store().await?;
        let _one = self.editing_keys.lock().await;
        let (record, secret) = (find(&store.keys()?, key)?, self.home_secret.clone());
        let actor = by.actor();
        let key = blocking(move || keys::rotated(record, overlap, &by, &secret)).await?;
        let what = keys::rotation(overlap);
        self.audit.record(actor, Act::KeyChanged { key: key.record.id.clone(), what }).await?;
        self.put(&store, key.record.clone()).await?;
        Ok(key)
    }

    /// Ends a key, the streams that it opened, and the runs that it began.
    ///
    /// # Errors
    ///
    /// There is no such key; the store refuses.
    pub async fn revoke_key(self: &Arc<Self>, key: &str, by: &Editor) -> Result<KeyState, ProfileError> {
        let store = self.store().await?;
        let _one = self.editing_keys.lock().await;
        let mut record = find(&store.keys()?, key)?;
        let id = record.id.clone();
        record.revoked_at.get_or_insert_with(now);
        // What takes power away does not wait for the log.
        self.audit.note(by.actor(), Act::KeyRevoked { key: id.clone() });
        self.put(&store, record).await?;
        for (run, _) in self.board.all_live() {
            if store.run(run)?.is_some_and(|record| record.key_id == id) {
                self.board.stop(run);
            }
        }
        self.key(id.as_str()).await
    }

    /// Stores a key, then has the ring know it. One at a time: a change must not bring back what another took away.
    async fn put(&self, store: &Store, record: KeyRecord) -> Result<(), ProfileError> {
        store.commit(vec![Change::Key(record)]).await?;
        self.keys.load(&store.keys()?);
        Ok(())
    }

    /// Returns when the refusal of this wrong token may be given.
    pub async fn hold_up(&self, from: Option<IpAddr>, token: &str) {
        self.keys.hold_up(from, token).await;
    }

    /// What the runs of a key may do; `None`: it is revoked.
    #[must_use]
    pub fn rights_of_key(&self, id: &KeyId) -> Option<Rights> {
        self.keys.rights(id)
    }

    /// Whether the holder of `rights` may say something to a turn of the key `of`: words are as good as the tools that the
    /// turn may use.
    #[must_use]
    pub fn may_speak_to(&self, rights: &Rights, of: &KeyId) -> bool {
        self.keys.rights(of).is_none_or(|theirs| rights.covers_tools_of(&theirs))
    }

    /// Whether a caller that was let in has lost its key since.
    #[must_use]
    pub fn has_lost_its_key(&self, caller: &Caller) -> bool {
        caller.revoked.is_cancelled() && self.keys.rights(&caller.key_id).is_none()
    }

    /// The caller with this token, where it was proven before; `None` tells nothing, and [`Tenant::authenticate`] more.
    #[must_use]
    pub fn recognise(&self, token: &str) -> Option<Caller> {
        self.keys.recognise(token).inspect(|caller| self.proven(token, caller))
    }

    pub(super) fn proven(&self, token: &str, caller: &Caller) {
        self.redactor.learn("API key", token);
        self.audit.key_used(&caller.key_id);
        self.note_use(&caller.key_id);
    }

    /// Writes down, now and then, when a key was last used. Nobody waits for it, and no store is opened for it.
    fn note_use(&self, id: &KeyId) {
        let Some(store) = hold(&self.slot).store.clone() else { return };
        if let Some(at) = self.keys.use_to_write(id) {
            drop(store.commit(vec![Change::KeyUse(KeyUse { id: id.clone(), at })]));
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ProfileError> + Send + 'static,
) -> Result<T, ProfileError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ProfileError::new(Code::Internal, error.to_string()))?
}
