//! Who answers a turn: a model of an upstream, or the agent behind another gateway.

use super::Seq;
use serde::{Deserialize, Serialize};

/// Who answers a turn, decided when it was accepted. Names only: address and key are looked up when it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelChoice {
    /// The profile's own upstream, or an entry of `providers`.
    pub provider: String,
    /// As the upstream calls it.
    pub model: String,
}

/// A run of another gateway that does the work of one of ours, and how far it has been followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamRun {
    /// As that gateway calls it.
    pub id: String,
    /// Number of its last event that is in our log.
    pub seen: Seq,
}
