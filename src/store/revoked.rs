//! Keys outlive a restore as they are now: a key that was taken from somebody, a secret that was replaced and a right that
//! was taken away must not come back with an older store.

use super::{
    KeyRecord, Options, StoreError,
    batch::Batch,
    codec,
    database::Database,
    keyspace::{Key, Table},
    opening::open_main,
    payload::Payloads,
};
use std::path::Path;

/// What became of the revocations that the replaced store knew of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocations {
    /// Carried over: so many keys that the backup has as valid are revoked.
    Kept(usize),
    /// The replaced store could not be read, so keys revoked since the backup are valid again. Says why.
    Lost(StoreError),
}

/// Puts into `batch` the keys of `database` as the store in `state_dir` knows them.
///
/// That store may be the damaged one for whose sake there is a restore: then this is no error.
pub(super) fn revoke(
    state_dir: &Path,
    database: &Database,
    payloads: &Payloads,
    batch: &mut Batch,
) -> Result<Revocations, StoreError> {
    let known = match keys_in(state_dir) {
        Ok(known) => known,
        Err(error) => return Ok(Revocations::Lost(error)),
    };
    let mut kept = 0;
    for (key, former) in known {
        let Some(restored) = database.read::<KeyRecord>(key)? else { continue };
        kept += usize::from(restored.revoked_at.is_none() && former.revoked_at.is_some());
        // Once revoked, always revoked: of both stores.
        let record = KeyRecord { revoked_at: former.revoked_at.or(restored.revoked_at), ..former };
        codec::put(batch, payloads, key, &codec::to_json(&record)?)?;
    }
    Ok(Revocations::Kept(kept))
}

fn keys_in(state_dir: &Path) -> Result<Vec<(Key, KeyRecord)>, StoreError> {
    // No trace of a store: the profile is new, or was moved here, and nothing can have been revoked.
    if ["db", "db.old", "mark"].iter().all(|name| !state_dir.join(name).exists()) {
        return Ok(Vec::new());
    }
    let opened = open_main(state_dir, &Payloads::new(state_dir.join("payloads")), Options::default().cache)?;
    let mut found = Vec::new();
    opened.database.scan_all(Table::Key, Key::table(Table::Key), |key, json| {
        found.push((key, codec::from_json(&json)?));
        Ok(true)
    })?;
    Ok(found)
}
