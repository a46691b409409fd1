//! Keys of a profile: how one is made and changed, and how a bearer token is checked.
//!
//! A token is compared as a keyed hash first (microseconds, constant time); only one that matched is put to argon2, once,
//! and is then remembered. So a wrong key costs an attacker's packet and nothing of ours, whatever id it claims.

mod edit;
mod failures;
mod mint;
mod uses;

pub use edit::{
    Editor, KeyChange, MAX_OVERLAP, changed, check, find, not_found, rights_of, rotated, rotation,
};
pub use mint::{KeySpec, NewKey, mint};

use super::{Caller, Rights};
use crate::{
    config::Secret,
    domain::{KeyId, Millis, now},
    store::{FormerSecret, KeyRecord},
};
use argon2::{
    Argon2,
    password_hash::{PasswordVerifier, phc::PasswordHash},
};
use failures::Failures;
use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use uses::Uses;

/// Verified tokens that are remembered per profile.
const REMEMBERED: usize = 64;
/// Refusals that may be held up at once.
const HELD: usize = 32;
/// Longest sleep until a key's end: the wall clock may be set meanwhile.
const NAP: Duration = Duration::from_secs(3600);

fn fast(home_secret: &[u8; 32], token: &str) -> blake3::Hash {
    blake3::keyed_hash(home_secret, token.as_bytes())
}

/// The keys of one profile.
pub struct KeyRing {
    home_secret: Arc<[u8; 32]>,
    inner: Mutex<Inner>,
    /// One argon2 at a time: it takes 19 MiB and 50 ms.
    permit: Arc<Semaphore>,
    /// For refusals that are held up.
    held: Semaphore,
}

#[derive(Default)]
struct Inner {
    env: Option<Arc<Known>>,
    /// `None` until the store was read.
    stored: Option<Vec<Arc<Known>>>,
    /// Of all keys that are not revoked.
    rights: HashMap<KeyId, Rights>,
    /// Hashes of tokens that argon2 has confirmed.
    verified: HashSet<[u8; 32]>,
    uses: Uses,
    failures: Failures,
}

/// A secret that a token may match. A key that was rotated has two for a while.
struct Known {
    caller: Caller,
    fast: [u8; 32],
    /// `None`: the key of `.env`, which the file holds in clear anyway.
    phc: Option<Box<str>>,
    /// When it ends.
    until: Option<Millis>,
    /// Ends its streams then.
    _end: Option<AbortOnDropHandle<()>>,
}

impl Known {
    /// The secret `hash`, with the streams of the one before if that is the same and nothing was taken from it.
    fn new(
        record: &KeyRecord,
        (hash, phc, until): (&str, &str, Option<Millis>),
        before: &[Arc<Self>],
    ) -> Option<Self> {
        if until.is_some_and(|until| until <= now()) {
            return None;
        }
        let fast = *blake3::Hash::from_hex(hash).ok()?.as_bytes();
        let rights = Rights { expires_at: until, ..rights_of(record) };
        let caller = Caller { key_id: record.id.clone(), rights, revoked: CancellationToken::new() };
        let mut known = Self { caller, fast, phc: Some(phc.into()), until, _end: None };
        if let Some(before) = before.iter().find(|before| known.continues(before)) {
            known.caller.revoked = before.caller.revoked.clone();
        }
        known._end = until.and_then(|until| end_at(until, &known.caller.revoked));
        Some(known)
    }

    /// Whether the streams of `before` go on: it is the same secret, and it may do all that it could.
    fn continues(&self, before: &Self) -> bool {
        let (old, new) = (&before.caller, &self.caller);
        let for_ever = |rights: &Rights| Rights { expires_at: None, ..rights.clone() };
        self.fast == before.fast
            && new.key_id == old.key_id
            && for_ever(&new.rights).covers(&for_ever(&old.rights)).is_ok()
    }
}

/// Cancels `token` at a moment of the wall clock. Without a runtime there are no streams either.
fn end_at(at: Millis, token: &CancellationToken) -> Option<AbortOnDropHandle<()>> {
    let (runtime, token) = (tokio::runtime::Handle::try_current().ok()?, token.clone());
    Some(AbortOnDropHandle::new(runtime.spawn(async move {
        while let Some(left) = u64::try_from(at - now()).ok().filter(|left| *left > 0) {
            tokio::time::sleep(Duration::from_millis(left).min(NAP)).await;
        }
        token.cancel();
    })))
}

/// The secrets of a record: hash, argon2 string, end.
fn secrets(record: &KeyRecord) -> impl Iterator<Item = (&str, &str, Option<Millis>)> {
    let current = (record.fast_hash.as_str(), record.phc.as_str(), record.expires_at);
    let former = record.former.iter().map(|FormerSecret { phc, fast_hash, until }| {
        let until = record.expires_at.map_or(*until, |end| end.min(*until));
        (fast_hash.as_str(), phc.as_str(), Some(until))
    });
    std::iter::once(current).chain(former)
}

/// What the ring can say of a token without the blocking pool.
enum Quick {
    Known(Caller),
    Confirm(Arc<Known>),
    Wrong,
    /// Only the store could know it, and it was not read yet.
    Unread,
}

impl KeyRing {
    #[must_use]
    pub fn new(home_secret: Arc<[u8; 32]>, env: Option<&Secret>) -> Self {
        let ring = Self {
            home_secret,
            inner: Mutex::default(),
            permit: Arc::new(Semaphore::new(1)),
            held: Semaphore::new(HELD),
        };
        ring.set_env(env);
        ring
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the key of `.env`; another one than before ends the old one's streams.
    pub fn set_env(&self, env: Option<&Secret>) {
        let next = env.map(|secret| Known {
            caller: Caller::all(KeyId::env()),
            fast: *fast(&self.home_secret, secret.reveal()).as_bytes(),
            phc: None,
            until: None,
            _end: None,
        });
        let mut inner = self.lock();
        if let (Some(old), Some(new)) = (&inner.env, &next)
            && old.fast == new.fast
        {
            return;
        }
        if let Some(old) = std::mem::replace(&mut inner.env, next.map(Arc::new)) {
            old.caller.revoked.cancel();
        }
    }

    /// Whether the store's keys are known.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.lock().stored.is_some()
    }

