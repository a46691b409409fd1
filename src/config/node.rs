//! A YAML document as a tree in which every key and value knows its line.

/// One value. Scalars stay text until a setting says what type it wants, so `1.10`, `off` and `0123` are never bent
/// by a guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub line: usize,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// `plain`: written without quotes, so that `~` and `null` mean "nothing".
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Member>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub key: String,
    pub line: usize,
    pub value: Node,
}

impl Node {
    pub fn empty_map() -> Self {
        Self { line: 1, kind: Kind::Map(Vec::new()) }
    }

    /// `key:` with nothing behind it, `~` or `null`: the same as a key that is not there.
    pub fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar { text, plain } => {
                *plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            Kind::List(_) | Kind::Map(_) => false,
        }
    }

    pub fn members(&self) -> &[Member] {
        match &self.kind {
            Kind::Map(members) => members,
            Kind::Scalar { .. } | Kind::List(_) => &[],
        }
    }

    pub fn member(&self, key: &str) -> Option<&Self> {
        self.members().iter().find(|member| member.key == key).map(|member| &member.value)
    }

    /// The value at a dotted path, unless it is null.
    pub fn at(&self, path: &str) -> Option<&Self> {
        let found = path.split('.').try_fold(self, |node, key| node.member(key))?;
        (!found.is_null()).then_some(found)
    }

    /// What a person would call this kind of value.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Scalar { .. } => "a single value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map of settings",
        }
    }
}
