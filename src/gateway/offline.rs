//! A profile's store without a gateway: open only while the profile's lock is held.

use super::{
    control::protocol::{KeyInfo, KeyWish},
    run_dir::RunDir,
};
use crate::{
    actors::{
        Editor, KeyState, ProfileError,
        keys::{self, NewKey},
    },
    audit::{Act, Actor, AuditLog},
    config::{ProfileConfig, Secret},
    domain::{Approval, ApprovalStatus, ImportRecord, ImportReport, KeyId, ProfileName, now},
    front::operator::{Found, Question, Sought},
    redact::{Redactor, Secrets},
    store::{self, Change, KeyRecord, Options, ProfileLock, Restored, Store, StoreError, Wake},
};
use serde_json::Value;
use std::{
    fmt,
    io::{self, BufRead, Write},
    path::Path,
    sync::Arc,
    time::Duration,
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

impl From<ProfileError> for OfflineError {
    fn from(error: ProfileError) -> Self {
        Self::Refused(error.message)
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
    /// An unknown scope or tool; the store.
    pub fn create_key(&self, wish: &KeyWish) -> Result<(Secret, KeyInfo), OfflineError> {
        let spec = wish.spec().map_err(OfflineError::Refused)?;
        let NewKey { token, record } = keys::mint(&spec, &*self.home_secret()?)?;
        let KeyRecord { id, name, scopes, .. } = record.clone();
        self.audit(Act::KeyCreated { key: id, name, scopes });
        self.with_store(|store| commit(store, record.clone()))?;
        Ok((token, record.into()))
    }

    /// # Errors
    /// The store.
    pub fn keys(&self) -> Result<Vec<KeyInfo>, OfflineError> {
        if self.is_new() {
            return Ok(Vec::new());
        }
        self.with_store(|store| {
            let uses = store.key_uses()?;
            let used = |id: &KeyId| uses.iter().find(|used| used.id == *id).map(|used| used.at);
            let state = |record: KeyRecord| KeyState { last_used_at: used(&record.id), record };
            Ok(store.keys()?.into_iter().map(|record| state(record).into()).collect())
        })
    }

    /// One key, by its id or a name of its own.
    ///
    /// # Errors
    /// No such key; the store.
    pub fn key(&self, key: &str) -> Result<KeyInfo, OfflineError> {
        if self.is_new() {
            return Err(keys::not_found(key).into());
        }
        let found = self.with_store(|store| Ok(keys::find(&store.keys()?, key)?))?;
        let info = self.keys()?.into_iter().find(|info| info.id == found.id);
        info.ok_or_else(|| keys::not_found(key).into())
    }

    /// # Errors
    /// No such key, or it is revoked; the store.
    pub fn rotate_key(&self, key: &str, overlap: Duration) -> Result<(Secret, KeyInfo), OfflineError> {
        let secret = self.home_secret()?;
        self.with_store(|store| {
            let found = keys::find(&store.keys()?, key)?;
            let NewKey { token, record } = keys::rotated(found, overlap, &Editor::Operator, &secret)?;
            let what = keys::rotation(overlap);
            self.audit(Act::KeyChanged { key: record.id.clone(), what });
            commit(store, record.clone())?;
            Ok((token, record.into()))
        })
    }

    /// # Errors
    /// No such key; the store.
    pub fn revoke_key(&self, key: &str) -> Result<KeyInfo, OfflineError> {
        self.with_store(|store| {
            let mut key = keys::find(&store.keys()?, key)?;
            if key.revoked_at.is_none() {
                key.revoked_at = Some(now());
                self.audit(Act::KeyRevoked { key: key.id.clone() });
                commit(store, key.clone())?;
            }
            Ok(key.into())
        })
    }

    /// Nobody else writes the log: the profile's lock is ours.
    fn audit(&self, act: Act) {
        let log = AuditLog::new(self.state_dir, Redactor::default());
        log.note(Actor::Operator, act);
        log.close();
    }

    fn home_secret(&self) -> Result<Arc<[u8; 32]>, OfflineError> {
        Ok(RunDir::open(self.home)?.home_secret()?)
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

    /// What the store has of this, as a gateway would tell it.
    ///
    /// # Errors
    /// A question that makes no sense; the store.
    pub fn answer(&self, question: &Question) -> Result<Value, OfflineError> {
        let sought = question.sought()?;
        let found = match self.is_new() {
            true => sought.nothing(),
            false => self.with_store(|store| {
                Ok(match &sought {
                    Sought::Sessions(filter) => Found::Sessions(store.sessions(filter)?),
                    Sought::Search(filter) => Found::Search(store.search(filter)?),
                    Sought::Usage(filter) => Found::Usage(store.usage(filter)?),
                })
            })?,
        };
        Ok(sought.told(found))
    }

    /// Takes over sessions of another database, as `Tenant::import_sessions` does.
    ///
    /// # Errors
    /// The store cannot be opened. What stops an import is in its report.
    pub fn import(
        &self,
        config: &ProfileConfig,
        records: impl Iterator<Item = Result<ImportRecord, String>>,
        dry_run: bool,
    ) -> Result<ImportReport, OfflineError> {
        if dry_run && self.is_new() {
            return Ok(store::import_sessions(None, records, true));
        }
        let options = Options::redacting(Redactor::new(Secrets::of(config)));
        let import = |store: &Store| Ok(store::import_sessions(Some(store), records, dry_run));
        let report = self.with_store_of(options, import)?;
        if let Some(act) = Act::of_import(&report) {
            self.audit(act);
        }
        Ok(report)
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

    /// There is no store yet, and asking must not make one.
    fn is_new(&self) -> bool {
        Wake::read(self.state_dir).is_none()
    }

    fn with_store<R>(&self, what: impl FnOnce(&Store) -> Result<R, OfflineError>) -> Result<R, OfflineError> {
        self.with_store_of(Options::default(), what)
    }

    fn with_store_of<R>(
        &self,
        options: Options,
        what: impl FnOnce(&Store) -> Result<R, OfflineError>,
    ) -> Result<R, OfflineError> {
        let store = Store::open_with(self.state_dir, self.lock.clone(), options)?;
        let done = what(&store);
        let closed = store.close();
        let done = done?;
        closed?;
        Ok(done)
    }
}

/// Commits on a small runtime of its own: the command line has none.
fn commit(store: &Store, key: KeyRecord) -> Result<(), OfflineError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async { store.commit(vec![Change::Key(key)]).await })?)
}
