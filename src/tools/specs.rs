//! What the model is told of the tools.

use super::failure::Failure;
use crate::domain::ToolSpec;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Sorted by name.
pub const ALL: &[ToolSpec] = &[
    ToolSpec {
        name: "patch",
        description: "Edit files. mode `replace`: swap old_string, which must occur exactly once unless replace_all is \
                      true, for new_string. mode `patch`: apply a V4A patch (*** Begin Patch / *** Update File: PATH / \
                      @@ / context, - and + lines / *** Add File / *** Delete File / *** End Patch); nothing is \
                      written unless all of it applies. Returns a unified diff.",
        parameters: include_str!("schema/patch.json"),
        read_only: false,
        toolset: "file",
        emoji: "🔧",
    },
    ToolSpec {
        name: "read_file",
        description: "Read a text file, as `N|line`. Paths are relative to the workspace, or below /tmp (which \
                      commands know as $TMPDIR). Use offset and limit for long files; `truncated` and `hint` say how to go on.",
        parameters: include_str!("schema/read_file.json"),
        read_only: true,
        toolset: "file",
        emoji: "📖",
    },
    ToolSpec {
        name: "search_files",
        description: "Search the workspace. target `content`: lines that match a regular expression; target `files`: \
                      files whose name matches a glob. Hidden and git-ignored files are skipped unless path names \
                      them. total_count is exact unless truncated says otherwise.",
        parameters: include_str!("schema/search_files.json"),
        read_only: true,
        toolset: "file",
        emoji: "🔎",
    },
    ToolSpec {
        name: "terminal",
        description: "Run a shell command in the workspace and return its output (stdout and stderr together) and exit \
                      code. Working directory and exported variables are kept between calls. No terminal, no input. \
                      Network, as far as the operator allows it, by HTTP and HTTPS through the proxy in $http_proxy; \
                      `network_refused` says what was refused and why. Put temporary files below $TMPDIR: file tools call that folder /tmp, but to commands \
                      /tmp itself is closed. Processes left running end with the command.",
        parameters: include_str!("schema/terminal.json"),
        read_only: false,
        toolset: "terminal",
        emoji: "💻",
    },
    ToolSpec {
        name: "write_file",
        description: "Write a whole file, replacing what was there; missing folders are made. Prefer patch for small \
                      changes.",
        parameters: include_str!("schema/write_file.json"),
        read_only: false,
        toolset: "file",
        emoji: "✍️",
    },
];

/// The `tools` member of a chat completion. Constant text, the same for all profiles.
pub fn schema() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let tools: Vec<Value> = ALL.iter().map(described).collect();
        Value::from(tools).to_string()
    });
    &TEXT
}

fn described(spec: &ToolSpec) -> Value {
    let parameters: Value = serde_json::from_str(spec.parameters).unwrap_or_default();
    json!({
        "type": "function",
        "function": { "name": spec.name, "description": spec.description, "parameters": parameters },
    })
}

/// Tells the model what there is instead.
pub fn unknown(name: &str) -> Failure {
    let names: Vec<&str> = ALL.iter().map(|spec| spec.name).collect();
    Failure::new("unknown_tool", format!("there is no tool `{name}`"))
        .hint(format!("available tools: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_valid_and_small() {
        assert!(ALL.is_sorted_by_key(|spec| spec.name));
        for spec in ALL {
            let parameters: Value = serde_json::from_str(spec.parameters).unwrap();
            assert_eq!(parameters["type"], "object", "{}", spec.name);
            for required in parameters["required"].as_array().unwrap() {
                assert!(parameters["properties"][required.as_str().unwrap()].is_object(), "{}", spec.name);
            }
        }
        assert!(schema().len() < 6_000, "{}", schema().len());
    }
}
