//! A profile's store without a gateway: open only while the profile's lock is held.

use super::{control::protocol::KeyInfo, run_dir::RunDir, scopes};
use crate::{
    actors::keys::{self, NewKey},
    audit::{Act, Actor, AuditLog},
    config::Secret,
    domain::{Approval, ApprovalStatus, KeyId, ProfileName, now},
    redact::Redactor,
    store::{self, Change, KeyRecord, ProfileLock, Restored, Store, StoreError, Wake},
};
use std::{
    fmt,
    io::{self, BufRead, Write},
    path::Path,
    sync::Arc,
};

#[derive(Debug)]
pub enum OfflineError {
    Store(StoreError),
    Io(io::Error),
    /// What was asked for makes no sense: a sentence.
    Refused(String),
}

impl fmt::Display for OfflineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "{error}"),
            Self::Io(error) => write!(f, "{error}"),
            Self::Refused(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for OfflineError {}

impl From<StoreError> for OfflineError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for OfflineError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A profile that no gateway serves, and that none can serve while this value lives.
pub struct Offline<'a> {
    home: &'a Path,
    state_dir: &'a Path,
    lock: Arc<ProfileLock>,
}

impl<'a> Offline<'a> {
    /// # Errors
    /// [`StoreError::Locked`]: somebody was quicker.
    pub fn lock(home: &'a Path, state_dir: &'a Path) -> Result<Self, OfflineError> {
        let lock = Arc::new(ProfileLock::acquire(state_dir)?);
        Ok(Self { home, state_dir, lock })
    }

    /// # Errors
    /// An unknown scope; the store.
    pub fn create_key(&self, name: &str, names: &[String]) -> Result<(Secret, KeyInfo), OfflineError> {
        let scopes = scopes::parse(names).map_err(OfflineError::Refused)?;
        let secret = RunDir::open(self.home)?.home_secret()?;
        let NewKey { token, record } =
            keys::mint(name, &scopes, &secret).map_err(|error| OfflineError::Refused(error.to_string()))?;
        let made = Act::KeyCreated {
            key: record.id.clone(),
            name: record.name.clone(),
            scopes: record.scopes.clone(),
        };
        self.audited(made)?;
        self.with_store(|store| commit(store, record.clone()))?;
        Ok((token, record.into()))
    }

    /// # Errors
    /// The store.
    pub fn keys(&self) -> Result<Vec<KeyInfo>, OfflineError> {
        if self.is_new() {
            return Ok(Vec::new());
        }
        let keys = self.with_store(|store| Ok(store.keys()?))?;
        Ok(keys.into_iter().map(KeyInfo::from).collect())
    }

    /// # Errors
    /// No such key; the store.
    pub fn revoke_key(&self, id: &KeyId) -> Result<KeyInfo, OfflineError> {
        self.with_store(|store| {
            let found = store.keys()?.into_iter().find(|key| key.id == *id);
            let mut key = found.ok_or_else(|| OfflineError::Refused(format!("there is no key `{id}`")))?;
            if key.revoked_at.is_none() {
                // What takes power away is done whatever the log says.
                let _unwritten = self.audited(Act::KeyRevoked { key: id.clone() });
                key.revoked_at = Some(now());
                commit(store, key.clone())?;
            }
            Ok(key.into())
        })
    }

    /// # Errors
    /// The store.
    pub fn approvals(&self, pending: bool, limit: usize) -> Result<Vec<Approval>, OfflineError> {
        if self.is_new() {
            return Ok(Vec::new());
        }
        let status = pending.then_some(ApprovalStatus::Pending);
        self.with_store(|store| Ok(store.approvals(status, None, limit)?))
    }

    /// Writes the whole store as JSON lines; gives their number.
    ///
    /// # Errors
    /// The store; `to` cannot be written.
    pub fn backup(&self, profile: &ProfileName, to: &mut dyn Write) -> Result<u64, OfflineError> {
        self.with_store(|store| Ok(store::backup(store, profile, to)?))
    }

    /// Replaces the store by a backup.
    ///
    /// # Errors
    /// The backup is not whole, or not of `profile`: then nothing was changed.
    pub fn restore(&self, profile: &ProfileName, from: &mut dyn BufRead) -> Result<Restored, OfflineError> {
        Ok(store::restore(self.state_dir, profile, &self.lock, from)?)
    }

    /// Has an act of the command line in the audit log.
    fn audited(&self, act: Act) -> Result<(), OfflineError> {
        let log = AuditLog::new(self.state_dir, Redactor::default());
        let recorded = log.record(Actor::Operator, act);
        let written = runtime()?.block_on(recorded);
        log.close();
        written.map_err(|error| OfflineError::Refused(format!("nothing was changed: {error}")))
    }

    /// There is no store yet, and asking must not make one.
    fn is_new(&self) -> bool {
        Wake::read(self.state_dir).is_none()
    }

    fn with_store<R>(&self, what: impl FnOnce(&Store) -> Result<R, OfflineError>) -> Result<R, OfflineError> {
        let store = Store::open(self.state_dir, self.lock.clone())?;
        let done = what(&store);
        let closed = store.close();
        let done = done?;
        closed?;
        Ok(done)
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Commits on a small runtime of its own: the command line has none.
fn commit(store: &Store, key: KeyRecord) -> Result<(), OfflineError> {
    Ok(runtime()?.block_on(async { store.commit(vec![Change::Key(key)]).await })?)
}
