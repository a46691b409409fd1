//! `config.yaml` to a [`Node`] tree: lines kept, size and depth bounded, nothing guessed.

use super::{
    ConfigError,
    node::{Kind, Member, Node},
    text_file,
};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// Deepest nesting; no setting lies deeper than 6.
const MAX_DEPTH: usize = 32;
/// Values in all. Aliases count each time they are used, which is what disarms a tree of aliases to aliases.
const MAX_NODES: usize = 20_000;

/// A `config.yaml`; one that does not exist is empty.
#[derive(Debug, Clone)]
pub(super) struct YamlFile {
    pub path: PathBuf,
    pub root: Node,
}

impl YamlFile {
    pub fn empty(path: PathBuf) -> Self {
        Self { path, root: Node::empty_map() }
    }

    pub fn read(path: PathBuf) -> Result<Self, ConfigError> {
        let root = parse(&path, &text_file::read(&path)?)?;
        Ok(Self { path, root })
    }
}

/// An open list or map, with what has been read of it.
struct Open {
    node: Node,
    /// In a map: the key whose value comes next.
    key: Option<(String, usize)>,
    anchor: usize,
}

struct Builder<'a> {
    file: &'a Path,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
}

/// # Errors
///
/// Broken YAML, a key that stands twice, a second document, merge keys, or one of the bounds above.
pub(super) fn parse(file: &Path, text: &str) -> Result<Node, ConfigError> {
    let mut builder = Builder { file, open: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|cause| {
            let message = format!(
                "is not valid YAML: {}; look at this line and the one before it: blanks to indent and no tabs, \
                 `key: value`, every quote and bracket closed",
                cause.info()
            );
            ConfigError::at_line(file, cause.marker().line(), message)
        })?;
        builder.take(event, span.start.line())?;
    }
    let root = builder.root.unwrap_or_else(Node::empty_map);
    if root.is_null() {
        return Ok(Node::empty_map());
    }
    match root.kind {
        Kind::Map(_) => Ok(root),
        Kind::Scalar { .. } | Kind::List(_) => Err(ConfigError::at_line(
            file,
            root.line,
            "must be a map of settings, `section:` and below it `key: value`",
        )),
    }
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), ConfigError> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(self.error(line, "holds a second document: `---` may stand only once, at the top"))
            }
            Event::DocumentStart(_) => Ok(()),
            Event::Alias(anchor) => {
                let found = self.anchors.get(&anchor).cloned();
                let node = found.ok_or_else(|| self.error(line, "an alias to something that encloses it"))?;
                self.count(size(&node), line)?;
                self.place(node)
            }
            Event::Scalar(text, style, anchor, _tag) => {
                let plain = matches!(style, ScalarStyle::Plain);
                let node = Node { line, kind: Kind::Scalar { text: text.into_owned(), plain } };
                self.count(1, line)?;
                self.finish(node, anchor)
            }
            Event::SequenceStart(anchor, _tag) => self.begin(Kind::List(Vec::new()), line, anchor),
            Event::MappingStart(anchor, _tag) => self.begin(Kind::Map(Vec::new()), line, anchor),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { node, anchor, .. }) => self.finish(node, anchor),
                None => Err(self.error(line, "closes what was never opened")),
            },
        }
    }

    fn error(&self, line: usize, message: &str) -> ConfigError {
        ConfigError::at_line(self.file, line, message)
    }

    fn count(&mut self, nodes: usize, line: usize) -> Result<(), ConfigError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(self.error(line, &format!("holds more than {MAX_NODES} values")));
        }
        Ok(())
    }

    fn begin(&mut self, kind: Kind, line: usize, anchor: usize) -> Result<(), ConfigError> {
        self.count(1, line)?;
        if self.open.len() == MAX_DEPTH {
            return Err(self.error(line, &format!("is nested deeper than {MAX_DEPTH} levels")));
        }
        self.open.push(Open { node: Node { line, kind }, key: None, anchor });
        Ok(())
    }

    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), ConfigError> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.place(node)
    }

    /// Puts a complete value where it belongs: as key or value of the open map, into the open list, or as the root.
    fn place(&mut self, node: Node) -> Result<(), ConfigError> {
        let file = self.file;
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut open.node.kind, open.key.take()) {
            (Kind::List(items), _) => items.push(node),
            (Kind::Map(members), Some((key, line))) => members.push(Member { key, line, value: node }),
            (Kind::Map(members), None) => open.key = Some(checked_key(file, members, node)?),
            // Only lists and maps are ever opened.
            (Kind::Scalar { .. }, _) => {}
        }
        Ok(())
    }
}

