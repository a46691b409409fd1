//! The lock that keeps other processes out of a profile.

use crate::{
    config::ProfileConfig,
    domain::ProfileName,
    store::{ProfileLock, StoreError, Wake},
};
use std::{path::PathBuf, sync::Arc};

/// Takes the lock of a profile's folder, unless it is kept from an earlier life, and reads what its store waits for.
///
/// # Errors
/// A sentence that says who has it.
pub async fn take(
    name: &ProfileName,
    config: &ProfileConfig,
    kept: Option<Arc<ProfileLock>>,
) -> Result<(Arc<ProfileLock>, Option<Wake>), String> {
    let state: PathBuf = config.state_dir.clone();
    let locked = actix_rt::task::spawn_blocking(move || {
        let lock = kept.map_or_else(|| ProfileLock::acquire(&state).map(Arc::new), Ok);
        lock.map(|lock| (lock, Wake::read(&state)))
    });
    match locked.await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(StoreError::Locked { pid })) => {
            let by = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
            Err(format!(
                "{by} already has it; `hermes gateway status` shows which, `hermes profile stop {name}` ends it there"
            ))
        }
        Ok(Err(error)) => Err(format!("its folder {} cannot be used: {error}", config.state_dir.display())),
        Err(_panic) => Err("taking its lock panicked; please report this".to_owned()),
    }
}
