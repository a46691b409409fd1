//! Tools that the client brings: `tools`, `tool_choice`, `parallel_tool_calls`.

use crate::{
    domain::{ClientTools, Code, ToolChoice},
    front::{
        error::ApiError,
        json::{Object, wrong_type},
    },
};
use serde_json::Value;
use std::{collections::HashSet, fmt::Display};

/// Most tools of one request, as OpenAI has it.
const MAX_TOOLS: usize = 128;
/// Longest name of a tool, as OpenAI has it.
const MAX_NAME: usize = 64;

/// For surfaces whose clients are never asked to run anything: `tools` would be waited for in vain.
///
/// # Errors
///
/// 400 `unsupported_parameter`.
pub fn refuse<P: Display>(body: &mut Object<P>) -> Result<(), ApiError> {
    match body.take("tools") {
        None => Ok(()),
        Some(Value::Array(tools)) if tools.is_empty() => Ok(()),
        Some(_) => {
            let message = "`tools` of a client work on /v1/chat/completions and /v1/responses; here the agent has its own.";
            Err(ApiError::new(Code::UnsupportedParameter, message).at(body.place_of("tools")))
        }
    }
}

/// Takes what a chat completion says about tools.
///
/// # Errors
///
/// 400 at the member.
pub fn take<P: Display>(body: &mut Object<P>) -> Result<ClientTools, ApiError> {
    for (old, new) in [("functions", "tools"), ("function_call", "tool_choice")] {
        if body.take(old).is_some() {
            let message = format!("`{old}` is not supported; send `{new}`.");
            return Err(ApiError::new(Code::UnsupportedParameter, message).at(body.place_of(old)));
        }
    }
    let place = body.place_of("tools");
    let definitions = checked(body.array("tools")?.unwrap_or_default(), &place)?;
    let parallel = match body.take("parallel_tool_calls") {
        None => None,
        Some(Value::Bool(parallel)) => Some(parallel),
        Some(other) => return Err(wrong_type(body.place_of("parallel_tool_calls"), "true or false", &other)),
    };
    let choice = match body.take("tool_choice") {
        None => ToolChoice::Auto,
        Some(choice) => choice_of(choice, &body.place_of("tool_choice"))?,
    };
    let tools = ClientTools { definitions, choice, parallel };
    check_choice(&tools, body.place_of("tool_choice"))?;
    Ok(tools)
}

/// Definitions in the form of chat completions, each with a name that no other has.
///
/// # Errors
///
/// 400 at the definition's member: `tools[1].function.name`.
pub fn checked(mut definitions: Vec<Value>, place: &str) -> Result<Vec<Value>, ApiError> {
    if definitions.len() > MAX_TOOLS {
        let message = format!("`{place}` has {} tools; the limit is {MAX_TOOLS}.", definitions.len());
        return Err(ApiError::invalid(place, message));
    }
    let mut names = HashSet::new();
    for (index, definition) in definitions.iter().enumerate() {
        let name = name_of(definition, &format!("{place}[{index}]"))?;
        if !names.insert(name.to_owned()) {
            let place = format!("{place}[{index}].function.name");
            let message = format!("`{place}`: there is another tool with the name `{name}`.");
            return Err(ApiError::invalid(place, message));
        }
    }
    for definition in definitions.iter_mut().filter_map(Value::as_object_mut) {
        // Some clients leave it out; some upstreams insist on it.
        definition.entry("type").or_insert_with(|| "function".into());
    }
    Ok(definitions)
}

fn name_of<'a>(definition: &'a Value, place: &str) -> Result<&'a str, ApiError> {
    if !definition.is_object() {
        return Err(wrong_type(place, "an object", definition));
    }
    let at = |member: &str| format!("{place}.{member}");
    match definition.get("type") {
        None => {}
        Some(Value::String(kind)) if kind == "function" => {}
        Some(Value::String(kind)) => {
            let message = format!("Tools of the type `{kind}` are not supported; only `function` is.");
            return Err(ApiError::new(Code::UnsupportedParameter, message).at(at("type")));
        }
        Some(other) => return Err(wrong_type(at("type"), "a string", other)),
    }
    let function = definition.get("function").unwrap_or(&Value::Null);
    if !function.is_object() {
        return Err(wrong_type(at("function"), "an object", function));
    }
    check_members(function, place)?;
    let name = function.get("name").unwrap_or(&Value::Null);
    match name.as_str() {
        Some(text) if is_name(text) => Ok(text),
        Some(_) => {
            let place = at("function.name");
            let message = format!("`{place}` must be 1 to {MAX_NAME} letters, digits, `_` or `-`.");
            Err(ApiError::invalid(place, message))
        }
        None => Err(wrong_type(at("function.name"), "a string", name)),
    }
}

fn check_members(function: &Value, place: &str) -> Result<(), ApiError> {
    let check = |name: &str, expected: &str, good: fn(&Value) -> bool| match function
        .get(name)
        .filter(|value| !value.is_null() && !good(value))
    {
        Some(value) => Err(wrong_type(format!("{place}.function.{name}"), expected, value)),
        None => Ok(()),
    };
    check("description", "a string", Value::is_string)?;
    check("parameters", "an object", Value::is_object)?;
    check("strict", "true or false", Value::is_boolean)
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(plain)
}

