//! What only a person can decide, and no tool finds out.

use super::ApprovalId;
use serde::{Deserialize, Serialize};

/// A question of the agent's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clarification {
    pub question: String,
    /// Answers that are offered; any other may be given as well.
    pub choices: Vec<String>,
}

/// The question, as the run's readers see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClarifyRequest {
    pub clarify_id: ApprovalId,
    pub call_id: String,
    pub question: String,
    pub choices: Vec<String>,
    pub multi_select: bool,
    /// Seconds since the epoch; absent when it waits for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<f64>,
}
