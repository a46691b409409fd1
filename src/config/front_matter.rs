//! The YAML between two `---` lines at the head of a text, as skills have it.

use super::{
    ConfigError,
    node::{Kind, Node},
    yaml,
};
use std::{path::Path, slice};

/// What a text says of itself in its head.
#[derive(Debug)]
pub struct FrontMatter(Node);

impl FrontMatter {
    /// A text without front matter has an empty one.
    ///
    /// # Errors
    ///
    /// What stands between the lines is no YAML; the second line is missing.
    pub fn of(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.split_inclusive('\n');
        let is_rule = |line: &str| line.trim_end() == "---";
        if !lines.next().is_some_and(is_rule) {
            return Ok(Self(Node::empty_map()));
        }
        let mut yaml_text = String::new();
        loop {
            match lines.next() {
                Some(line) if is_rule(line) => break,
                Some(line) => yaml_text.push_str(line),
                None => {
                    return Err(ConfigError::at_line(
                        file,
                        1,
                        "the line `---` that ends the head is missing",
                    ));
                }
            }
        }
        yaml::parse(file, &yaml_text).map(Self)
    }

    /// The single value at a dotted path; `None`: there is none, or it is a list or a map.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.0.at(path).and_then(text)
    }

    /// The values of a list at a dotted path, where a single value is a list of one and a map stands for its `name`.
    #[must_use]
    pub fn names(&self, path: &str) -> Vec<&str> {
        let listed = match self.0.at(path) {
            Some(Node { kind: Kind::List(items), .. }) => items,
            Some(single) => slice::from_ref(single),
            None => &[],
        };
        let named = |node| text(node).or_else(|| node.member("name").and_then(text));
        listed.iter().filter_map(named).map(str::trim).filter(|name| !name.is_empty()).collect()
    }
}

fn text(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Scalar { text, .. } if !node.is_null() => Some(text),
        Kind::Scalar { .. } | Kind::List(_) | Kind::Map(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_text_is_read_and_the_rest_left() {
        let read = |text: &str| FrontMatter::of(Path::new("SKILL.md"), text);
        let name = |text: &str| read(text).unwrap().text("name").map(str::to_owned);
        assert_eq!(name("---\nname: a\n---\nname: b\n").as_deref(), Some("a"));
        assert_eq!(name("---\r\nname: a\r\ntags: [x]\r\n---\r\n").as_deref(), Some("a"));
        for none in ["# no head\n---\nname: a\n---\n", "", "---\nname:\n---\n", "---\nname: [a]\n---\n"] {
            assert_eq!(name(none), None, "{none}");
        }
        assert!(read("---\nname: a\n").is_err() && read("---\nname: [\n---\n").is_err());
    }

    #[test]
    fn names_stand_alone_in_a_list_or_with_more_said_of_them() {
        let head = "---\none: a\nlist: [a, ' b ', ~, '']\nmaps:\n- name: a\n  help: x\n- help: y\n- [z]\ndeep:\n  er: [a]\n---\n";
        let head = FrontMatter::of(Path::new("SKILL.md"), head).unwrap();
        let cases = [
            ("one", vec!["a"]),
            ("list", vec!["a", "b"]),
            ("maps", vec!["a"]),
            ("deep.er", vec!["a"]),
            ("none", vec![]),
        ];
        for (path, expected) in cases {
            assert_eq!(head.names(path), expected, "{path}");
        }
    }
}
