//! Who answers a turn: a model of an upstream, or the agent behind another gateway.

use super::Seq;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who answers a turn, decided when it was accepted. Names only: address and key are looked up when it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelChoice {
    /// The profile's own upstream, or an entry of `providers`.
    pub provider: String,
    /// As the upstream calls it.
    pub model: String,
}

/// What a session has chosen for all its turns: it counts before what a request asks for. Names as the client wrote
/// them, looked up anew for every turn: a lock that cannot be kept any more must not turn into another model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelLock {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Members of every call to the upstream.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Value>,
}

/// What decided who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteSource {
    SessionModelLock,
    ModelRoutes,
    RawRequest,
    /// The profile's own model.
    Global,
}

impl RouteSource {
    pub const ALL: [Self; 4] = [Self::SessionModelLock, Self::ModelRoutes, Self::RawRequest, Self::Global];

    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::SessionModelLock => "session_model_lock",
            Self::ModelRoutes => "model_routes",
            Self::RawRequest => "raw_request",
            Self::Global => "global",
        }
    }
}

/// Who answers a turn, and why; kept with the turns of a session, whose clients are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    pub provider: String,
    /// As the upstream calls it.
    pub model: String,
    pub source: RouteSource,
    /// What the request said, whether it counted or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_model: Option<String>,
}

/// A run of another gateway that does the work of one of ours, and how far it has been followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamRun {
    /// As that gateway calls it.
    pub id: String,
    /// Number of its last event that is in our log.
    pub seen: Seq,
}
