//! Whether the wall was seen to hold.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the gateway's attacks on itself have shown, for one profile. All clones see the same.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    breach: Arc<Mutex<Option<String>>>,
    turn: Arc<Mutex<()>>,
}

impl Standing {
    /// What came through, a sentence; `None` as long as nothing is known to.
    #[must_use]
    pub fn breach(&self) -> Option<String> {
        self.breach.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of what an examination has shown.
    pub fn set_breach(&self, breach: Option<String>) {
        *self.breach.lock().unwrap_or_else(PoisonError::into_inner) = breach;
    }

    /// The same for another profile: what one's settings let through says nothing of the others.
    #[must_use]
    pub fn of_another(&self) -> Self {
        Self { breach: Arc::default(), turn: self.turn.clone() }
    }

    /// One examination at a time in this process: they use the machine up on purpose.
    #[must_use]
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
