//! Tools that the client runs itself: the model sees them beside the agent's, and a call of one ends the turn.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a request says about tools.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientTools {
    /// As the client sent them, in the form of chat completions: `{"type": "function", "function": {…}}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub definitions: Vec<Value>,
    #[serde(default)]
    pub choice: ToolChoice,
    /// `Some(false)`: at most one call per answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<bool>,
}

/// Which tools the model may, or must, call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// Any or none, the agent's and the client's.
    #[default]
    Auto,
    /// None of either kind.
    None,
    /// One of the client's.
    Required,
    /// This one of the client's.
    Function(String),
}

impl ClientTools {
    /// The names of the client's tools. On a clash the client's tool wins, for this turn.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.definitions.iter().filter_map(|tool| tool.get("function")?.get("name")?.as_str())
    }

    /// Whether a call of `name` is the client's to run.
    #[must_use]
    pub fn runs(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }
}

/// What the client's tool gave back, under the id that the call was told with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    pub call_id: String,
    pub content: String,
}
