//! The main argument of a call, for labels.

use serde_json::Value;

const LONGEST: usize = 80;

/// The main argument of a call, short and on one line: the command, the path, the pattern.
#[must_use]
pub fn preview(name: &str, arguments: &Value) -> Option<String> {
    let text = |member: &str| arguments.get(member).and_then(Value::as_str);
    let main = match name {
        "terminal" => text("command"),
        // The folder is mostly noise here.
        "read_file" => text("path").map(|path| path.rsplit('/').next().unwrap_or(path)),
        "write_file" => text("path"),
        "patch" => text("path").or_else(|| text("patch").and_then(first_file)),
        "search_files" => text("pattern"),
        "skill_view" | "skill_manage" => text("name"),
        "skills_list" => text("query"),
        "memory" => text("content").or_else(|| text("old_text")),
        "process" => text("action"),
        "execute_code" => text("code"),
        "web_search" => text("query"),
        "clarify" | "vision_analyze" => text("question"),
        "delegate_task" => text("goal").or_else(|| arguments.pointer("/tasks/0/goal")?.as_str()),
        "web_extract" => arguments.pointer("/urls/0").and_then(Value::as_str),
        _ => None,
    };
    main.map(shorten).filter(|text| !text.is_empty())
}

/// The first file that a V4A patch names.
fn first_file(patch: &str) -> Option<&str> {
    patch
        .lines()
        .find_map(|line| line.strip_prefix("*** ")?.split_once(" File: "))
        .map(|(_, path)| path.trim())
}

fn shorten(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST) {
        None => line,
        Some(_) => line.chars().take(LONGEST - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_tool_shows_its_main_argument() {
        let cases = [
            ("terminal", json!({ "command": "echo a\n\techo b " }), Some("echo a echo b".to_owned())),
            ("terminal", json!({ "command": "é".repeat(200) }), Some(format!("{}…", "é".repeat(79)))),
            ("terminal", json!({ "command": 7 }), None),
            ("read_file", json!({ "path": "src/a.rs" }), Some("a.rs".to_owned())),
            ("write_file", json!({ "path": "src/a.rs" }), Some("src/a.rs".to_owned())),
            (
                "patch",
                json!({ "patch": "*** Begin Patch\n*** Update File: b.rs\n" }),
                Some("b.rs".to_owned()),
            ),
            ("search_files", json!({ "pattern": "fn main" }), Some("fn main".to_owned())),
            ("unknown", json!({ "x": "y" }), None),
            ("terminal", json!("text"), None),
        ];
        for (name, arguments, expected) in cases {
            assert_eq!(preview(name, &arguments), expected, "{name} {arguments}");
        }
    }
}