fn checked_key(file: &Path, members: &[Member], node: Node) -> Result<(String, usize), ConfigError> {
    let line = node.line;
    let Kind::Scalar { text: key, .. } = node.kind else {
        return Err(ConfigError::at_line(file, line, "a list or a map cannot be the name of a setting"));
    };
    let refuse = |message: String| {
        Err(ConfigError { file: file.to_owned(), line: Some(line), key: Some(key.clone()), message })
    };
    if let Some(first) = members.iter().find(|member| member.key == key) {
        return refuse(format!("stands twice, first in line {}: keep one", first.line));
    }
    if key == "<<" {
        return refuse("merge keys are not supported: write the settings out".to_owned());
    }
    Ok((key, line))
}

fn size(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::Scalar { .. } => 0,
        Kind::List(items) => items.iter().map(size).sum(),
        Kind::Map(members) => members.iter().map(|member| size(&member.value)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, String> {
        parse(Path::new("c.yaml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn values_keep_their_text_and_their_line() {
        let root = read("# top\nmodel:\n  default: 1.10\napprovals: {mode: off,\n  deny: ['a b', \"~\"]}\n")
            .unwrap();
        let cases = [("model.default", 3, "1.10"), ("approvals.mode", 4, "off")];
        for (path, line, text) in cases {
            let kind = Kind::Scalar { text: text.to_owned(), plain: true };
            assert_eq!(root.at(path), Some(&Node { line, kind }), "{path}");
        }
        let Kind::List(deny) = &root.at("approvals.deny").unwrap().kind else { panic!("no list") };
        assert_eq!((deny[0].line, deny[1].line, deny[1].is_null()), (5, 5, false));
    }

    #[test]
    fn nothing_is_an_empty_map() {
        for text in ["", "\n\n", "# only a comment\n", "---\n", "~"] {
            assert_eq!(read(text), Ok(Node::empty_map()), "{text:?}");
        }
        assert_eq!(read("model:\n").unwrap().at("model"), None);
    }

    #[test]
    fn broken_files_are_refused_with_their_line() {
        let deep = format!("a: {}1{}", "[".repeat(40), "]".repeat(40));
        let cases = [
            ("tab", "a:\n\tb: 1\n", "c.yaml:2: is not valid YAML"),
            ("open quote", "a: 1\nb: \"x\n", "c.yaml:"),
            ("twice", "a: 1\nb: 2\na: 3\n", "c.yaml:3: `a`: stands twice, first in line 1"),
            ("merge", "a: &x {b: 1}\nc:\n  <<: *x\n", "c.yaml:3: `<<`: merge keys"),
            ("list", "- a\n", "c.yaml:1: must be a map"),
            ("text", "hello\n", "c.yaml:1: must be a map"),
            ("second document", "a: 1\n---\nb: 1\n", "c.yaml:2: holds a second document"),
            ("depth", &deep, "c.yaml:1: is nested deeper"),
            ("unknown alias", "a: *nope\n", "c.yaml:1: is not valid YAML"),
            ("map as key", "? {a: 1}\n: 2\n", "c.yaml:1: a list or a map"),
        ];
        for (case, text, expected) in cases {
            let message = read(text).unwrap_err();
            assert!(message.starts_with(expected), "{case}: {message}");
            let helped = message.contains("every quote and bracket closed");
            assert_eq!(helped, message.contains("is not valid YAML"), "{case}: {message}");
        }
    }

    #[test]
    fn a_tree_of_aliases_does_not_grow_without_bound() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let alias = format!("*a{}", level - 1);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", [alias.as_str(); 10].join(", ")));
        }
        assert!(read(&text).unwrap_err().contains("holds more than"));
    }

    /// Text that costs the scanner more than its length would block the start of every other profile.
    #[test]
    fn long_odd_files_are_answered_in_time() {
        for piece in ["[", "{", "- ", "? ", "a: ", "\"", "&a ", "[a, ", "a\n", "!x ", "|\n", "- a\n"] {
            let text = piece.repeat(250_000 / piece.len());
            let start = std::time::Instant::now();
            let _ = read(&text);
            assert!(start.elapsed().as_secs() < 20, "{piece:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[\\PC\\n\\t:\\-\\[\\]{}&*!|>'\"#%@`,? ]{0,80}") {
            let _ = read(&text);
        }
    }
}
