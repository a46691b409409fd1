//! The body of `POST /v1/responses`, parsed.

use super::{input::Input, tools};
use crate::{
    domain::{
        Aside, ClientTools, Code, Content, Message, OnBusy, ResponseId, ResponseRequest, Sampling, ToolItems,
        ToolResult, ToolSelection,
    },
    front::{
        error::ApiError,
        json::{Object, Root, wrong_type},
        openai::{messages, sampling},
        selection::Selection,
        sessions::resolve,
        tool_choice,
    },
};
use serde_json::{Map, Value, json};

/// How much of a long history `truncation: "auto"` keeps, in messages.
const TRUNCATED: usize = 100;
/// OpenAI's limits of `metadata`.
const MAX_PAIRS: usize = 16;
const MAX_NAME: usize = 64;
const MAX_VALUE: usize = 512;
/// What `include` may ask for. It adds to items that hosted tools and encrypted reasoning would make; an agent of ours
/// makes none of those, so there is nothing to add.
const INCLUDABLE: [&str; 7] = [
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
];
/// What would be missed if it were left out in silence.
const UNSERVED: [(&str, &str); 2] = [
    ("prompt", "Stored prompts are not supported: send `instructions` and `input`."),
    ("max_tool_calls", "A limit on the number of tool calls is not supported."),
];

#[derive(Debug, PartialEq)]
pub struct CreateRequest {
    pub selection: Selection,
    pub stream: bool,
    pub history: Vec<Message>,
    /// What the client's tools gave back; then `input` may be empty.
    pub results: Vec<ToolResult>,
    pub input: Content,
    pub client_tools: ClientTools,
    /// Of the agent.
    pub tools: ToolSelection,
    /// System texts of the input.
    pub system: Option<String>,
    pub sampling: Sampling,
    pub previous: Option<ResponseId>,
    pub history_limit: Option<usize>,
    pub on_busy: Option<OnBusy>,
    pub response: ResponseRequest,
}

impl CreateRequest {
    /// `tool_items`: the form that configuration or header ask for.
    ///
    /// # Errors
    ///
    /// 400 that names the place; 404 for a previous response whose id is none.
    pub fn parse(body: Value, tool_items: ToolItems) -> Result<Self, ApiError> {
        let mut body = Object::body(body)?;
        let stream = body.flag("stream")?.unwrap_or_default();
        let store = body.flag("store")?.unwrap_or(true);
        let background = body.flag("background")?.unwrap_or_default();
        if background && !store {
            let message = "A background response must be stored: leave `store` out or send `true`.";
            return Err(ApiError::invalid("background", message));
        }
        refuse_unserved(&mut body)?;
        let selection = Selection::take(&mut body)?;
        let instructions = body.string("instructions")?;
        let on_busy = resolve::on_busy(&mut body)?;
        let given = messages::given_history(&mut body)?.unwrap_or_default().messages;
        let (previous, conversation) = link(&mut body, !given.is_empty())?;
        let mut echo = echo(&mut body)?;
        let sampling = limits(&mut body, &mut echo)?;
        let client_tools = tools::take(&mut body, &mut echo)?;
        let tools = tool_choice::take(&mut body)?;
        let Input { mut messages, asides } = Input::parse(body.take("input"))?;
        let system = asides_text(&asides);
        let (results, input) = opening(&mut messages)?;
        let given_messages = given.len();
        let mut history = given;
        history.append(&mut messages);
        let truncated = echo.get("truncation").is_some_and(|truncation| truncation == "auto");
        Ok(Self {
            selection,
            stream,
            history,
            results,
            input,
            client_tools,
            tools,
            system,
            sampling,
            previous,
            on_busy,
            history_limit: truncated.then_some(TRUNCATED),
            response: ResponseRequest {
                store,
                background,
                instructions,
                conversation,
                tool_items,
                asides,
                given: given_messages,
                echo,
            },
        })
    }
}

