//! The YAML between two `---` lines at the head of a text, as skills have it.

use super::{ConfigError, node::Kind, yaml};
use std::{collections::BTreeMap, path::Path};

/// The texts among its members; lists and maps are left out. A text without front matter has none.
///
/// # Errors
///
/// What stands between the lines is no YAML; the second line is missing.
pub fn front_matter(file: &Path, text: &str) -> Result<BTreeMap<String, String>, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split_inclusive('\n');
    let is_rule = |line: &str| line.trim_end() == "---";
    if !lines.next().is_some_and(is_rule) {
        return Ok(BTreeMap::new());
    }
    let mut yaml_text = String::new();
    loop {
        match lines.next() {
            Some(line) if is_rule(line) => break,
            Some(line) => yaml_text.push_str(line),
            None => {
                return Err(ConfigError::at_line(file, 1, "the line `---` that ends the head is missing"));
            }
        }
    }
    let root = yaml::parse(file, &yaml_text)?;
    let texts = root.members().iter().filter_map(|member| match &member.value.kind {
        Kind::Scalar { text, .. } if !member.value.is_null() => Some((member.key.clone(), text.clone())),
        Kind::Scalar { .. } | Kind::List(_) | Kind::Map(_) => None,
    });
    Ok(texts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_text_is_read_and_the_rest_left() {
        let read = |text: &str| front_matter(Path::new("SKILL.md"), text);
        let pairs = |text: &str| read(text).unwrap().into_iter().collect::<Vec<_>>();
        let name = [("name".to_owned(), "a".to_owned())];
        assert_eq!(pairs("---\nname: a\n---\nname: b\n"), name);
        assert_eq!(pairs("---\r\nname: a\r\ntags: [x]\r\nnothing:\r\n---\r\n"), name);
        assert_eq!(pairs("# no head\n---\nname: a\n---\n"), []);
        assert_eq!(pairs(""), []);
        assert!(read("---\nname: a\n").is_err() && read("---\nname: [\n---\n").is_err());
    }
}
