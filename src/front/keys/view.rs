//! A key as clients see it.

use crate::{
    actors::KeyState,
    domain::{KeyId, now, seconds},
};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct KeyView<'a> {
    object: &'static str,
    id: &'a KeyId,
    name: &'a str,
    status: &'static str,
    scopes: &'a [String],
    tools: Option<&'a [String]>,
    created_at: f64,
    expires_at: Option<f64>,
    last_used_at: Option<f64>,
    rotated_at: Option<f64>,
    overlap_until: Option<f64>,
    revoked_at: Option<f64>,
}

impl<'a> KeyView<'a> {
    pub fn new(key: &'a KeyState) -> Self {
        let KeyState { record, last_used_at } = key;
        let at = now();
        let former = record.former.as_ref().map(|former| former.until).filter(|until| *until > at);
        Self {
            object: "hermes.key",
            id: &record.id,
            name: &record.name,
            status: match (record.revoked_at, record.expires_at) {
                (Some(_), _) => "revoked",
                (None, Some(end)) if end <= at => "expired",
                (None, _) => "active",
            },
            scopes: &record.scopes,
            tools: record.tools.as_deref(),
            created_at: seconds(record.created_at),
            expires_at: record.expires_at.map(seconds),
            last_used_at: last_used_at.map(seconds),
            rotated_at: record.rotated_at.map(seconds),
            overlap_until: former.map(seconds),
            revoked_at: record.revoked_at.map(seconds),
        }
    }
}

/// A key in the answer that shows its token.
#[derive(Debug, Serialize)]
pub struct Shown<'a> {
    #[serde(flatten)]
    pub key: KeyView<'a>,
    /// `None`: this is a retry's answer, and the token was shown before.
    pub token: Option<&'a str>,
}
