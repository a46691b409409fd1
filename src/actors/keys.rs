//! LOCAL STUB of the gateway branch, replaced at the merge.

use super::Scope;
use crate::{config::Secret, domain::KeyId, store::KeyRecord};

pub struct NewKey {
    pub token: Secret,
    pub record: KeyRecord,
}

#[must_use]
#[allow(clippy::unwrap_used)]
pub fn mint(name: &str, scopes: &[Scope], home_secret: &[u8; 32]) -> NewKey {
    let _ = home_secret;
    let id = crate::domain::RunId::new().hex();
    NewKey {
        token: Secret::new(format!("hk_{}_secret", &id[24..])),
        record: KeyRecord {
            id: KeyId::parse(&id[24..]).unwrap(),
            name: name.to_owned(),
            phc: String::new(),
            fast_hash: String::new(),
            scopes: scopes
                .iter()
                .map(|scope| format!("{scope:?}").to_lowercase())
                .collect(),
            created_at: crate::domain::now(),
            revoked_at: None,
        },
    }
}
