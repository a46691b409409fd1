//! The body of a chat completion, parsed.

use crate::{
    domain::{ClientTools, Content, Message, Sampling, ToolResult, ToolSelection},
    front::{
        error::ApiError,
        json::Object,
        openai::{messages::Conversation, sampling, tools},
        selection::Selection,
        tool_choice,
    },
};
use serde_json::Value;

/// What the client asks for. Members that we do not know are ignored.
#[derive(Debug, PartialEq)]
pub struct ChatRequest {
    pub selection: Selection,
    pub stream: bool,
    pub system: Option<String>,
    pub history: Vec<Message>,
    /// Of the client's tools: the turn goes on with these.
    pub results: Vec<ToolResult>,
    /// Empty when there are only results.
    pub input: Content,
    pub tools: ClientTools,
    pub agents_tools: ToolSelection,
    pub sampling: Sampling,
}

impl ChatRequest {
    /// # Errors
    ///
    /// 400 that names the place.
    pub fn parse(body: Value) -> Result<Self, ApiError> {
        let mut body = Object::body(body)?;
        let stream = body.flag("stream")?.unwrap_or_default();
        let selection = Selection::take(&mut body)?;
        sampling::refuse_unserved(&mut body)?;
        sampling::check_ignored(&mut body)?;
        let sampling = sampling::take(&mut body)?;
        let tools = tools::take(&mut body)?;
        let agents_tools = tool_choice::take(&mut body)?;
        let items = match body.take("messages") {
            Some(Value::Array(items)) if !items.is_empty() => items,
            _ => {
                return Err(ApiError::invalid("messages", "Missing or invalid 'messages' field"));
            }
        };
        let mut conversation = Conversation::parse(items, "messages", None)?;
        let input = conversation.take_input().filter(Content::is_visible);
        let results = conversation.take_results();
        let input = match input {
            Some(input) => input,
            None if !results.is_empty() => Content::Text(String::new()),
            None => return Err(ApiError::invalid("messages", "No user message found in messages")),
        };
        Ok(Self {
            selection,
            stream,
            system: conversation.system_text(),
            history: conversation.messages,
            results,
            input,
            tools,
            agents_tools,
            sampling,
        })
    }

    /// What the user said first, as far as the request knows.
    pub fn first(&self) -> &Content {
        let first = self.history.iter().find_map(|message| match message {
            Message::User { content } => Some(content),
            Message::System { .. } | Message::Assistant { .. } | Message::Tool { .. } => None,
        });
        first.unwrap_or(&self.input)
    }

    /// The member `user`.
    pub fn end_user(&self) -> Option<&str> {
        self.sampling.0.get("user").and_then(Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_of_the_sdk_is_read() {
        let request = ChatRequest::parse(json!({
            "model": "gpt-4o", "stream": "true", "temperature": 0.2, "metadata": {"a": "b"},
            "tools": [{"type": "function", "function": {"name": "f"}}], "stream_options": {"include_usage": true},
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "first"},
                {"role": "assistant", "content": "ok"},
                {"role": "user", "content": "second"},
            ],
        }))
        .unwrap();
        let mut sampling = Sampling::default();
        sampling.0.insert("temperature".to_owned(), json!(0.2));
        let expected = ChatRequest {
            selection: "gpt-4o".into(),
            stream: true,
            system: Some("Be brief.".to_owned()),
            history: vec![Message::user("first"), Message::assistant("ok")],
            results: Vec::new(),
            input: Content::Text("second".to_owned()),
            tools: ClientTools {
                definitions: vec![json!({"type": "function", "function": {"name": "f"}})],
                ..ClientTools::default()
            },
            agents_tools: ToolSelection::default(),
            sampling,
        };
        assert_eq!(request, expected);
    }

    #[test]
    fn refusals_name_the_place() {
        let user = json!([{"role": "user", "content": "x"}]);
        let missing = "Missing or invalid 'messages' field";
        let nobody = "No user message found in messages";
        let cases = [
            ("array", json!([]), None, "The request body must be a JSON object, not an array"),
            ("no messages", json!({}), Some("messages"), missing),
            ("no message", json!({"messages": []}), Some("messages"), missing),
            ("text", json!({"messages": "x"}), Some("messages"), missing),
            (
                "system only",
                json!({"messages": [{"role": "system", "content": "x"}]}),
                Some("messages"),
                nobody,
            ),
            ("blank", json!({"messages": [{"role": "user", "content": " "}]}), Some("messages"), nobody),
            ("null", json!({"messages": [{"role": "user", "content": null}]}), Some("messages"), nobody),
            (
                "model",
                json!({"messages": user, "model": 5}),
                Some("model"),
                "`model` must be a string, not a number",
            ),
            (
                "stream",
                json!({"messages": user, "stream": {}}),
                Some("stream"),
                "`stream` must be true or false, not an object",
            ),
        ];
        for (case, body, param, message) in cases {
            let error = ChatRequest::parse(body).unwrap_err();
            assert_eq!((error.param.as_deref(), error.message.as_str()), (param, message), "{case}");
            assert_eq!(error.code.status(), 400, "{case}");
        }
    }
}
