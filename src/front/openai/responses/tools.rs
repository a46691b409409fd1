//! Tools of the client's, as responses write them, in the form of chat completions.

use crate::{
    domain::{ClientTools, Code, ToolChoice},
    front::{
        error::ApiError,
        json::{Object, Root, wrong_type},
    },
};
use serde_json::{Map, Value, json};

/// Longest name of a function.
const MAX_NAME: usize = 64;

/// Takes `tools`, `tool_choice` and `parallel_tool_calls`; the response repeats them.
///
/// # Errors
///
/// 400 at the place: a wrong type, a tool that is hosted by OpenAI alone.
pub fn take(body: &mut Object<Root>, echo: &mut Map<String, Value>) -> Result<ClientTools, ApiError> {
    let tools = body.array("tools")?.unwrap_or_default();
    let mut definitions = Vec::with_capacity(tools.len());
    for (index, tool) in tools.iter().enumerate() {
        definitions.push(definition(tool, format!("tools[{index}]"))?);
    }
    let mut client = ClientTools { definitions, ..ClientTools::default() };
    let wanted = body.take("tool_choice");
    client.choice = choice(wanted.as_ref(), &client)?;
    client.parallel = body.flag("parallel_tool_calls")?;
    echo.insert("tools".to_owned(), tools.into());
    echo.insert("tool_choice".to_owned(), wanted.unwrap_or_else(|| "auto".into()));
    echo.insert("parallel_tool_calls".to_owned(), client.parallel.unwrap_or(true).into());
    Ok(client)
}

fn definition(tool: &Value, place: String) -> Result<Value, ApiError> {
    let mut tool = Object::at(tool.clone(), place)?;
    let place = tool.place_of("type");
    match tool.string("type")?.as_deref() {
        Some("function") => {}
        Some(other) => {
            let message = format!(
                "Tools of the type `{other}` are not supported; `function` is. The agent has tools of its own."
            );
            return Err(ApiError::new(Code::UnsupportedParameter, message).at(place));
        }
        None => return Err(ApiError::invalid(&place, format!("`{place}` is missing"))),
    }
    let place = tool.place_of("name");
    let name = tool.string("name")?.filter(|name| is_name(name)).ok_or_else(|| {
        ApiError::invalid(
            &place,
            format!("`{place}` must be 1 to {MAX_NAME} of letters, digits, `_` and `-`"),
        )
    })?;
    let mut function = Map::new();
    function.insert("name".to_owned(), name.into());
    if let Some(description) = tool.string("description")? {
        function.insert("description".to_owned(), description.into());
    }
    match tool.take("parameters") {
        None => {}
        Some(schema @ Value::Object(_)) => drop(function.insert("parameters".to_owned(), schema)),
        Some(other) => return Err(wrong_type(tool.place_of("parameters"), "a JSON schema", &other)),
    }
    if let Some(strict) = tool.flag("strict")? {
        function.insert("strict".to_owned(), strict.into());
    }
    Ok(json!({"type": "function", "function": function}))
}

fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(plain)
}

fn choice(wanted: Option<&Value>, tools: &ClientTools) -> Result<ToolChoice, ApiError> {
    let place = "tool_choice";
    let expected =
        "`tool_choice` must be `auto`, `none`, `required` or `{\"type\": \"function\", \"name\": …}`";
    let choice = match wanted {
        None => return Ok(ToolChoice::Auto),
        Some(Value::String(text)) => match text.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            _ => return Err(ApiError::invalid(place, expected)),
        },
        Some(Value::Object(members)) => match (members.get("type"), members.get("name")) {
            (Some(kind), Some(Value::String(name))) if kind == "function" => {
                ToolChoice::Function(name.clone())
            }
            _ => return Err(ApiError::invalid(place, expected)),
        },
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) => {
            return Err(ApiError::invalid(place, expected));
        }
    };
    let names_none = match &choice {
        ToolChoice::Auto | ToolChoice::None => false,
        ToolChoice::Required => tools.definitions.is_empty(),
        ToolChoice::Function(name) => !tools.runs(name),
    };
    if names_none {
        return Err(ApiError::invalid(place, "`tool_choice` asks for a tool that is not in `tools`"));
    }
    Ok(choice)
}
