//! A question to the model, and its JSON, written straight from borrowed parts: no history is cloned for a call.

use super::{
    images::Images,
    members::{LIMIT, Members, Sent},
};
use crate::{
    domain::{self, Message, Part, RunId, Sampling, ToolCall},
    http1::Content,
};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::Value;

/// One question to the model. Everything is borrowed: no history is cloned for a call.
pub struct ModelRequest<'a> {
    /// Who asks, for the log.
    pub run: Option<RunId>,
    pub model: &'a str,
    /// The agent's own system prompt, then the caller's text, as one or two system messages.
    pub system: &'a [&'a str],
    /// Slices that are sent one after the other: history, input, the turn so far.
    pub messages: &'a [&'a [Message]],
    /// What is sent in the place of images that were too large.
    pub images: &'a Images,
    /// The `tools` array as JSON text, made once per profile; `None` sends no tools.
    pub tools: Option<&'a str>,
    /// `tool_choice`, when it is not the default; sent only with tools.
    pub tool_choice: Option<&'a Value>,
    /// `parallel_tool_calls`, when the client said something about it; sent only with tools.
    pub parallel: Option<bool>,
    /// The most tokens of the answer, where `sampling` says nothing of them.
    pub limit: Option<u64>,
    /// Sent as it is. Which members belong to this call is for the caller to decide.
    pub sampling: &'a Sampling,
}

/// Members that are ours; a sampling member of that name would stand there twice.
const OURS: [&str; 7] =
    ["model", "messages", "tools", "tool_choice", "parallel_tool_calls", "stream", "stream_options"];

impl ModelRequest<'_> {
    /// The tools, unless there are none: some servers refuse an empty list.
    pub(super) fn tools(&self) -> Option<&str> {
        self.tools.map(str::trim).filter(|tools| !tools.is_empty() && *tools != "[]")
    }

    /// The limit for the answer that goes with it.
    pub(super) fn sent_limit(&self) -> Option<Sent> {
        let clients = self.sampling.answer_limit().map(|tokens| Sent { tokens, own: false });
        clients.or(self.limit.map(|tokens| Sent { tokens, own: true }))
    }

    /// The body of the HTTP request. `thoughts`: answers that call tools go back with what the model thought; `members`: what
    /// is left out of it.
    ///
    /// # Errors
    /// Never for plain data; the type says so because serde does.
    pub(super) fn body(&self, thoughts: bool, members: &Members) -> Result<Content<'_>, serde_json::Error> {
        let fixed = self.system.iter().map(|text| text.len()).sum::<usize>();
        // Most calls are not much more than that; a history has it grow.
        let mut own = Vec::with_capacity(fixed + 1024);
        serde_json::to_writer(&mut own, &Body { request: self, thoughts, members })?;
        let Some(tools) = self.tools() else { return Ok(own.into()) };
        // Sent as the text that it is: parsing several kilobytes of schemas for each call would only cost time.
        own.pop();
        own.extend_from_slice(b",\"tools\":");
        Ok(Content { own, shared: tools.as_bytes(), end: b"}" })
    }
}

struct Body<'a> {
    request: &'a ModelRequest<'a>,
    thoughts: bool,
    members: &'a Members,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { request, thoughts, members } = *self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", request.model)?;
        map.serialize_entry("messages", &Messages { request, thoughts })?;
        map.serialize_entry("stream", &true)?;
        if members.name("stream_options").is_some() {
            map.serialize_entry("stream_options", &StreamOptions { include_usage: true })?;
        }
        if request.tools().is_some() {
            if let Some(choice) = request.tool_choice {
                map.serialize_entry("tool_choice", choice)?;
            }
            if let Some(parallel) = request.parallel.filter(|_| members.name("parallel_tool_calls").is_some())
            {
                map.serialize_entry("parallel_tool_calls", &parallel)?;
            }
        }
        for (name, value) in &request.sampling.0 {
            if let Some(sent) = members.name(name).filter(|name| !OURS.contains(name)) {
                match value.as_u64().filter(|_| LIMIT.contains(&name.as_str())) {
                    Some(tokens) => map.serialize_entry(sent, &members.at_most(tokens))?,
                    None => map.serialize_entry(sent, value)?,
                }
            }
        }
        if let Some(Sent { tokens, own: true }) = request.sent_limit()
            && let (Some(name), Some(tokens)) = (members.name(LIMIT[0]), members.own_limit(tokens))
        {
            map.serialize_entry(name, &tokens)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

struct Messages<'a> {
    request: &'a ModelRequest<'a>,
    thoughts: bool,
}

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        let Self { request, thoughts } = *self;
        let shrunk = request.images.are_changed();
        for content in request.system.iter().filter(|content| !content.is_empty()) {
            list.serialize_element(&SystemMessage { role: "system", content })?;
        }
        for message in request.messages.iter().copied().flatten() {
            match message {
                Message::Assistant { content, tool_calls, reasoning: Some(_) }
                    if !thoughts || tool_calls.is_empty() =>
                {
                    list.serialize_element(&Answer { role: "assistant", content, tool_calls })?;
                }
                Message::User { content: domain::Content::Parts(parts) } if shrunk => {
                    let content = parts.iter().map(|part| SentPart::of(part, request.images)).collect();
                    list.serialize_element(&Said { role: "user", content })?;
                }
                Message::System { .. }
                | Message::User { .. }
                | Message::Assistant { .. }
                | Message::Tool { .. } => list.serialize_element(message)?,
            }
        }
        list.end()
    }
}

