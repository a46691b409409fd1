//! The profile's memory, as its clients see and edit it.

use super::Tenant;
use crate::{
    actors::ProfileError,
    audit::{Act, Actor},
    domain::{
        Code, KeyId, MemoryChange, MemoryOperation, MemoryOrigin, MemoryPlace, MemoryScope, MemoryTarget,
    },
    tools::{Edit, EditError, Edited, MemoryBook, Page, Wanted},
};
use std::sync::Arc;

impl Tenant {
    /// Whose memory a request with this session key means.
    #[must_use]
    pub fn memory_scope(&self, session_key: Option<&str>) -> MemoryScope {
        self.memory_book().scope(session_key)
    }

    fn memory_book(&self) -> MemoryBook {
        let config = self.config();
        MemoryBook::new(&config.root, &config.memory)
    }

    /// One file as it is now, without the profile's secrets.
    ///
    /// # Errors
    ///
    /// The profile is unavailable, or the file cannot be read.
    pub async fn memory(self: &Arc<Self>, place: MemoryPlace) -> Result<Page, ProfileError> {
        let (store, book) = (self.store().await?, self.memory_book());
        let page = blocking(move || book.look(&store, &place)).await?;
        Ok(self.shown(page))
    }

    fn shown(&self, mut page: Page) -> Page {
        page.entries.iter_mut().for_each(|entry| self.redactor.clean_text(&mut entry.text));
        page
    }

    /// Carries operations of a person out, all or none.
    ///
    /// # Errors
    ///
    /// See [`EditError`]; nothing was changed.
    pub async fn edit_memory(
        self: &Arc<Self>,
        place: MemoryPlace,
        operations: Vec<MemoryOperation>,
        etag: Option<String>,
        key: &KeyId,
    ) -> Result<Edited, ProfileError> {
        self.change_memory(place, Wanted::Operations(operations), etag, key).await
    }

    /// Takes a change back.
    ///
    /// # Errors
    ///
    /// See [`EditError`]; nothing was changed.
    pub async fn undo_memory(
        self: &Arc<Self>,
        place: MemoryPlace,
        number: u64,
        key: &KeyId,
    ) -> Result<Edited, ProfileError> {
        self.change_memory(place, Wanted::Undo(number), None, key).await
    }

    async fn change_memory(
        self: &Arc<Self>,
        place: MemoryPlace,
        wanted: Wanted,
        etag: Option<String>,
        key: &KeyId,
    ) -> Result<Edited, ProfileError> {
        let (store, book) = (self.store().await?, self.memory_book());
        let edit = Edit { place, wanted, etag, origin: MemoryOrigin::person(key.clone()) };
        let edited = blocking(move || book.edit(&store, &edit)).await?;
        if let Some(change) = &edited.change {
            let MemoryChange { place, number, act, .. } = change;
            let act =
                Act::MemoryChanged { file: place.to_string(), change: *number, what: act.wire().to_owned() };
            self.audit.note(Actor::from(key), act);
        }
        Ok(Edited { page: self.shown(edited.page), ..edited })
    }

    /// Changes before the one of this number, newest first.
    ///
    /// # Errors
    ///
    /// The profile is unavailable, or its store cannot be read.
    pub async fn memory_history(
        self: &Arc<Self>,
        target: MemoryTarget,
        scope: MemoryScope,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<MemoryChange>, ProfileError> {
        let store = self.store().await?;
        let place = MemoryPlace { target, scope };
        blocking(move || Ok(store.memory_changes(&place, before, limit)?)).await
    }
}

impl From<EditError> for ProfileError {
    fn from(error: EditError) -> Self {
        let (code, text, hint) = error.told();
        let mut message = text;
        if let Some(hint) = hint {
            message.push_str("; ");
            message.push_str(&hint);
        }
        Self::new(code, message)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EditError> + Send + 'static,
) -> Result<T, ProfileError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|error| ProfileError::new(Code::Internal, error.to_string()))??)
}
