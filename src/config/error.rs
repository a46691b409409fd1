//! A mistake in a file, told so that it can be mended.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// A mistake in a file: where it is, what it is, and what to write instead.
///
/// The message never quotes a value that may be a secret.
#[derive(Debug, Clone)]
pub struct ConfigError {
    pub file: PathBuf,
    pub line: Option<usize>,
    pub key: Option<String>,
    pub message: String,
}

impl ConfigError {
    /// A mistake that concerns the file (or folder) as a whole.
    pub(super) fn about(file: &Path, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, key: None, message: message.into() }
    }

    /// A mistake at a line that no key can be named for.
    pub(super) fn at_line(file: &Path, line: usize, message: impl Into<String>) -> Self {
        Self { line: Some(line), ..Self::about(file, message) }
    }

    pub(super) fn unreadable(file: &Path, cause: &std::io::Error) -> Self {
        Self::about(file, format!("cannot be read: {cause}"))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": `{key}`")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for ConfigError {}

/// Where a value stands: what an error or a warning about it begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub file: PathBuf,
    pub line: Option<usize>,
    pub key: String,
}

impl Place {
    pub fn error(&self, message: impl Into<String>) -> ConfigError {
        ConfigError {
            file: self.file.clone(),
            line: self.line,
            key: Some(self.key.clone()),
            message: message.into(),
        }
    }

    /// The same sentence form for what is odd, yet no reason to refuse the file.
    pub fn warning(&self, message: impl Into<String>) -> String {
        self.error(message).to_string()
    }
}