/// The system texts as one.
fn asides_text(asides: &[Aside]) -> Option<String> {
    let texts: Vec<&str> = asides.iter().map(|aside| aside.text.as_str()).collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

/// Takes from the end what the turn begins with: results of the client's tools, and what the user says.
fn opening(messages: &mut Vec<Message>) -> Result<(Vec<ToolResult>, Content), ApiError> {
    let says = match messages.pop() {
        Some(Message::User { content }) => Some(content),
        // A conversation that ends with the other side's words is gone on with as if the user had said them.
        Some(Message::Assistant { content, tool_calls, reasoning: _ }) if tool_calls.is_empty() => {
            Some(Content::Text(content))
        }
        other => {
            messages.extend(other);
            None
        }
    };
    let is_result = |message: &Message| matches!(message, Message::Tool { .. });
    let from = messages.iter().rposition(|message| !is_result(message)).map_or(0, |at| at + 1);
    let results: Vec<ToolResult> = messages
        .drain(from..)
        .filter_map(|message| match message {
            Message::Tool { tool_call_id, content, .. } => {
                Some(ToolResult { call_id: tool_call_id, content })
            }
            Message::User { .. } | Message::Assistant { .. } | Message::System { .. } => None,
        })
        .collect();
    let says = says.unwrap_or_else(|| Content::Text(String::new()));
    if results.is_empty() && !says.is_visible() {
        return Err(ApiError::invalid("input", "No user message found in input"));
    }
    Ok((results, says))
}

fn refuse_unserved(body: &mut Object<Root>) -> Result<(), ApiError> {
    for (name, message) in UNSERVED {
        if body.take(name).is_some() {
            return Err(ApiError::new(Code::UnsupportedParameter, message).at(name));
        }
    }
    if body.take("top_logprobs").is_some_and(|count| count != 0) {
        let message = "Log probabilities are not supported.";
        return Err(ApiError::new(Code::UnsupportedParameter, message).at("top_logprobs"));
    }
    let include = body.array("include")?.unwrap_or_default();
    for (index, wanted) in include.iter().enumerate() {
        if !wanted.as_str().is_some_and(|wanted| INCLUDABLE.contains(&wanted)) {
            let place = format!("include[{index}]");
            let message = format!("`{place}` must be one of: {}", INCLUDABLE.join(", "));
            return Err(ApiError::new(Code::UnsupportedParameter, message).at(place));
        }
    }
    Ok(())
}

/// What the request goes on with: a response, or a conversation by its name.
fn link(
    body: &mut Object<Root>,
    has_history: bool,
) -> Result<(Option<ResponseId>, Option<String>), ApiError> {
    let previous = body.string("previous_response_id")?;
    let conversation = match body.take("conversation") {
        None => None,
        Some(Value::String(name)) => Some(name),
        Some(Value::Object(members)) => {
            let mut object = Object::at(Value::Object(members), "conversation".to_owned())?;
            let id = object.string("id")?;
            Some(id.ok_or_else(|| ApiError::invalid("conversation.id", "`conversation.id` is missing"))?)
        }
        Some(other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_))) => {
            return Err(wrong_type("conversation", "a name or an object with `id`", &other));
        }
    };
    if conversation.as_ref().is_some_and(|name| name.trim().is_empty()) {
        return Err(empty("conversation"));
    }
    if previous.is_some() && conversation.is_some() {
        let message = "Cannot use both 'conversation' and 'previous_response_id'";
        return Err(ApiError::invalid("previous_response_id", message));
    }
    if has_history && conversation.is_some() {
        let message =
            "Cannot use both 'conversation' and 'conversation_history': the conversation has its own.";
        return Err(ApiError::invalid("conversation_history", message));
    }
    // A history in the request is the whole of it: the link is not even looked up.
    let previous = previous.filter(|_| !has_history);
    Ok((previous.map(|id| self::previous(&id)).transpose()?, conversation))
}

/// A link that names nothing would begin anew in silence.
fn empty(link: &str) -> ApiError {
    ApiError::invalid(link, format!("`{link}` is empty; leave it out to begin a conversation"))
}

/// # Errors
///
/// 404: a malformed id is as unknown as any other. 400 for an empty one.
pub fn previous(id: &str) -> Result<ResponseId, ApiError> {
    if id.is_empty() {
        return Err(empty("previous_response_id"));
    }
    ResponseId::parse(id).ok_or_else(|| {
        let message = format!("Previous response not found: {id}");
        ApiError::new(Code::PreviousResponseNotFound, message).at("previous_response_id")
    })
}

