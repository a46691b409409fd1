//! What a tool is to the model, and what a call gives back.

/// A tool as the model is told of it.
#[derive(Clone, Copy, Debug)]
pub struct ToolSpec {
    pub name: &'static str,
    pub description: &'static str,
    /// JSON schema of the arguments, as text: it goes upstream byte for byte.
    pub parameters: &'static str,
    /// Calls of such tools change nothing and may run beside each other.
    pub read_only: bool,
    pub toolset: &'static str,
    pub emoji: &'static str,
}

/// The result of a call: what the model reads, and how the log shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolOutput {
    /// JSON text.
    pub text: String,
    pub failed: bool,
}
