//! The certificate of a port. Its files may change while the port is served: connections that are open keep what they
//! have, new ones get the new certificate.

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How often the files are looked at, at most, and only while there are new connections.
const LOOK: Duration = Duration::from_secs(2);
/// A chain of certificates, and any key, are far smaller.
const LARGEST: u64 = 1 << 20;

/// Why no certificate can be shown, and whose fault it is.
#[derive(Debug, PartialEq, Eq)]
pub enum TlsFault {
    Cert(String),
    Key(String),
}

/// A certificate with its key, and where they are kept.
#[derive(Debug)]
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    /// Of the files that were read last, also when they were no good.
    stamps: [Option<Stamp>; 2],
    looked: Instant,
}

/// What tells a file from the one that was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl Tls {
    /// Reads both files. Blocking.
    ///
    /// # Errors
    /// Which of them is wrong, and how.
    pub fn load(cert: PathBuf, key: PathBuf) -> Result<Self, TlsFault> {
        let stamps = [stamp(&cert), stamp(&key)];
        let config = Arc::new(read(&cert, &key)?);
        let current = Mutex::new(Current { config, stamps, looked: Instant::now() });
        Ok(Self { cert, key, current })
    }

    /// What the next connection is to be shown.
    pub(super) async fn config(self: &Arc<Self>) -> Arc<ServerConfig> {
        if self.is_due() {
            let this = self.clone();
            if actix_rt::task::spawn_blocking(move || this.look()).await.is_err() {
                tracing::error!("looking at the files of a certificate panicked; please report this");
            }
        }
        self.current().config.clone()
    }

    /// True for one caller every [`LOOK`]; the others go on with what there is.
    fn is_due(&self) -> bool {
        let mut current = self.current();
        let due = current.looked.elapsed() >= LOOK;
        if due {
            current.looked = Instant::now();
        }
        due
    }

    /// Reads the files again when they are other ones. Blocking.
    fn look(&self) {
        let stamps = [stamp(&self.cert), stamp(&self.key)];
        if self.current().stamps == stamps {
            return;
        }
        let cert = self.cert.display();
        match read(&self.cert, &self.key) {
            Ok(config) => {
                tracing::info!(%cert, "the certificate was changed: new connections get the new one");
                let mut current = self.current();
                (current.config, current.stamps) = (Arc::new(config), stamps);
            }
            Err(TlsFault::Cert(reason) | TlsFault::Key(reason)) => {
                tracing::warn!(%cert, key = %self.key.display(), reason, "the certificate was changed and cannot be \
                                used: the earlier one is kept until the files are mended");
                self.current().stamps = stamps;
            }
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    let changed = (found.mtime(), found.mtime_nsec());
    Some(Stamp { device: found.dev(), inode: found.ino(), length: found.len(), changed })
}

fn read(cert: &Path, key: &Path) -> Result<ServerConfig, TlsFault> {
    let pem = text(cert).map_err(TlsFault::Cert)?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let chain =
        chain.map_err(|error| TlsFault::Cert(format!("`{}` is no PEM file: {error}", cert.display())))?;
    if chain.is_empty() {
        return Err(TlsFault::Cert(format!("`{}` holds no certificate in PEM form", cert.display())));
    }
    let pem = text(key).map_err(TlsFault::Key)?;
    // Without the cause, which may quote the file.
    let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|_secret| {
        TlsFault::Key(format!("`{}` holds no private key in PEM form (without a password)", key.display()))
    })?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| {
            let (cert, key) = (cert.display(), key.display());
            if let rustls::Error::InconsistentKeys(_) = error {
                return TlsFault::Key(format!("`{key}` is not the key of the certificate in `{cert}`"));
            }
            TlsFault::Cert(format!("`{cert}` and `{key}` cannot be used: {error}"))
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The bytes of a file that is one, and not too large.
fn text(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: &io::Error| format!("`{}` cannot be read: {error}", path.display());
    let found = fs::metadata(path).map_err(|error| cannot(&error))?;
    // A pipe would never end, or never begin.
    if !found.is_file() || found.len() > LARGEST {
        return Err(format!("`{}` is no file of at most 1 MiB", path.display()));
    }
    fs::read(path).map_err(|error| cannot(&error))
}