fn choice_of(value: Value, place: &str) -> Result<ToolChoice, ApiError> {
    const EXPECTED: &str = "`none`, `auto`, `required` or an object that names a function";
    let unknown = |got: &str| {
        let message = format!("`{place}` must be {EXPECTED}, not `{got}`");
        ApiError::invalid(place, message)
    };
    match value {
        Value::String(text) => match text.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Required),
            other => Err(unknown(other)),
        },
        Value::Object(members) => {
            let mut choice = Object::at(Value::Object(members), place.to_owned())?;
            match choice.string("type")?.as_deref() {
                None | Some("function") => {}
                Some(other) => return Err(unknown(other)),
            }
            let place = choice.place_of("function");
            let function = choice.take("function").unwrap_or_default();
            let mut function = Object::at(function, place)?;
            let name = function.string("name")?;
            let missing = || {
                let place = function.place_of("name");
                ApiError::invalid(&place, format!("`{place}` is missing"))
            };
            name.map(ToolChoice::Function).ok_or_else(missing)
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) => {
            Err(wrong_type(place, EXPECTED, &other))
        }
    }
}

/// A call can only be required of a tool that is there.
///
/// # Errors
///
/// 400 at `place`.
pub fn check_choice(tools: &ClientTools, place: String) -> Result<(), ApiError> {
    let message = match &tools.choice {
        ToolChoice::Auto | ToolChoice::None => return Ok(()),
        ToolChoice::Required if tools.definitions.is_empty() => {
            format!("`{place}` requires a call of one of `tools`, but there are none.")
        }
        ToolChoice::Function(name) if !tools.runs(name) => {
            format!("`{place}` names `{name}`, which is not among `tools`.")
        }
        ToolChoice::Required | ToolChoice::Function(_) => return Ok(()),
    };
    Err(ApiError::invalid(place, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: Value) -> Result<ClientTools, ApiError> {
        take(&mut Object::body(body)?)
    }

    #[test]
    fn tools_are_kept_as_they_were_written() {
        let tool = json!({"type": "function", "function": {
            "name": "get-weather_2", "description": "d", "parameters": {"type": "object"}, "strict": true}});
        let bare = json!({"function": {"name": "f", "parameters": null}});
        let choice = json!({"type": "function", "function": {"name": "f"}});
        let got = read(json!({"tools": [tool, bare], "tool_choice": choice, "parallel_tool_calls": false}))
            .unwrap();
        let expected = ClientTools {
            definitions: vec![tool, json!({"type": "function", "function": bare["function"]})],
            choice: ToolChoice::Function("f".to_owned()),
            parallel: Some(false),
        };
        assert_eq!(got, expected);
        let none = ClientTools { choice: ToolChoice::None, ..ClientTools::default() };
        assert_eq!(read(json!({"tools": null, "tool_choice": "none"})).unwrap(), none);
    }

    #[test]
    fn mistakes_are_named_by_place() {
        let named = |name: Value| json!([{"type": "function", "function": {"name": name}}]);
        let tool = named(json!("f"));
        let long = "x".repeat(MAX_NAME + 1);
        let cases = [
            (json!({"tools": {}}), "tools"),
            (json!({"tools": ["f"]}), "tools[0]"),
            (json!({"tools": [{"type": "web_search"}]}), "tools[0].type"),
            (json!({"tools": [{"type": 5}]}), "tools[0].type"),
            (json!({"tools": [{"type": "function"}]}), "tools[0].function"),
            (json!({"tools": named(json!(5))}), "tools[0].function.name"),
            (json!({"tools": named(json!("a b"))}), "tools[0].function.name"),
            (json!({"tools": named(json!(long))}), "tools[0].function.name"),
            (json!({"tools": [tool[0], tool[0]]}), "tools[1].function.name"),
            (
                json!({"tools": [{"function": {"name": "f", "parameters": "x"}}]}),
                "tools[0].function.parameters",
            ),
            (json!({"tools": vec![tool[0].clone(); MAX_TOOLS + 1]}), "tools"),
            (json!({"tools": tool, "tool_choice": "always"}), "tool_choice"),
            (json!({"tools": tool, "tool_choice": 1}), "tool_choice"),
            (json!({"tools": tool, "tool_choice": {"type": "function"}}), "tool_choice.function"),
            (json!({"tools": tool, "tool_choice": {"function": {"name": "g"}}}), "tool_choice"),
            (json!({"tool_choice": "required"}), "tool_choice"),
            (json!({"tools": tool, "parallel_tool_calls": "no"}), "parallel_tool_calls"),
            (json!({"functions": []}), "functions"),
        ];
        for (body, place) in cases {
            let error = read(body.clone()).unwrap_err();
            assert_eq!((error.code.status(), error.param.as_deref()), (400, Some(place)), "{body}");
        }
    }
}
