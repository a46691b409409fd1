//! The agent's system prompt as it was built once, and what it is called by.

use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// The hash of a prompt's text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PromptId(String);

impl PromptId {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PromptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A prompt that a session keeps, byte for byte. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemPrompt {
    pub id: PromptId,
    pub text: Arc<str>,
}

impl SystemPrompt {
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { id: PromptId(blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()), text: text.into() }
    }
}
