//! What the last call of a profile's own model came to. Nothing asks a model only to find out how it is.

use crate::domain::{Code, Millis, now};
use std::sync::{Mutex, PoisonError};

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelCall {
    pub at: Millis,
    /// Why it failed; `None`: it was answered.
    pub error: Option<Code>,
}

/// The last call. Belongs to the tenant, so that it outlives a fall of the actor.
#[derive(Debug, Default)]
pub struct ModelCalls(Mutex<Option<ModelCall>>);

impl ModelCalls {
    /// `error`: why it failed.
    pub fn ended(&self, error: Option<Code>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ModelCall { at: now(), error });
    }

    /// `None`: there was none since the gateway's start.
    #[must_use]
    pub fn last(&self) -> Option<ModelCall> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
