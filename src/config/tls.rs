//! The certificate that listeners speak TLS with: `server.tls`, the profile's own or else the home's.

use super::{
    ConfigError, ProfileConfig,
    error::Place,
    settings::{Found, Settings},
};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Two PEM files. That they are there, and belong together, whoever reads them finds out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate, followed by those between it and an authority.
    pub cert: TlsFile,
    /// Its private key.
    pub key: TlsFile,
}

/// A file, and where the settings name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFile {
    pub path: PathBuf,
    place: Place,
}

impl TlsFile {
    /// What is wrong with the file, with the line that names it.
    pub fn error(&self, message: impl Into<String>) -> ConfigError {
        self.place.error(message)
    }
}

/// Paths are relative to `folder`, where the file with the settings is.
pub(super) fn read(settings: &Settings<'_>, folder: &Path) -> Result<Option<TlsConfig>, ConfigError> {
    let file = |found: Found| {
        let text = found.text.trim();
        if text.is_empty() || text.starts_with('~') {
            return Err(found.place.error("must be the path of a PEM file, written out"));
        }
        Ok(TlsFile { path: folder.join(text), place: found.place })
    };
    match (settings.yaml("server.tls.cert")?, settings.yaml("server.tls.key")?) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => Ok(Some(TlsConfig { cert: file(cert)?, key: file(key)? })),
        (Some(cert), None) => Err(cert.place.error("needs `server.tls.key` beside it: the private key")),
        (None, Some(key)) => Err(key.place.error("needs `server.tls.cert` beside it: the certificate")),
    }
}

/// What is to be known of a listener and its certificate.
pub(super) fn warnings(config: &ProfileConfig) -> impl Iterator<Item = String> {
    let key = config.tls.as_ref().map(|tls| &tls.key);
    let mut folders =
        [&config.workspace].into_iter().chain(config.terminal.roots.iter().map(|root| &root.path));
    let readable = key.filter(|key| folders.any(|folder| key.path.starts_with(folder)));
    let readable = readable.map(|key| {
        key.place.warning("lies in a folder of the agent, which can read it there: move it elsewhere")
    });
    exposure(config.listen, config.tls.is_some()).into_iter().chain(readable)
}

/// What an address means that other machines reach.
fn exposure(address: SocketAddr, tls: bool) -> Option<String> {
    let way = if tls {
        ""
    } else {
        ", and whoever listens on the way reads keys and answers. Set `server.tls`, or prefer 127.0.0.1 behind a reverse \
         proxy with TLS"
    };
    (!address.ip().is_loopback()).then(|| {
        format!(
            "API_SERVER_HOST: {address} can be reached from other machines: whoever has a key of this profile can have its \
             agent run commands{way}"
        )
    })
}
