//! Revocations outlive a restore: a key that was taken from somebody must not come back with an older store.

use super::{
    KeyRecord, Options, StoreError, codec,
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

/// Puts into `batch` the keys of `database` that the store in `state_dir` knows as revoked.
///
/// That store may be the damaged one for whose sake there is a restore: then this is no error.
pub(super) fn revoke(
    state_dir: &Path,
    database: &Database,
    payloads: &Payloads,
    batch: &mut sled::Batch,
) -> Result<Revocations, StoreError> {
    let known = match revoked_in(state_dir) {
        Ok(known) => known,
        Err(error) => return Ok(Revocations::Lost(error)),
    };
    let mut kept = 0;
    for (key, former) in known {
        let restored: Option<KeyRecord> = database.read(key)?;
        if let Some(restored) = restored.filter(|restored| restored.revoked_at.is_none()) {
            let record = KeyRecord { revoked_at: former.revoked_at, ..restored };
            codec::put(batch, payloads, key, &codec::to_json(&record)?)?;
            kept += 1;
        }
    }
    Ok(Revocations::Kept(kept))
}

fn revoked_in(state_dir: &Path) -> Result<Vec<(Key, KeyRecord)>, StoreError> {
    // No trace of a store: the profile is new, or was moved here, and nothing can have been revoked.
    if ["db", "db.old", "mark"].iter().all(|name| !state_dir.join(name).exists()) {
        return Ok(Vec::new());
    }
    let (database, _mark, _at) =
        open_main(state_dir, &Payloads::new(state_dir.join("payloads")), Options::default().cache)?;
    let mut found = Vec::new();
    database.scan_all(Table::Key, Key::table(Table::Key), |key, json| {
        let record: KeyRecord = codec::from_json(&json)?;
        found.extend(record.revoked_at.is_some().then_some((key, record)));
        Ok(true)
    })?;
    Ok(found)
}
