//! Sessions and their messages as clients see them.

use crate::{
    domain::{Content, Finish, Message, Summary, ToolCall, dollars, seconds},
    store::{SessionHeader, SessionMessage},
};
use serde::Serialize;

/// A session with the reference's members; what we do not count is told as it would tell nothing.
#[derive(Debug, Serialize)]
pub struct SessionView<'a> {
    id: &'a str,
    source: &'a str,
    user_id: Option<&'a str>,
    model: &'a str,
    title: Option<&'a str>,
    started_at: f64,
    ended_at: Option<f64>,
    end_reason: Option<&'a str>,
    message_count: u64,
    tool_call_count: u64,
    input_tokens: u64,
    output_tokens: u64,
    cache_read_tokens: u64,
    cache_write_tokens: u64,
    reasoning_tokens: u64,
    estimated_cost_usd: Option<f64>,
    actual_cost_usd: Option<f64>,
    api_call_count: u64,
    parent_session_id: Option<&'a str>,
    has_system_prompt: bool,
    /// Of the agent's own prompt, once a turn has ended.
    prompt_hash: Option<&'a str>,
    has_model_config: bool,
    /// How often its older messages gave way to a summary.
    summary_count: u32,
    model_lock: Option<LockView<'a>>,
    last_active: f64,
    preview: Option<&'a str>,
}

/// What the session has chosen, as it was written.
#[derive(Debug, Serialize)]
struct LockView<'a> {
    provider: Option<&'a str>,
    model: Option<&'a str>,
}

impl<'a> SessionView<'a> {
    pub fn new(header: &'a SessionHeader) -> Self {
        Self {
            id: header.id.as_str(),
            source: &header.source,
            user_id: None,
            model: &header.model,
            title: header.title.as_deref(),
            started_at: seconds(header.created_at),
            ended_at: header.ended.as_ref().map(|end| seconds(end.at)),
            end_reason: header.ended.as_ref().map(|end| end.reason.as_str()),
            message_count: header.messages,
            tool_call_count: header.tool_calls,
            input_tokens: header.usage.input_tokens,
            output_tokens: header.usage.output_tokens,
            cache_read_tokens: header.usage.cached_tokens,
            cache_write_tokens: 0,
            reasoning_tokens: header.usage.reasoning_tokens,
            estimated_cost_usd: header.cost.map(dollars),
            actual_cost_usd: None,
            api_call_count: header.answers,
            parent_session_id: header.parent.as_ref().map(crate::domain::SessionId::as_str),
            has_system_prompt: header.has_prompt,
            prompt_hash: header.prompt.as_ref().map(crate::domain::PromptId::as_str),
            has_model_config: header.lock.is_some(),
            summary_count: header.summaries,
            model_lock: header
                .lock
                .as_ref()
                .map(|lock| LockView { provider: lock.provider.as_deref(), model: lock.model.as_deref() }),
            last_active: seconds(header.last_active),
            preview: header.preview.as_deref(),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct MessageView<'a> {
    id: u64,
    session_id: &'a str,
    #[serde(flatten)]
    said: Said<'a>,
    timestamp: Option<f64>,
    /// Turns are told a summary instead of it.
    compacted: bool,
    token_count: Option<u64>,
}

/// A message without its place.
#[derive(Debug, Serialize)]
pub struct Said<'a> {
    role: &'static str,
    content: Shown<'a>,
    tool_call_id: Option<&'a str>,
    tool_calls: Option<Vec<CallView<'a>>>,
    tool_name: Option<&'a str>,
    finish_reason: Option<&'static str>,
    reasoning: Option<&'a str>,
    reasoning_content: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Text(&'a str),
    Content(&'a Content),
}

/// A call under all the names that clients look for.
#[derive(Debug, Serialize)]
struct CallView<'a> {
    id: &'a str,
    call_id: &'a str,
    response_item_id: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
    function: FunctionView<'a>,
}

#[derive(Debug, Serialize)]
struct FunctionView<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> From<&'a ToolCall> for CallView<'a> {
    fn from(call: &'a ToolCall) -> Self {
        let function = FunctionView { name: &call.name, arguments: &call.arguments };
        Self { id: &call.id, call_id: &call.id, response_item_id: None, kind: "function", function }
    }
}

impl<'a> MessageView<'a> {
    /// `thoughts`: reasoning is shown.
    pub fn new(
        session_id: &'a str,
        row: &'a SessionMessage,
        summary: Option<&Summary>,
        thoughts: bool,
    ) -> Self {
        Self {
            id: row.number,
            session_id,
            said: Said::new(&row.message, row.finish, thoughts),
            timestamp: row.at.map(seconds),
            compacted: summary.is_some_and(|summary| summary.covers(row.number)),
            token_count: None,
        }
    }
}

impl<'a> Said<'a> {
    /// `finish`: why the model ended there, with the last message of a turn. `thoughts`: reasoning is shown.
    pub fn new(message: &'a Message, finish: Option<Finish>, thoughts: bool) -> Self {
        let bare = |role, content| Self {
            role,
            content,
            tool_call_id: None,
            tool_calls: None,
            tool_name: None,
            finish_reason: finish.map(Finish::wire),
            reasoning: None,
            reasoning_content: None,
        };
        match message {
            Message::System { content } => bare("system", Shown::Text(content)),
            Message::User { content } => bare("user", Shown::Content(content)),
            Message::Assistant { content, tool_calls, reasoning } => {
                let calls = !tool_calls.is_empty();
                let reasoning = reasoning.as_deref().filter(|_| thoughts);
                let said = bare("assistant", Shown::Text(content));
                Self {
                    tool_calls: calls.then(|| tool_calls.iter().map(CallView::from).collect()),
                    finish_reason: if calls { Some(Finish::ToolCalls.wire()) } else { said.finish_reason },
                    reasoning,
                    reasoning_content: reasoning,
                    ..said
                }
            }
            Message::Tool { tool_call_id, name, content } => Self {
                tool_call_id: Some(tool_call_id),
                tool_name: name.as_deref(),
                finish_reason: None,
                ..bare("tool", Shown::Text(content))
            },
        }
    }
}
