//! What may be done to the keys of a profile. Decisions only: the record that comes out is to be stored by whoever asks.

use super::mint::{KeySpec, Minted, NewKey, secret};
use crate::{
    actors::{Caller, ProfileError, Rights, Scope},
    audit::Actor,
    domain::{Code, Millis, now},
    store::{FormerSecret, KeyRecord},
};
use std::time::Duration;

/// Characters of a key's name.
const MAX_NAME: usize = 64;
/// The old secret of a rotated key works no longer than this.
pub const MAX_OVERLAP: Duration = Duration::from_secs(90 * 24 * 3600);

/// Who changes a key.
#[derive(Debug, Clone)]
pub enum Editor {
    /// The gateway itself, for a profile without any key.
    Gateway,
    /// Whoever has the machine's command line.
    Operator,
    /// The holder of a key: gives nothing that it has not.
    Holder(Caller),
}

/// What is to become of a key; `None`: as it was.
#[derive(Debug, Clone, Default)]
pub struct KeyChange {
    pub name: Option<String>,
    pub scopes: Option<Vec<Scope>>,
    /// `Some(None)`: all tools.
    pub tools: Option<Option<Vec<String>>>,
    /// `Some(None)`: for ever.
    pub expires_at: Option<Option<Millis>>,
}

impl Editor {
    /// As the audit log names it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self {
            Self::Gateway => Actor::Gateway,
            Self::Operator => Actor::Operator,
            Self::Holder(caller) => Actor::from(&caller.key_id),
        }
    }

    /// # Errors
    ///
    /// `insufficient_scope`: these are more rights than its own.
    pub fn may_give(&self, rights: &Rights) -> Result<(), ProfileError> {
        match self {
            Self::Gateway | Self::Operator => Ok(()),
            Self::Holder(own) => own.rights.covers(rights).map_err(|what| {
                let text = format!("A key cannot give more than it has: {what}.");
                ProfileError::new(Code::InsufficientScope, text)
            }),
        }
    }
}

impl KeyChange {
    /// What it is about, for the audit log.
    #[must_use]
    pub fn what(&self) -> String {
        let Self { name, scopes, tools, expires_at } = self;
        let members = [
            ("name", name.is_some()),
            ("scopes", scopes.is_some()),
            ("tools", tools.is_some()),
            ("expires_at", expires_at.is_some()),
        ];
        let said: Vec<&str> = members.into_iter().filter_map(|(name, said)| said.then_some(name)).collect();
        format!("changed {}", said.join(", "))
    }
}

/// The rights that a record stands for.
#[must_use]
pub fn rights_of(record: &KeyRecord) -> Rights {
    Rights {
        // A scope of a later version is none that could be used here.
        scopes: record.scopes.iter().filter_map(|scope| Scope::parse(scope)).collect(),
        tools: record.tools.as_ref().map(|tools| tools.iter().cloned().collect()),
        expires_at: record.expires_at,
    }
}

/// Checks a key's name.
///
/// # Errors
///
/// 400 that says what a name is.
fn check_name(name: &str) -> Result<(), ProfileError> {
    let length = name.chars().count();
    if (1..=MAX_NAME).contains(&length) && !name.chars().any(char::is_control) && name.trim() == name {
        return Ok(());
    }
    let text = format!(
        "A key's name is 1 to {MAX_NAME} characters, without control characters and without blanks around it."
    );
    Err(ProfileError::new(Code::InvalidRequest, text).at("name"))
}

/// Checks the names of tools.
///
/// # Errors
///
/// 400 that names the tools that there are.
fn check_tools(tools: &[String]) -> Result<(), ProfileError> {
    let known = crate::tools::built_in();
    // What other servers bring is not known here, and may come later.
    let mut ours = tools.iter().filter(|tool| !tool.starts_with("mcp_"));
    let unknown = ours.find(|tool| known.iter().all(|spec| spec.name != **tool));
    unknown.map_or(Ok(()), |unknown| {
        let known: Vec<&str> = known.iter().map(|spec| &*spec.name).collect();
        let text = format!("`{unknown}` is no tool of the agent; there are {}.", known.join(", "));
        Err(ProfileError::new(Code::InvalidRequest, text).at("tools"))
    })
}

/// Checks what a new key is to be.
///
/// # Errors
///
/// 400 that names the member; the editor has less itself.
pub fn check(spec: &KeySpec, by: &Editor) -> Result<(), ProfileError> {
    check_name(&spec.name)?;
    check_tools(spec.rights.tools.as_deref().unwrap_or_default())?;
    check_expiry(spec.rights.expires_at)?;
    by.may_give(&spec.rights)
}

