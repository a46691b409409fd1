//! Requests with an idempotency key that are being carried out: a retry waits for the first.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// One profile's, by the scope of the key. Belongs to the tenant, so that it outlives a fall of the actor.
#[derive(Default)]
pub struct UnderWay(Mutex<HashMap<[u8; 32], Weak<Turn<()>>>>);

impl UnderWay {
    /// Waits until no other request with this key is under way, and holds the others back until dropped.
    pub async fn enter(&self, scope: [u8; 32]) -> OwnedMutexGuard<()> {
        self.turn(scope).lock_owned().await
    }

    fn turn(&self, scope: [u8; 32]) -> Arc<Turn<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // As many as there are requests at this moment: looking at all of them is cheap.
        all.retain(|_, turn| turn.strong_count() > 0);
        let turn = all.get(&scope).and_then(Weak::upgrade).unwrap_or_default();
        all.insert(scope, Arc::downgrade(&turn));
        turn
    }
}
