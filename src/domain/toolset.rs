//! The tools that one profile's agent has.

use super::ToolSpec;
use serde_json::{Value, json};

/// The tools of a profile as the model is told of them. Made when the profile's settings are read, not per turn.
#[derive(Debug)]
pub struct Toolset {
    specs: Vec<ToolSpec>,
    schema: String,
}

impl Toolset {
    #[must_use]
    pub fn new(mut specs: Vec<ToolSpec>) -> Self {
        specs.sort_by(|one, other| one.name.cmp(&other.name));
        let schema = Value::from_iter(specs.iter().map(described)).to_string();
        Self { specs, schema }
    }

    /// Sorted by name.
    #[must_use]
    pub fn specs(&self) -> &[ToolSpec] {
        &self.specs
    }

    /// The `tools` member of a chat completion, as JSON text: the same bytes at every call.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ToolSpec> {
        let at = self.specs.binary_search_by(|spec| (*spec.name).cmp(name)).ok()?;
        self.specs.get(at)
    }

    /// Whether calls of the tool change nothing and may run beside each other.
    #[must_use]
    pub fn only_reads(&self, name: &str) -> bool {
        self.get(name).is_some_and(|spec| spec.read_only)
    }

    /// Names of all tools, as a list for people and models.
    #[must_use]
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.specs.iter().map(|spec| &*spec.name).collect();
        names.join(", ")
    }
}

fn described(spec: &ToolSpec) -> Value {
    let parameters: Value = serde_json::from_str(&spec.parameters).unwrap_or_default();
    json!({
        "type": "function",
        "function": { "name": spec.name, "description": spec.description, "parameters": parameters },
    })
}
