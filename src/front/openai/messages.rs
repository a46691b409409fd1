//! A list of messages, as clients of OpenAI's chat completions send it.

use crate::{
    domain::{Content, Message, ToolCall, ToolResult},
    front::{error::ApiError, json::Object, openai::content},
};
use serde_json::Value;

/// Longest list of messages.
pub const MAX_MESSAGES: usize = 10_000;
/// Most calls of one message.
const MAX_CALLS: usize = 1_000;

/// A parsed list: what the system says, and what was said.
#[derive(Debug, Default, PartialEq)]
pub struct Conversation {
    /// The texts of `system` and `developer` messages, in order.
    pub system: Vec<String>,
    pub messages: Vec<Message>,
}

impl Conversation {
    /// Reads the items of the member `name`. `default_role` is for surfaces where a message may leave it out.
    ///
    /// # Errors
    ///
    /// 400 that names the place: `messages[2].role`.
    pub fn parse(items: Vec<Value>, name: &str, default_role: Option<&str>) -> Result<Self, ApiError> {
        if items.len() > MAX_MESSAGES {
            let message = format!("`{name}` has {} messages; the limit is {MAX_MESSAGES}.", items.len());
            return Err(ApiError::invalid(name, message));
        }
        let mut conversation = Self::default();
        for (index, item) in items.into_iter().enumerate() {
            conversation.push(Object::at(item, Place { name, index })?, default_role)?;
        }
        Ok(conversation)
    }

    fn push(&mut self, mut item: Object<Place<'_>>, default_role: Option<&str>) -> Result<(), ApiError> {
        let role = item.string("role")?;
        let content = item.take("content").unwrap_or(Value::Null);
        let message = match role.as_deref().or(default_role) {
            Some("system" | "developer") => {
                self.system.push(content::parse_text(content, item.place("content"))?);
                return Ok(());
            }
            Some("user") => Message::User { content: content::parse(content, item.place("content"))? },
            Some("assistant") => {
                let content = content::parse_text(content, item.place("content"))?;
                Message::calling(content, tool_calls(&mut item)?)
            }
            Some("tool") => Message::Tool {
                tool_call_id: required(&mut item, "tool_call_id")?,
                name: item.string("name")?,
                content: content::parse_text(content, item.place("content"))?,
            },
            Some(other) => {
                let expected = "expected one of: system, developer, user, assistant, tool";
                let place = item.place_of("role");
                return Err(ApiError::invalid(
                    &place,
                    format!("Unknown role `{other}` in `{place}`; {expected}"),
                ));
            }
            None => return Err(missing(&item, "role")),
        };
        self.messages.push(message);
        Ok(())
    }

    /// The system texts as one.
    #[must_use]
    pub fn system_text(&self) -> Option<String> {
        let texts = self.system.iter().filter(|text| !text.trim().is_empty());
        let texts: Vec<&str> = texts.map(String::as_str).collect();
        (!texts.is_empty()).then(|| texts.join("\n"))
    }

    /// Takes the results of tools that the list ends with, or that stand before the input that was taken.
    pub fn take_results(&mut self) -> Vec<ToolResult> {
        let mut results = Vec::new();
        while let Some(Message::Tool { .. }) = self.messages.last() {
            if let Some(Message::Tool { tool_call_id, content, name: _ }) = self.messages.pop() {
                results.push(ToolResult { call_id: tool_call_id, content });
            }
        }
        results.reverse();
        results
    }

    /// Takes the last message as the turn's input, whatever side it was on; a result of a tool is none and stays.
    pub fn take_input(&mut self) -> Option<Content> {
        if let Some(Message::Tool { .. }) = self.messages.last() {
            return None;
        }
        match self.messages.pop()? {
            Message::User { content } => Some(content),
            Message::Assistant { content, .. } => Some(Content::Text(content)),
            Message::Tool { .. } | Message::System { .. } => None,
        }
    }
}

/// `messages[2]`; written out only when an error needs it.
struct Place<'a> {
    name: &'a str,
    index: usize,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]", self.name, self.index)
    }
}

fn missing<P: std::fmt::Display>(item: &Object<P>, name: &str) -> ApiError {
    let place = item.place_of(name);
    ApiError::invalid(&place, format!("`{place}` is missing"))
}

fn required<P: std::fmt::Display>(item: &mut Object<P>, name: &str) -> Result<String, ApiError> {
    item.string(name)?.ok_or_else(|| missing(item, name))
}