/// An answer without what the model thought before it.
#[derive(Serialize)]
struct Answer<'a> {
    role: &'static str,
    content: &'a str,
    #[serde(skip_serializing_if = "<[ToolCall]>::is_empty")]
    tool_calls: &'a [ToolCall],
}

/// A message whose images were made smaller.
#[derive(Serialize)]
struct Said<'a> {
    role: &'static str,
    content: Vec<SentPart<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum SentPart<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: SentUrl<'a> },
}

#[derive(Serialize)]
struct SentUrl<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

impl<'a> SentPart<'a> {
    fn of(part: &'a Part, images: &'a Images) -> Self {
        match part {
            Part::Text { text } => Self::Text { text },
            Part::ImageUrl { image_url } => {
                let (url, detail) = (images.sent(&image_url.url), image_url.detail.as_deref());
                Self::ImageUrl { image_url: SentUrl { url, detail } }
            }
        }
    }
}

#[derive(Serialize)]
struct SystemMessage<'a> {
    role: &'static str,
    content: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sent(tools: Option<&str>, sampling: Value) -> Value {
        sent_with(tools, sampling, false)
    }

    fn sent_with(tools: Option<&str>, sampling: Value, thoughts: bool) -> Value {
        let history = [Message::user("hi"), Message::assistant("hello")];
        let turn = [
            Message::user("list"),
            Message::Assistant {
                content: String::new(),
                tool_calls: vec![ToolCall {
                    id: "c".to_owned(),
                    name: "terminal".to_owned(),
                    arguments: "{}".to_owned(),
                }],
                reasoning: Some("why".to_owned()),
            },
            Message::Tool {
                tool_call_id: "c".to_owned(),
                name: Some("terminal".to_owned()),
                content: "out".to_owned(),
            },
        ];
        let choice = json!("required");
        let request = ModelRequest {
            run: None,
            model: "m",
            system: &["own", "", "caller's"],
            messages: &[&history, &[], &turn],
            images: &Images::default(),
            tools,
            tool_choice: Some(&choice),
            parallel: Some(false),
            limit: None,
            sampling: &serde_json::from_value(sampling).unwrap(),
        };
        let Content { own, shared, end } = request.body(thoughts, &Members::default()).unwrap();
        serde_json::from_slice(&[&own, shared, end].concat()).unwrap()
    }

    #[test]
    fn the_body_holds_all_parts_in_order() {
        let tools = r#"[{"type":"function","function":{"name":"terminal"}}]"#;
        let expected = json!({
            "model": "m",
            "messages": [
                { "role": "system", "content": "own" },
                { "role": "system", "content": "caller's" },
                { "role": "user", "content": "hi" },
                { "role": "assistant", "content": "hello" },
                { "role": "user", "content": "list" },
                { "role": "assistant", "content": "", "tool_calls": [
                    { "id": "c", "type": "function", "function": { "name": "terminal", "arguments": "{}" } },
                ] },
                { "role": "tool", "tool_call_id": "c", "name": "terminal", "content": "out" },
            ],
            "stream": true,
            "stream_options": { "include_usage": true },
            "temperature": 0.5,
            "stop": ["x"],
            "tool_choice": "required",
            "parallel_tool_calls": false,
            "tools": [{ "type": "function", "function": { "name": "terminal" } }],
        });
        assert_eq!(sent(Some(tools), json!({ "temperature": 0.5, "stop": ["x"] })), expected);
    }

    #[test]
    fn thoughts_go_back_only_with_calls_and_only_where_they_are_wanted() {
        let thoughts = |wanted| {
            let body = sent_with(None, json!({}), wanted);
            body["messages"][5]["reasoning_content"].clone()
        };
        assert_eq!((thoughts(false), thoughts(true)), (Value::Null, json!("why")));
    }

    #[test]
    fn no_tools_means_no_member() {
        for tools in [None, Some("[]"), Some(" "), Some(" [] ")] {
            let body = sent(tools, json!({}));
            for member in ["tools", "tool_choice", "parallel_tool_calls"] {
                assert_eq!(body.get(member), None, "{member} {tools:?}");
            }
        }
    }

    #[test]
    fn sampling_cannot_write_over_our_members() {
        let body = sent(None, json!({ "stream": false, "model": "other", "seed": 1 }));
        assert_eq!((&body["stream"], &body["model"], &body["seed"]), (&json!(true), &json!("m"), &json!(1)));
    }
}
