//! What a named session brings to a turn.

use super::{
    drive::{Break, Driver},
    room::{Room, told},
};
use crate::{
    domain::{Code, Failure, Surface},
    store::StoreError,
};

impl Driver {
    /// What the session brings to each of its turns: its system prompt and, unless the request had its own, its history.
    pub(super) async fn load_session(&mut self) -> Result<(), Break> {
        let (store, session) = (self.store.clone(), self.spec.session.id.clone());
        let (surface, history) = (self.spec.surface, self.spec.load_history);
        let total = self.log.see(|record| record.loaded).map(|total| total as u64);
        let loaded = tokio::task::spawn_blocking(move || {
            if surface == Surface::SessionChat && store.session(&session)?.is_none() {
                return Ok(None);
            }
            let prompt = store.session_prompt(&session)?;
            // A run that is taken up again sees what it saw before.
            let history = if history { store.session_context(&session, total)? } else { None };
            Ok::<_, StoreError>(Some((prompt, history)))
        });
        let loaded = loaded.await.map_err(|error| StoreError::Io(error.to_string()))??;
        let Some((prompt, history)) = loaded else {
            // Deleted while the turn waited: a turn of this surface makes no session.
            let text = format!("Session not found: {}", self.spec.session.id);
            return Err(Break::Failed(Failure::new(Code::SessionNotFound, text)));
        };
        let history = history.unwrap_or_default();
        self.room = Room::of_session(&history);
        (self.session_system, self.loaded) = (prompt, told(history));
        Ok(())
    }
}
