//! Which of the agent's tools a request wants: `enabled_toolsets` and `disabled_toolsets`, on every surface.

use super::{
    error::ApiError,
    json::{Object, wrong_type},
};
use crate::domain::{SETS, ToolSelection, is_tool_or_set};
use serde_json::Value;
use std::fmt::Display;

/// Names of one list.
const MOST: usize = 200;

/// # Errors
///
/// 400 at the member that is no list of names of tools or toolsets.
pub fn take<P: Display>(body: &mut Object<P>) -> Result<ToolSelection, ApiError> {
    Ok(ToolSelection {
        enabled: names(body, "enabled_toolsets")?,
        disabled: names(body, "disabled_toolsets")?.unwrap_or_default(),
    })
}

fn names<P: Display>(body: &mut Object<P>, member: &str) -> Result<Option<Vec<String>>, ApiError> {
    let Some(items) = body.array(member)? else { return Ok(None) };
    let place = body.place_of(member);
    if items.len() > MOST {
        return Err(ApiError::invalid(&place, format!("`{place}` has more than {MOST} names")));
    }
    let name = |(at, item)| match item {
        Value::String(name) if is_tool_or_set(&name) => Ok(name),
        Value::String(name) => {
            let at = format!("{place}[{at}]");
            let sets: Vec<&str> = SETS.iter().map(|set| set.name).collect();
            let text =
                format!("`{at}`: there is no tool and no toolset `{name}`; toolsets are {}", sets.join(", "));
            Err(ApiError::invalid(at, text))
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(wrong_type(format!("{place}[{at}]"), "a string", &other))
        }
    };
    items.into_iter().enumerate().map(name).collect::<Result<_, _>>().map(Some)
}