/// Checks the moment at which a key is to end.
///
/// # Errors
///
/// 400 when that has passed.
fn check_expiry(expires_at: Option<Millis>) -> Result<(), ProfileError> {
    if expires_at.is_none_or(|at| at > now()) {
        return Ok(());
    }
    let text = "A key must end in the future; to end one now, revoke it.";
    Err(ProfileError::new(Code::InvalidRequest, text).at("expires_at"))
}

/// The key that `text` names: by its id, or by a name that one key alone has.
///
/// # Errors
///
/// `key_not_found`; `invalid_request` when the name fits several.
pub fn find(records: &[KeyRecord], text: &str) -> Result<KeyRecord, ProfileError> {
    if let Some(found) = records.iter().find(|record| record.id.as_str() == text) {
        return Ok(found.clone());
    }
    let named: Vec<&KeyRecord> = records.iter().filter(|record| record.name == text).collect();
    let active: Vec<&KeyRecord> =
        named.iter().copied().filter(|record| record.revoked_at.is_none()).collect();
    match (active.as_slice(), named.as_slice()) {
        ([one], _) | ([], [one]) => Ok((*one).clone()),
        ([], []) => Err(not_found(text)),
        (several, all) => {
            let meant = if several.is_empty() { all } else { several };
            let ids: Vec<&str> = meant.iter().map(|record| record.id.as_str()).collect();
            let text = format!("several keys are called `{text}`; name one by its id: {}", ids.join(", "));
            Err(ProfileError::new(Code::InvalidRequest, text))
        }
    }
}

/// The refusal of an id, or a name, that no key has.
#[must_use]
pub fn not_found(id: &str) -> ProfileError {
    ProfileError::new(Code::KeyNotFound, format!("Key not found: {id}"))
}

/// The key with another name or other rights.
///
/// # Errors
///
/// It is revoked; a value makes no sense; the editor has less itself, before or after.
pub fn changed(record: KeyRecord, change: KeyChange, by: &Editor) -> Result<KeyRecord, ProfileError> {
    by.may_give(&rights_of(&record))?;
    let mut record = active(record)?;
    let KeyChange { name, scopes, tools, expires_at } = change;
    if let Some(name) = name {
        check_name(&name)?;
        record.name = name;
    }
    if let Some(scopes) = scopes {
        record.scopes = scopes.iter().map(|scope| scope.wire().to_owned()).collect();
    }
    if let Some(tools) = tools {
        check_tools(tools.as_deref().unwrap_or_default())?;
        record.tools = tools;
    }
    if let Some(expires_at) = expires_at {
        check_expiry(expires_at)?;
        record.expires_at = expires_at;
    }
    by.may_give(&rights_of(&record))?;
    Ok(record)
}

/// A rotation, for the audit log.
#[must_use]
pub fn rotation(overlap: Duration) -> String {
    format!("rotated, the old secret works for {} s", overlap.as_secs())
}

/// The key with a new secret; the one that it had works on for `overlap`. Blocking: argon2.
///
/// # Errors
///
/// It is revoked, or has ended; the editor has less itself; no secret can be made.
pub fn rotated(
    record: KeyRecord,
    overlap: Duration,
    by: &Editor,
    home_secret: &[u8; 32],
) -> Result<NewKey, ProfileError> {
    by.may_give(&rights_of(&record))?;
    let mut record = active(record)?;
    let at = now();
    if record.expires_at.is_some_and(|expires_at| expires_at <= at) {
        let text = format!("The key `{}` has ended; give it another end, or make a new one.", record.id);
        return Err(ProfileError::new(Code::KeyNotActive, text));
    }
    let Minted { token, phc, fast_hash } = secret(&record.id, home_secret)?;
    let overlap = Millis::try_from(overlap.min(MAX_OVERLAP).as_millis()).unwrap_or(0);
    let (old_phc, old_hash) =
        (std::mem::replace(&mut record.phc, phc), std::mem::replace(&mut record.fast_hash, fast_hash));
    // A secret that was on its way out already ends now: there are never more than two.
    record.former = (overlap > 0).then(|| FormerSecret {
        phc: old_phc,
        fast_hash: old_hash,
        until: at.saturating_add(overlap),
    });
    record.rotated_at = Some(at);
    Ok(NewKey { token, record })
}

fn active(record: KeyRecord) -> Result<KeyRecord, ProfileError> {
    if record.revoked_at.is_none() {
        return Ok(record);
    }
    let text = format!("The key `{}` is revoked and stays so; make a new one.", record.id);
    Err(ProfileError::new(Code::KeyNotActive, text))
}
