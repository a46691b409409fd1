//! How a turn ends, and what it cost.

use super::Code;
use serde::{Deserialize, Serialize};

/// Why the model's last answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    Stop,
    /// A limit was reached: the client's, the model's, or the cap on model calls per turn.
    Length,
    /// The client has to run the tools that the model called.
    ToolCalls,
}

impl Finish {
    pub const ALL: [Self; 3] = [Self::Stop, Self::Length, Self::ToolCalls];

    /// As chat completions call it.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
        }
    }
}

/// What went wrong, in the words that a client may see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: Code,
    /// One sentence: what happened and, when we know it, what to do.
    pub message: String,
    /// Whether the same request may succeed later. Says nothing about tools that already ran.
    pub retryable: bool,
    /// Seconds that the upstream asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Failure {
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retryable: false, retry_after: None }
    }
}

/// The one record of how a run ended; every surface renders it, none adds to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Outcome {
    Completed { finish: Finish },
    Failed(Failure),
    Cancelled,
}

/// Tokens, summed over all upstream calls of a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub total_tokens: u64,
    /// Of the input: what the upstream had cached. None, too, when it does not tell.
    #[serde(default, skip_serializing_if = "is_none")]
    pub cached_tokens: u64,
    /// Of the output: what went into thinking. None, too, when the upstream does not tell.
    #[serde(default, skip_serializing_if = "is_none")]
    pub reasoning_tokens: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_none(tokens: &u64) -> bool {
    *tokens == 0
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.total_tokens = self.total_tokens.saturating_add(other.total_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.reasoning_tokens = self.reasoning_tokens.saturating_add(other.reasoning_tokens);
    }
}
