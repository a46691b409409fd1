//! Identifiers. Each is proof that its text was checked; inside the program no raw string means an id.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, sync::Arc};

/// Why a text is not the id it claims to be; the message is fit for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdError(pub &'static str);

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for IdError {}

/// An id of 16 bytes, a UUID of version 7 (RFC 9562): ids of one process sort by their time of birth.
macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            #[must_use]
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self {
                Self(*uuid::Uuid::now_v7().as_bytes())
            }

            /// `None` unless the text is the prefix and 32 lower-case hexadecimal digits.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let hex = text.strip_prefix($prefix)?;
                let plain = hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                plain.then(|| uuid::Uuid::try_parse(hex).ok()).flatten().map(|id| Self(*id.as_bytes()))
            }

            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// The 32 digits without the prefix: ids that are derived from this one are built on it.
            #[must_use]
            pub fn hex(&self) -> String {
                uuid::Uuid::from_bytes(self.0).simple().to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut digits = uuid::Uuid::encode_buffer();
                f.write_str($prefix)?;
                f.write_str(uuid::Uuid::from_bytes(self.0).simple().encode_lower(&mut digits))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(d)?;
                Self::parse(&text).ok_or_else(|| de::Error::custom(concat!("not a `", $prefix, "` id")))
            }
        }
    };
}

uuid_id!(
    /// One execution of a turn.
    RunId,
    "run_"
);
uuid_id!(
    /// One question to a person.
    ApprovalId,
    "apr_"
);
uuid_id!(
    /// One response: a view of the run with the same bytes.
    ResponseId,
    "resp_"
);

impl From<RunId> for ResponseId {
    fn from(run: RunId) -> Self {
        Self(run.0)
    }
}

impl From<ResponseId> for RunId {
    fn from(response: ResponseId) -> Self {
        Self(response.0)
    }
}

uuid_id!(
    /// The messages of one life of a session: an id that is used again after a deletion does not find the old ones.
    TranscriptId,
    "trn_"
);

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(d)?;
                Self::parse(&text).map_err(de::Error::custom)
            }
        }
    };
}

text_id!(
    /// A transcript. The text is the client's own, so it is checked as the reference checks it.
    SessionId
);
text_id!(
    /// A tenant.
    ProfileName
);
text_id!(
    /// The public part of a key; `env` is the one from `API_SERVER_KEY`.
    KeyId
);

impl SessionId {
    /// Longest session id, in characters.
    pub const MAX: usize = 256;

    /// # Errors
    ///
    /// Over 256 characters, or CR, LF, NUL, `..`, `/`, `\` or a drive prefix (`C:`) in it; or `.`, which no URL reaches.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let text = text.trim();
        if text.chars().count() > Self::MAX {
            return Err(IdError("Session ID too long"));
        }
        let bytes = text.as_bytes();
        let drive = bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':';
        if text.is_empty()
            || text == "."
            || drive
            || text.contains("..")
            || text.contains(['\r', '\n', '\0', '/', '\\'])
        {
            return Err(IdError("Invalid session ID"));
        }
        Ok(Self(text.into()))
    }
}

impl SessionId {
    /// Under which an MCP server of a profile, a process, has its temporary folder. No request can name it.
    #[must_use]
    pub fn of_mcp_server(server: &str) -> Self {
        Self(format!("mcp/{server}").into())
    }
}

impl From<RunId> for SessionId {
    /// A run that names no session is its own.
    fn from(run: RunId) -> Self {
        Self(run.to_string().into())
    }
}

impl ProfileName {
    /// Names that a person would take for something else than a profile.
    pub const RESERVED: [&'static str; 6] = ["hermes", "test", "tmp", "root", "sudo", "state"];

    /// # Errors
    ///
    /// Not `[a-z0-9][a-z0-9_-]{0,63}`.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let bytes = text.as_bytes();
        if bytes.is_empty()
            || bytes.len() > 64
            || !bytes.iter().copied().all(plain)
            || matches!(bytes[0], b'_' | b'-')
        {
            return Err(IdError(
                "a profile name is 1 to 64 of a-z, 0-9, `-` and `_`, and begins with a letter or digit",
            ));
        }
        Ok(Self(text.into()))
    }

    /// The profile that the home itself is.
    #[must_use]
    pub fn home() -> Self {
        Self("default".into())
    }
}

/// The id of the key in `.env`.
const ENV: &str = "env";

impl KeyId {
    /// # Errors
    ///
    /// Not 1 to 32 of `[a-z0-9-]`.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if text.is_empty() || text.len() > 32 || !text.bytes().all(plain) {
            return Err(IdError("not a key id"));
        }
        Ok(Self(text.into()))
    }

    /// The key of a profile's `.env`.
    #[must_use]
    pub fn env() -> Self {
        Self(ENV.into())
    }

    #[must_use]
    pub fn is_env(&self) -> bool {
        &*self.0 == ENV
    }

    /// Stands for the command line: whoever has the gateway's user on this machine.
    #[must_use]
    pub fn cli() -> Self {
        Self("cli".into())
    }
}

/// Position of an event in its run's log, from 1. Zero stands for "before the first".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_read_back_as_written_and_nothing_else_does() {
        let id = RunId::new();
        assert_eq!(RunId::parse(&id.to_string()), Some(id));
        for wrong in [
            "",
            "run_",
            "run_nope",
            "apr_00000000000000000000000000000000",
            "run_0000000000000000000000000000000G",
            "run_00000000-0000-0000-0000-00000000000",
        ] {
            assert_eq!(RunId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn session_ids_are_checked_as_the_reference_does() {
        let cases = [
            ("plain", "suite-1", true),
            ("user:colon", "user:1", true),
            ("parent", "../etc", false),
            ("here", ".", false),
            ("with a dot", "a.b", true),
            ("slash", "a/b", false),
            ("drive", "C:x", false),
            ("line", "a\nb", false),
            ("empty", "  ", false),
        ];
        for (case, text, good) in cases {
            assert_eq!(SessionId::parse(text).is_ok(), good, "{case}");
        }
        assert_eq!(SessionId::parse(&"x".repeat(257)), Err(IdError("Session ID too long")));
    }
}
