//! Keys of a profile: how one is made, and how a bearer token is checked.
//!
//! A token is compared as a keyed hash first (microseconds, constant time); only one that matched is put to argon2, once,
//! and is then remembered. So a wrong key costs an attacker's packet and nothing of ours, whatever id it claims.

use super::{Caller, ProfileError, Scope};
use crate::{
    config::Secret,
    domain::{Code, KeyId, now},
    store::KeyRecord,
};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Verified tokens that are remembered per profile.
const REMEMBERED: usize = 64;

/// A key at the one moment when its token is known.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub token: Secret,
    pub record: KeyRecord,
}

/// Makes a key `hk_<id>_<secret>` with 160 random bits. Blocking: argon2 takes some 50 ms.
///
/// # Errors
///
/// `internal_error` when the system gives no random numbers.
pub fn mint(name: &str, scopes: &[Scope], home_secret: &[u8; 32]) -> Result<NewKey, ProfileError> {
    let internal = |what: String| ProfileError::new(Code::Internal, format!("no key could be made: {what}"));
    let mut random = [0u8; 24];
    getrandom::fill(&mut random).map_err(|error| internal(error.to_string()))?;
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let (id, secret) = hex.split_at(8);
    let token = format!("hk_{id}_{secret}");
    let phc =
        Argon2::default().hash_password(token.as_bytes()).map_err(|error| internal(error.to_string()))?;
    let record = KeyRecord {
        id: KeyId::parse(id).map_err(|error| internal(error.to_string()))?,
        name: name.to_owned(),
        phc: phc.to_string(),
        fast_hash: fast(home_secret, &token).to_hex().to_string(),
        scopes: scopes.iter().map(|scope| scope.wire().to_owned()).collect(),
        created_at: now(),
        revoked_at: None,
    };
    Ok(NewKey { token: Secret::new(token), record })
}

fn fast(home_secret: &[u8; 32], token: &str) -> blake3::Hash {
    blake3::keyed_hash(home_secret, token.as_bytes())
}

/// The keys of one profile.
pub struct KeyRing {
    home_secret: Arc<[u8; 32]>,
    inner: Mutex<Inner>,
    /// One argon2 at a time: it takes 19 MiB and 50 ms.
    permit: Arc<Semaphore>,
}

#[derive(Default)]
struct Inner {
    env: Option<Known>,
    /// `None` until the store was read.
    stored: Option<Vec<Known>>,
    /// Hash of a token that argon2 has confirmed.
    verified: HashMap<[u8; 32], KeyId>,
}

/// A key that a token may match.
#[derive(Clone)]
struct Known {
    caller: Caller,
    fast: [u8; 32],
    /// `None`: the key of `.env`, which the file holds in clear anyway.
    phc: Option<Arc<str>>,
}

/// What the ring can say of a token without the blocking pool.
enum Quick {
    Known(Caller),
    Confirm(Known),
    Wrong,
    /// Only the store could know it, and it was not read yet.
    Unread,
}

