//! A response: what is kept of a request to the Responses API beside the run that answers it.
//!
//! The output is in the run's log and the words of the conversation are in the run's records, so this one is small.

use super::{Millis, ResponseId, RunId, SessionRef};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// In which form a response shows the calls of the agent's own tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolItems {
    /// A `function_call` and, when it is done, its `function_call_output`.
    #[default]
    FunctionCall,
    /// OpenAI's form of a call that the server makes by itself.
    McpCall,
}

impl ToolItems {
    /// The forms by the names that configuration and header use.
    pub const NAMED: [(&'static str, Self); 2] =
        [("function_call", Self::FunctionCall), ("mcp_call", Self::McpCall)];
}

/// A system text in the request's `input`: the run has it among its instructions, not among its messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// How many of the input's messages stand before it.
    pub at: usize,
    /// `system` or `developer`.
    pub role: String,
    pub text: String,
}

/// What a request says of its response.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResponseRequest {
    /// Whether it can be asked for later, and gone on from.
    pub store: bool,
    /// Answered at once; the turn goes on by itself.
    pub background: bool,
    pub instructions: Option<String>,
    /// The client's name of the conversation that it belongs to.
    pub conversation: Option<String>,
    pub tool_items: ToolItems,
    pub asides: Vec<Aside>,
    /// How many messages of the run's history came from elsewhere than `input`.
    pub given: usize,
    /// Members that the response repeats as the client sent them, or with OpenAI's defaults.
    pub echo: Map<String, Value>,
}

/// A response as it is stored, under its run's id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResponseRecord {
    pub run_id: RunId,
    pub created_at: Millis,
    pub model: String,
    pub session: SessionRef,
    /// The response whose conversation this one goes on with.
    pub previous: Option<RunId>,
    /// System texts of this and the earlier inputs, which hold for the rest of the chain.
    pub system: Option<String>,
    pub request: ResponseRequest,
    /// `false`: it was deleted, or pushed out by newer ones. Only later links of its chain still need it.
    pub kept: bool,
}

impl ResponseRecord {
    /// Its name on the wire.
    #[must_use]
    pub const fn id(&self) -> ResponseId {
        ResponseId::from_bytes(*self.run_id.as_bytes())
    }

    /// What stays of it for the links behind it.
    #[must_use]
    pub fn only_link(self) -> Self {
        Self { model: String::new(), system: None, request: ResponseRequest::default(), kept: false, ..self }
    }
}
