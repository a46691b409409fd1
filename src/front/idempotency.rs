//! `Idempotency-Key`: what a key covers, and when two requests are the same.

use super::{auth::Authorised, error::ApiError};
use crate::{actors::Idempotency, domain::Code};
use actix_web::http::header::{HeaderMap, HeaderName};
use serde_json::Value;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// How the answer is delivered does not make another request.
const DELIVERY: [&str; 2] = ["stream", "stream_options"];
/// Headers that change what a request means.
const SESSION: [&str; 2] = ["X-Hermes-Session-Id", "X-Hermes-Session-Key"];

/// The key that the client sent.
///
/// # Errors
///
/// It is not 1 to 255 visible ASCII characters.
pub fn key(headers: &HeaderMap) -> Result<Option<&[u8]>, ApiError> {
    let Some(value) = headers.get(&HEADER) else {
        return Ok(None);
    };
    let key = value.as_bytes();
    if (1..=255).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic) {
        return Ok(Some(key));
    }
    let message = "Idempotency-Key must be 1-255 visible ASCII characters";
    Err(ApiError::new(Code::InvalidIdempotencyKey, message).at("Idempotency-Key"))
}

/// Scope and fingerprint of a request to `route` with this body; `None` without a key.
///
/// # Errors
///
/// As [`key`].
pub fn of(
    auth: &Authorised,
    headers: &HeaderMap,
    route: &str,
    body: &Value,
) -> Result<Option<Idempotency>, ApiError> {
    let Some(key) = key(headers)? else {
        return Ok(None);
    };
    let profile = auth.tenant.config().name.clone();
    let owner = [profile.as_str(), auth.caller.key_id.as_str(), route];
    Ok(Some(Idempotency { scope: scope(owner, key), fingerprint: fingerprint(body, headers) }))
}

fn scope(owner: [&str; 3], key: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in owner.map(str::as_bytes).into_iter().chain([key]) {
        frame(&mut hasher, part);
    }
    *hasher.finalize().as_bytes()
}

fn fingerprint(body: &Value, headers: &HeaderMap) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hash(&mut hasher, body, &DELIVERY);
    for name in SESSION {
        let value = headers.get(name).map_or(&b""[..], |value| value.as_bytes().trim_ascii());
        frame(&mut hasher, value);
    }
    *hasher.finalize().as_bytes()
}

/// Length before content, so that no two lists of parts hash alike.
fn frame(hasher: &mut blake3::Hasher, part: &[u8]) {
    hasher.update(&(part.len() as u64).to_be_bytes());
    hasher.update(part);
}

/// Hashes a value in one form whatever the order of its members; those in `skip` are left out at this level.
fn hash(hasher: &mut blake3::Hasher, value: &Value, skip: &[&str]) {
    match value {
        Value::Null => frame(hasher, b"0"),
        Value::Bool(flag) => frame(hasher, if *flag { b"t" } else { b"f" }),
        Value::Number(number) => frame(hasher, format!("n{number}").as_bytes()),
        Value::String(text) => {
            hasher.update(b"s");
            frame(hasher, text.as_bytes());
        }
        Value::Array(items) => {
            hasher.update(b"a").update(&(items.len() as u64).to_be_bytes());
            for item in items {
                hash(hasher, item, &[]);
            }
        }
        Value::Object(members) => {
            // Sorted here: whether serde_json sorts depends on a feature that any dependency can turn on.
            let kept = members.iter().filter(|(name, _)| !skip.contains(&name.as_str()));
            let mut kept: Vec<(&String, &Value)> = kept.collect();
            kept.sort_unstable_by_key(|(name, _)| *name);
            hasher.update(b"o").update(&(kept.len() as u64).to_be_bytes());
            for (name, member) in kept {
                frame(hasher, name.as_bytes());
                hash(hasher, member, &[]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use serde_json::json;

    fn headers(name: HeaderName, value: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(value).unwrap());
        headers
    }

    #[test]
    fn keys_are_visible_ascii() {
        let long = [b'k'; 256];
        let cases: [(&str, &[u8], bool); 6] = [
            ("plain", b"k-1", true),
            ("longest", &long[..255], true),
            ("too long", &long, false),
            ("empty", b"", false),
            ("blank inside", b"a b", false),
            ("not ascii", b"\xc3\xa4", false),
        ];
        for (case, value, good) in cases {
            assert_eq!(key(&headers(HEADER, value)).is_ok(), good, "{case}");
        }
        assert_eq!(key(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn the_same_request_has_the_same_fingerprint_and_no_other() {
        let base = json!({"model": "m", "messages": [{"role": "user", "content": "a"}]});
        let none = HeaderMap::new();
        let print = fingerprint(&base, &none);
        let same = [
            json!({"messages": [{"content": "a", "role": "user"}], "model": "m"}),
            json!({"model": "m", "messages": [{"role": "user", "content": "a"}], "stream": true, "stream_options": {}}),
        ];
        for body in same {
            assert_eq!(fingerprint(&body, &none), print, "{body}");
        }
        let others = [
            json!({"model": "m", "messages": [{"role": "user", "content": "b"}]}),
            json!({"model": "m", "messages": [{"role": "user", "content": "a", "stream": true}]}),
            json!({"model": "m", "messages": [{"role": "user", "content": ["a"]}]}),
            json!({"model": "m"}),
        ];
        for body in others {
            assert_ne!(fingerprint(&body, &none), print, "{body}");
        }
        assert_ne!(fingerprint(&base, &headers(HeaderName::from_static("x-hermes-session-id"), b"s")), print);
    }

    #[test]
    fn profiles_keys_and_routes_do_not_share_a_scope() {
        let base = scope(["alice", "k", "/a"], b"x");
        for (owner, key) in [
            (["bob", "k", "/a"], "x"),
            (["alice", "l", "/a"], "x"),
            (["alice", "k", "/b"], "x"),
            (["alice", "k", "/a"], "y"),
            (["alic", "ek", "/a"], "x"),
        ] {
            assert_ne!(scope(owner, key.as_bytes()), base, "{owner:?} {key}");
        }
    }
}