impl KeyRing {
    #[must_use]
    pub fn new(home_secret: Arc<[u8; 32]>, env: Option<&Secret>) -> Self {
        let ring = Self { home_secret, inner: Mutex::default(), permit: Arc::new(Semaphore::new(1)) };
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
        });
        let mut inner = self.lock();
        if let (Some(old), Some(new)) = (&inner.env, &next)
            && old.fast == new.fast
        {
            return;
        }
        if let Some(old) = std::mem::replace(&mut inner.env, next) {
            old.caller.revoked.cancel();
        }
    }

    /// Whether the store's keys are known.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.lock().stored.is_some()
    }

    /// Takes over what the store holds. Streams of keys that are no longer in it end.
    pub fn load(&self, records: &[KeyRecord]) {
        let mut inner = self.lock();
        let old = inner.stored.take().unwrap_or_default();
        let known = |record: &KeyRecord| {
            let before = old.iter().find(|known| known.caller.key_id == record.id);
            let fast = blake3::Hash::from_hex(&record.fast_hash).ok()?;
            let scopes = record.scopes.iter().filter_map(|scope| Scope::parse(scope)).collect();
            let revoked = before.map_or_else(CancellationToken::new, |known| known.caller.revoked.clone());
            Some(Known {
                caller: Caller { key_id: record.id.clone(), scopes, revoked },
                fast: *fast.as_bytes(),
                phc: Some(record.phc.as_str().into()),
            })
        };
        let stored: Vec<Known> =
            records.iter().filter(|record| record.revoked_at.is_none()).filter_map(known).collect();
        for gone in
            old.iter().filter(|old| !stored.iter().any(|known| known.caller.key_id == old.caller.key_id))
        {
            gone.caller.revoked.cancel();
        }
        inner.verified.retain(|_, id| stored.iter().any(|known| known.caller.key_id == *id));
        inner.stored = Some(stored);
    }

    /// Checks a token. `Ok(None)`: it is wrong. `Err(())`: only the store could tell; load it and ask again.
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
            Quick::Confirm(known) => Ok(self.confirm(token, hash, known).await),
        }
    }

    fn quick(&self, token: &str, hash: &[u8; 32]) -> Quick {
        let inner = self.lock();
        let env = inner.env.iter();
        let stored = inner.stored.iter().flatten();
        // All are compared, each in constant time, so that the time tells nothing of which one was near.
        let mut found = None;
        for known in env.chain(stored) {
            if bool::from(known.fast.ct_eq(hash)) {
                found = Some(known);
            }
        }
        match found {
            Some(known) if known.phc.is_none() || inner.verified.get(hash) == Some(&known.caller.key_id) => {
                Quick::Known(known.caller.clone())
            }
            Some(known) => Quick::Confirm(known.clone()),
            None if inner.stored.is_none() && token.starts_with("hk_") => Quick::Unread,
            None => Quick::Wrong,
        }
    }

    async fn confirm(&self, token: &str, hash: [u8; 32], known: Known) -> Option<Caller> {
        let _one = self.permit.acquire().await.ok()?;
        if self.lock().verified.contains_key(&hash) {
            return Some(known.caller);
        }
        let (token, phc) = (Secret::new(token), known.phc.clone()?);
        let verified = tokio::task::spawn_blocking(move || {
            let phc = PasswordHash::new(&phc).ok()?;
            Argon2::default().verify_password(token.reveal().as_bytes(), &phc).ok()
        });
        verified.await.ok()??;
        let mut inner = self.lock();
        if inner.verified.len() >= REMEMBERED {
            inner.verified.clear();
        }
        inner.verified.insert(hash, known.caller.key_id.clone());
        Some(known.caller)
    }
}

/// The store's keys are needed to tell.
#[derive(Debug, Clone, Copy)]
pub struct Unread;

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: [u8; 32] = [7; 32];

    #[tokio::test]
    async fn a_key_opens_until_it_is_revoked() {
        let key = mint("laptop", &Scope::ALL, &HOME).unwrap();
        let ring = KeyRing::new(Arc::new(HOME), None);
        assert!(ring.check(key.token.reveal()).await.is_err(), "the store was not read yet");
        ring.load(std::slice::from_ref(&key.record));
        let caller = ring.check(key.token.reveal()).await.unwrap().unwrap();
        assert_eq!(caller.key_id, key.record.id);
        ring.load(&[KeyRecord { revoked_at: Some(1), ..key.record }]);
        assert!(caller.revoked.is_cancelled(), "its streams end");
        assert!(ring.check(key.token.reveal()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn the_right_id_with_a_wrong_secret_is_wrong_without_argon2() {
        let key = mint("laptop", &Scope::ALL, &HOME).unwrap();
        let ring = KeyRing::new(Arc::new(HOME), None);
        // A broken hash would make argon2 fail; it is never asked.
        ring.load(&[KeyRecord { phc: "broken".to_owned(), ..key.record.clone() }]);
        assert!(ring.check(&format!("hk_{}_00000000", key.record.id)).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_new_key_in_env_ends_the_streams_of_the_old_one() {
        let ring = KeyRing::new(Arc::new(HOME), Some(&Secret::new("first-key-first-key")));
        let caller = ring.check("first-key-first-key").await.unwrap().unwrap();
        ring.set_env(Some(&Secret::new("other-key-other-key")));
        assert!(caller.revoked.is_cancelled());
        assert!(ring.check("first-key-first-key").await.unwrap().is_none());
    }
}