    /// Takes over what the store holds. Streams of secrets that are no longer in it end, and of keys that lost a right.
    pub fn load(&self, records: &[KeyRecord]) {
        let mut inner = self.lock();
        let old = inner.stored.take().unwrap_or_default();
        let valid = records.iter().filter(|record| record.revoked_at.is_none());
        let all = valid.flat_map(|record| secrets(record).map(move |secret| (record, secret)));
        let stored: Vec<Arc<Known>> =
            all.filter_map(|(record, secret)| Known::new(record, secret, &old).map(Arc::new)).collect();
        for before in old.iter().filter(|before| !stored.iter().any(|known| known.continues(before))) {
            before.caller.revoked.cancel();
        }
        let valid = records.iter().filter(|record| record.revoked_at.is_none());
        inner.rights = valid.map(|record| (record.id.clone(), rights_of(record))).collect();
        inner.verified.retain(|hash| stored.iter().any(|known| known.fast == *hash));
        inner.stored = Some(stored);
    }

    /// What the runs of a key may do; `None`: it is revoked, or there is none. A run goes on when its key ends by itself.
    #[must_use]
    pub fn rights(&self, id: &KeyId) -> Option<Rights> {
        if id.is_env() { Some(Rights::all()) } else { self.lock().rights.get(id).cloned() }
    }

    /// Checks a token. `Ok(None)`: it is wrong. `Err`: only the store could tell; load it and ask again.
    ///
    /// # Errors
    ///
    /// See above.
    pub async fn check(&self, token: &str) -> Result<Option<Caller>, Unread> {
        let hash = *fast(&self.home_secret, token).as_bytes();
        match self.quick(token, &hash) {
            Quick::Known(caller) => Ok(Some(caller)),
            Quick::Wrong => Ok(None),
            Quick::Unread => Err(Unread),
            Quick::Confirm(known) => Ok(self.confirm(token, hash, &known).await),
        }
    }

    /// Whose token this is, as far as nobody has to wait for that.
    #[must_use]
    pub fn recognise(&self, token: &str) -> Option<Caller> {
        match self.quick(token, fast(&self.home_secret, token).as_bytes()) {
            Quick::Known(caller) => Some(caller),
            Quick::Confirm(_) | Quick::Wrong | Quick::Unread => None,
        }
    }

    fn quick(&self, token: &str, hash: &[u8; 32]) -> Quick {
        let mut inner = self.lock();
        let env = inner.env.iter();
        let stored = inner.stored.iter().flatten();
        // All are compared, each in constant time, so that the time tells nothing of which one was near.
        let mut found = None;
        for known in env.chain(stored) {
            if bool::from(known.fast.ct_eq(hash)) {
                found = Some(known);
            }
        }
        let at = now();
        let found = found.filter(|known| known.until.is_none_or(|until| until > at)).cloned();
        match found {
            Some(known) if known.phc.is_none() => Quick::Known(known.caller.clone()),
            Some(known) if inner.verified.contains(hash) => {
                inner.uses.note(&known.caller.key_id, at);
                Quick::Known(known.caller.clone())
            }
            Some(known) => Quick::Confirm(known),
            None if inner.stored.is_none() && token.starts_with("hk_") => Quick::Unread,
            None => Quick::Wrong,
        }
    }

    async fn confirm(&self, token: &str, hash: [u8; 32], known: &Known) -> Option<Caller> {
        let _one = self.permit.acquire().await.ok()?;
        if !self.lock().verified.contains(&hash) {
            let (token, phc) = (Secret::new(token), known.phc.clone()?);
            let verified = tokio::task::spawn_blocking(move || {
                let phc = PasswordHash::new(&phc).ok()?;
                Argon2::default().verify_password(token.reveal().as_bytes(), &phc).ok()
            });
            verified.await.ok()??;
        }
        let mut inner = self.lock();
        if inner.verified.len() >= REMEMBERED {
            inner.verified.clear();
        }
        inner.verified.insert(hash);
        inner.uses.note(&known.caller.key_id, now());
        Some(known.caller.clone())
    }

    /// Counts a wrong token, and returns when its refusal may be given. Nothing of it is written anywhere.
    pub async fn hold_up(&self, from: Option<IpAddr>, token: &str) {
        let hash = *fast(&self.home_secret, token).as_bytes();
        let delay = self.lock().failures.count(from, hash, now());
        // Beyond so many at once, holding them open would cost more than answering.
        if let Ok(_one) = self.held.try_acquire()
            && !delay.is_zero()
        {
            tokio::time::sleep(delay).await;
        }
    }

    /// When the key was last used, as far as this process knows.
    #[must_use]
    pub fn last_used(&self, id: &KeyId) -> Option<Millis> {
        self.lock().uses.last(id)
    }

    /// The use of a key that is to be written down now: seldom, however often the key is used.
    #[must_use]
    pub fn use_to_write(&self, id: &KeyId) -> Option<Millis> {
        self.lock().uses.due(id)
    }

    /// All uses that were not written down yet.
    #[must_use]
    pub fn uses_to_write(&self) -> Vec<(KeyId, Millis)> {
        self.lock().uses.unwritten()
    }
}

/// The store's keys are needed to tell.
#[derive(Debug, Clone, Copy)]
pub struct Unread;

#[cfg(test)]
mod tests;
