//! The instructions of the folders that a call has to do with.

use super::{Instructions, project};
use crate::{domain::SessionId, tools::Toolbox};
use serde_json::Value;
use std::{collections::BTreeSet, path::Path, sync::Arc};

/// Folders of one call that are looked at: the first it names, and of the way to each the innermost.
const MOST_NAMED: usize = 16;
const MOST_DEEP: usize = 8;

/// The folders that a call of a tool names by itself or by a file in them, as it writes them; the workspace is none. Whoever
/// reads or writes a folder's instructions needs not be told of them.
#[must_use]
pub fn folders_of(tool: &str, arguments: &Value) -> BTreeSet<String> {
    let text = |member: &str| arguments.get(member).and_then(Value::as_str);
    let file = |path: &str| {
        let path = Path::new(path);
        let folder = path.parent().filter(|_| !path.file_name().is_some_and(project::is_name));
        folder.map(|folder| folder.display().to_string())
    };
    let mut folders: BTreeSet<String> = match tool {
        "read_file" | "write_file" => text("path").and_then(file).into_iter().collect(),
        "patch" => {
            let patched = text("patch").unwrap_or_default().lines().filter_map(file_of_patch);
            text("path").into_iter().chain(patched).filter_map(file).take(MOST_NAMED).collect()
        }
        "search_files" => text("path").map(str::to_owned).into_iter().collect(),
        "terminal" => text("workdir").map(str::to_owned).into_iter().collect(),
        _ => BTreeSet::new(),
    };
    folders.retain(|folder| !matches!(folder.trim_end_matches('/'), "" | "." | "~"));
    folders
}

/// The file that a line of a V4A patch names.
fn file_of_patch(line: &str) -> Option<&str> {
    let begins = ["*** Add File: ", "*** Delete File: ", "*** Update File: ", "*** Move to: "];
    begins.iter().find_map(|begin| line.strip_prefix(begin)).map(str::trim)
}

impl Toolbox {
    /// What these folders and those on the way to them say of work in them, with the folder's name, the outermost first.
    /// The workspace's own instructions are none of these.
    pub async fn instructions_of(
        &self,
        session: &SessionId,
        folders: BTreeSet<String>,
    ) -> Vec<(String, Instructions)> {
        let (ground, session) = (Arc::clone(&self.ground), session.clone());
        let look = move || {
            let jail = ground.jail(&session).ok()?;
            let found = jail.enter(|jail| {
                let mut seen = BTreeSet::new();
                let mut found = Vec::new();
                for folder in &folders {
                    let way = jail.folders_to(folder);
                    for place in way.iter().skip(way.len().saturating_sub(MOST_DEEP)) {
                        // A name with a line of its own could speak for the gateway.
                        let name = place.shown_path();
                        if !name.contains(char::is_control) && seen.insert(name.clone()) {
                            found.push((name, project::of_folder(place)));
                        }
                    }
                }
                found
            });
            let told = found.ok()?.into_iter().filter_map(|(name, found)| Some((name, found.admitted()?)));
            Some(told.collect())
        };
        let looked = tokio::task::spawn_blocking(look).await;
        looked.ok().flatten().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_call_names_its_folders() {
        let patch =
            "*** Begin Patch\n*** Update File: a/b/c.rs\n@@\n-x\n+y\n*** Add File: d/e.rs\n+z\n*** End Patch";
        let cases = [
            ("read_file", json!({"path": "a/b.rs"}), vec!["a"]),
            ("read_file", json!({"path": "b.rs"}), vec![]),
            ("read_file", json!({"path": 5}), vec![]),
            ("read_file", json!({"path": "a/AGENTS.md"}), vec![]),
            ("write_file", json!({"path": "~/b.rs"}), vec![]),
            ("write_file", json!({"path": "/w/a/b.rs"}), vec!["/w/a"]),
            ("patch", json!({"mode": "patch", "patch": patch}), vec!["a/b", "d"]),
            ("search_files", json!({"pattern": "x"}), vec![]),
            ("search_files", json!({"pattern": "x", "path": "./"}), vec![]),
            ("search_files", json!({"pattern": "x", "path": "a"}), vec!["a"]),
            ("terminal", json!({"command": "ls", "workdir": "a/"}), vec!["a/"]),
            ("web_extract", json!({"path": "a/b"}), vec![]),
        ];
        for (tool, arguments, expected) in cases {
            let found: Vec<String> = folders_of(tool, &arguments).into_iter().collect();
            assert_eq!(found, expected, "{tool} {arguments}");
        }
    }
}
