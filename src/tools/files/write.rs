//! `write_file`: a whole file at once.

use super::document;
use crate::{
    sandbox::{Jail, Place},
    tools::{arguments::Arguments, failure::Failure},
};
use serde_json::{Value, json};

/// Larger texts come from programs, not from a model.
pub const MOST_BYTES: usize = 16 << 20;

pub struct Write {
    path: String,
    content: String,
}

impl Write {
    pub fn parse(arguments: &Arguments<'_>) -> Result<Self, Failure> {
        let content = arguments.text("content")?;
        if content.len() > MOST_BYTES {
            return Err(Failure::new("too_large", format!("`content` is longer than {MOST_BYTES} bytes"))
                .hint("write it with a program in the terminal"));
        }
        Ok(Self { path: arguments.filled("path")?.to_owned(), content: content.to_owned() })
    }

    /// `strict`: the level of the commands that may be told the path.
    pub fn run(&self, jail: &Jail, strict: bool) -> Result<Value, Failure> {
        let place = jail.locate(&self.path)?;
        document::takes_text(&place, &self.path)?;
        let written = place.write(self.content.as_bytes())?;
        let path = place.path_of_commands(strict).display().to_string();
        Ok(json!({
            "bytes_written": self.content.len(),
            "created": written.created,
            "dirs_created": written.dirs_created,
            "lint": lint(&place, &self.content),
            "resolved_path": path,
            "files_modified": [path],
        }))
    }
}

/// A first look at the new content. It reports and never refuses: a file may be wrong on purpose, or for now.
pub fn lint(place: &Place<'_>, content: &str) -> Value {
    let json =
        |ending: &std::ffi::OsStr| ["json", "ipynb"].iter().any(|known| ending.eq_ignore_ascii_case(known));
    if !place.relative().extension().is_some_and(json) {
        return json!({ "status": "skipped", "output": null });
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(content) {
        Ok(_) => json!({ "status": "ok", "output": null }),
        Err(error) => json!({ "status": "error", "output": format!("not valid JSON: {error}") }),
    }
}