fn tool_calls<P: std::fmt::Display>(item: &mut Object<P>) -> Result<Vec<ToolCall>, ApiError> {
    let Some(calls) = item.array("tool_calls")? else { return Ok(Vec::new()) };
    let place = item.place_of("tool_calls");
    if calls.len() > MAX_CALLS {
        let message = format!("`{place}` has {} calls; the limit is {MAX_CALLS}.", calls.len());
        return Err(ApiError::invalid(place, message));
    }
    let parse = |(index, call): (usize, Value)| {
        let mut call = Object::at(call, format!("{place}[{index}]"))?;
        let id = required(&mut call, "id")?;
        let function = call.take("function").unwrap_or_default();
        let mut function = Object::at(function, call.place_of("function"))?;
        Ok(ToolCall {
            id,
            name: required(&mut function, "name")?,
            arguments: function.string("arguments")?.unwrap_or_default(),
        })
    };
    calls.into_iter().enumerate().map(parse).collect()
}

/// `conversation_history`, if it was sent: a whole history that wins over every other.
///
/// # Errors
///
/// 400 that names the place.
pub fn given_history<P: std::fmt::Display>(body: &mut Object<P>) -> Result<Option<Conversation>, ApiError> {
    let name = "conversation_history";
    let items = match body.take(name) {
        None => return Ok(None),
        Some(Value::Array(items)) => items,
        Some(_) => {
            let message = "'conversation_history' must be an array of message objects";
            return Err(ApiError::invalid(name, message));
        }
    };
    let whole = |item: &Value| item.get("role").is_some() && item.get("content").is_some();
    if let Some(index) = items.iter().position(|item| !whole(item)) {
        let place = format!("{name}[{index}]");
        let message = format!("{place} must have 'role' and 'content' fields");
        return Err(ApiError::invalid(place, message));
    }
    Conversation::parse(items, name, None).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(items: Value) -> Result<Conversation, ApiError> {
        let Value::Array(items) = items else { panic!("no list") };
        Conversation::parse(items, "messages", None)
    }

    #[test]
    fn every_role_has_its_place() {
        let call = json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        let mut got = parse(json!([
            {"role": "system", "content": "a"},
            {"role": "developer", "content": [{"type": "text", "text": "b"}]},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
            {"role": "user", "content": "go on"},
        ]))
        .unwrap();
        assert_eq!(got.system_text().as_deref(), Some("a\nb"));
        assert_eq!(got.take_input(), Some(Content::Text("go on".to_owned())));
        let called = ToolCall { id: "c1".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() };
        let history = [
            Message::user("hi"),
            Message::calling("", vec![called]),
            Message::Tool { tool_call_id: "c1".to_owned(), name: None, content: "done".to_owned() },
        ];
        assert_eq!(got.messages, history);
    }

    #[test]
    fn mistakes_are_named_by_place() {
        let call = |call: Value| json!([{"role": "assistant", "tool_calls": [call]}]);
        let cases = [
            ("not an object", json!(["x"]), "messages[0]"),
            ("no role", json!([{"content": "x"}]), "messages[0].role"),
            ("unknown role", json!([{"role": "user"}, {"role": "robot"}]), "messages[1].role"),
            ("role type", json!([{"role": 5}]), "messages[0].role"),
            ("content type", json!([{"role": "user", "content": true}]), "messages[0].content"),
            ("no call id", json!([{"role": "tool", "content": "x"}]), "messages[0].tool_call_id"),
            ("calls", json!([{"role": "assistant", "tool_calls": {}}]), "messages[0].tool_calls"),
            ("a call", call(json!(1)), "messages[0].tool_calls[0]"),
            ("its function", call(json!({"id": "c"})), "messages[0].tool_calls[0].function"),
            (
                "its arguments",
                call(json!({"id": "c", "function": {"name": "f", "arguments": {}}})),
                "messages[0].tool_calls[0].function.arguments",
            ),
        ];
        for (case, items, place) in cases {
            let error = parse(items).unwrap_err();
            assert_eq!(
                (error.code.wire(), error.param.as_deref()),
                ("invalid_request", Some(place)),
                "{case}"
            );
        }
        let many = vec![json!({"role": "user", "content": "x"}); MAX_MESSAGES + 1];
        assert!(parse(json!(many)).unwrap_err().message.contains("10000"));
    }
}
