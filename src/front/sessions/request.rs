//! The bodies of the routes of sessions, parsed.

use super::resolve;
use crate::{
    domain::{Code, Content, ModelLock, OnBusy, SessionId, ToolSelection},
    front::{
        error::ApiError,
        json::Object,
        openai::{content, tools},
        selection::Selection,
        tool_choice,
    },
    store::SessionChange,
};
use serde_json::Value;
use std::fmt::Display;

/// Longest title, in characters.
pub const MAX_TITLE: usize = 100;

/// A session to be made.
#[derive(Debug, PartialEq)]
pub struct CreateRequest {
    pub id: Option<SessionId>,
    pub title: Option<String>,
    pub model: Option<String>,
    pub lock: Option<ModelLock>,
    pub system_prompt: Option<String>,
}

impl CreateRequest {
    /// # Errors
    ///
    /// 400 that names the member.
    pub fn parse(body: Value) -> Result<Self, ApiError> {
        let mut body = Object::body(body)?;
        let required = body.flag("require_model_lock")?;
        let selection = Selection::take(&mut body)?;
        let model = selection.model.clone();
        let lock = match required {
            Some(true) if selection.names_nobody() => return Err(missing_model()),
            Some(true) => Some(selection.into_lock()?),
            // A bare model has always been a label of the session.
            None if !selection.is_bare() => Some(selection.into_lock()?),
            Some(false) | None => None,
        };
        Ok(Self {
            id: id(&mut body)?,
            title: title(&mut body)?.flatten(),
            model,
            lock,
            system_prompt: prompt(&mut body)?.flatten(),
        })
    }
}

fn missing_model() -> ApiError {
    ApiError::new(Code::MissingModel, "Missing 'model' field").at("model")
}

/// The lock that a session is to have; `None` for a `model` that is `null`: it is to have none.
///
/// # Errors
///
/// 400 without a model, and for a member of a wrong type.
pub fn lock(body: Value) -> Result<Option<ModelLock>, ApiError> {
    let off = body.get("model").is_some_and(Value::is_null);
    let selection = Selection::take(&mut Object::body(body)?)?;
    match &selection.model {
        Some(_) => selection.into_lock().map(Some),
        None if off && selection.is_bare() => Ok(None),
        None => Err(missing_model()),
    }
}

/// A copy to be made.
#[derive(Debug, PartialEq)]
pub struct ForkRequest {
    pub id: Option<SessionId>,
    pub title: Option<String>,
}

impl ForkRequest {
    /// # Errors
    ///
    /// As [`CreateRequest::parse`].
    pub fn parse(body: Value) -> Result<Self, ApiError> {
        let mut body = Object::body(body)?;
        Ok(Self { id: id(&mut body)?, title: title(&mut body)?.flatten() })
    }
}

/// What of a session is to be different.
///
/// # Errors
///
/// 400 for a member that cannot be changed, or has a wrong type.
pub fn change(body: Value) -> Result<SessionChange, ApiError> {
    let mut body = Object::body(body)?;
    let change = SessionChange {
        title: title(&mut body)?,
        system_prompt: prompt(&mut body)?,
        lock: None,
        end_reason: body.string("end_reason")?.filter(|reason| !reason.is_empty()),
    };
    let others = body.names();
    if others.is_empty() {
        return Ok(change);
    }
    let message = format!("Unsupported session fields: {}", others.join(", "));
    Err(ApiError::new(Code::UnsupportedSessionField, message).at(&others[0]))
}

/// A turn of a session.
#[derive(Debug, PartialEq)]
pub struct TurnRequest {
    pub input: Content,
    /// For this turn, beside the session's own.
    pub system: Option<String>,
    pub selection: Selection,
    pub on_busy: Option<OnBusy>,
    pub tools: ToolSelection,
}

impl TurnRequest {
    /// # Errors
    ///
    /// 400 that names the member.
    pub fn parse(body: Value) -> Result<Self, ApiError> {
        let mut body = Object::body(body)?;
        tools::refuse(&mut body)?;
        let (message, input) = (body.take("message"), body.take("input"));
        let said = message.filter(is_something).or(input);
        let missing = || ApiError::new(Code::MissingMessage, "Missing 'message' field").at("message");
        let input = match said {
            Some(said @ (Value::String(_) | Value::Array(_))) => content::parse(said, "message")?,
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
                return Err(missing());
            }
        };
        if !input.is_visible() {
            return Err(missing());
        }
        Ok(Self {
            input,
            system: system(&mut body)?,
            selection: Selection::take(&mut body)?,
            on_busy: resolve::on_busy(&mut body)?,
            tools: tool_choice::take(&mut body)?,
        })
    }
}

fn is_something(value: &Value) -> bool {
    value.as_str().is_none_or(|text| !text.is_empty())
}

fn system<P: Display>(body: &mut Object<P>) -> Result<Option<String>, ApiError> {
    for name in ["system_message", "instructions"] {
        match body.take(name) {
            None => {}
            Some(Value::String(text)) if text.trim().is_empty() => {}
            Some(Value::String(text)) => return Ok(Some(text)),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                let message = format!("{name} must be a string");
                return Err(ApiError::new(Code::InvalidSystemMessage, message).at(name));
            }
        }
    }
    Ok(None)
}

