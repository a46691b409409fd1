//! The items of a response, as OpenAI writes them.

use crate::domain::{Content, Message, Part};
use serde::Serialize;

/// Who makes the calls that are shown as `mcp_call`.
const SERVER: &str = "hermes";

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Item {
    Message {
        id: String,
        status: Status,
        role: &'static str,
        content: Vec<Piece>,
    },
    Reasoning {
        id: String,
        status: Status,
        summary: [Piece; 0],
        content: Vec<Piece>,
    },
    FunctionCall {
        id: String,
        status: Status,
        call_id: String,
        name: String,
        arguments: String,
    },
    FunctionCallOutput {
        id: String,
        status: Status,
        call_id: String,
        output: String,
    },
    McpCall {
        id: String,
        status: Status,
        server_label: &'static str,
        name: String,
        arguments: String,
        output: Option<String>,
        error: Option<String>,
        approval_request_id: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    InProgress,
    Completed,
    Incomplete,
    Failed,
}

/// A part of a message or of reasoning.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Piece {
    OutputText { text: String, annotations: [(); 0], logprobs: [(); 0] },
    ReasoningText { text: String },
    InputText { text: String },
    InputImage { image_url: String, detail: String, file_id: Option<String> },
}

impl Piece {
    pub const fn output(text: String) -> Self {
        Self::OutputText { text, annotations: [], logprobs: [] }
    }

    pub const fn input(text: String) -> Self {
        Self::InputText { text }
    }

    const fn weight(&self) -> usize {
        match self {
            Self::OutputText { text, .. } | Self::ReasoningText { text } | Self::InputText { text } => {
                text.len()
            }
            Self::InputImage { image_url, .. } => image_url.len(),
        }
    }

    /// Its text; an image has none.
    pub fn text_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::OutputText { text, .. } | Self::ReasoningText { text } | Self::InputText { text } => {
                Some(text)
            }
            Self::InputImage { .. } => None,
        }
    }
}

impl Item {
    pub fn id(&self) -> &str {
        match self {
            Self::Message { id, .. }
            | Self::Reasoning { id, .. }
            | Self::FunctionCall { id, .. }
            | Self::FunctionCallOutput { id, .. }
            | Self::McpCall { id, .. } => id,
        }
    }

    /// Roughly how much text it holds.
    pub fn weight(&self) -> usize {
        match self {
            Self::Message { content, .. } | Self::Reasoning { content, .. } => {
                content.iter().map(Piece::weight).sum()
            }
            Self::FunctionCall { arguments, .. } => arguments.len(),
            Self::FunctionCallOutput { output, .. } => output.len(),
            Self::McpCall { arguments, output, error, .. } => {
                arguments.len() + output.as_ref().or(error.as_ref()).map_or(0, String::len)
            }
        }
    }

    pub const fn set_status(&mut self, now: Status) {
        match self {
            Self::Message { status, .. }
            | Self::Reasoning { status, .. }
            | Self::FunctionCall { status, .. }
            | Self::FunctionCallOutput { status, .. }
            | Self::McpCall { status, .. } => *status = now,
        }
    }

    pub const fn answer(id: String) -> Self {
        Self::Message { id, status: Status::InProgress, role: "assistant", content: Vec::new() }
    }

    pub const fn reasoning(id: String) -> Self {
        Self::Reasoning { id, status: Status::InProgress, summary: [], content: Vec::new() }
    }

    pub const fn function_call(id: String, call_id: String, name: String) -> Self {
        let arguments = String::new();
        Self::FunctionCall { id, status: Status::InProgress, call_id, name, arguments }
    }

    pub const fn function_call_output(id: String, call_id: String, output: String) -> Self {
        Self::FunctionCallOutput { id, status: Status::Completed, call_id, output }
    }

    pub const fn mcp_call(id: String, name: String) -> Self {
        Self::McpCall {
            id,
            status: Status::InProgress,
            server_label: SERVER,
            name,
            arguments: String::new(),
            output: None,
            error: None,
            approval_request_id: None,
        }
    }

    /// A message of the request as items: an assistant's calls stand beside its words. `id` makes the id of each.
    pub fn of_message(message: Message, mut id: impl FnMut(&str) -> String) -> Vec<Self> {
        let status = Status::Completed;
        let mut spoken = |role, content| Self::Message { id: id("msg"), status, role, content };
        match message {
            Message::System { content } => vec![spoken("system", vec![Piece::input(content)])],
            Message::User { content } => vec![spoken("user", pieces(content))],
            Message::Tool { tool_call_id, content, .. } => {
                vec![Self::function_call_output(id("fco"), tool_call_id, content)]
            }
            Message::Assistant { content, tool_calls, reasoning: _ } => {
                let mut items = Vec::with_capacity(1 + tool_calls.len());
                if !content.is_empty() || tool_calls.is_empty() {
                    items.push(spoken("assistant", vec![Piece::output(content)]));
                }
                items.extend(tool_calls.into_iter().map(|call| Self::FunctionCall {
                    id: id("fc"),
                    status,
                    call_id: call.id,
                    name: call.name,
                    arguments: call.arguments,
                }));
                items
            }
        }
    }
}

fn pieces(content: Content) -> Vec<Piece> {
    match content {
        Content::Text(text) => vec![Piece::input(text)],
        Content::Parts(parts) => parts
            .into_iter()
            .map(|part| match part {
                Part::Text { text } => Piece::input(text),
                Part::ImageUrl { image_url } => Piece::InputImage {
                    image_url: image_url.url,
                    detail: image_url.detail.unwrap_or_else(|| "auto".to_owned()),
                    file_id: None,
                },
            })
            .collect(),
    }
}