/// The members that the response repeats, checked, with OpenAI's defaults.
fn echo(body: &mut Object<Root>) -> Result<Map<String, Value>, ApiError> {
    let mut echo = Map::new();
    echo.insert("metadata".to_owned(), metadata(body)?);
    let limit = body.take("max_output_tokens");
    if let Some(limit) = limit.as_ref().filter(|limit| limit.as_u64().is_none_or(|limit| limit == 0)) {
        return Err(wrong_type("max_output_tokens", "a positive integer", limit));
    }
    echo.insert("max_output_tokens".to_owned(), limit.unwrap_or_default());
    let truncation = body.string("truncation")?.unwrap_or_else(|| "disabled".to_owned());
    if !["auto", "disabled"].contains(&truncation.as_str()) {
        return Err(ApiError::invalid("truncation", "`truncation` must be `auto` or `disabled`"));
    }
    echo.insert("truncation".to_owned(), truncation.into());
    echo.insert("text".to_owned(), text(body)?);
    echo.insert("reasoning".to_owned(), reasoning(body)?);
    Ok(echo)
}

fn metadata(body: &mut Object<Root>) -> Result<Value, ApiError> {
    let pairs = match body.take("metadata") {
        None => return Ok(json!({})),
        Some(Value::Object(pairs)) => pairs,
        Some(other) => return Err(wrong_type("metadata", "an object of strings", &other)),
    };
    if pairs.len() > MAX_PAIRS {
        let message = format!("`metadata` has {} pairs; the limit is {MAX_PAIRS}.", pairs.len());
        return Err(ApiError::invalid("metadata", message));
    }
    for (name, value) in &pairs {
        let place = format!("metadata.{name}");
        let Value::String(text) = value else {
            return Err(wrong_type(place, "a string", value));
        };
        if name.chars().count() > MAX_NAME || text.chars().count() > MAX_VALUE {
            let message = format!(
                "`metadata` takes names of at most {MAX_NAME} characters and values of at most {MAX_VALUE}."
            );
            return Err(ApiError::invalid("metadata", message));
        }
    }
    Ok(Value::Object(pairs))
}

/// `text.format`, one of OpenAI's three.
fn text(body: &mut Object<Root>) -> Result<Value, ApiError> {
    let plain = || json!({"format": {"type": "text"}});
    let Some(value) = body.take("text") else {
        return Ok(plain());
    };
    let mut text = Object::at(value, "text".to_owned())?;
    let Some(format) = text.take("format") else {
        return Ok(plain());
    };
    let place = "text.format";
    let mut members = Object::at(format.clone(), place.to_owned())?;
    match members.string("type")?.as_deref() {
        Some("text" | "json_object") => {}
        Some("json_schema") => {
            for (name, is_there) in [
                ("name", members.string("name")?.is_some()),
                ("schema", members.take("schema").is_some_and(|schema| schema.is_object())),
            ] {
                if !is_there {
                    let place = format!("{place}.{name}");
                    return Err(ApiError::invalid(&place, format!("`{place}` is missing")));
                }
            }
        }
        _ => {
            let place = format!("{place}.type");
            let message = format!("`{place}` must be `text`, `json_object` or `json_schema`");
            return Err(ApiError::invalid(&place, message));
        }
    }
    Ok(json!({ "format": format }))
}

fn reasoning(body: &mut Object<Root>) -> Result<Value, ApiError> {
    let Some(value) = body.take("reasoning") else {
        return Ok(json!({"effort": null, "summary": null}));
    };
    let mut reasoning = Object::at(value, "reasoning".to_owned())?;
    Ok(json!({"effort": reasoning.string("effort")?, "summary": reasoning.string("summary")?}))
}

/// What goes upstream, under the names that chat completions use for it.
fn limits(body: &mut Object<Root>, echo: &mut Map<String, Value>) -> Result<Sampling, ApiError> {
    let mut sampling = sampling::take(body)?;
    for name in ["temperature", "top_p", "user"] {
        echo.insert(name.to_owned(), sampling.0.get(name).cloned().unwrap_or_default());
    }
    let mut put = |name: &str, value: &Value| {
        if !value.is_null() {
            sampling.0.insert(name.to_owned(), value.clone());
        }
    };
    put("max_tokens", &echo["max_output_tokens"]);
    put("reasoning_effort", &echo["reasoning"]["effort"]);
    let format = &echo["text"]["format"];
    match format["type"].as_str() {
        Some("json_schema") => {
            let mut schema = format.clone();
            if let Some(members) = schema.as_object_mut() {
                members.remove("type");
            }
            put("response_format", &json!({"type": "json_schema", "json_schema": schema}));
        }
        Some("json_object") => put("response_format", &json!({"type": "json_object"})),
        Some(_) | None => {}
    }
    Ok(sampling)
}
