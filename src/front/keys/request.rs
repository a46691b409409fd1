//! What may be said of a key. A member that is not known is refused here, where elsewhere it would be ignored: a slip in
//! `expires_at` would make a key that never ends.

use crate::{
    actors::{KeyChange, KeySpec, Rights, Scope, keys::MAX_OVERLAP},
    domain::{Code, Millis, now},
    front::{
        error::ApiError,
        json::{Object, Root, wrong_type},
    },
};
use serde::Deserialize as _;
use serde_json::Value;
use std::time::Duration;

/// What a key is called that is given no name.
const NAME: &str = "api";

pub fn create(body: Value) -> Result<KeySpec, ApiError> {
    let mut body = Object::body(body)?;
    let name = body.string("name")?.unwrap_or_else(|| NAME.to_owned());
    let scopes = texts(&mut body, "scopes")?.unwrap_or_default();
    let tools = texts(&mut body, "tools")?;
    let expires_at = expiry(&mut body)?.flatten();
    nothing_else(&body)?;
    let rights = Rights { scopes: parse_scopes(&scopes)?.into(), tools: tools.map(Into::into), expires_at };
    Ok(KeySpec { name, rights })
}

pub fn change(body: Value) -> Result<KeyChange, ApiError> {
    let mut body = Object::body(body)?;
    let name = body.string("name")?;
    let scopes = texts(&mut body, "scopes")?;
    if scopes.as_ref().is_some_and(Vec::is_empty) {
        return Err(ApiError::invalid("scopes", "`scopes` must name one at least; to end a key, delete it"));
    }
    let tools = match body.take_said("tools") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(said) => Some(Some(texts_of(&said, "tools")?)),
    };
    let expires_at = expiry(&mut body)?;
    nothing_else(&body)?;
    let scopes = scopes.as_deref().map(parse_scopes).transpose()?;
    Ok(KeyChange { name, scopes, tools, expires_at })
}

/// `overlap`: seconds for which the old secret works on.
pub fn overlap(body: Value) -> Result<Duration, ApiError> {
    let mut body = Object::body(body)?;
    let said = body.take("overlap");
    nothing_else(&body)?;
    let Some(said) = said else { return Ok(Duration::ZERO) };
    let most = MAX_OVERLAP.as_secs();
    let seconds = said.as_u64().filter(|seconds| *seconds <= most);
    let wrong = || ApiError::invalid("overlap", format!("`overlap` must be whole seconds, from 0 to {most}"));
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

fn parse_scopes(names: &[String]) -> Result<Vec<Scope>, ApiError> {
    Scope::parse_all(names).map_err(|why| ApiError::invalid("scopes", why))
}

fn texts(body: &mut Object<Root>, name: &'static str) -> Result<Option<Vec<String>>, ApiError> {
    body.take(name).map(|said| texts_of(&said, name)).transpose()
}

fn texts_of(said: &Value, name: &'static str) -> Result<Vec<String>, ApiError> {
    Vec::deserialize(said).map_err(|_| wrong_type(name, "an array of strings", said))
}

/// `expires_at` (seconds since 1970) or `expires_in` (seconds); `Some(None)`: never.
fn expiry(body: &mut Object<Root>) -> Result<Option<Option<Millis>>, ApiError> {
    match (body.take_said("expires_at"), body.take_said("expires_in")) {
        (Some(_), Some(_)) => {
            Err(ApiError::invalid("expires_in", "`expires_at` and `expires_in` exclude each other"))
        }
        (None, None) => Ok(None),
        (Some(Value::Null), None) | (None, Some(Value::Null)) => Ok(Some(None)),
        (Some(at), None) => Ok(Some(Some(millis(&at, "expires_at")?))),
        (None, Some(after)) => Ok(Some(Some(now().saturating_add(millis(&after, "expires_in")?)))),
    }
}

/// Seconds of the wire, a fraction allowed.
fn millis(said: &Value, name: &'static str) -> Result<Millis, ApiError> {
    let seconds = said.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let millis = seconds.and_then(|seconds| Millis::try_from(seconds.as_millis()).ok());
    millis.ok_or_else(|| wrong_type(name, "a number of seconds, not below 0", said))
}

fn nothing_else(body: &Object<Root>) -> Result<(), ApiError> {
    body.names().first().map_or(Ok(()), |name| {
        let text = format!("`{name}` is not known here.");
        Err(ApiError::new(Code::UnsupportedParameter, text).at(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_is_read_as_it_is_meant_or_not_at_all() {
        let param = |body: Value| create(body).map(|_| ()).map_err(|error| error.param.unwrap_or_default());
        let cases = [
            (json!({}), Ok(())),
            (json!({"name": "x", "scopes": ["chat"], "tools": [], "expires_in": 60}), Ok(())),
            (json!({"expires_at": 4_102_444_800_u64, "tools": null}), Ok(())),
            (json!({"scopes": ["root"]}), Err("scopes")),
            (json!({"scopes": "chat"}), Err("scopes")),
            (json!({"tools": [1]}), Err("tools")),
            (json!({"expires_at": "tomorrow"}), Err("expires_at")),
            (json!({"expires_in": -1}), Err("expires_in")),
            (json!({"expires_in": 1, "expires_at": 1}), Err("expires_in")),
            (json!({"expire_in": 1}), Err("expire_in")),
            (json!([]), Err("")),
        ];
        for (body, expected) in cases {
            assert_eq!(param(body.clone()), expected.map_err(str::to_owned), "{body}");
        }
    }

    #[test]
    fn a_change_tells_nothing_from_null() {
        let change = |body| change(body).unwrap();
        assert!(matches!(change(json!({})), KeyChange { tools: None, expires_at: None, .. }));
        let open = change(json!({"tools": null, "expires_at": null}));
        assert!(matches!(open, KeyChange { tools: Some(None), expires_at: Some(None), .. }));
        assert!(super::change(json!({"scopes": []})).is_err(), "no scope at all is not the usual ones");
    }

    #[test]
    fn an_overlap_has_an_end() {
        assert_eq!(overlap(json!({"overlap": 60})).unwrap(), Duration::from_secs(60));
        assert_eq!(overlap(json!({})).unwrap(), Duration::ZERO);
        for wrong in [json!(-1), json!("1h"), json!(1.5), json!(u64::MAX)] {
            assert!(overlap(json!({ "overlap": wrong })).is_err(), "{wrong}");
        }
    }
}
