//! What a key lets its holder do.

use crate::domain::{Millis, date};
use std::sync::{Arc, LazyLock};

/// One kind of thing that a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Chat,
    Runs,
    Approve,
    Sessions,
    Jobs,
    Memory,
    Read,
    /// To say on whose behalf it speaks: for frontends with many users behind one key.
    Impersonate,
    /// All of the others, and the profile's keys.
    Admin,
}

impl Scope {
    pub const ALL: [Self; 9] = [
        Self::Chat,
        Self::Runs,
        Self::Approve,
        Self::Sessions,
        Self::Jobs,
        Self::Memory,
        Self::Read,
        Self::Impersonate,
        Self::Admin,
    ];

    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Runs => "runs",
            Self::Approve => "approve",
            Self::Sessions => "sessions",
            Self::Jobs => "jobs",
            Self::Memory => "memory",
            Self::Read => "read",
            Self::Impersonate => "impersonate",
            Self::Admin => "admin",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.wire() == text)
    }

    /// What a key may do unless said otherwise: all that a client does for itself, and nothing of the administration.
    #[must_use]
    pub fn usual() -> Vec<Self> {
        Self::ALL.into_iter().filter(|scope| !matches!(scope, Self::Admin | Self::Impersonate)).collect()
    }

    /// Reads scopes by name; none at all means the usual ones.
    ///
    /// # Errors
    ///
    /// A name that is none of them: a sentence that lists them.
    pub fn parse_all(names: &[String]) -> Result<Vec<Self>, String> {
        if names.is_empty() {
            return Ok(Self::usual());
        }
        let mut scopes = Vec::with_capacity(names.len());
        for name in names {
            let scope = Self::parse(name).ok_or_else(|| {
                let known = Self::ALL.map(Self::wire).join(", ");
                format!("`{name}` is no scope; there are {known}")
            })?;
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        Ok(scopes)
    }
}

/// What a key may do, with which tools, and until when. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    pub scopes: Arc<[Scope]>,
    /// The agent's tools that its runs may use; `None`: all.
    pub tools: Option<Arc<[String]>>,
    /// `None`: until it is revoked.
    pub expires_at: Option<Millis>,
}

impl Rights {
    /// Everything, for ever.
    #[must_use]
    pub fn all() -> Self {
        static EVERY: LazyLock<Arc<[Scope]>> = LazyLock::new(|| Scope::ALL.into());
        Self { scopes: EVERY.clone(), tools: None, expires_at: None }
    }

    /// These scopes, with all tools, for ever.
    #[must_use]
    pub fn of(scopes: &[Scope]) -> Self {
        Self { scopes: scopes.into(), ..Self::all() }
    }

    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }

    #[must_use]
    pub fn may_use(&self, tool: &str) -> bool {
        self.tools.as_ref().is_none_or(|tools| tools.iter().any(|one| one == tool))
    }

    /// Whether every tool that may be used with `other` may be used with these.
    #[must_use]
    pub fn covers_tools_of(&self, other: &Self) -> bool {
        match (&self.tools, &other.tools) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(_), Some(tools)) => tools.iter().all(|tool| self.may_use(tool)),
        }
    }

    /// Whether whoever has these rights may give those.
    ///
    /// # Errors
    ///
    /// A sentence that names what is too much.
    pub fn covers(&self, other: &Self) -> Result<(), String> {
        if let Some(scope) = other.scopes.iter().find(|scope| !self.may(**scope)) {
            return Err(format!("it has not the scope `{}` itself", scope.wire()));
        }
        match (&self.tools, &other.tools) {
            (None, _) => {}
            (Some(_), None) => return Err("it may not use all tools itself: name some".to_owned()),
            (Some(_), Some(tools)) => {
                if let Some(tool) = tools.iter().find(|tool| !self.may_use(tool)) {
                    return Err(format!("it may not use the tool `{tool}` itself"));
                }
            }
        }
        match (self.expires_at, other.expires_at) {
            (Some(own), theirs) if theirs.is_none_or(|theirs| theirs > own) => {
                Err(format!("it ends itself at {} UTC", date(own)))
            }
            (Some(_) | None, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_by_name() {
        let names =
            |names: &[&str]| Scope::parse_all(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(names(&["chat", "admin", "chat"]), Ok(vec![Scope::Chat, Scope::Admin]));
        assert_eq!(names(&[]).map(|all| (all.len(), all.contains(&Scope::Admin))), Ok((7, false)));
        assert!(names(&["chat", "Chat"]).unwrap_err().contains("`Chat`"));
    }

    #[test]
    fn nobody_gives_more_than_they_have() {
        let tools = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect());
        let admin = Rights::of(&[Scope::Admin]);
        let chat = Rights::of(&[Scope::Chat]);
        let reader = Rights { tools: tools(&["read_file"]), ..Rights::of(&[Scope::Admin]) };
        let none = Rights { tools: tools(&[]), ..chat.clone() };
        let ends = |at, rights: &Rights| Rights { expires_at: Some(at), ..rights.clone() };
        let cases = [
            ("itself", &chat, &chat, true),
            ("admin is all of them", &admin, &Rights::all(), true),
            ("another scope", &chat, &Rights::of(&[Scope::Approve]), false),
            ("admin", &chat, &admin, false),
            ("all tools from one", &reader, &chat, false),
            ("another tool", &reader, &Rights { tools: tools(&["terminal"]), ..chat.clone() }, false),
            ("the tool", &reader, &Rights { tools: tools(&["read_file"]), ..chat.clone() }, true),
            ("no tool", &reader, &none, true),
            ("for ever", &ends(9, &chat), &chat, false),
            ("longer", &ends(9, &chat), &ends(10, &chat), false),
            ("as long", &ends(9, &chat), &ends(9, &chat), true),
            ("ending", &chat, &ends(9, &chat), true),
        ];
        for (case, from, to, may) in cases {
            assert_eq!(from.covers(to).is_ok(), may, "{case}");
        }
    }
}
