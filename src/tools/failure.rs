//! The one shape of a refusal.

use super::disk::FREE_SOMETHING;
use crate::{domain::ToolOutput, sandbox::JailError};
use serde_json::{Map, Value, json};
use std::{fmt, io};

/// What the model reads when a tool could not do its work.
#[derive(Debug)]
pub struct Failure {
    message: String,
    code: &'static str,
    /// What to do instead.
    hint: Option<String>,
    /// Members that the tool's results always have.
    extra: Map<String, Value>,
}

impl Failure {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { message: message.into(), code, hint: None, extra: Map::new() }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new("invalid_arguments", message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("internal_error", message)
    }

    pub fn stopped() -> Self {
        Self::new("stopped", "the run was stopped")
    }

    /// For tools that only a turn can use.
    pub fn no_turn() -> Self {
        Self::new("not_available", "this call belongs to no turn")
    }

    pub fn not_cleared() -> Self {
        Self::new("not_cleared", "the call was not carried out")
    }

    pub fn io(what: &str, error: &io::Error) -> Self {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        if full.contains(&error.kind()) {
            return Self::new("no_space", format!("{what}: {error}")).hint(FREE_SOMETHING);
        }
        let code =
            if error.kind() == io::ErrorKind::PermissionDenied { "permission_denied" } else { "io_error" };
        Self::new(code, format!("{what}: {error}"))
    }

    pub fn output(self) -> ToolOutput {
        ToolOutput { text: Value::Object(self.members()).to_string(), failed: true }
    }

    /// `error`, `code`, `hint` and whatever the tool's results always have.
    pub fn members(self) -> Map<String, Value> {
        let mut members = self.extra;
        members.insert("error".into(), self.message.into());
        members.insert("code".into(), self.code.into());
        members.insert("hint".into(), json!(self.hint));
        members
    }
}

/// For a person: what failed, and what to do.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl From<JailError> for Failure {
    fn from(error: JailError) -> Self {
        let message = error.to_string();
        match error {
            JailError::Outside(_) => Self::new("outside_workspace", message)
                .hint("use a path relative to the workspace, or below /tmp (private to this session; $TMPDIR of commands)"),
            JailError::Link(_) => Self::new("outside_workspace", message)
                .hint("name the file itself; links must be relative and stay inside their folder"),
            JailError::Loop(_) => Self::new("link_loop", message)
                .hint("there is no file behind it; the terminal can remove the link"),
            JailError::ReadOnly(_) => Self::new("read_only", message)
                .hint("write a changed copy into the workspace"),
            JailError::Missing(_) => Self::new("not_found", message),
            JailError::Folder(_) => Self::new("is_directory", message)
                .hint("name a file in it; search_files with target \"files\" lists the folder"),
            JailError::NotFolder(_) => Self::new("not_a_directory", message),
            JailError::Special(_) => Self::new("not_a_file", message),
            JailError::Io(_, cause) => Self { message, ..Self::io("", &cause) },
        }
    }
}
