//! Which session a turn belongs to: one answer for every surface.
//!
//! A session that the request names is *named*: its history is loaded and its turns go one at a time. Without a name a
//! chat gets a *derived* id, a label under which its turns can be found; it never brings a history back.

use crate::{
    actors::Scope,
    domain::{Code, Content, KeyId, OnBusy, SessionId, SessionRef},
    front::{auth::Authorised, error::ApiError, json::Object, options},
};
use actix_web::http::header::{HeaderMap, HeaderName};
use std::fmt::Display;

/// Sent by Open WebUI for each of its users.
const END_USER: HeaderName = HeaderName::from_static("x-openwebui-user-id");

/// Where a request may name its session.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// The session of the path.
    pub route: Option<SessionId>,
    /// `X-Hermes-Session-Id`.
    pub header: Option<SessionId>,
    /// The member `session_id`.
    pub body: Option<SessionId>,
    /// The session of what the request goes on from: a previous response, a conversation.
    pub earlier: Option<SessionId>,
}

impl Named {
    /// The session that is named, if one is.
    ///
    /// # Errors
    ///
    /// Path, header and body name different ones. What the request goes on from yields to them.
    pub fn session(self) -> Result<Option<SessionRef>, ApiError> {
        let Self { route, header, body, earlier } = self;
        let mut said = [("path", route), ("X-Hermes-Session-Id", header), ("session_id", body)]
            .into_iter()
            .filter_map(|(place, id)| Some((place, id?)));
        let Some((place, id)) = said.next() else {
            return Ok(earlier.map(named));
        };
        match said.find(|(_, other)| *other != id) {
            None => Ok(Some(named(id))),
            Some((other, _)) => {
                let message = format!("`{place}` and `{other}` name two different sessions; name one.");
                Err(ApiError::new(Code::InvalidSessionId, message).at(other))
            }
        }
    }
}

const fn named(id: SessionId) -> SessionRef {
    SessionRef { id, named: true }
}

/// A session id in the member `name` of a body.
///
/// # Errors
///
/// 400 that names the member.
pub fn member(text: Option<&str>, name: &str) -> Result<Option<SessionId>, ApiError> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    let id =
        SessionId::parse(text).map_err(|error| ApiError::new(Code::InvalidSessionId, error.0).at(name))?;
    Ok(Some(id))
}

/// The member `on_busy` of a body.
///
/// # Errors
///
/// 400 that lists what there is.
pub fn on_busy<P: Display>(body: &mut Object<P>) -> Result<Option<OnBusy>, ApiError> {
    let name = "on_busy";
    let refuse = || ApiError::invalid(name, format!("`{name}` must be {}", OnBusy::expected()));
    body.string(name)?.map(|text| OnBusy::parse(&text).ok_or_else(refuse)).transpose()
}

/// How a conversation without a name begins.
pub struct Opening<'a> {
    pub key: &'a KeyId,
    /// Whose it is, where many people come with one key.
    pub end_user: Option<&'a str>,
    pub system: Option<&'a str>,
    pub first: &'a Content,
}

impl Opening<'_> {
    /// A label for the conversation: the same opening of the same person with the same key is the same conversation.
    pub fn label(&self) -> Option<SessionRef> {
        let mut hasher = blake3::Hasher::new();
        for part in [self.key.as_str(), self.end_user.unwrap_or_default(), self.system.unwrap_or_default()] {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part.as_bytes());
        }
        // Written straight into the hash: an opening may be megabytes of image.
        serde_json::to_writer(&mut hasher, self.first).ok()?;
        let hex = hasher.finalize().to_hex();
        let id = SessionId::parse(&["api-", hex.get(..16)?].concat()).ok()?;
        Some(SessionRef { id, named: false })
    }
}

/// The person behind the key: as the request itself says, else as a frontend says whose key may speak for others.
pub fn end_user<'a>(auth: &Authorised, headers: &'a HeaderMap, member: Option<&'a str>) -> Option<&'a str> {
    let told =
        || auth.require(Scope::Impersonate).ok().and_then(|()| options::text(headers, &END_USER).ok()?);
    member.filter(|user| !user.is_empty()).or_else(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Option<SessionId> {
        SessionId::parse(text).ok()
    }

    #[test]
    fn a_session_is_named_once_or_with_one_voice() {
        let cases = [
            ("nobody", Named::default(), Ok(None)),
            ("header", Named { header: id("a"), ..Named::default() }, Ok(Some("a"))),
            ("one voice", Named { header: id("a"), body: id("a"), ..Named::default() }, Ok(Some("a"))),
            ("earlier", Named { earlier: id("e"), ..Named::default() }, Ok(Some("e"))),
            ("a name wins", Named { body: id("a"), earlier: id("e"), ..Named::default() }, Ok(Some("a"))),
            ("two", Named { header: id("a"), body: id("b"), ..Named::default() }, Err("session_id")),
            (
                "path",
                Named { route: id("a"), header: id("b"), ..Named::default() },
                Err("X-Hermes-Session-Id"),
            ),
        ];
        for (case, named, expected) in cases {
            let got = named.session();
            let got = got.as_ref().map(|session| session.as_ref().map(|session| session.id.as_str()));
            assert_eq!(got.map_err(|error| error.param.as_deref().unwrap_or("")), expected, "{case}");
        }
    }

    #[test]
    fn unrelated_people_never_share_a_label() {
        let key = |id| KeyId::parse(id).unwrap();
        let (one, two) = (key("k1"), key("k2"));
        let (hi, ho) = (Content::Text("hi".to_owned()), Content::Text("ho".to_owned()));
        let base = || Opening { key: &one, end_user: Some("u"), system: Some("s"), first: &hi };
        let label = |opening: Opening<'_>| opening.label().unwrap();
        assert_eq!(label(base()), label(base()));
        assert_eq!(label(base()).id.as_str().len(), "api-".len() + 16);
        for (case, other) in [
            ("key", Opening { key: &two, ..base() }),
            ("person", Opening { end_user: Some("v"), ..base() }),
            ("nobody", Opening { end_user: None, ..base() }),
            ("system", Opening { system: Some("t"), ..base() }),
            ("opening", Opening { first: &ho, ..base() }),
        ] {
            assert_ne!(label(other), label(base()), "{case}");
        }
    }
}
