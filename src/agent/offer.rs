//! Which tools the model is offered: the agent's, the client's, or both.

use crate::domain::{ClientTools, ToolChoice};
use serde_json::{Value, json};
use std::borrow::Cow;

/// The `tools` of a model call, and what is said about them.
#[derive(Debug, PartialEq)]
pub struct Offer<'a> {
    /// A JSON array as text.
    pub tools: Cow<'a, str>,
    /// `tool_choice`, where it is not the default.
    pub choice: Option<Value>,
    pub parallel: Option<bool>,
}

impl<'a> Offer<'a> {
    /// `agent`: the agent's tools as a JSON array; it is passed on byte for byte when all of them are `allowed` and the
    /// client brings none.
    ///
    /// A client that requires a call means its own tools, so the agent's are left out then.
    #[must_use]
    pub fn new(agent: &'a str, allowed: Option<&[String]>, client: &ClientTools) -> Self {
        let choice = match &client.choice {
            ToolChoice::Auto | ToolChoice::None => None,
            ToolChoice::Required => Some(json!("required")),
            ToolChoice::Function(name) => Some(json!({"type": "function", "function": {"name": name}})),
        };
        let tools = if client.definitions.is_empty() && allowed.is_none() {
            Cow::Borrowed(agent)
        } else {
            let own = if choice.is_none() { agents(agent, allowed, client) } else { Vec::new() };
            let all: Vec<&Value> = own.iter().chain(&client.definitions).collect();
            Cow::Owned(json!(all).to_string())
        };
        Self { tools, choice, parallel: client.parallel }
    }
}

/// Those of the agent's tools that are allowed and that the client does not run itself.
fn agents(agent: &str, allowed: Option<&[String]>, client: &ClientTools) -> Vec<Value> {
    let mut own: Vec<Value> = serde_json::from_str(agent).unwrap_or_default();
    let offered = |name: &str| {
        allowed.is_none_or(|allowed| allowed.iter().any(|one| one == name)) && !client.runs(name)
    };
    own.retain(|tool| tool["function"]["name"].as_str().is_some_and(offered));
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: &str = r#"[{"function":{"name":"read_file"}}, {"function":{"name":"terminal"}}]"#;

    #[test]
    fn the_client_adds_replaces_or_requires() {
        let tool = |name: &str| json!({"function": {"name": name}});
        let offer = |names: &[&str], choice| {
            let definitions = names.iter().map(|name| tool(name)).collect();
            let offer = Offer::new(AGENT, None, &ClientTools { definitions, choice, parallel: None });
            let tools: Value = serde_json::from_str(&offer.tools).unwrap();
            (tools, offer.choice)
        };
        let both = json!([tool("read_file"), tool("terminal")]);
        assert_eq!(offer(&[], ToolChoice::Auto), (both, None));
        let added = json!([tool("read_file"), tool("terminal"), tool("weather")]);
        assert_eq!(offer(&["weather"], ToolChoice::Auto), (added, None));
        let replaced = json!([tool("read_file"), tool("terminal")]);
        assert_eq!(offer(&["terminal"], ToolChoice::Auto), (replaced, None));
        let none = ClientTools::default();
        let allowed = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            serde_json::from_str::<Value>(&Offer::new(AGENT, Some(&names), &none).tools).unwrap()
        };
        assert_eq!(allowed(&["terminal", "unknown"]), json!([tool("terminal")]));
        assert_eq!(allowed(&[]), json!([]));
        let required = (json!([tool("weather")]), Some(json!("required")));
        assert_eq!(offer(&["weather"], ToolChoice::Required), required);
    }
}
