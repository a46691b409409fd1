//! `input`: a text, or items of a conversation.

use crate::{
    domain::{Aside, Code, Message, ToolCall},
    front::{
        error::ApiError,
        json::Object,
        openai::{content, messages::MAX_MESSAGES},
    },
};
use serde_json::Value;

const NAME: &str = "input";

/// What a request brings to the conversation.
#[derive(Debug, Default, PartialEq)]
pub struct Input {
    pub messages: Vec<Message>,
    /// System texts with their places among the messages.
    pub asides: Vec<Aside>,
}

impl Input {
    /// # Errors
    ///
    /// 400 that names the place: `input[2].content`.
    pub fn parse(value: Option<Value>) -> Result<Self, ApiError> {
        let items = match value {
            None => return Err(ApiError::invalid(NAME, "Missing 'input' field")),
            Some(Value::String(text)) => {
                return Ok(Self { messages: vec![Message::user(text)], asides: Vec::new() });
            }
            Some(Value::Array(items)) => items,
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
                return Err(ApiError::invalid(NAME, "'input' must be a string or array"));
            }
        };
        if items.len() > MAX_MESSAGES {
            let message = format!("`{NAME}` has {} items; the limit is {MAX_MESSAGES}.", items.len());
            return Err(ApiError::invalid(NAME, message));
        }
        let mut input = Self::default();
        for (index, item) in items.into_iter().enumerate() {
            input.push(item, format!("{NAME}[{index}]"))?;
        }
        Ok(input)
    }

    fn push(&mut self, item: Value, place: String) -> Result<(), ApiError> {
        if let Value::String(text) = item {
            self.messages.push(Message::user(text));
            return Ok(());
        }
        let mut item = Object::at(item, place)?;
        let kind = item.string("type")?;
        match kind.as_deref().unwrap_or("message") {
            "message" => self.message(item),
            "function_call" => {
                let call = call(&mut item, "call_id")?;
                self.call(call);
                Ok(())
            }
            "function_call_output" => {
                let tool_call_id = required(&mut item, "call_id")?;
                let place = item.place_of("output");
                let output = item.take("output").ok_or_else(|| missing(&place))?;
                let content = content::parse_text(output, place)?;
                self.messages.push(Message::Tool { tool_call_id, name: None, content });
                Ok(())
            }
            "mcp_call" => self.mcp_call(item),
            // Clients send back what they were given; thoughts are no part of what was said.
            "reasoning" => Ok(()),
            other => {
                let place = item.place_of("type");
                let expected =
                    "expected one of: message, function_call, function_call_output, mcp_call, reasoning";
                let message = format!("Input items of the type `{other}` are not supported; {expected}.");
                Err(ApiError::new(Code::UnsupportedParameter, message).at(place))
            }
        }
    }

    fn message(&mut self, mut item: Object<String>) -> Result<(), ApiError> {
        let role = item.string("role")?;
        let content = item.take("content").unwrap_or(Value::Null);
        let place = item.place_of("content");
        match role.as_deref().unwrap_or("user") {
            role @ ("system" | "developer") => {
                let text = content::parse_text(content, place)?;
                self.asides.push(Aside { at: self.messages.len(), role: role.to_owned(), text });
            }
            "user" => self.messages.push(Message::User { content: content::parse(content, place)? }),
            "assistant" => self.messages.push(Message::assistant(said(content, place)?)),
            other => {
                let place = item.place_of("role");
                let message = format!(
                    "Unknown role `{other}` in `{place}`; expected one of: system, developer, user, assistant"
                );
                return Err(ApiError::invalid(place, message));
            }
        }
        Ok(())
    }

    /// Calls of one answer belong to one message, with what was said before them.
    fn call(&mut self, call: ToolCall) {
        match self.messages.last_mut() {
            Some(Message::Assistant { tool_calls, .. }) => tool_calls.push(call),
            Some(Message::User { .. } | Message::Tool { .. } | Message::System { .. }) | None => {
                self.messages.push(Message::calling("", vec![call]));
            }
        }
    }

    /// A call of the server's that is done: the call and its result.
    fn mcp_call(&mut self, mut item: Object<String>) -> Result<(), ApiError> {
        let call = call(&mut item, "id")?;
        let result = item.string("output")?.or(item.string("error")?).unwrap_or_default();
        let tool_call_id = call.id.clone();
        let name = Some(call.name.clone());
        self.call(call);
        self.messages.push(Message::Tool { tool_call_id, name, content: result });
        Ok(())
    }
}

/// An assistant's words; a refusal is one of them.
fn said(content: Value, place: String) -> Result<String, ApiError> {
    let Value::Array(mut parts) = content else {
        return content::parse_text(content, place);
    };
    for part in &mut parts {
        if part.get("type").is_some_and(|kind| kind == "refusal") {
            *part = part.get_mut("refusal").map(Value::take).unwrap_or_default();
        }
    }
    content::parse_text(Value::Array(parts), place)
}

fn call(item: &mut Object<String>, id: &str) -> Result<ToolCall, ApiError> {
    Ok(ToolCall {
        id: required(item, id)?,
        name: required(item, "name")?,
        arguments: item.string("arguments")?.unwrap_or_default(),
    })
}

fn required(item: &mut Object<String>, name: &str) -> Result<String, ApiError> {
    let text = item.string(name)?.filter(|text| !text.is_empty());
    text.ok_or_else(|| missing(&item.place_of(name)))
}

fn missing(place: &str) -> ApiError {
    ApiError::invalid(place, format!("`{place}` is missing"))
}
