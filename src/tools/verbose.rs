//! What is said of tools beside their short descriptions, where a profile wants it (`tools.verbose`): how they are meant
//! to be used, with examples. Models that know such tools need none of it, and pay for it in every call.

use crate::domain::ToolSpec;

/// Sorted by name.
const MORE: &[(&str, &str)] = &[
    (
        "delegate_task",
        "Worth it for work that stands alone and reads much: searching a large tree, comparing several pages, checking one \
         part while another child checks the next. Not for a single call, and not for what needs an answer of the user. A child \
         begins with an empty conversation, in the same workspace, and its last words are all that you get: say in goal \
         what it shall report, and in context the paths, names and findings that it needs. Two children that write the \
         same file overwrite each other. Example: {\"tasks\": [{\"goal\": \"List every caller of parse() below src, as \
         path:line\", \"context\": \"parse is defined in src/text.rs\"}, {\"goal\": \"Run the tests below tests/net and report \
         which fail, with their errors\"}]}",
    ),
    (
        "memory",
        "One entry is one fact that stays true: {\"action\": \"add\", \"target\": \"user\", \"content\": \"Prefers metric units.\"}. \
         replace and remove find their entry by a part of its text that no other entry has: {\"action\": \"replace\", \
         \"old_text\": \"metric units\", \"content\": \"Prefers metric units, dates as 2026-11-22.\"}. Each target has its own \
         limit; when an entry does not fit, the answer lists what is there: merge or shorten in one call, which is done \
         as a whole or not at all: {\"operations\": [{\"action\": \"remove\", \"old_text\": \"old server\"}, {\"action\": \"add\", \
         \"content\": \"The server is deploy.example since May.\"}]}. Keep no tasks, no course of a conversation, no secrets.",
    ),
    (
        "patch",
        "Read the file first, and copy the text as it stands, indentation included, without the `N|` of read_file. For one \
         place use replace: {\"path\": \"src/a.py\", \"old_string\": \"def old():\\n    return 1\", \"new_string\": \"def old():\\n    \
         return 2\"}. When old_string stands in several places, take lines before and after it along until it is the only \
         one. For several places or files use a V4A patch; a line begins with a blank (stays), `-` (goes) or `+` (comes), \
         and `@@ TEXT` leads to a line that comes before the place:\n*** Begin Patch\n*** Update File: src/a.py\n@@ class \
         Shop\n     def price(self):\n-        return 1\n+        return 2\n*** Add File: src/b.py\n+VALUE = 1\n*** End Patch",
    ),
    (
        "process",
        "After terminal with background: true gave a session_id: poll tells whether it runs and shows the end of its output; \
         wait is better than polling for what ends by itself (a build); log pages through all output that is kept. For \
         programs that ask: write or submit the answer, then poll. Example: {\"action\": \"submit\", \"session_id\": \
         \"proc_…\", \"data\": \"yes\"}. close ends the input, which lets programs like `cat` finish. kill what is not needed \
         any more.",
    ),
    (
        "search_files",
        "Use it rather than grep or find in terminal: it is faster and its answer is bounded. {\"pattern\": \"fn \\\\w+_test\", \
         \"path\": \"src\", \"file_glob\": \"*.rs\"} finds lines; {\"pattern\": \"*.toml\", \"target\": \"files\"} finds files. \
         output_mode files_only or count first, when there may be many; then context for lines around the few that matter. \
         Letters that mean something in a regular expression are written with a backslash to be found as they are.",
    ),
    (
        "skill_manage",
        "A skill is a folder with SKILL.md, whose head says what it is called and when it is of use: {\"action\": \"create\", \
         \"name\": \"release\", \"category\": \"work\", \"content\": \"---\\nname: release\\ndescription: How a release of the app is \
         made and checked.\\n---\\n# Steps\\n1. …\"}. Write steps, commands and what went wrong, not the story of one day. \
         Names are lower-case letters, digits, `.`, `_` and `-`. Small changes by patch; long texts, scripts and examples in \
         files beside it by write_file, with file_path (`references/api.md`) and file_content. Read a skill with skill_view \
         before you change it.",
    ),
    (
        "terminal",
        "For builds, tests, git, package managers and programs of the project; read_file, search_files, write_file and patch \
         are better for files. Chain what belongs together with `&&`, and keep output short (`| tail -n 50`, `--quiet`). \
         Nobody can type: give options that answer questions (`-y`, `--no-pager`), pipe the input in, or start it with \
         background: true and answer with process. Servers and watchers belong in the background: {\"command\": \"npm run dev\", \
         \"background\": true}; `&`, nohup and setsid do not keep them alive. Give a longer timeout to what takes long: \
         {\"command\": \"cargo test\", \"timeout\": 600}. An exit code other than 0 is a result, not an error of the tool.",
    ),
];

/// The same tool with more said of it, if there is more.
pub fn told(spec: ToolSpec) -> ToolSpec {
    match MORE.binary_search_by(|(name, _)| (*name).cmp(&spec.name)) {
        Ok(at) => {
            let description = format!("{} {}", spec.description, MORE[at].1).into();
            ToolSpec { description, ..spec }
        }
        Err(_) => spec,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::specs;

    #[test]
    fn what_is_added_is_said_of_tools_that_there_are() {
        assert!(MORE.is_sorted_by_key(|(name, _)| *name));
        for (name, more) in MORE {
            let spec = specs::ALL.iter().find(|spec| spec.name == *name).unwrap();
            let longer = told(spec.clone());
            assert!(longer.description.starts_with(&*spec.description), "{name}");
            assert!(longer.description.ends_with(more) && more.len() < 1_200, "{name}: {}", more.len());
            assert_eq!((longer.name, longer.parameters), (spec.name.clone(), spec.parameters.clone()));
        }
    }
}
