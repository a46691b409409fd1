//! Choosing among tools, by their names and by the names of their sets.

use super::ToolSpec;
use serde::{Deserialize, Serialize};

/// A set of tools as people know it.
#[derive(Debug)]
pub struct KnownSet {
    pub name: &'static str,
    /// For people.
    pub label: &'static str,
    pub tools: &'static [&'static str],
}

const fn set(name: &'static str, label: &'static str, tools: &'static [&'static str]) -> KnownSet {
    KnownSet { name, label, tools }
}

/// The sets of the tools that come with the product, sorted. Each server of other tools is a set of its own, `mcp_NAME`.
pub const SETS: &[KnownSet] = &[
    set("clarify", "❓ Clarifying Questions", &["clarify"]),
    set("code_execution", "⚡ Code Execution", &["execute_code"]),
    set("delegation", "👥 Task Delegation", &["delegate_task"]),
    set("file", "📁 File Operations", &["patch", "read_file", "search_files", "write_file"]),
    set("memory", "💾 Memory", &["memory"]),
    set("session_search", "🔎 Session Search", &["session_search"]),
    set("skills", "📚 Skills", &["skill_manage", "skill_view", "skills_list"]),
    set("terminal", "💻 Terminal & Processes", &["process", "terminal"]),
    set("todo", "📋 Task Planning", &["todo"]),
    set("vision", "👁️ Vision", &["vision_analyze"]),
    set("web", "🌐 Web Search & Scraping", &["web_extract", "web_search"]),
];

/// Names that stand for several sets.
const GROUPS: &[(&str, &[&str])] =
    &[("debugging", &["file", "terminal", "web"]), ("safe", &["vision", "web"]), ("search", &["web"])];

/// Names for everything: of the reference's configurations.
fn is_all(name: &str) -> bool {
    matches!(name, "all" | "*") || name.starts_with("hermes-")
}

/// Whether `name` can be the name of a tool, of a set or of a group of sets here.
#[must_use]
pub fn is_tool_or_set(name: &str) -> bool {
    let known = |set: &KnownSet| set.name == name || set.tools.contains(&name);
    is_all(name)
        || name.starts_with("mcp_")
        || SETS.iter().any(known)
        || GROUPS.iter().any(|(group, _)| *group == name)
}

fn names(name: &str, spec: &ToolSpec) -> bool {
    let group = GROUPS.iter().find(|(group, _)| *group == name);
    is_all(name)
        || spec.name == name
        || spec.toolset == name
        || group.is_some_and(|(_, sets)| sets.contains(&&*spec.toolset))
}

/// Which of a profile's tools somebody wants: what is enabled, less what is disabled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolSelection {
    /// `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disabled: Vec<String>,
}

impl ToolSelection {
    /// Whether nothing was chosen.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.enabled.is_none() && self.disabled.is_empty()
    }

    #[must_use]
    pub fn takes(&self, spec: &ToolSpec) -> bool {
        let named = |list: &[String]| list.iter().any(|name| names(name, spec));
        self.enabled.as_deref().is_none_or(named) && !named(&self.disabled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(enabled: Option<&[&str]>, disabled: &[&str], tool: &str, set: &str) -> bool {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let selection = ToolSelection { enabled: enabled.map(owned), disabled: owned(disabled) };
        selection.takes(&ToolSpec {
            name: tool.to_owned().into(),
            description: "".into(),
            parameters: "{}".into(),
            read_only: true,
            toolset: set.to_owned().into(),
            emoji: "",
        })
    }

    #[test]
    fn names_of_tools_sets_and_groups_all_count_and_disabled_wins() {
        type Case = (Option<&'static [&'static str]>, &'static [&'static str], bool);
        let cases: [Case; 12] = [
            (None, &[], true),
            (Some(&[]), &[], false),
            (Some(&["file"]), &[], true),
            (Some(&["read_file"]), &[], true),
            (Some(&["write_file"]), &[], false),
            (Some(&["debugging"]), &[], true),
            (Some(&["safe"]), &[], false),
            (Some(&["all"]), &[], true),
            (Some(&["hermes-api-server"]), &[], true),
            (Some(&["hermes-cli"]), &["file"], false),
            (None, &["read_file"], false),
            (None, &["debugging"], false),
        ];
        for (enabled, disabled, taken) in cases {
            assert_eq!(takes(enabled, disabled, "read_file", "file"), taken, "{enabled:?} {disabled:?}");
        }
        assert!(takes(Some(&["mcp_notes"]), &[], "mcp_notes_add", "mcp_notes"));
        assert!(!takes(Some(&["mcp_notes"]), &[], "mcp_other_add", "mcp_other"));
    }

    #[test]
    fn the_table_is_sorted_and_each_tool_has_one_set() {
        assert!(SETS.is_sorted_by_key(|set| set.name));
        let mut tools: Vec<&str> = SETS.iter().flat_map(|set| set.tools.iter().copied()).collect();
        let all = tools.len();
        tools.sort_unstable();
        tools.dedup();
        assert_eq!(tools.len(), all);
        assert!(is_tool_or_set("process") && is_tool_or_set("mcp_x_y") && !is_tool_or_set("terminl"));
    }
}
