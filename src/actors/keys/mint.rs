//! Making secrets.

use crate::{
    actors::{ProfileError, Rights},
    config::Secret,
    domain::{Code, KeyId, now},
    store::KeyRecord,
};
use argon2::{Argon2, password_hash::PasswordHasher};

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct KeySpec {
    pub name: String,
    pub rights: Rights,
}

impl KeySpec {
    #[must_use]
    pub fn new(name: &str, rights: Rights) -> Self {
        Self { name: name.to_owned(), rights }
    }
}

/// A key at the one moment when its token is known.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub token: Secret,
    pub record: KeyRecord,
}

/// A token with the two hashes that are kept of it.
pub(super) struct Minted {
    pub token: Secret,
    pub phc: String,
    pub fast_hash: String,
}

/// Makes a key `hk_<id>_<secret>` with 160 random bits. Blocking: argon2 takes some 50 ms.
///
/// # Errors
///
/// `internal_error` when the system gives no random numbers.
pub fn mint(spec: &KeySpec, home_secret: &[u8; 32]) -> Result<NewKey, ProfileError> {
    let id = KeyId::parse(&random::<4>()?).map_err(|error| internal(&error))?;
    let Minted { token, phc, fast_hash } = secret(&id, home_secret)?;
    let Rights { scopes, tools, expires_at } = &spec.rights;
    let record = KeyRecord {
        id,
        name: spec.name.clone(),
        phc,
        fast_hash,
        scopes: scopes.iter().map(|scope| scope.wire().to_owned()).collect(),
        tools: tools.as_ref().map(|tools| tools.to_vec()),
        created_at: now(),
        expires_at: *expires_at,
        rotated_at: None,
        former: None,
        revoked_at: None,
    };
    Ok(NewKey { token, record })
}

/// A secret for the key `id`. Blocking, as [`mint`].
pub(super) fn secret(id: &KeyId, home_secret: &[u8; 32]) -> Result<Minted, ProfileError> {
    let token = format!("hk_{id}_{}", random::<20>()?);
    let phc = Argon2::default().hash_password(token.as_bytes()).map_err(|error| internal(&error))?;
    let fast_hash = super::fast(home_secret, &token).to_hex().to_string();
    Ok(Minted { token: Secret::new(token), phc: phc.to_string(), fast_hash })
}

fn random<const BYTES: usize>() -> Result<String, ProfileError> {
    let mut random = [0_u8; BYTES];
    getrandom::fill(&mut random).map_err(|error| internal(&error))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn internal(what: &dyn std::fmt::Display) -> ProfileError {
    ProfileError::new(Code::Internal, format!("no key could be made: {what}"))
}
