//! Names of the scopes a key may have.

use crate::actors::Scope;

/// Name and scope, in the order in which they are shown.
const NAMES: [(&str, Scope); 9] = [
    ("chat", Scope::Chat),
    ("runs", Scope::Runs),
    ("approve", Scope::Approve),
    ("sessions", Scope::Sessions),
    ("jobs", Scope::Jobs),
    ("memory", Scope::Memory),
    ("read", Scope::Read),
    ("impersonate", Scope::Impersonate),
    ("admin", Scope::Admin),
];

/// What a key may do unless said otherwise: all that a client does for itself, and nothing of the administration.
#[must_use]
pub fn usual() -> Vec<Scope> {
    NAMES
        .into_iter()
        .map(|(_, scope)| scope)
        .filter(|scope| !matches!(scope, Scope::Admin | Scope::Impersonate))
        .collect()
}

/// Reads scopes by name; none at all means the usual ones.
///
/// # Errors
/// A name that is none of them: a sentence that lists them.
pub fn parse(names: &[String]) -> Result<Vec<Scope>, String> {
    if names.is_empty() {
        return Ok(usual());
    }
    let one = |name: &String| {
        let found = NAMES.into_iter().find(|(known, _)| known == name);
        found.map(|(_, scope)| scope).ok_or_else(|| {
            let known = NAMES.map(|(name, _)| name).join(", ");
            format!("`{name}` is no scope; there are {known}")
        })
    };
    names.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_by_name() {
        let names = |names: &[&str]| parse(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(names(&["chat", "admin"]), Ok(vec![Scope::Chat, Scope::Admin]));
        assert_eq!(names(&[]).map(|all| (all.len(), all.contains(&Scope::Admin))), Ok((7, false)));
        assert!(names(&["chat", "Chat"]).unwrap_err().contains("`Chat`"));
    }
}
