//! What a tool is to the model, and what a call gives back.

use serde_json::Value;
use std::borrow::Cow;

/// A tool as the model is told of it. Texts of our own tools are constants; those of a server that brings tools are owned.
#[derive(Clone, Debug)]
pub struct ToolSpec {
    pub name: Cow<'static, str>,
    pub description: Cow<'static, str>,
    /// JSON schema of the arguments, as text: it goes upstream byte for byte.
    pub parameters: Cow<'static, str>,
    /// Calls of such tools change nothing and may run beside each other.
    pub read_only: bool,
    pub toolset: Cow<'static, str>,
    pub emoji: &'static str,
}

/// The result of a call: what the model reads, and how the log shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolOutput {
    /// JSON text.
    pub text: String,
    pub failed: bool,
}

/// Whether the results of a tool are texts of strangers, in which instructions may be hidden. A child's report, or
/// a picture, may be made of such.
#[must_use]
pub fn brings_foreign_text(name: &str) -> bool {
    matches!(name, "delegate_task" | "execute_code")
        || ["web_", "mcp_", "browser_"].iter().any(|start| name.starts_with(start))
}

impl From<Value> for ToolOutput {
    /// Of a call that went well.
    fn from(value: Value) -> Self {
        Self { text: value.to_string(), failed: false }
    }
}
