//! What a tool may ask of the turn that it works for, when it starts work that is more than its own call.

use super::{ImageUrl, Report, Task, ToolOutput};
use serde_json::Value;
use std::{fmt, pin::Pin};

/// What somebody who was asked will say.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Work that is not done, in words for the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    pub code: &'static str,
    pub message: String,
}

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// An image, and what is asked about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// With the image itself, as a `data:` URL.
    pub image: ImageUrl,
    pub question: String,
}

/// The turn, as its tools see it. It belongs to one call: what is asked through it is told in that call's name.
pub trait Port {
    /// Has a child of the turn do a piece of work, and waits for its end. Dropping the answer stops the child.
    fn delegate(&self, task: Task) -> Asked<'_, Result<Report, Declined>>;

    /// Asks a model about an image, beside the conversation.
    fn look(&self, look: Look) -> Asked<'_, Result<String, Declined>>;

    /// Calls a tool of the turn in a script's name, as far as the turn may use it and nobody has to be asked.
    fn call<'a>(&'a self, tool: &'a str, arguments: Value) -> Asked<'a, ToolOutput>;
}