fn id<P: Display>(body: &mut Object<P>) -> Result<Option<SessionId>, ApiError> {
    for name in ["id", "session_id"] {
        let text = body.string(name);
        let text = text.map_err(|error| ApiError::new(Code::InvalidSessionId, error.message).at(name))?;
        if let Some(id) = resolve::member(text.as_deref(), name)? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// `None`: not said. `Some(None)`: none, or a blank one.
fn title<P: Display>(body: &mut Object<P>) -> Result<Option<Option<String>>, ApiError> {
    let refuse = |message: String| ApiError::new(Code::InvalidTitle, message).at("title");
    let text = match body.take_said("title") {
        None => return Ok(None),
        Some(Value::Null) => return Ok(Some(None)),
        Some(Value::String(text)) => text,
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(refuse("`title` must be a string".to_owned()));
        }
    };
    let plain: String = text
        .chars()
        .map(|letter| if letter.is_whitespace() { ' ' } else { letter })
        .filter(|letter| !letter.is_control())
        .collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let title = words.join(" ");
    match title.chars().count() {
        0 => Ok(Some(None)),
        length if length > MAX_TITLE => {
            Err(refuse(format!("Title too long ({length} chars, max {MAX_TITLE})")))
        }
        _ => Ok(Some(Some(title))),
    }
}

/// As [`title`].
fn prompt<P: Display>(body: &mut Object<P>) -> Result<Option<Option<String>>, ApiError> {
    match body.take_said("system_prompt") {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(Value::String(text)) => Ok(Some((!text.trim().is_empty()).then_some(text))),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            let message = "`system_prompt` must be a string";
            Err(ApiError::new(Code::InvalidSystemPrompt, message).at("system_prompt"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal<T>(parsed: Result<T, ApiError>) -> (&'static str, String) {
        let error = parsed.err().unwrap();
        (error.code.wire(), error.message)
    }

    #[test]
    fn titles_are_plain_and_bounded() {
        let long = "ü".repeat(101);
        let cases = [
            (json!({}), Ok(None)),
            (json!({"title": null}), Ok(Some(None))),
            (json!({"title": " \t "}), Ok(Some(None))),
            (json!({"title": "  a \u{7} b\nc "}), Ok(Some(Some("a b c".to_owned())))),
            (
                json!({"title": long}),
                Err(("invalid_title", "Title too long (101 chars, max 100)".to_owned())),
            ),
            (json!({"title": 5}), Err(("invalid_title", "`title` must be a string".to_owned()))),
        ];
        for (body, expected) in cases {
            let got = change(body.clone()).map(|change| change.title);
            assert_eq!(got.map_err(|error| (error.code.wire(), error.message)), expected, "{body}");
        }
    }

    #[test]
    fn only_some_members_can_be_changed() {
        let refused = refusal(change(json!({"model": "x", "id": "y", "title": "t"})));
        assert_eq!(
            refused,
            ("unsupported_session_field", "Unsupported session fields: id, model".to_owned())
        );
        let all = change(json!({"title": "t", "system_prompt": "p", "end_reason": "done"})).unwrap();
        assert_eq!(all.end_reason.as_deref(), Some("done"));
        assert_eq!(all.system_prompt, Some(Some("p".to_owned())));
    }

    #[test]
    fn ids_are_checked_under_both_names() {
        for name in ["id", "session_id"] {
            let id = |value: Value| CreateRequest::parse(json!({ name: value })).map(|request| request.id);
            assert_eq!(id(json!(" s-1 ")).unwrap(), SessionId::parse("s-1").ok());
            assert_eq!(id(json!("")).unwrap(), None);
            for wrong in [json!("../x"), json!("x".repeat(257)), json!(5)] {
                assert_eq!(refusal(id(wrong.clone())).0, "invalid_session_id", "{name}: {wrong}");
            }
        }
    }

    #[test]
    fn a_turn_says_something() {
        let text = |body: Value| TurnRequest::parse(body).map(|turn| turn.input.text().into_owned());
        assert_eq!(text(json!({"message": "a", "input": "b"})).unwrap(), "a");
        assert_eq!(text(json!({"message": "", "input": "b"})).unwrap(), "b");
        for body in [json!({}), json!({"message": 5}), json!({"message": " "}), json!({"message": []})] {
            assert_eq!(refusal(text(body.clone())).0, "missing_message", "{body}");
        }
        let system = refusal(TurnRequest::parse(json!({"message": "x", "system_message": 5})));
        assert_eq!(system, ("invalid_system_message", "system_message must be a string".to_owned()));
        let file = json!({"message": [{"type": "input_file"}, {"type": "text", "text": "t"}]});
        let error = TurnRequest::parse(file).unwrap_err();
        assert_eq!(
            (error.code.wire(), error.param.as_deref()),
            ("unsupported_content_type", Some("message"))
        );
    }
}
