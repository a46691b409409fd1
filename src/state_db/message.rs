//! A row of `messages`.

use super::value;
use crate::domain::{Content, Finish, ImportMessage, Message, Part, ToolCall};
use rusqlite::{Row, types::ValueRef};
use serde::Deserialize;
use serde_json::Value;

/// What is read, and whether it may be long.
pub(super) const COLUMNS: &[(&str, bool)] = &[
    ("role", false),
    ("content", true),
    ("tool_calls", true),
    ("tool_call_id", false),
    ("tool_name", false),
    ("timestamp", false),
    ("finish_reason", false),
    ("reasoning_content", true),
    ("reasoning", true),
];

/// Stands for a text that is not taken over.
const TOO_LONG: &str = "[This text was too long to be imported.]";

/// A call in any of the forms in which it is kept.
#[derive(Deserialize)]
struct StoredCall {
    id: Option<String>,
    call_id: Option<String>,
    function: StoredFunction,
}

#[derive(Deserialize)]
struct StoredFunction {
    name: String,
    #[serde(default)]
    arguments: Value,
}

/// The row with [`COLUMNS`]; inside: why it is not taken over.
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Result<ImportMessage, &'static str>> {
    let role = value::text(row.get_ref(0)?).unwrap_or_default();
    let at = value::time(row.get_ref(5)?).unwrap_or(0);
    let finish = value::text(row.get_ref(6)?);
    let finish = Finish::ALL.into_iter().find(|known| Some(known.wire()) == finish.as_deref());
    let content = row.get_ref(1)?;
    let message = match role.as_str() {
        "user" => user(content),
        "system" => Ok(Message::System { content: plain(content) }),
        "assistant" => {
            let calls = if is_too_long(row.get_ref(2)?) {
                Err("calls too long")
            } else {
                Ok(value::some(row.get_ref(2)?))
            };
            let reasoning = [7, 8].map(|at| row.get_ref(at).map(value::some));
            let [content_of, short] = reasoning;
            let reasoning = content_of?.or(short?);
            calls.and_then(|calls| assistant(plain(content), calls.as_deref(), reasoning))
        }
        "tool" => match value::some(row.get_ref(3)?) {
            Some(tool_call_id) => Ok(Message::Tool {
                tool_call_id,
                name: value::some(row.get_ref(4)?),
                content: plain(content),
            }),
            None => Err("a result that belongs to no call"),
        },
        _ => Err("a role that is not known"),
    };
    Ok(message.map(|message| ImportMessage { message, at, finish, compacted: false }))
}

/// A value that was longer than what is read comes as an empty blob.
fn is_too_long(value: ValueRef<'_>) -> bool {
    matches!(value, ValueRef::Blob([]))
}

fn user(content: ValueRef<'_>) -> Result<Message, &'static str> {
    let content = match parts(content) {
        Some(parts) => Content::Parts(parts),
        None => Content::Text(plain(content)),
    };
    if content.is_visible() { Ok(Message::User { content }) } else { Err("nothing in it") }
}

/// The text of a content in either form.
fn plain(content: ValueRef<'_>) -> String {
    match parts(content) {
        Some(parts) => Content::Parts(parts).text().into_owned(),
        None if is_too_long(content) => TOO_LONG.to_owned(),
        None => value::text(content).unwrap_or_default(),
    }
}

/// Text and images, where the content is a list of these and of nothing else. A mark before it, which begins with NUL, says
/// that it is no text that happens to look like one.
fn parts(content: ValueRef<'_>) -> Option<Vec<Part>> {
    let text = match content {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => std::str::from_utf8(bytes).ok()?,
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => return None,
    };
    let list = match text.strip_prefix('\0') {
        Some(marked) => marked.get(marked.find('[').filter(|at| *at < 16)?..)?,
        None => text,
    };
    let list = list.starts_with('[').then(|| serde_json::from_str::<Vec<Part>>(list).ok()).flatten();
    let mut parts = list.filter(|parts| !parts.is_empty())?;
    for part in &mut parts {
        match part {
            Part::Text { text } => text.retain(|letter| letter != '\0'),
            Part::ImageUrl { .. } => {}
        }
    }
    Some(parts)
}

fn assistant(
    content: String,
    calls: Option<&str>,
    reasoning: Option<String>,
) -> Result<Message, &'static str> {
    let stored: Vec<StoredCall> = match calls {
        // `null` is none, as well as no text at all.
        Some(calls) => {
            serde_json::from_str::<Option<_>>(calls).map_err(|_other| "calls that cannot be read")?
        }
        None => None,
    }
    .unwrap_or_default();
    let call = |(number, call): (usize, StoredCall)| ToolCall {
        id: call.id.or(call.call_id).filter(|id| !id.is_empty()).unwrap_or_else(|| format!("call_{number}")),
        name: call.function.name,
        arguments: match call.function.arguments {
            Value::String(arguments) => arguments,
            Value::Null => "{}".to_owned(),
            arguments @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                arguments.to_string()
            }
        },
    };
    let tool_calls: Vec<ToolCall> = stored.into_iter().enumerate().map(call).collect();
    if content.trim().is_empty() && tool_calls.is_empty() {
        return Err("nothing in it");
    }
    Ok(Message::Assistant { content, tool_calls, reasoning })
}
