//! The body of `POST /v1/runs`, parsed.

use super::{
    error::ApiError,
    json::Object,
    openai::{
        messages::{self, Conversation},
        sampling, tools,
    },
    selection::Selection,
    sessions::resolve,
    tool_choice,
};
use crate::domain::{Content, Message, OnBusy, ResponseId, Sampling, SessionId, ToolSelection};
use serde_json::Value;

#[derive(Debug, PartialEq)]
pub struct RunRequest {
    pub selection: Selection,
    pub system: Option<String>,
    /// What the request itself says of the conversation before.
    pub history: Vec<Message>,
    /// `history` is the whole of it, also when it is empty: no session's is loaded.
    pub history_is_whole: bool,
    pub input: Content,
    pub sampling: Sampling,
    pub session: Option<SessionId>,
    /// The response that it goes on from.
    pub previous: Option<ResponseId>,
    pub on_busy: Option<OnBusy>,
    pub tools: ToolSelection,
}

impl RunRequest {
    /// # Errors
    ///
    /// 400 that names the place; 404 for a response to go on from that can be none.
    pub fn parse(body: Value) -> Result<Self, ApiError> {
        let mut body = Object::body(body)?;
        tools::refuse(&mut body)?;
        let selection = Selection::take(&mut body)?;
        let agents_tools = tool_choice::take(&mut body)?;
        let instructions = body.string("instructions")?;
        sampling::refuse_unserved(&mut body)?;
        let sampling = sampling::take(&mut body)?;
        let session = resolve::member(body.string("session_id")?.as_deref(), "session_id")?;
        let on_busy = resolve::on_busy(&mut body)?;
        let earlier = messages::given_history(&mut body)?;
        let named = earlier.is_some();
        let earlier = earlier.unwrap_or_default();
        let (before, input) = input(&mut body)?;
        let previous = body.string("previous_response_id")?;
        let previous = previous.map(|id| super::openai::responses::previous(&id)).transpose()?;
        // A history given by name wins over the one that stands before the input.
        let mut conversation = if earlier.messages.is_empty() { before } else { earlier };
        conversation.system.splice(0..0, instructions);
        Ok(Self {
            selection,
            system: conversation.system_text(),
            history_is_whole: named || !conversation.messages.is_empty(),
            history: conversation.messages,
            input,
            sampling,
            session,
            previous,
            on_busy,
            tools: agents_tools,
        })
    }
}

/// `input`: a text, or messages of which the last is the input and the others come before it.
fn input<P: std::fmt::Display>(body: &mut Object<P>) -> Result<(Conversation, Content), ApiError> {
    let missing = || ApiError::invalid("input", "Missing 'input' field");
    let nobody = || ApiError::invalid("input", "No user message found in input");
    let (before, input) = match body.take("input") {
        None => return Err(missing()),
        Some(Value::String(text)) if text.is_empty() => return Err(missing()),
        Some(Value::String(text)) => (Conversation::default(), Some(Content::Text(text))),
        Some(Value::Array(items)) if items.is_empty() => return Err(missing()),
        Some(Value::Array(items)) => {
            let mut conversation = Conversation::parse(items, "input", Some("user"))?;
            let input = conversation.take_input();
            (conversation, input)
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => return Err(nobody()),
    };
    let input = input.filter(Content::is_visible).ok_or_else(nobody)?;
    Ok((before, input))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_message_is_the_input() {
        let got = RunRequest::parse(json!({
            "input": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
                      {"content": [{"type": "text", "text": "c"}]}],
            "session_id": "s-1", "instructions": "Be brief.", "model": "m", "temperature": 0, "on_busy": "reject",
            "enabled_toolsets": ["file"],
        }))
        .unwrap();
        let mut sampling = Sampling::default();
        sampling.0.insert("temperature".to_owned(), json!(0));
        let expected = RunRequest {
            selection: "m".into(),
            system: Some("Be brief.".to_owned()),
            history: vec![Message::user("a"), Message::assistant("b")],
            history_is_whole: true,
            input: Content::Text("c".to_owned()),
            sampling,
            session: SessionId::parse("s-1").ok(),
            previous: None,
            on_busy: Some(OnBusy::Reject),
            tools: ToolSelection { enabled: Some(vec!["file".to_owned()]), ..ToolSelection::default() },
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn a_history_by_name_wins() {
        let history = json!([{"role": "user", "content": "h"}]);
        let input = json!([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]);
        let got = RunRequest::parse(json!({"input": input, "conversation_history": history})).unwrap();
        assert_eq!((got.history, got.input), (vec![Message::user("h")], Content::Text("b".to_owned())));
        let got = RunRequest::parse(json!({"input": input, "conversation_history": []})).unwrap();
        assert_eq!(got.history, [Message::user("a")]);
        for (body, whole) in [
            (json!({"input": "x"}), false),
            (json!({"input": "x", "conversation_history": []}), true),
            (json!({"input": "x", "conversation_history": null}), false),
        ] {
            assert_eq!(RunRequest::parse(body.clone()).unwrap().history_is_whole, whole, "{body}");
        }
    }

    #[test]
    fn refusals_name_the_place() {
        let missing = "Missing 'input' field";
        let nobody = "No user message found in input";
        let cases = [
            ("none", json!({}), "input", missing),
            ("null", json!({"input": null}), "input", missing),
            ("empty", json!({"input": ""}), "input", missing),
            ("empty list", json!({"input": []}), "input", missing),
            ("number", json!({"input": 5}), "input", nobody),
            ("blank", json!({"input": " "}), "input", nobody),
            ("strings", json!({"input": ["a"]}), "input[0]", "`input[0]` must be an object, not a string"),
            (
                "history",
                json!({"input": "x", "conversation_history": "h"}),
                "conversation_history",
                "'conversation_history' must be an array of message objects",
            ),
            (
                "history item",
                json!({"input": "x", "conversation_history": [{"role": "user"}]}),
                "conversation_history[0]",
                "conversation_history[0] must have 'role' and 'content' fields",
            ),
            (
                "instructions",
                json!({"input": "x", "instructions": 5}),
                "instructions",
                "`instructions` must be a string, not a number",
            ),
            (
                "busy",
                json!({"input": "x", "on_busy": "shout"}),
                "on_busy",
                "`on_busy` must be one of: queue, reject, interrupt, steer",
            ),
            (
                "tools",
                json!({"input": "x", "disabled_toolsets": ["file", 5]}),
                "disabled_toolsets[1]",
                "`disabled_toolsets[1]` must be a string, not a number",
            ),
            ("session", json!({"input": "x", "session_id": "../x"}), "session_id", "Invalid session ID"),
            (
                "no response",
                json!({"input": "x", "previous_response_id": ""}),
                "previous_response_id",
                "`previous_response_id` is empty; leave it out to begin a conversation",
            ),
            (
                "response",
                json!({"input": "x", "previous_response_id": "resp_1"}),
                "previous_response_id",
                "Previous response not found: resp_1",
            ),
        ];
        for (case, body, param, message) in cases {
            let error = RunRequest::parse(body).unwrap_err();
            assert_eq!((error.param.as_deref(), error.message.as_str()), (Some(param), message), "{case}");
        }
    }
}
