//! The certificate that a profile's settings name.

use crate::{
    config::ProfileConfig,
    gateway::plane::{Tls, TlsFault},
};
use std::sync::Arc;

/// `None`: the settings name none.
///
/// # Errors
/// A sentence with the line to mend.
pub async fn load(config: &ProfileConfig) -> Result<Option<Arc<Tls>>, String> {
    let Some(wanted) = &config.tls else { return Ok(None) };
    let (cert, key) = (wanted.cert.path.clone(), wanted.key.path.clone());
    match actix_rt::task::spawn_blocking(move || Tls::load(cert, key)).await {
        Ok(Ok(tls)) => Ok(Some(Arc::new(tls))),
        Ok(Err(TlsFault::Cert(reason))) => Err(wanted.cert.error(reason).to_string()),
        Ok(Err(TlsFault::Key(reason))) => Err(wanted.key.error(reason).to_string()),
        Err(_panic) => Err("reading its certificate panicked; please report this".to_owned()),
    }
}
